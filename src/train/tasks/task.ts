import { QuireError } from "../../errors.js";
import type { RandomStream } from "../../tensor/random.js";

/** A task with exact answers that a small model can learn in minutes. Which inputs are for training and which for tests is a function
 *  of the input alone, so the splits are disjoint however long one draws; edge cases are inputs that random ones hardly ever are, and
 *  none of them is ever drawn for training. */

export type Split = "train" | "validation" | "test";

export interface Example {
  /** One token each, question and answer in the order a model reads and says them. */
  readonly symbols: readonly string[];
  /** For each symbol whether the model must say it: the loss and the score count only these. */
  readonly scored: readonly boolean[];
  /** What is asked, in one spelling: examples of different splits never share it. */
  readonly key: string;
  /** What accuracy can be told apart by: length, depth, hops, ... */
  readonly measures: Readonly<Record<string, number>>;
}

export interface Task {
  readonly name: string;
  readonly title: string;
  /** Every symbol an example may hold. */
  readonly vocabulary: readonly string[];
  /** Most symbols of an example that is drawn; edge cases may be longer. */
  readonly longest: number;
  draw(split: Split, random: RandomStream): Example;
  readonly edgeSets: readonly string[];
  /** At most `count` different examples of an edge set; fewer where there are fewer. */
  edgeCases(set: string, count: number, random: RandomStream): Example[];
}

/** The last symbol of every answer that ends the text. */
export const endSymbol = "\n";

export interface TaskDefinition {
  readonly name: string;
  readonly title: string;
  readonly vocabulary: readonly string[];
  readonly longest: number;
  /** Any example of the training range, whichever split it belongs to. */
  propose(random: RandomStream): Example;
  /** Each proposes an example of its set, from within the training range or beyond it. */
  readonly edges: Readonly<Record<string, (random: RandomStream) => Example>>;
  /** Whether `propose` can make it; what it cannot make belongs to no split. */
  inRange(example: Example): boolean;
  /** Inputs so few that half of them are kept from training, so that tests have some. */
  rare?(example: Example): boolean;
}

const shares = { usual: { test: 0.1, validation: 0.05 }, rare: { test: 0.5, validation: 0 } } as const;
const mostTries = 10_000;

export function defineTask(definition: TaskDefinition): Task {
  const { name, title, vocabulary, longest, propose, edges } = definition;
  const splitOf = (example: Example): Split => {
    const { test, validation } = definition.rare?.(example) ? shares.rare : shares.usual;
    const place = unitHash(`${name} ${example.key}`);
    return place < test ? "test" : place < test + validation ? "validation" : "train";
  };
  return {
    name,
    title,
    vocabulary,
    longest,
    edgeSets: Object.keys(edges),
    draw(split, random) {
      for (let tries = 0; tries < mostTries; tries++) {
        const example = propose(random);
        if (splitOf(example) === split) return example;
      }
      throw new QuireError("bad-option", `${name} has no inputs for ${split}.`, {
        got: `${mostTries} inputs drawn, all of other splits`,
        expected: "a range of inputs wide enough for every split",
        fix: "Widen the range of lengths.",
      });
    },
    edgeCases(set, count, random) {
      const edge = edges[set];
      if (edge === undefined) {
        throw new QuireError("bad-option", `${name} has no edge cases "${set}".`, {
          got: set,
          expected: Object.keys(edges).join(", "),
        });
      }
      const found = new Map<string, Example>();
      // Small sets are drawn until nothing new has come for long.
      for (let barren = 0; found.size < count && barren < 500; barren++) {
        const example = edge(random);
        if (found.has(example.key) || (definition.inRange(example) && splitOf(example) !== "test")) continue;
        found.set(example.key, example);
        barren = 0;
      }
      return [...found.values()];
    },
  };
}

/** One question with one answer after it, one character a symbol; the answer and the end after it are scored. */
export function question(
  prompt: string,
  answer: string,
  measures: Readonly<Record<string, number>>,
  key: string = prompt,
): Example {
  return questionOf([...prompt], [...answer], measures, key);
}

export function questionOf(
  prompt: readonly string[],
  answer: readonly string[],
  measures: Readonly<Record<string, number>>,
  key: string = prompt.join(" "),
): Example {
  const symbols = [...prompt, ...answer, endSymbol];
  return { symbols, scored: symbols.map((_, place) => place >= prompt.length), key, measures };
}

/** From the first scored symbol on all are scored: a prompt can be continued, and the answer compared as a whole. */
export function promptAndAnswer({ symbols, scored }: Example): { prompt: string[]; answer: string[] } | undefined {
  const start = scored.indexOf(true);
  if (start < 0 || scored.includes(false, start)) return;
  return { prompt: symbols.slice(0, start), answer: symbols.slice(start) };
}

/** A whole number range as options give it, checked. */
export function checkedRange(name: string, [least, most]: readonly [number, number], floor = 1): void {
  if (Number.isInteger(least) && Number.isInteger(most) && floor <= least && least <= most) return;
  throw new QuireError("bad-option", `${name} cannot be ${least} to ${most}.`, {
    got: [least, most],
    expected: `whole numbers from ${floor}, the first not above the second`,
  });
}

/** From `least` to `most`, both included. */
export function between(random: RandomStream, least: number, most: number): number {
  return least + random.below(most - least + 1);
}

export function pick<Item>(random: RandomStream, items: readonly Item[]): Item {
  return items[random.below(items.length)] as Item;
}

/** FNV-1a with a final mixing, to [0, 1): the same text has the same place everywhere. */
function unitHash(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35) >>> 0;
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
