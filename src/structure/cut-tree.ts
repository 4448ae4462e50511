import type { IndexedTree } from "./weighted-tree.js";

/** Turns a tree of any arity into one of binary cuts, children in order: which part of a list of siblings is cut off first.
 *  leaves  halves the number of leaves below (first best place): about log2 n + 2 · depth cuts on a path
 *  code    the trie of Shannon-Fano-Elias words of the leaf counts: never more than log2 n + 2 · depth + 1 cuts on a path
 *  count   halves the number of siblings: at most the sum of ceil(log2 k) on a path */

export const balances = ["leaves", "code", "count"] as const;
export type Balance = (typeof balances)[number];

export interface CutTree {
  /** Nodes 0..n-1 are the tree's own, the further ones are cuts between siblings. -1: none. A node with `left` only shares its polygon with it. */
  readonly left: Int32Array;
  readonly right: Int32Array;
  readonly weights: Float64Array;
  readonly size: number;
}

export function buildCutTree(tree: IndexedTree, weights: Float64Array, leaves: Int32Array, balance: Balance): CutTree {
  const left = new Int32Array(2 * tree.size).fill(-1);
  const right = new Int32Array(2 * tree.size).fill(-1);
  const made: number[] = [];
  let size = tree.size;
  const node: number[] = [];
  const from: number[] = [];
  const to: number[] = [];
  for (const parent of tree.order) {
    const children = tree.childList
      .subarray(tree.childStart[parent]!, tree.childStart[parent + 1]!)
      .filter((child) => weights[child]! > 0);
    if (children.length === 0) continue;
    if (children.length === 1) {
      left[parent] = children[0]!;
      continue;
    }
    const splitAt = splitter(children, leaves, balance);
    node.push(parent);
    from.push(0);
    to.push(children.length);
    while (node.length > 0) {
      const cut = node.pop()!;
      const low = from.pop()!;
      const high = to.pop()!;
      const middle = splitAt(low, high);
      const part = (start: number, end: number): number => {
        if (end - start === 1) return children[start]!;
        node.push(size);
        from.push(start);
        to.push(end);
        made.push(size);
        return size++;
      };
      left[cut] = part(low, middle);
      right[cut] = part(middle, high);
    }
  }
  const sums = new Float64Array(size);
  sums.set(weights);
  // A cut is made after the cut above it, so going back from the last one meets parts before wholes.
  for (let i = made.length - 1; i >= 0; i--) {
    const cut = made[i]!;
    sums[cut] = sums[left[cut]!]! + sums[right[cut]!]!;
  }
  return { left, right, weights: sums, size };
}

function splitter(children: Int32Array, leaves: Int32Array, balance: Balance): (low: number, high: number) => number {
  if (balance === "count") return (low, high) => (low + high + 1) >> 1;
  const before = new Float64Array(children.length + 1);
  for (let i = 0; i < children.length; i++) before[i + 1] = before[i]! + leaves[children[i]!]!;
  if (balance === "code") return codeSplitter(before);
  return (low, high) => {
    const sum = before[low]! + before[high]!;
    const middle = firstWhere(low + 1, high - 1, (i) => 2 * before[i]! >= sum);
    const under = middle > low + 1 ? Math.abs(2 * before[middle - 1]! - sum) : Number.POSITIVE_INFINITY;
    return under <= Math.abs(2 * before[middle]! - sum) ? middle - 1 : middle;
  };
}

const codeDigits = 52;

/** The first binary digits of the middle of each child's interval. A word of ceil(log2(S / s)) + 1 digits already differs from all others,
 *  so parting at the first digit that differs walks down the trie of the words with its one-child nodes left out. */
function codeSplitter(before: Float64Array): (low: number, high: number) => number {
  const total = BigInt(before[before.length - 1]!) * 2n;
  const words = Float64Array.from({ length: before.length - 1 }, (_, i) =>
    Number((BigInt(before[i]! + before[i + 1]!) << BigInt(codeDigits)) / total),
  );
  return (low, high) => {
    for (let place = codeDigits - 1; place >= 0; place--) {
      const step = 2 ** place;
      const last = Math.floor(words[high - 1]! / step);
      if (Math.floor(words[low]! / step) !== last)
        return firstWhere(low + 1, high - 1, (i) => words[i]! >= last * step);
    }
    return (low + high) >> 1;
  };
}

/** The smallest i in low..high for which the rising condition holds; high if none below it. */
function firstWhere(low: number, high: number, holds: (i: number) => boolean): number {
  let a = low;
  let b = high;
  while (a < b) {
    const middle = (a + b) >> 1;
    if (holds(middle)) b = middle;
    else a = middle + 1;
  }
  return a;
}
