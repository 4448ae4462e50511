import { isQuireError } from "../../errors.js";
import type { NumberOrder } from "../../train/recursion/binary-number.js";
import { same } from "../../train/recursion/explain.js";
import { type FunctionName, recursiveFunction } from "../../train/recursion/recursive-function.js";
import { readState, type StepKind } from "../../train/recursion/reduction.js";
import { isLabel } from "../../train/recursion/tree.js";

/** Where a model's evaluation first goes wrong, and how. */

export const stepFaults = [
  "wrong rule", // the same labels and calls as there should be, arranged otherwise
  "dropped call",
  "extra call",
  "altered label", // a label, or a bit, that was not there or is gone
  "stopped early",
  "did not stop",
  "format", // no state can be read
] as const;

export type StepFault = (typeof stepFaults)[number];

export interface FirstFault {
  /** Counted from 1. */
  readonly step: number;
  readonly fault: StepFault;
}

export interface Evaluated {
  readonly function: FunctionName;
  readonly order: NumberOrder;
  readonly steps: StepKind;
}

/** Each state is judged by the one that was said before it, so one mistake counts once. Undefined where all are right. */
export function firstFault(
  evaluated: Evaluated,
  start: readonly string[],
  said: readonly (readonly string[] | undefined)[],
): FirstFault | undefined {
  let before = start;
  for (const [place, state] of said.entries()) {
    const step = place + 1;
    if (isFinished(evaluated.function, before)) {
      // The result, written once more.
      if (state !== undefined && same(state, before)) continue;
      return { step, fault: "did not stop" };
    }
    if (state === undefined) return { step, fault: "format" };
    const fault = faultOf(evaluated, before, state);
    if (fault !== undefined) return { step, fault };
    before = state;
  }
  return isFinished(evaluated.function, before) ? undefined : { step: said.length + 1, fault: "stopped early" };
}

export function isFinished(name: FunctionName, state: readonly string[]): boolean {
  return !state.includes(name === "succ" ? "s" : "[");
}

function faultOf(
  { function: name, order, steps }: Evaluated,
  before: readonly string[],
  said: readonly string[],
): StepFault | undefined {
  const right = recursiveFunction(name, order).after(before, steps);
  if (same(right, said)) return;
  if (!isWellFormed(name, said)) return "format";
  const call = name === "succ" ? "s" : "[";
  const calls = (state: readonly string[]): number => state.filter((symbol) => symbol === call).length;
  const [missing, added] = [difference(right, said, name), difference(said, right, name)];
  if (added > 0) return "altered label";
  // A call that is dropped takes its labels along.
  if (calls(said) < calls(right) && (name === "succ" || missing > 0)) return "dropped call";
  if (missing > 0) return "altered label";
  return calls(said) > calls(right) ? "extra call" : "wrong rule";
}

/** Labels, or bits, of one state that the other lacks. */
function difference(of: readonly string[], from: readonly string[], name: FunctionName): number {
  const counted = (symbol: string): boolean => (name === "succ" ? symbol !== "s" : isLabel(symbol));
  const left = [...from];
  let count = 0;
  for (const symbol of of.filter(counted)) {
    const at = left.indexOf(symbol);
    if (at < 0) count += 1;
    else left.splice(at, 1);
  }
  return count;
}

function isWellFormed(name: FunctionName, state: readonly string[]): boolean {
  if (name === "succ") return state.every((symbol) => /^(X0|X1|01|s)$/.test(symbol));
  try {
    readState(state);
    return true;
  } catch (error) {
    if (isQuireError(error)) return false;
    throw error;
  }
}
