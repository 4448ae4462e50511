import type { RandomStream } from "../../tensor/random.js";
import { between, checkedRange, defineTask, type Example, pick, type Task } from "./task.js";

/** Pointer chase: letters that point to letters, `a>c b>a c>c …`, then questions, `b^2` (two hops from b) and its answer `c`. Facts and
 *  questions are one symbol each, so the depth a question needs is its hops and nothing else; spelled out letter by letter this is not
 *  learnt in minutes. Answers are scored. Measures: most hops of its questions; `hopsOf` tells
 *  those of each. */

export interface PointerChaseOptions {
  /** Default 8. */
  readonly letters?: number;
  /** Default 1 to 3. */
  readonly hops?: readonly [number, number];
  /** Questions an example asks; default 8. */
  readonly questions?: number;
  /** Most hops of the edge set `further`; default twice the most. */
  readonly furthest?: number;
}

export function pointerChase(options: PointerChaseOptions = {}): Task {
  const { letters: count = 8, hops = [1, 3], questions = 8 } = options;
  const { furthest = 2 * hops[1] } = options;
  checkedRange("letters of pointer chase", [2, count]);
  checkedRange("letters of pointer chase", [count, 26]);
  checkedRange("hops of pointer chase", hops);
  checkedRange("further hops of pointer chase", [hops[1] + 1, furthest]);
  checkedRange("questions of pointer chase", [1, questions]);
  const letters = Array.from({ length: count }, (_, i) => String.fromCharCode(97 + i));
  const ask = (random: RandomStream, to: readonly string[], least: number, most: number): Example =>
    chase(
      random,
      letters,
      to,
      Array.from({ length: questions }, () => between(random, least, most)),
    );
  const anyMap = (random: RandomStream): string[] => letters.map(() => pick(random, letters));
  return defineTask({
    name: "pointer-chase",
    title: "where a letter leads after some hops",
    vocabulary: [
      ...letters.flatMap((from) => letters.map((to) => `${from}>${to}`)),
      ...letters.flatMap((from) => Array.from({ length: furthest }, (_, i) => `${from}^${i + 1}`)),
      ...letters,
    ],
    longest: count + 2 * questions,
    propose: (random) => ask(random, anyMap(random), ...hops),
    inRange: ({ measures }) => (measures["mostHops"] ?? 0) <= hops[1],
    // Maps are many; those that are one circle or go to one letter are few.
    rare: ({ key }) => isCircle(key.split(" ")) || new Set(key.split(" ").map((fact) => fact.at(-1))).size === 1,
    edges: {
      further: (random) => ask(random, anyMap(random), hops[1] + 1, furthest),
      /** All letters on one circle: no two roads meet, so nothing can be guessed from where most of them lead. */
      circle: (random) => ask(random, circle(random, letters), ...hops),
      "one-sink": (random) => {
        const sink = pick(random, letters);
        return ask(
          random,
          letters.map(() => sink),
          ...hops,
        );
      },
    },
  });
}

/** Of an example: how many hops each question asks, by the place of its answer. */
export function hopsOf({ symbols, scored }: Example): Map<number, number> {
  const places = scored.flatMap((is, place) => (is ? [place] : []));
  return new Map(places.map((place) => [place, Number(symbols[place - 1]?.split("^")[1])]));
}

function chase(random: RandomStream, letters: readonly string[], to: readonly string[], hops: number[]): Example {
  const leads = new Map(letters.map((from, i) => [from, to[i] as string]));
  const facts = letters.map((from) => `${from}>${leads.get(from)}`);
  const symbols: string[] = random.shuffled(facts);
  for (const count of hops) {
    const from = pick(random, letters);
    let at = from;
    for (let hop = 0; hop < count; hop++) at = leads.get(at) as string;
    symbols.push(`${from}^${count}`, at);
  }
  const scored = symbols.map((_, place) => place >= facts.length && (place - facts.length) % 2 === 1);
  // The map alone decides the split: a map that is tested was never seen, however it was asked.
  return { symbols, scored, key: facts.join(" "), measures: { mostHops: Math.max(...hops) } };
}

function circle(random: RandomStream, letters: readonly string[]): string[] {
  const round = random.shuffled(letters);
  return letters.map((from) => round[(round.indexOf(from) + 1) % round.length] as string);
}

function isCircle(facts: readonly string[]): boolean {
  const leads = new Map(facts.map((fact) => [fact.charAt(0), fact.at(-1) as string]));
  let at = facts[0]?.charAt(0) as string;
  for (let hop = 1; hop < facts.length; hop++) {
    at = leads.get(at) as string;
    if (at === facts[0]?.charAt(0)) return false;
  }
  return leads.get(at) === facts[0]?.charAt(0);
}
