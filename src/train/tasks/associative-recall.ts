import type { RandomStream } from "../../tensor/random.js";
import { between, checkedRange, defineTask, type Example, pick, type Task } from "./task.js";

/** Associative recall with many queries (MQAR): pairs of key and value, then the keys again in another order, each with its value;
 *  only those values are scored. A memory of fixed size must hold every pair. Symbols are `k7` and `v3`. Measures: pairs. */

export interface AssociativeRecallOptions {
  /** Default 4 to 16. */
  readonly pairs?: readonly [number, number];
  /** How many different keys, and values, there are; default 64. */
  readonly symbols?: number;
  /** Most pairs of the edge set `more-pairs`; default twice the most. */
  readonly morePairs?: number;
}

export function associativeRecall(options: AssociativeRecallOptions = {}): Task {
  const { pairs = [4, 16], symbols = 64 } = options;
  const morePairs = options.morePairs ?? Math.min(2 * pairs[1], symbols);
  checkedRange("pairs of associative recall", pairs);
  checkedRange("more pairs of associative recall", [pairs[1] + 1, morePairs]);
  checkedRange("symbols of associative recall", [morePairs, symbols]);
  const keys = Array.from({ length: symbols }, (_, i) => `k${i}`);
  const values = Array.from({ length: symbols }, (_, i) => `v${i}`);
  const draw = (random: RandomStream, count: number, from: readonly string[]): Example =>
    recall(
      random,
      random
        .shuffled(keys)
        .slice(0, count)
        .map((key) => [key, pick(random, from)] as const),
    );
  return defineTask({
    name: "associative-recall",
    title: "the value that was given with each key",
    vocabulary: [...keys, ...values, "|"],
    longest: 4 * pairs[1] + 1,
    propose: (random) => draw(random, between(random, ...pairs), values),
    inRange: ({ measures }) => (measures["pairs"] ?? 0) <= pairs[1],
    edges: {
      "more-pairs": (random) => draw(random, between(random, pairs[1] + 1, morePairs), values),
      /** Two values only: what stands nearby is right half the time, and no more. */
      "two-values": (random) => draw(random, between(random, ...pairs), random.shuffled(values).slice(0, 2)),
    },
  });
}

function recall(random: RandomStream, pairs: readonly (readonly [string, string])[]): Example {
  const queries = random.shuffled(pairs);
  const symbols = [...pairs.flat(), "|", ...queries.flat()];
  const scored = symbols.map((_, place) => place > 2 * pairs.length && (place - 2 * pairs.length - 1) % 2 === 1);
  return { symbols, scored, key: pairs.flat().join(" "), measures: { pairs: pairs.length } };
}
