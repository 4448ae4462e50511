import type { RandomStream } from "../../tensor/random.js";
import { between, checkedRange, defineTask, type Example, endSymbol, pick, question, type Task } from "./task.js";

/** Copy: `4071=` is answered `4071`. Tells how a model finds places: a shift by a fixed distance within one length, and by another in
 *  the next. Measures: length. */

export interface DigitsOptions {
  /** Default 1 to 20. */
  readonly lengths?: readonly [number, number];
  /** Longest of the edge set `longer`; default three times the longest. */
  readonly longest?: number;
}

export function copy(options: DigitsOptions = {}): Task {
  return digitsTask("copy", "the same digits again", (digits) => digits, options);
}

const digits = [..."0123456789"];

/** What copy and reverse share: digits, an equals sign, and the digits again, arranged. */
export function digitsTask(
  name: string,
  title: string,
  arranged: (digits: string) => string,
  { lengths = [1, 20], longest = 3 * lengths[1] }: DigitsOptions,
): Task {
  checkedRange(`lengths of ${name}`, lengths);
  checkedRange(`longer lengths of ${name}`, [lengths[1] + 1, longest]);
  const example = (text: string): Example => question(`${text}=`, arranged(text), { length: text.length });
  const random = (stream: RandomStream, from: readonly string[], least: number, most: number): string =>
    Array.from({ length: between(stream, least, most) }, () => pick(stream, from)).join("");
  return defineTask({
    name,
    title,
    vocabulary: [...digits, "=", endSymbol],
    longest: 2 * lengths[1] + 2,
    propose: (stream) => example(random(stream, digits, ...lengths)),
    inRange: ({ measures }) => (measures["length"] ?? 0) <= lengths[1],
    // All the same or only two different digits: found by content no place can be told from another.
    rare: ({ key }) => new Set(key).size <= 2,
    edges: {
      longer: (stream) => example(random(stream, digits, lengths[1] + 1, longest)),
      "one-digit": (stream) => example(random(stream, [pick(stream, digits)], ...lengths)),
      "two-digits": (stream) => example(random(stream, stream.shuffled(digits).slice(0, 2), ...lengths)),
    },
  });
}
