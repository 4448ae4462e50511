import { parallel } from "../combinators.js";
import { windows } from "../windows.js";
import { type PasscodeText, scatteredPasscode } from "./passcodes.js";
import { lastList } from "./sorting.js";
import { askOnce, type Task, user } from "./task.js";

/** Copying, then answering (RAG in one program): each window gives the sentences that matter, what holds no digit is dropped, and one
 *  last call answers from the rest. An answer that cannot be read is "000000", and unread. Error: share of wrong digits. */

const copyTokens = 160;
const answerTokens = 32;
const sentence = 60;

export const copying: Task<PasscodeText, string> = {
  name: "rag",
  title: "copy what matters from every window, then answer",
  unit: "characters",
  leastPart: 2 * sentence,
  sizeOf: ({ text }) => text.length,
  firstRound: ({ text, of }, size) =>
    windows(text.length, size, Math.ceil(size / 2)).map(({ start, end }) => ({
      messages: copyPrompt(text.slice(start, end), of),
      maxTokens: copyTokens,
    })),
  async solve(input, size, context) {
    const copies = await parallel(
      context,
      "window",
      copying.firstRound(input, size),
      async (window, inner) => (await inner.ask(window)).text.trim(),
      (all) => all.filter((copy) => /\d/.test(copy)),
    );
    const reply = await askOnce(context, "answer", answerPrompt(copies.join(" ... "), input.of), answerTokens);
    const list = lastList(reply)?.filter((digit) => Number.isInteger(digit) && digit >= 0 && digit <= 9);
    const code = list?.length === 6 ? list.join("") : /\b\d{6}\b/.exec(reply)?.[0];
    return { answer: code ?? "000000", unread: code === undefined ? 1 : 0 };
  },
  error: (answer, truth) => [...truth].filter((digit, i) => answer[i] !== digit).length / truth.length,
  draw(size, seed) {
    const { text, of, code } = scatteredPasscode(size, seed);
    return { input: { text, of }, truth: code };
  },
};

export function copyPrompt(text: string, of: string) {
  return user(
    `${text}\n\nCopy all sentences about the passcode to the ${of}, word for word, and nothing else. If there are none, answer: None`,
  );
}

export function answerPrompt(copies: string, of: string) {
  return user(
    `${copies === "" ? "(nothing was found)" : copies}\n\nWhat are the six digits of the passcode to the ${of}, in order? Answer with a list such as [1, 2, 3, 4, 5, 6]; put 0 for a digit that is not given.`,
  );
}
