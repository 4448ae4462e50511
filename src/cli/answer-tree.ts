import type { DecodeEvent } from "../decode/decoder.js";
import type { Answer } from "../generate-options.js";
import { wrap } from "./layout.js";

/** Several answers as a tree on the terminal: what they have in common stands once, above the places where they part. */

export interface AnswerSegment {
  readonly id: number;
  readonly from: number;
  readonly tokens: readonly number[];
}

interface Branch {
  readonly tokens: number[];
  readonly children: Branch[];
  /** The answer that ends here, and its number. */
  answer?: { readonly number: number; readonly answer: Answer };
}

/** Collects the segments that a decoder tells of. */
export function segmentCollector(): { readonly segments: AnswerSegment[]; watch(event: DecodeEvent): void } {
  const segments: AnswerSegment[] = [];
  return {
    segments,
    watch: (event) => {
      if (event.kind === "branch") segments.push({ id: event.branch, from: event.from, tokens: event.tokens });
    },
  };
}

export function answerTree(
  answers: readonly Answer[],
  segments: readonly AnswerSegment[],
  { columns, decode }: { columns: number; decode(tokens: readonly number[]): string },
): string[] {
  const root = treeOf(answers, new Map(segments.map((segment) => [segment.id, segment.tokens])));
  return root.children.flatMap((child, i) => linesOf(child, "", i === root.children.length - 1, { columns, decode }));
}

function treeOf(answers: readonly Answer[], texts: ReadonlyMap<number, readonly number[]>): Branch {
  const root: Branch = { tokens: [], children: [] };
  const nodes = new Map<string, Branch>();
  for (const [index, answer] of answers.entries()) {
    const { path = [0, index + 1] } = answer;
    let at = root;
    let key = "";
    for (const id of path.slice(1)) {
      key += ` ${id}`;
      let node = nodes.get(key);
      if (node === undefined) {
        // Without segments to show, an answer is one piece.
        node = { tokens: [...(texts.get(id) ?? (path.length === 2 ? answer.tokens : []))], children: [] };
        nodes.set(key, node);
        at.children.push(node);
      }
      at = node;
    }
    at.answer = { number: index + 1, answer };
  }
  return root;
}

/** A branch and those below it; a lone continuation is one piece with what it continues. */
function linesOf(
  branch: Branch,
  indent: string,
  isLast: boolean,
  look: { columns: number; decode(tokens: readonly number[]): string },
): string[] {
  const tokens = [...branch.tokens];
  let end = branch;
  while (end.children.length === 1 && end.answer === undefined) {
    end = end.children[0] as Branch;
    tokens.push(...end.tokens);
  }
  const below = `${indent}${isLast ? "   " : "│  "}`;
  const width = Math.max(20, Math.min(look.columns, 100) - below.length);
  const text = look.decode(tokens).trim();
  const lines = text.split("\n").flatMap((line) => wrap(line, width));
  if (end.answer !== undefined) lines.push(summary(end.answer));
  const shown = lines.map((line, i) => `${i === 0 ? `${indent}${isLast ? "└─ " : "├─ "}` : below}${line}`.trimEnd());
  return [...shown, ...end.children.flatMap((child, i) => linesOf(child, below, i === end.children.length - 1, look))];
}

function summary({ number, answer }: { number: number; answer: Answer }): string {
  const { weight, logProb, reason, finishReason, regrown } = answer;
  return [
    `[${number}]`,
    ...(regrown === true ? ["regrown"] : weight === undefined ? [] : [`weight ${Number(weight.toPrecision(3))}`]),
    `log-probability ${logProb.toFixed(1)}`,
    reason ?? finishReason,
  ].join("  ");
}
