import { parallel } from "../combinators.js";
import { windows } from "../windows.js";
import { type PasscodeText, passcodeText } from "./passcodes.js";
import { type Task, user } from "./task.js";

/** Retrieval: one fact in a long text. Windows overlap by half, each gives the fact or "I don't know"; the answer given most often is
 *  taken. Several given equally often are all kept, and the error is 1 − 1/their number. An answer that is neither counts as not
 *  knowing, and as unread. */

const answerTokens = 16;
const sentence = 40;

/** All answers given most often; none where nobody knew. */
export type Candidates = readonly string[];

export const retrieval: Task<PasscodeText, Candidates> = {
  name: "retrieval",
  title: "one fact in a long text",
  unit: "characters",
  leastPart: 2 * sentence,
  sizeOf: ({ text }) => text.length,
  firstRound: ({ text, of }, size) =>
    windows(text.length, size, Math.ceil(size / 2)).map(({ start, end }) => ({
      messages: question(text.slice(start, end), of),
      maxTokens: answerTokens,
    })),
  async solve(input, size, context) {
    const read = await parallel(
      context,
      "window",
      retrieval.firstRound(input, size),
      async (window, inner) => readCode((await inner.ask(window)).text),
      (all) => all,
    );
    const found = read.flatMap((one) => (one === undefined || one === null ? [] : [one]));
    return { answer: mostFrequent(found), unread: read.filter((one) => one === undefined).length };
  },
  error(answer, truth) {
    const [right] = truth;
    if (right === undefined) return answer.length === 0 ? 0 : 1;
    return answer.includes(right) ? 1 - 1 / answer.length : 1;
  },
  draw(size, seed) {
    const { text, of, code } = passcodeText(size, seed);
    return { input: { text, of }, truth: code === undefined ? [] : [code] };
  },
};

/** The same where the text does not hold the fact: not to invent one is right. */
export const retrievalOfNothing: Task<PasscodeText, Candidates> = {
  ...retrieval,
  name: "no-needle",
  title: "a fact that the text does not hold",
  draw(size, seed) {
    const { text, of } = passcodeText(size, seed, true);
    return { input: { text, of }, truth: [] };
  },
};

export function question(text: string, of: string) {
  return user(
    `${text}\n\nWhat is the passcode to the ${of}? Answer with the number only, or "I don't know" if the text does not say.`,
  );
}

/** The code, null for not knowing, undefined for neither. */
export function readCode(text: string): string | null | undefined {
  const code = /\b\d{6}\b/.exec(text)?.[0];
  if (code !== undefined) return code;
  return /don['’]?t know|do not know|not (?:say|mentioned|stated)|unknown/i.test(text) ? null : undefined;
}

function mostFrequent(found: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const one of found) counts.set(one, (counts.get(one) ?? 0) + 1);
  const most = Math.max(0, ...counts.values());
  return [...counts].flatMap(([one, count]) => (count === most ? [one] : []));
}
