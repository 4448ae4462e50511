import type { RandomStream } from "../../tensor/random.js";
import { between, checkedRange, defineTask, type Example, endSymbol, pick, questionOf, type Task } from "./task.js";

/** Needle: letters, and somewhere among them one key of digits with its value, `#12:345`; at the end the key is asked. The rest says
 *  nothing. With distractors there are several such pairs and one is asked. Measures: length, how deep the needle lies in percent,
 *  distractors. */

export interface NeedleOptions {
  /** Letters around the needle; default 16 to 64. */
  readonly lengths?: readonly [number, number];
  /** Most other pairs; default 3. */
  readonly distractors?: number;
  /** Most letters of the edge set `longer`; default four times the most. */
  readonly longest?: number;
}

const letters = [..."abcdefghijklmnopqrstuvwxyz"];
const pairSymbols = 7;

export function needle(options: NeedleOptions = {}): Task {
  const { lengths = [16, 64], distractors = 3 } = options;
  const { longest = 4 * lengths[1] } = options;
  checkedRange("letters of needle", lengths);
  checkedRange("more letters of needle", [lengths[1] + 1, longest]);
  checkedRange("distractors of needle", [distractors, 20], 0);
  const between01 = (random: RandomStream): number => random.uniform();
  return defineTask({
    name: "needle",
    title: "the one fact in a text that says nothing",
    vocabulary: [...letters, ..."0123456789#:?=", endSymbol],
    longest: lengths[1] + pairSymbols * (distractors + 1) + 9,
    propose: (random) => hide(random, between(random, ...lengths), random.below(distractors + 1), between01(random)),
    inRange: ({ measures }) => (measures["length"] ?? 0) <= lengths[1] && (measures["distractors"] ?? 0) <= distractors,
    edges: {
      longer: (random) =>
        hide(random, between(random, lengths[1] + 1, longest), random.below(distractors + 1), between01(random)),
      first: (random) => hide(random, between(random, ...lengths), random.below(distractors + 1), 0),
      last: (random) => hide(random, between(random, ...lengths), random.below(distractors + 1), 1),
      "more-distractors": (random) =>
        hide(
          random,
          between(random, ...lengths),
          between(random, distractors + 1, 2 * distractors + 2),
          between01(random),
        ),
    },
  });
}

function hide(random: RandomStream, length: number, distractors: number, depth: number): Example {
  const keys = random.shuffled(Array.from({ length: 90 }, (_, i) => String(i + 10))).slice(0, distractors + 1);
  const pairs = keys.map((key) => ({ key, value: String(between(random, 100, 999)) }));
  const text = Array.from({ length }, () => pick(random, letters));
  const places = pairs.map((_, i) => Math.round((i === 0 ? depth : random.uniform()) * length));
  const written: string[] = [];
  for (let at = 0; at <= length; at++) {
    for (const [i, { key, value }] of pairs.entries()) if (places[i] === at) written.push("#", ...key, ":", ...value);
    if (at < length) written.push(text[at] as string);
  }
  const asked = pairs[0] as { key: string; value: string };
  return questionOf([...written, "?", ...asked.key, "="], [...asked.value], {
    length,
    depth: Math.round(100 * depth),
    distractors,
  });
}
