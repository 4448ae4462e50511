import type { NumberOrder } from "./binary-number.js";
import { type FunctionName, recursiveFunction } from "./recursive-function.js";
import { type Asked, type Shortcut, shortcutsFor } from "./shortcuts.js";

/** Which shortcut accounts for what a model says. Of each family the number is chosen on half of the failures and the shares are
 *  taken on the other half, so a family with many members is not credited for having many. */

export interface Observation {
  readonly input: readonly string[];
  /** What the model said; undefined where it could not be read. */
  readonly output: readonly string[] | undefined;
}

export interface Explanation {
  readonly shortcut: string;
  readonly k: number | undefined;
  /** Of the failures it was not chosen on, those where it says what the model said. */
  readonly explained: number;
  /** Of the successes, those where it is right too. */
  readonly onSuccesses: number;
  /** Where it differs from the truth the model should fail: share of such inputs on which it does, and of failures so foretold. */
  readonly precision: number;
  readonly recall: number;
}

export interface Analysis {
  readonly cases: number;
  readonly failures: number;
  /** Most explained first. Empty without failures. */
  readonly explanations: readonly Explanation[];
  /** The first of them, where it explains at least half. */
  readonly named: Explanation | undefined;
}

export const leastNamed = 0.5;

export function explain(
  name: FunctionName,
  asked: Asked,
  observations: readonly Observation[],
  order: NumberOrder = "natural",
): Analysis {
  const judged = observations.map(({ input, output }) => {
    const truth = expected(name, asked, input, order);
    return { input, output, truth, right: output !== undefined && same(output, truth) };
  });
  const failures = judged.filter(({ right }) => !right);
  if (failures.length === 0) return { cases: judged.length, failures: 0, explanations: [], named: undefined };
  const chosenOn = failures.filter((_, place) => place % 2 === 0);
  // A single failure must serve for both.
  const judgedOn = failures.length === 1 ? failures : failures.filter((_, place) => place % 2 === 1);
  const successes = judged.filter(({ right }) => right);
  const says = (shortcut: Shortcut, { input, output }: Observation): boolean => {
    const said = shortcut.apply(input);
    return said !== undefined && output !== undefined && same(said, output);
  };
  const explanations = [...byName(shortcutsFor(name, asked, order))].map((members): Explanation => {
    const scores = members.map((member) => share(chosenOn, (one) => says(member, one)));
    const chosen = members[scores.indexOf(Math.max(...scores))] as Shortcut;
    const foretold = (one: (typeof judged)[number]): boolean => !same(chosen.apply(one.input) ?? [], one.truth);
    return {
      shortcut: chosen.name,
      k: chosen.k,
      explained: share(judgedOn, (one) => says(chosen, one)),
      onSuccesses: share(successes, (one) => says(chosen, one)),
      precision: share(judged.filter(foretold), ({ right }) => !right),
      recall: share(failures, foretold),
    };
  });
  explanations.sort((a, b) => b.explained - a.explained);
  const [best] = explanations;
  const named = best !== undefined && best.explained >= leastNamed ? best : undefined;
  return { cases: judged.length, failures: failures.length, explanations, named };
}

/** What is right: the value, or the state after one step. */
export function expected(
  name: FunctionName,
  asked: Asked,
  input: readonly string[],
  order: NumberOrder = "natural",
): string[] {
  const called = recursiveFunction(name, order);
  return asked === "answer" ? called.evaluate(input) : called.after(input);
}

/** Whether an output is right, for an input that is well formed. */
export function check(
  name: FunctionName,
  asked: Asked,
  input: readonly string[],
  output: readonly string[],
  order: NumberOrder = "natural",
): boolean {
  return same(output, expected(name, asked, input, order));
}

export function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((symbol, place) => symbol === b[place]);
}

function byName(shortcuts: readonly Shortcut[]): Iterable<Shortcut[]> {
  const groups = new Map<string, Shortcut[]>();
  for (const shortcut of shortcuts) groups.set(shortcut.name, [...(groups.get(shortcut.name) ?? []), shortcut]);
  return groups.values();
}

/** NaN of nothing. */
function share<Item>(items: readonly Item[], holds: (item: Item) => boolean): number {
  return items.filter(holds).length / items.length;
}
