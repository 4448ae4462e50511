import { isLabel, readTreeAt, type Traversal, type Tree, treeHeight, writeTree, wrongSymbol } from "./tree.js";

/** A traversal evaluated by small steps. A state is a list of labels and pending calls `[ tree ]`; a step rewrites each pending call
 *  once ("level"), or only the first ("leftmost"): in preorder `[ ( v L R ) ]` becomes `v [ L ] [ R ]`. A call on the empty tree
 *  vanishes at once. Without calls the state is the traversal. Level steps are as many as the tree is high. */

export type StepKind = "level" | "leftmost";

/** A label, or a tree on which a call is pending. */
export type StateItem = string | { readonly call: Tree };

export function startState(tree: Tree): StateItem[] {
  return pending(tree);
}

export function isFinished(state: readonly StateItem[]): boolean {
  return state.every((item) => typeof item === "string");
}

export function step(state: readonly StateItem[], order: Traversal, kind: StepKind = "level"): StateItem[] {
  let stepped = false;
  return state.flatMap((item) => {
    if (typeof item === "string" || item.call === null || (stepped && kind === "leftmost")) return [item];
    stepped = true;
    const [value, left, right] = [[item.call.label], pending(item.call.left), pending(item.call.right)];
    if (order === "pre") return [...value, ...left, ...right];
    return order === "in" ? [...left, ...value, ...right] : [...left, ...right, ...value];
  });
}

/** All states, first and last included. */
export function reductionStates(tree: Tree, order: Traversal, kind: StepKind = "level"): StateItem[][] {
  const states = [startState(tree)];
  for (let last = states[0] as StateItem[]; !isFinished(last); states.push(last)) last = step(last, order, kind);
  return states;
}

/** Level steps to the end. */
export function stepsLeft(state: readonly StateItem[]): number {
  return Math.max(0, ...state.map((item) => (typeof item === "string" ? 0 : treeHeight(item.call))));
}

export function writeState(state: readonly StateItem[]): string[] {
  return state.flatMap((item) => (typeof item === "string" ? [item] : ["[", ...writeTree(item.call), "]"]));
}

export function readState(symbols: readonly string[]): StateItem[] {
  const state: StateItem[] = [];
  for (let at = 0; at < symbols.length; ) {
    const symbol = symbols[at] as string;
    if (symbol === "[") {
      const { tree, end } = readTreeAt(symbols, at + 1);
      if (symbols[end] !== "]") throw wrongSymbol(symbols, end, "]");
      state.push({ call: tree });
      at = end + 1;
    } else {
      if (!isLabel(symbol)) throw wrongSymbol(symbols, at, "a label or [");
      state.push(symbol);
      at += 1;
    }
  }
  return state;
}

function pending(tree: Tree): StateItem[] {
  return tree === null ? [] : [{ call: tree }];
}
