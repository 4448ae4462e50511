import { carryDepth, decodeNumber, inOrder, type NumberOrder, successor, successorStates } from "./binary-number.js";
import { readState, reductionStates, type StepKind, step, writeState } from "./reduction.js";
import { readTree, type Traversal, traverse, treeHeight, wrongSymbol } from "./tree.js";

/** The functions of the suite over lists of symbols: what they give, how deep they recurse, and the states of their evaluation. */

export const functionNames = ["succ", "pre", "in", "post"] as const;

export type FunctionName = (typeof functionNames)[number];

export interface RecursiveFunction {
  readonly name: FunctionName;
  /** Of numbers; trees have only one. */
  readonly order: NumberOrder;
  /** Throws `bad-input` with the place of the wrong symbol. */
  evaluate(input: readonly string[]): string[];
  /** Recursive calls below the first for numbers, height for trees. */
  depth(input: readonly string[]): number;
  /** From the call to its value, both included. */
  states(input: readonly string[], kind?: StepKind): string[][];
  /** The state after one step. */
  after(state: readonly string[], kind?: StepKind): string[];
}

export function recursiveFunction(name: FunctionName, order: NumberOrder = "natural"): RecursiveFunction {
  return name === "succ" ? successorIn(order) : traversalOf(name);
}

function successorIn(order: NumberOrder): RecursiveFunction {
  return {
    name: "succ",
    order,
    evaluate: (input) => successor(input, order),
    depth(input) {
      decodeNumber(input, order);
      return carryDepth(input, order);
    },
    states: (input) => successorStates(input, order),
    after: (state) => inOrder(successorStep(inOrder(state, order)), order),
  };
}

function traversalOf(name: Traversal): RecursiveFunction {
  return {
    name,
    order: "natural",
    evaluate: (input) => traverse(readTree(input), name),
    depth: (input) => treeHeight(readTree(input)),
    states: (input, kind) => reductionStates(readTree(input), name, kind).map(writeState),
    after: (state, kind) => writeState(step(readState(state), name, kind)),
  };
}

/** In natural order: what is finished, `s`, what is left. */
function successorStep(state: readonly string[]): string[] {
  const at = state.indexOf("s");
  if (at < 0) return [...state];
  const [done, rest] = [state.slice(0, at), state.slice(at + 1)];
  const wrong = done.findIndex((symbol) => symbol !== "X0");
  if (wrong >= 0) throw wrongSymbol(state, wrong, "X0");
  const [, next] = successorStates(rest) as [string[], string[]];
  return [...done, ...next];
}
