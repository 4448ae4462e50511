import { QuireError } from "../../errors.js";
import type { RandomStream } from "../../tensor/random.js";
import {
  carryDepth,
  inOrder,
  type NumberOrder,
  successor as plusOne,
  successorStates,
} from "../recursion/binary-number.js";
import { between, checkedRange, defineTask, type Example, endSymbol, questionOf, type Task } from "./task.js";

/** Successor of binary numbers (structural recursion): `110#=` is answered `001#`. One character a symbol: `0` is X0 (twice), `1` is X1
 *  (twice and one more), `#` is one; the innermost constructor `#` stands last in natural order and first in reverse order.
 *  Bits are uniform, so a carry of depth d comes with probability 2^(-d-1): random numbers hide what deep ones show. With `edgeShare`
 *  a share of the examples has its depth drawn uniformly instead. Forms: the answer, one step of the evaluation, or all of them.
 *  Measures: length of the input, depth. */

export const recursionForms = ["answer", "step", "trace"] as const;

export type RecursionForm = (typeof recursionForms)[number];

export interface SuccessorOptions {
  readonly order?: NumberOrder;
  readonly form?: RecursionForm;
  /** Symbols of an input; default 1 to 12. */
  readonly lengths?: readonly [number, number];
  /** Longest of the edge set `longer`; default 8 more. */
  readonly longest?: number;
  /** 0 to 0.5; default 0. */
  readonly edgeShare?: number;
}

const spelled: Readonly<Record<string, string>> = { X0: "0", X1: "1", "01": "#" };
const meant: Readonly<Record<string, string>> = { "0": "X0", "1": "X1", "#": "01" };

/** From the suite's symbols to the characters of the task, and back. Others stay what they are. */
export function spellNumber(symbols: readonly string[]): string[] {
  return symbols.map((symbol) => spelled[symbol] ?? symbol);
}

export function readNumber(characters: readonly string[]): string[] {
  return characters.map((character) => meant[character] ?? character);
}

export function successor(options: SuccessorOptions = {}): Task {
  const { order = "natural", form = "answer", lengths = [1, 12], edgeShare = 0 } = options;
  const { longest = lengths[1] + 8 } = options;
  checkedRange("lengths of successor", lengths);
  checkedRange("longer lengths of successor", [lengths[1] + 1, longest]);
  checkedShare(edgeShare);
  const draw = (random: RandomStream, natural: readonly string[]): Example =>
    asked(inOrder(natural, order), order, form, random);
  const anyLength = (random: RandomStream): number => between(random, ...lengths);
  return defineTask({
    name: ["succ", ...(order === "reverse" ? [order] : []), ...(form === "answer" ? [] : [form])].join("-"),
    title: "the next binary number",
    vocabulary: ["0", "1", "#", "s", ";", "=", endSymbol],
    longest:
      form === "answer"
        ? 2 * lengths[1] + 3
        : form === "step"
          ? 2 * lengths[1] + 5
          : (lengths[1] + 2) * (lengths[1] + 3),
    propose(random) {
      const length = anyLength(random);
      return draw(
        random,
        random.uniform() < edgeShare ? ofDepth(random, length, random.below(length)) : bits(random, length),
      );
    },
    inRange: ({ measures }) => (measures["length"] ?? 0) <= lengths[1],
    // Carries through all bits, or all but one: one or two inputs of each length.
    rare: ({ measures }) => (measures["length"] ?? 0) > 2 && (measures["depth"] ?? 0) >= (measures["length"] ?? 0) - 2,
    edges: {
      /** Every length and depth equally often. */
      "by-depth": (random) => {
        const length = anyLength(random);
        return draw(random, ofDepth(random, length, random.below(length)));
      },
      "all-carry": (random) => {
        const length = anyLength(random);
        return draw(random, ofDepth(random, length, length - 1));
      },
      "almost-carry": (random) => {
        const length = between(random, Math.min(Math.max(lengths[0], 3), lengths[1]), lengths[1]);
        const half = Math.floor((length - 1) / 2);
        return draw(random, ofDepth(random, length, between(random, half, Math.max(half, length - 2))));
      },
      longer: (random) => {
        const length = between(random, lengths[1] + 1, longest);
        return draw(random, ofDepth(random, length, random.below(length)));
      },
      "longer-natural": (random) => draw(random, bits(random, between(random, lengths[1] + 1, longest))),
    },
  });
}

function bits(random: RandomStream, length: number): string[] {
  return [...Array.from({ length: length - 1 }, () => (random.below(2) === 0 ? "X0" : "X1")), "01"];
}

/** Carries exactly so deep; all of it at length - 1. */
function ofDepth(random: RandomStream, length: number, depth: number): string[] {
  const front = new Array<string>(depth).fill("X1");
  if (depth === length - 1) return [...front, "01"];
  return [...front, "X0", ...bits(random, length - depth - 1)];
}

function asked(input: readonly string[], order: NumberOrder, form: RecursionForm, random: RandomStream): Example {
  const measures = { length: input.length, depth: carryDepth(input, order) };
  if (form === "answer") return ask(input, plusOne(input, order), measures);
  const states = successorStates(input, order);
  if (form === "step") {
    const at = random.below(states.length - 1);
    const [before, after] = states.slice(at, at + 2) as [string[], string[]];
    // All steps of one evaluation belong to one split.
    return ask(before, after, measures, spellNumber(input).join(""));
  }
  return ask(input, joined(states.slice(1)), measures);
}

function ask(
  from: readonly string[],
  to: readonly string[],
  measures: Readonly<Record<string, number>>,
  key = spellNumber(from).join(""),
): Example {
  return questionOf([...spellNumber(from), "="], spellNumber(to), measures, key);
}

/** States one after another, with `;` between them. */
export function joined(states: readonly (readonly string[])[]): string[] {
  return states.flatMap((state, place) => (place === 0 ? state : [";", ...state]));
}

export function checkedShare(edgeShare: number): void {
  if (edgeShare >= 0 && edgeShare <= 0.5) return;
  throw new QuireError("bad-option", `The share of edge cases cannot be ${edgeShare}.`, {
    got: edgeShare,
    expected: "0 to 0.5",
  });
}
