import { QuireError, throwIfAborted } from "../errors.js";
import { polygonArea } from "./convex-polygon.js";
import type { Partition } from "./partition.js";
import type { StructureContext } from "./structure.js";
import type { IndexedTree } from "./weighted-tree.js";

/** Boxes with slack, in any dimension: every side ratio stays within 1/slack because a box may come out smaller than its weight, by at most
 *  a factor (1 - slack) per level of the tree. What is lost stays blank. */

/** low and size of a box per axis, at index d · node + axis. */
export interface Boxes {
  readonly low: Float64Array;
  readonly sizes: Float64Array;
}

/** Puts the items (weights falling) into the box at `box` of `boxes`, item i into the box at slots[i]. */
export function placeItems(
  weights: ArrayLike<number>,
  slots: ArrayLike<number>,
  boxes: Boxes,
  box: { low: Float64Array; size: Float64Array },
  slack: number,
): void {
  const count = slots.length;
  const dims = box.low.length;
  // Sums from the smallest up, so that a heavy first item does not swallow the digits of the others.
  const from = new Float64Array(count + 1);
  for (let i = count - 1; i >= 0; i--) from[i] = from[i + 1]! + weights[i]!;
  const jobs = [{ first: 0, end: count, low: box.low, size: box.size }];
  while (jobs.length > 0) {
    const { first, end, low, size } = jobs.pop()!;
    if (end - first === 1) {
      boxes.low.set(low, slots[first]! * dims);
      boxes.sizes.set(size, slots[first]! * dims);
      continue;
    }
    const total = from[first]! - from[end]!;
    const share = weights[first]! / total;
    const axis = longestAxis(size);
    if (share > 1 - slack) {
      const [own, others] = splitBox(low, size, axis, 1 - slack);
      const scale = ((from[first + 1]! - from[end]!) / total / slack) ** (1 / dims);
      jobs.push({ first: first + 1, end, low: others.low, size: others.size.map((side) => side * scale) });
      jobs.push({ first, end: first + 1, ...own });
      continue;
    }
    const wanted = share >= slack ? slack : 1 / 3;
    let middle = first + 1;
    while (middle < end - 1 && from[first]! - from[middle]! < wanted * total) middle++;
    const [a, b] = splitBox(low, size, axis, (from[first]! - from[middle]!) / total);
    jobs.push({ first: middle, end, ...b }, { first, end: middle, ...a });
  }
}

function longestAxis(size: Float64Array): number {
  let best = 0;
  for (let axis = 1; axis < size.length; axis++) if (size[axis]! > size[best]!) best = axis;
  return best;
}

function splitBox(low: Float64Array, size: Float64Array, axis: number, share: number) {
  const first = { low, size: size.slice() };
  const second = { low: low.slice(), size: size.slice() };
  first.size[axis] = size[axis]! * share;
  second.low[axis] = low[axis]! + first.size[axis]!;
  second.size[axis] = size[axis]! * (1 - share);
  return [first, second] as const;
}

/** Children of `node` with weight, heaviest first. */
export function fallingChildren(tree: IndexedTree, node: number, weights: Float64Array): Int32Array {
  return tree.childList
    .subarray(tree.childStart[node]!, tree.childStart[node + 1]!)
    .filter((child) => weights[child]! > 0)
    .sort((a, b) => weights[b]! - weights[a]! || a - b);
}

/** Boxes of all nodes of a tree with weight, root box given. Volumes: (1 - slack)^depth · share ≤ volume / root volume ≤ share. */
export function placeBoxes(
  tree: IndexedTree,
  weights: Float64Array,
  rootBox: { low: readonly number[]; size: readonly number[] },
  slack: number,
  { signal, onProgress }: StructureContext = {},
): Boxes {
  const dims = rootBox.low.length;
  if (!(slack > 0 && slack <= 1 / 3)) {
    throw new QuireError("bad-option", "The slack of boxes is out of range.", {
      got: slack,
      expected: "above 0, at most 1/3",
    });
  }
  const boxes = { low: new Float64Array(dims * tree.size), sizes: new Float64Array(dims * tree.size) };
  boxes.low.set(rootBox.low, dims * tree.root);
  boxes.sizes.set(rootBox.size, dims * tree.root);
  let done = 0;
  for (const node of tree.order) {
    if (++done % 1024 === 0) {
      throwIfAborted(signal);
      onProgress?.(done, tree.size);
    }
    const children = fallingChildren(tree, node, weights);
    if (children.length === 0) continue;
    const own = {
      low: boxes.low.slice(dims * node, dims * (node + 1)),
      size: boxes.sizes.slice(dims * node, dims * (node + 1)),
    };
    const childWeights = Float64Array.from(children, (child) => weights[child]!);
    placeItems(childWeights, children, boxes, own, slack);
  }
  return boxes;
}

/** Rule "rectangles" of the partition: boxes in the plane, drawn as polygons of four corners. */
export function slackRectangles(
  tree: IndexedTree,
  weights: Float64Array,
  shape: readonly number[],
  slack: number | undefined,
  context: StructureContext,
): Partition {
  const xs = shape.filter((_, i) => i % 2 === 0);
  const ys = shape.filter((_, i) => i % 2 === 1);
  const low = [Math.min(...xs), Math.min(...ys)];
  const size = [Math.max(...xs) - low[0]!, Math.max(...ys) - low[1]!];
  if (shape.length !== 8 || Math.abs(polygonArea(shape) - size[0]! * size[1]!) > 1e-9 * size[0]! * size[1]!) {
    throw new QuireError("bad-input", "Rectangles need an upright rectangle as root.", { got: [...shape] });
  }
  const height = tree.depths.reduce((most, depth) => Math.max(most, depth), 0);
  const boxes = placeBoxes(tree, weights, { low, size }, slack ?? Math.min(1 / 3, 1 / (height + 1)), context);
  const points = new Float64Array(8 * tree.size);
  const starts = new Int32Array(tree.size);
  const counts = new Int32Array(tree.size);
  const areas = new Float64Array(tree.size);
  const aspects = new Float64Array(tree.size);
  for (let node = 0; node < tree.size; node++) {
    starts[node] = 4 * node;
    if (weights[node] === 0) continue;
    const [x, y] = [boxes.low[2 * node]!, boxes.low[2 * node + 1]!];
    const [w, h] = [boxes.sizes[2 * node]!, boxes.sizes[2 * node + 1]!];
    points.set([x, y, x + w, y, x + w, y + h, x, y + h], 8 * node);
    counts[node] = 4;
    areas[node] = w * h;
    aspects[node] = w / h + h / w;
  }
  const polygon = (node: number) => points.subarray(8 * node, 8 * node + 2 * counts[node]!);
  return { points, starts, counts, areas, aspects, cuts: new Int32Array(tree.size), depths: tree.depths, polygon };
}
