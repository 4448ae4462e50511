import { QuireError, throwIfAborted } from "../errors.js";
import { fallingChildren, placeItems } from "./slack-boxes.js";
import type { StructureContext } from "./structure.js";
import { type IndexedTree, indexTree } from "./weighted-tree.js";

/** Puts the leaves of a labelled tree into R^d so that distances follow the tree. Two leaves are as far apart as the label of their lowest common
 *  ancestor says, or farther: never nearer, and at most `stretchBound` times as far. Every node gets a box that holds its leaves' points with a
 *  margin; boxes come from `placeItems`, which keeps them fat. */

export interface UltrametricTree {
  readonly parents: ArrayLike<number>;
  /** Distance of two leaves whose lowest common ancestor is this node: above 0, falling down the tree. Not read at leaves. */
  readonly labels: ArrayLike<number>;
  readonly ids?: ArrayLike<string>;
}

export interface EmbeddingOptions {
  readonly dims?: 2 | 3 | number;
  /** Round labels up to powers of 2 and merge equal neighbours: a factor up to 2 of stretch against a tree of height log2 of their ratio. */
  readonly round?: boolean;
}

export interface Embedding {
  readonly dims: number;
  /** Leaf nodes of the input, and their points: leaf i at points[dims · i ..]. */
  readonly leaves: Int32Array;
  readonly points: Float64Array;
  /** Proven: 1 ≤ |f(x) - f(y)| / distance ≤ stretchBound. */
  readonly stretchBound: number;
  /** Measured over all pairs; undefined beyond `measuredLeaves` leaves. */
  readonly measured: { readonly least: number; readonly most: number; readonly distortion: number } | undefined;
}

export const measuredLeaves = 3000;

export function embedUltrametric(
  input: UltrametricTree,
  options: EmbeddingOptions = {},
  context: StructureContext = {},
): Embedding {
  const dims = options.dims ?? 2;
  if (!Number.isInteger(dims) || dims < 1 || dims > 16) {
    throw new QuireError("bad-option", "The number of dimensions cannot be used.", {
      got: dims,
      expected: "an integer, 1 to 16",
    });
  }
  const given = indexTree(input.parents, input.ids);
  const labels = checkedLabels(given, input.labels);
  const { tree, labels: kept, leaves } = contract(given, labels, options.round === true);
  const height = tree.depths.reduce((most, depth) => Math.max(most, depth), 0);
  const slack = Math.min(1 / 3, 1 / (height + 1));
  const room = slack ** (1 - dims) * (1 - slack) ** -height;
  const sides = neededSides(tree, kept, dims);
  const points = placeLeaves(tree, kept, sides, dims, slack, room ** (1 / dims) * sides[tree.root]!, leaves, context);
  let ratio = 0;
  for (let node = 0; node < tree.size; node++) {
    if (kept[node]! > 0) ratio = Math.max(ratio, sides[node]! / kept[node]!);
  }
  const roundingStretch = options.round === true ? 2 : 1;
  return {
    dims,
    leaves,
    points,
    stretchBound: Math.sqrt(dims) * room ** (1 / dims) * slack ** ((1 - dims) / dims) * ratio * roundingStretch,
    measured: leaves.length <= measuredLeaves ? measureDistortion(given, labels, leaves, points, dims) : undefined,
  };
}

function checkedLabels(tree: IndexedTree, given: ArrayLike<number>): Float64Array {
  if (given.length !== tree.size) {
    throw new QuireError("bad-input", "There must be one label for every node.", {
      got: given.length,
      expected: tree.size,
    });
  }
  const labels = new Float64Array(tree.size);
  for (const node of tree.order) {
    if (tree.childStart[node] === tree.childStart[node + 1]) continue;
    const label = given[node]!;
    const parent = tree.parents[node]!;
    const above = parent < 0 ? Number.POSITIVE_INFINITY : labels[parent]!;
    if (!(label > 0 && label < above)) {
      throw new QuireError("bad-input", `The label of ${tree.name(node)} is not usable: labels fall down the tree.`, {
        got: label,
        expected:
          parent < 0 ? "a finite number above 0" : `above 0 and below ${above}, the label of ${tree.name(parent)}`,
      });
    }
    labels[node] = label;
  }
  return labels;
}

/** Leaves out nodes with one child, whose label is nobody's distance, and, after rounding, nodes whose label is their parent's. */
function contract(tree: IndexedTree, labels: Float64Array, round: boolean) {
  const label = Float64Array.from(labels, (value) => (round && value > 0 ? 2 ** Math.ceil(Math.log2(value)) : value));
  const standsFor = new Int32Array(tree.size);
  const parents: number[] = [];
  const kept: number[] = [];
  const leaves: number[] = [];
  for (const node of tree.order) {
    const children = tree.childStart[node + 1]! - tree.childStart[node]!;
    const parent = tree.parents[node]!;
    const above = parent < 0 ? -1 : standsFor[parent]!;
    const isLeaf = children === 0;
    if (!isLeaf && (children === 1 || (above >= 0 && label[node] === kept[above]))) {
      standsFor[node] = above;
      continue;
    }
    standsFor[node] = parents.length;
    parents.push(above);
    kept.push(isLeaf ? 0 : label[node]!);
    if (isLeaf) leaves.push(node);
  }
  return { tree: indexTree(parents), labels: Float64Array.from(kept), leaves: Int32Array.from(leaves) };
}

/** s(leaf) = 0, s(v)^d = sum over children of (s(u) + label(v))^d: the side of a cube as large as the children's boxes with their margins. */
function neededSides(tree: IndexedTree, labels: Float64Array, dims: number): Float64Array {
  const sides = new Float64Array(tree.size);
  for (let i = tree.size - 1; i >= 0; i--) {
    const node = tree.order[i]!;
    const label = labels[node]!;
    if (label === 0) continue;
    let sum = 0;
    // In units of the label, so that neither huge nor tiny labels leave the range of numbers.
    for (let c = tree.childStart[node]!; c < tree.childStart[node + 1]!; c++) {
      sum += (sides[tree.childList[c]!]! / label + 1) ** dims;
    }
    sides[node] = label * sum ** (1 / dims);
  }
  return sides;
}

function placeLeaves(
  tree: IndexedTree,
  labels: Float64Array,
  sides: Float64Array,
  dims: number,
  slack: number,
  rootSide: number,
  leaves: Int32Array,
  { signal, onProgress }: StructureContext,
): Float64Array {
  const boxes = { low: new Float64Array(dims * tree.size), sizes: new Float64Array(dims * tree.size) };
  boxes.sizes.fill(rootSide, dims * tree.root, dims * (tree.root + 1));
  const weights = new Float64Array(tree.size);
  const points = new Float64Array(dims * leaves.length);
  const leafIndex = new Int32Array(tree.size);
  // Leaves were numbered in the order of nodes, which walking down need not keep.
  for (let node = 0, leaf = 0; node < tree.size; node++) if (labels[node] === 0) leafIndex[node] = leaf++;
  let done = 0;
  for (const node of tree.order) {
    if (++done % 1024 === 0) {
      throwIfAborted(signal);
      onProgress?.(done, tree.size);
    }
    const label = labels[node]!;
    const low = boxes.low.slice(dims * node, dims * (node + 1));
    const size = boxes.sizes.slice(dims * node, dims * (node + 1));
    if (label === 0) {
      for (let axis = 0; axis < dims; axis++) points[dims * leafIndex[node]! + axis] = low[axis]! + size[axis]! / 2;
      continue;
    }
    for (let c = tree.childStart[node]!; c < tree.childStart[node + 1]!; c++) {
      const child = tree.childList[c]!;
      weights[child] = (sides[child]! / label + 1) ** dims;
    }
    const children = fallingChildren(tree, node, weights);
    placeItems(
      Float64Array.from(children, (child) => weights[child]!),
      children,
      boxes,
      { low, size },
      slack,
    );
    for (const child of children) {
      const shrink = sides[child]! / (sides[child]! + label);
      for (let at = dims * child; at < dims * (child + 1); at++) {
        boxes.low[at]! += ((1 - shrink) * boxes.sizes[at]!) / 2;
        boxes.sizes[at]! *= shrink;
      }
    }
  }
  return points;
}

/** Least and largest |f(x) - f(y)| / distance over all pairs of leaves. In depth-first order the label of two leaves' common ancestor is the
 *  largest of those of the neighbours between them. */
export function measureDistortion(
  tree: IndexedTree,
  labels: Float64Array,
  leaves: Int32Array,
  points: Float64Array,
  dims: number,
) {
  const place = new Int32Array(tree.size);
  leaves.forEach((leaf, i) => {
    place[leaf] = i;
  });
  const order: number[] = [];
  const between: number[] = [];
  const stack = [tree.root];
  const joint = [0];
  while (stack.length > 0) {
    const node = stack.pop()!;
    const label = joint.pop()!;
    const start = tree.childStart[node]!;
    const end = tree.childStart[node + 1]!;
    if (start === end) {
      between.push(label);
      order.push(place[node]!);
    }
    for (let c = end - 1; c >= start; c--) {
      stack.push(tree.childList[c]!);
      joint.push(c === start ? label : labels[node]!);
    }
  }
  let least = Number.POSITIVE_INFINITY;
  let most = 0;
  for (let i = 0; i < order.length; i++) {
    let label = 0;
    for (let j = i + 1; j < order.length; j++) {
      label = Math.max(label, between[j]!);
      let square = 0;
      for (let axis = 0; axis < dims; axis++) {
        square += ((points[dims * order[i]! + axis]! - points[dims * order[j]! + axis]!) / label) ** 2;
      }
      const ratio = Math.sqrt(square);
      if (ratio < least) least = ratio;
      if (ratio > most) most = ratio;
    }
  }
  return order.length < 2 ? { least: 1, most: 1, distortion: 1 } : { least, most, distortion: most / least };
}
