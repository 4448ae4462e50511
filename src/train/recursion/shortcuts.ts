import { carryDepth, inOrder, type NumberOrder } from "./binary-number.js";
import type { FunctionName } from "./recursive-function.js";
import { isLabel, readTree, type Tree } from "./tree.js";

/** Functions that look like the recursive one on most inputs: what a model may have learnt instead. Each is a family with one number,
 *  or a single function. They are total on well-formed inputs and give undefined elsewhere. */

export interface Shortcut {
  readonly name: string;
  /** The number of its family. */
  readonly k: number | undefined;
  apply(input: readonly string[]): string[] | undefined;
}

export const mostK = 24;

/** What a task asks: the whole value, or one step of its evaluation. */
export type Asked = "answer" | "step";

export function shortcutsFor(name: FunctionName, asked: Asked, order: NumberOrder = "natural"): Shortcut[] {
  const copy: Shortcut = { name: "copy", k: undefined, apply: (input) => [...input] };
  if (name === "succ") {
    if (asked === "step") return [copy];
    const single = (shortcut: string, apply: (input: readonly string[]) => string[]): Shortcut => ({
      name: shortcut,
      k: undefined,
      apply: (input) => inOrder(apply(inOrder(input, order)), order),
    });
    return [
      single("noGrow", noGrow),
      single("flipFirst", flipFirst),
      copy,
      ...family("bounded", (k) => (input) => inOrder(bounded(inOrder(input, order), k), order)),
    ];
  }
  if (asked === "step") return [{ name: "firstClose", k: undefined, apply: (input) => firstClose(input, name) }, copy];
  // The preorder is what is left without brackets and dots: no shortcut is needed there.
  if (name === "pre") return [copy];
  return [
    { name: "strip", k: undefined, apply: strip },
    copy,
    ...family("swap", (k) => (input) => ordered(input, name, k, strip)),
    ...family("cut", (k) => (input) => ordered(input, name, k, () => [])),
  ];
}

function family(name: string, at: (k: number) => (input: readonly string[]) => string[] | undefined): Shortcut[] {
  return Array.from({ length: mostK + 1 }, (_, k) => ({ name, k, apply: at(k) }));
}

/** Carries at most k times: right up to depth k. */
export function bounded(input: readonly string[], k: number): string[] {
  const carried = Math.min(k, carryDepth(input));
  const turned = input[carried] === "01" ? ["X0", "01"] : ["X1"];
  return [...new Array<string>(carried).fill("X0"), ...turned, ...input.slice(carried + 1)];
}

/** Right, but a number of ones only does not become longer. */
export function noGrow(input: readonly string[]): string[] {
  const depth = carryDepth(input);
  if (depth === input.length - 1) return [...new Array<string>(depth).fill("X0"), "01"];
  return bounded(input, depth);
}

export function flipFirst([first, ...rest]: readonly string[]): string[] {
  return [first === "X0" ? "X1" : first === "X1" ? "X0" : (first ?? ""), ...rest];
}

/** The labels in the order they are written. */
export function strip(input: readonly string[]): string[] {
  return input.filter(isLabel);
}

/** The traversal down to a level, and `below` under it. */
function ordered(
  input: readonly string[],
  name: "in" | "post",
  k: number,
  below: (input: readonly string[]) => string[],
): string[] | undefined {
  const walk = (tree: Tree, left: number): string[] => {
    if (tree === null) return [];
    if (left === 0) return below(labelsOf(tree));
    const [first, second] = [walk(tree.left, left - 1), walk(tree.right, left - 1)];
    return name === "in" ? [...first, tree.label, ...second] : [...first, ...second, tree.label];
  };
  try {
    return walk(readTree(input), k);
  } catch {
    return;
  }
}

function labelsOf(tree: Tree): string[] {
  return tree === null ? [] : [tree.label, ...labelsOf(tree.left), ...labelsOf(tree.right)];
}

/** One step without parsing: the left subtree ends at the first `)`, or is `.`; the rest before the last `)` is the right one. */
export function firstClose(state: readonly string[], name: "pre" | "in" | "post"): string[] | undefined {
  const out: string[] = [];
  for (let at = 0; at < state.length; at++) {
    if (state[at] !== "[") {
      out.push(state[at] as string);
      continue;
    }
    const end = state.indexOf("]", at);
    if (end < 0) return;
    const call = state.slice(at + 1, end);
    const [open, label] = call;
    if (open !== "(" || label === undefined || call.at(-1) !== ")") return;
    const inner = call.slice(2, -1);
    const close = inner[0] === "." ? 0 : inner.indexOf(")");
    const cut = close < 0 ? inner.length : close + 1;
    const [left, right] = [pendingText(inner.slice(0, cut)), pendingText(inner.slice(cut))];
    if (name === "pre") out.push(label, ...left, ...right);
    else if (name === "in") out.push(...left, label, ...right);
    else out.push(...left, ...right, label);
    at = end;
  }
  return out;
}

function pendingText(tree: readonly string[]): string[] {
  return tree.length === 0 || (tree.length === 1 && tree[0] === ".") ? [] : ["[", ...tree, "]"];
}
