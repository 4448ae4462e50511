import { seededRandom } from "../../../structure/random.js";
import { parallel } from "../combinators.js";
import { windows } from "../windows.js";
import { type Task, user } from "./task.js";

/** Sorting: numbers with two decimals. A model sorts each part, the program merges. A part whose answer is no list of numbers stays as
 *  it came and counts as unread. Error: the largest difference at a place; 1 where numbers were lost or made up. */

export const sorting: Task<readonly number[], readonly number[]> = {
  name: "sorting",
  title: "numbers from small to large",
  unit: "numbers",
  leastPart: 2,
  sizeOf: (numbers) => numbers.length,
  firstRound: (numbers, size) =>
    windows(numbers.length, size).map(({ start, end }) => ({
      messages: question(numbers.slice(start, end)),
      maxTokens: 16 + 8 * (end - start),
    })),
  async solve(numbers, size, context) {
    const spans = windows(numbers.length, size);
    const calls = sorting.firstRound(numbers, size);
    const lists = await parallel(
      context,
      "part",
      calls,
      async (part, inner) => lastList((await inner.ask(part)).text),
      (all) => all,
    );
    const known = lists.map((list, i) => list ?? numbers.slice(spans[i]!.start, spans[i]!.end));
    return { answer: mergeAll(known), unread: lists.filter((list) => list === undefined).length };
  },
  error(answer, truth) {
    if (answer.length !== truth.length) return 1;
    return Math.max(0, ...answer.map((value, i) => Math.abs(value - truth[i]!)));
  },
  draw(size, seed) {
    const random = seededRandom(seed);
    const input = Array.from({ length: size }, () => random.below(101) / 100);
    return { input, truth: [...input].sort((a, b) => a - b) };
  },
};

function question(numbers: readonly number[]) {
  const shown = numbers.map((value) => value.toFixed(2)).join(", ");
  return user(`Sort these numbers from the smallest to the largest. Answer with the list only.\n\n[${shown}]`);
}

/** The last list in a reply, read as JSON and never run. */
export function lastList(text: string): number[] | undefined {
  const found = text.match(/\[[^[\]]*\]/g)?.at(-1);
  if (found === undefined) return;
  try {
    const value = JSON.parse(found) as unknown;
    return Array.isArray(value) && value.every((one) => typeof one === "number") ? (value as number[]) : undefined;
  } catch {
    return;
  }
}

/** Neighbouring lists two by two, level by level. */
export function mergeAll(lists: readonly (readonly number[])[]): readonly number[] {
  let left = lists;
  while (left.length > 1) {
    left = Array.from({ length: Math.ceil(left.length / 2) }, (_, i) => merge(left[2 * i]!, left[2 * i + 1] ?? []));
  }
  return left[0] ?? [];
}

function merge(a: readonly number[], b: readonly number[]): number[] {
  const merged: number[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (j >= b.length || (i < a.length && a[i]! <= b[j]!)) merged.push(a[i++]!);
    else merged.push(b[j++]!);
  }
  return merged;
}
