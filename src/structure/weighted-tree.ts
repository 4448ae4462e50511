import { QuireError } from "../errors.js";

/** A rooted tree with weights at its leaves, as arrays over nodes 0..n-1: the input of the partitions. `indexTree` checks it once and
 *  lays it out for fast walking. Nothing here recurses, so a tree of any depth is fine. */

export interface WeightedTree {
  /** Parent of every node; -1 for the one root. Children keep the order of their numbers. */
  readonly parents: ArrayLike<number>;
  /** Weight of every leaf, at least 0. Inner nodes weigh the sum of their leaves; what stands at their place is not read. */
  readonly weights: ArrayLike<number>;
  /** Names for error messages and for `layoutTree`; the node's number when absent. */
  readonly ids?: ArrayLike<string>;
}

/** The same tree as nested objects, for callers who hold it so. */
export interface TreeNode {
  readonly id: string;
  readonly weight?: number;
  readonly children?: readonly TreeNode[];
}

export interface IndexedTree {
  readonly size: number;
  readonly root: number;
  readonly parents: Int32Array;
  /** Children of node v: childList[childStart[v] .. childStart[v + 1]). */
  readonly childStart: Int32Array;
  readonly childList: Int32Array;
  /** Every node, parents before children. */
  readonly order: Int32Array;
  readonly depths: Int32Array;
  readonly name: (node: number) => string;
}

export function flattenTree(root: TreeNode): Required<WeightedTree> & { readonly ids: string[] } {
  const parents: number[] = [];
  const weights: number[] = [];
  const ids: string[] = [];
  const waiting: { node: TreeNode; parent: number }[] = [{ node: root, parent: -1 }];
  for (let next = 0; next < waiting.length; next++) {
    const { node, parent } = waiting[next]!;
    const at = ids.length;
    ids.push(node.id);
    parents.push(parent);
    weights.push(node.weight ?? 0);
    for (const child of node.children ?? []) waiting.push({ node: child, parent: at });
  }
  return { parents, weights, ids };
}

export function indexTree(given: ArrayLike<number>, ids?: ArrayLike<string>): IndexedTree {
  const size = given.length;
  const name = (node: number) => ids?.[node] ?? String(node);
  if (size === 0) throw new QuireError("bad-input", "The tree has no node.", { got: 0, expected: "at least a root" });
  const parents = new Int32Array(size);
  const childStart = new Int32Array(size + 1);
  let root = -1;
  for (let node = 0; node < size; node++) {
    const parent = given[node]!;
    if (!Number.isInteger(parent) || parent < -1 || parent >= size || parent === node) {
      throw new QuireError("bad-input", `Node ${name(node)} has no usable parent.`, {
        got: parent,
        expected: `another node's number below ${size}, or -1 for the root`,
      });
    }
    if (parent === -1 && root !== -1) {
      throw new QuireError("bad-input", `The tree has two roots: ${name(root)} and ${name(node)}.`, {
        fix: "Put one node above both.",
      });
    }
    parents[node] = parent;
    if (parent === -1) root = node;
    else childStart[parent + 1]!++;
  }
  if (root === -1) {
    throw new QuireError("bad-input", "The tree has no root.", { expected: "one node with parent -1" });
  }
  for (let node = 0; node < size; node++) childStart[node + 1]! += childStart[node]!;
  const childList = new Int32Array(size - 1);
  const filled = childStart.slice(0, size);
  for (let node = 0; node < size; node++) if (node !== root) childList[filled[parents[node]!]!++] = node;
  const { order, depths } = walkDown(root, childStart, childList);
  if (order.length < size) {
    throw new QuireError("bad-input", "Some nodes are not below the root: their parents form a ring.", {
      got: `${size - order.length} nodes out of reach`,
      expected: "a tree",
    });
  }
  return { size, root, parents, childStart, childList, order, depths, name };
}

function walkDown(root: number, childStart: Int32Array, childList: Int32Array) {
  const order = new Int32Array(childStart.length - 1);
  const depths = new Int32Array(order.length);
  order[0] = root;
  let known = 1;
  for (let next = 0; next < known; next++) {
    const node = order[next]!;
    for (let i = childStart[node]!; i < childStart[node + 1]!; i++) {
      const child = childList[i]!;
      depths[child] = depths[node]! + 1;
      order[known++] = child;
    }
  }
  return { order: order.subarray(0, known), depths };
}

/** Weights of all nodes (inner ones summed from below) and numbers of leaves that weigh anything. */
export function sumWeights(tree: IndexedTree, given: ArrayLike<number>): { weights: Float64Array; leaves: Int32Array } {
  if (given.length !== tree.size) {
    throw new QuireError("bad-input", "There must be one weight for every node.", {
      got: given.length,
      expected: tree.size,
    });
  }
  const weights = new Float64Array(tree.size);
  const leaves = new Int32Array(tree.size);
  for (let i = tree.size - 1; i >= 0; i--) {
    const node = tree.order[i]!;
    if (tree.childStart[node] === tree.childStart[node + 1]) {
      const weight = given[node]!;
      if (!(weight >= 0 && weight < Number.POSITIVE_INFINITY)) {
        throw new QuireError("bad-input", `The weight of ${tree.name(node)} cannot be drawn.`, {
          got: weight,
          expected: "a finite number of at least 0",
        });
      }
      weights[node] = weight;
      leaves[node] = weight > 0 ? 1 : 0;
    }
    const parent = tree.parents[node]!;
    if (parent >= 0) {
      weights[parent]! += weights[node]!;
      leaves[parent]! += leaves[node]!;
    }
  }
  const total = weights[tree.root]!;
  if (!(total > 0 && total < Number.POSITIVE_INFINITY)) {
    throw new QuireError("bad-input", total === 0 ? "All weights are zero." : "The weights' sum overflows.", {
      got: total,
      expected: "a finite sum above 0",
      fix: total === 0 ? undefined : "Scale the weights down: only their ratios matter.",
    });
  }
  return { weights, leaves };
}
