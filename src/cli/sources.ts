import type { AnswerEvidence } from "../programs/ask-evidence.js";
import type { SelectionNote } from "../programs/selection.js";
import { lines, oneLine, visibleLength, wrap } from "./layout.js";
import type { Session } from "./session.js";

/** The numbered places under an answer: file, lines, and the words that bear it out. */

const nearestShown = 5;

export function writeSources(session: Session, evidence: readonly AnswerEvidence[], unsupported: boolean): void {
  const { style } = session;
  const cited = evidence.filter((one) => one.cited);
  const shown = cited.length > 0 ? cited : evidence.slice(0, nearestShown);
  if (shown.length === 0) return;
  session.line();
  if (cited.length === 0) session.line(style.dim(unsupported ? "Nearest passages:" : "Passages:"));
  for (const { n, file, startLine, endLine, quote } of shown) {
    const place = `${file}:${lines(startLine, endLine)}`;
    const room = session.columns - visibleLength(`[${n}] ${place}  `);
    if (!session.interactive) session.line(`[${n}] ${place}  "${oneLine(quote, 200)}"`);
    else if (room >= 30)
      session.line(`${style.cyan(`[${n}]`)} ${style.bold(place)}  ${style.dim(`"${oneLine(quote, room - 2)}"`)}`);
    else {
      session.line(`${style.cyan(`[${n}]`)} ${style.bold(place)}`);
      session.line(`    ${style.dim(`"${oneLine(quote, session.columns - 6)}"`)}`);
    }
  }
}

/** Why each passage was chosen, and what else happened while choosing. */
export function writeReasons(
  session: Session,
  evidence: readonly AnswerEvidence[],
  selection: readonly SelectionNote[],
): void {
  const { style } = session;
  session.line();
  session.line(style.dim(`Passages given, best first (${evidence.length}):`));
  for (const { n, file, passage, score, reason, cited } of evidence) {
    const place = `${file}:${lines(passage.startLine, passage.endLine)}`;
    session.line(
      `${style.cyan(`[${n}]`)} ${place}  ${style.dim(`score ${score.toPrecision(3)}${cited ? ", cited" : ""}`)}`,
    );
    for (const line of wrap(reason, session.columns - 4)) session.line(`    ${style.dim(line)}`);
  }
  if (selection.length === 0) return;
  session.line();
  session.line(style.dim("While choosing:"));
  for (const { text } of selection) {
    const [first = "", ...rest] = wrap(text, session.columns - 4);
    session.line(`  - ${style.dim(first)}`);
    for (const line of rest) session.line(`    ${style.dim(line)}`);
  }
}
