import { seededRandom } from "../../../structure/random.js";
import { parallel } from "../combinators.js";
import { windows } from "../windows.js";
import { type Task, user } from "./task.js";

/** Counting: how many characters of a text are digits. Parts do not overlap, counts are added; the error is relative to the text's
 *  length. A part whose answer holds no number counts as 0 and as unread. */

const answerTokens = 8;

export const counting: Task<string, number> = {
  name: "counting",
  title: "how many characters are digits",
  unit: "characters",
  leastPart: 1,
  sizeOf: (text) => text.length,
  firstRound: (text, size) =>
    windows(text.length, size).map(({ start, end }) => ({
      messages: question(text.slice(start, end)),
      maxTokens: answerTokens,
    })),
  async solve(text, size, context) {
    const parts = counting.firstRound(text, size);
    const counts = await parallel(
      context,
      "part",
      parts,
      async (part, inner) => lastInteger((await inner.ask(part)).text),
      (all) => all,
    );
    return {
      answer: counts.reduce<number>((sum, count) => sum + (count ?? 0), 0),
      unread: counts.filter((count) => count === undefined).length,
    };
  },
  /** Of a text of known length it would be divided by that; here by the true count, which is of the same order. */
  error: (answer, truth) => Math.abs(answer - truth) / Math.max(1, truth),
  draw(size, seed) {
    const random = seededRandom(seed);
    const share = 0.3 + 0.4 * random.uniform();
    let text = "";
    let truth = 0;
    for (let i = 0; i < size; i++) {
      const digit = random.uniform() < share;
      if (digit) truth += 1;
      text += digit ? String(random.below(10)) : String.fromCharCode(97 + random.below(26));
    }
    return { input: text, truth };
  },
};

function question(text: string) {
  return user(`How many of these characters are digits? Answer with one number.\n\n${text}`);
}

export function lastInteger(text: string): number | undefined {
  const found = text.match(/\d+/g)?.at(-1);
  const value = Number(found);
  return found === undefined || !Number.isSafeInteger(value) ? undefined : value;
}
