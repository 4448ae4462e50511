import type { IndexedTree } from "../../src/structure/weighted-tree.js";

/** The two usual treemaps, as baselines: every node a rectangle of exactly its share of the unit square. Flat x, y, width, height per node. */

export type Treemap = (tree: IndexedTree, weights: Float64Array) => Float64Array;

type Rectangle = readonly [x: number, y: number, width: number, height: number];

/** Children side by side, horizontally and vertically in turn by depth. */
export const sliceAndDice: Treemap = (tree, weights) =>
  fill(tree, weights, (children, [x, y, width, height], depth, put) => {
    const total = children.reduce((sum, child) => sum + weights[child]!, 0);
    let at = 0;
    for (const child of children) {
      const share = weights[child]! / total;
      put(
        child,
        depth % 2 === 0 ? [x + at * width, y, share * width, height] : [x, y + at * height, width, share * height],
      );
      at += share;
    }
  });

/** Bruls, Huizing, van Wijk: rows along the shorter side, heaviest first, a row grows as long as its worst ratio falls. */
export const squarified: Treemap = (tree, weights) =>
  fill(tree, weights, (children, [x0, y0, w0, h0], _depth, put) => {
    const sorted = [...children].sort((a, b) => weights[b]! - weights[a]!);
    let left = sorted.reduce((sum, child) => sum + weights[child]!, 0);
    let [x, y, width, height] = [x0, y0, w0, h0];
    for (let from = 0; from < sorted.length; ) {
      const side = Math.min(width, height);
      const scale = (width * height) / left;
      const most = weights[sorted[from]!]! * scale;
      let [to, sum, worst] = [from, 0, Number.POSITIVE_INFINITY];
      while (to < sorted.length) {
        const least = weights[sorted[to]!]! * scale;
        const next = sum + least;
        const ratio = Math.max((side * side * most) / (next * next), (next * next) / (side * side * least));
        if (ratio > worst) break;
        [worst, sum] = [ratio, next];
        to++;
      }
      const thick = sum / side;
      let along = 0;
      for (let i = from; i < to; i++) {
        const length = (weights[sorted[i]!]! * scale) / thick;
        put(sorted[i]!, width >= height ? [x, y + along, thick, length] : [x + along, y, length, thick]);
        along += length;
        left -= weights[sorted[i]!]!;
      }
      // What is left is summed anew, or a heavy row would leave only rounding for light ones.
      if (to < sorted.length) left = sorted.slice(to).reduce((rest, child) => rest + weights[child]!, 0);
      if (width >= height) [x, width] = [x + thick, width - thick];
      else [y, height] = [y + thick, height - thick];
      from = to;
    }
  });

function fill(
  tree: IndexedTree,
  weights: Float64Array,
  layOut: (children: number[], box: Rectangle, depth: number, put: (child: number, box: Rectangle) => void) => void,
): Float64Array {
  const boxes = new Float64Array(4 * tree.size);
  boxes.set([0, 0, 1, 1], 4 * tree.root);
  for (const node of tree.order) {
    const children = Array.from(tree.childList.subarray(tree.childStart[node]!, tree.childStart[node + 1]!)).filter(
      (child) => weights[child]! > 0,
    );
    if (children.length === 0) continue;
    const [x, y, width, height] = boxes.subarray(4 * node, 4 * node + 4) as unknown as Rectangle;
    layOut(children, [x, y, width, height], tree.depths[node]!, (child, box) => boxes.set(box, 4 * child));
  }
  return boxes;
}

/** diam² / area of every rectangle with weight, the largest. */
export function worstRectangle(boxes: Float64Array, weights: Float64Array): number {
  let worst = 0;
  for (let node = 0; node < weights.length; node++) {
    if (weights[node]! > 0)
      worst = Math.max(
        worst,
        boxes[4 * node + 2]! / boxes[4 * node + 3]! + boxes[4 * node + 3]! / boxes[4 * node + 2]!,
      );
  }
  return worst;
}
