/** Polygons of a map's nodes. The shape of the whole is given; y grows downwards, as on paper and on a screen. */

import { type PartitionOptions, partition } from "../../structure/polygon-layout.js";

export interface LaidOutChild {
  /** Which of the given sizes it belongs to. */
  readonly index: number;
  readonly polygon: Float64Array;
}

/** Lists of up to this many siblings are cut in the best-looking of many directions; longer ones by the rule with the proven bound. */
const handsomeUpTo = 12;
/** Every 7.5 degrees: finer steps look no better and take longer than a frame. */
const directions = 24;

/** Cuts a node's polygon among its children by their sizes. Those without size get none. */
export function layOutChildren(polygon: ArrayLike<number>, sizes: readonly number[]): LaidOutChild[] {
  const shown: number[] = [];
  for (const [index, size] of sizes.entries()) if (size > 0) shown.push(index);
  if (shown.length === 0) return [];
  if (shown.length === 1) return [{ index: shown[0]!, polygon: Float64Array.from(polygon) }];
  const options: PartitionOptions = {
    rule: shown.length <= handsomeUpTo ? "greedy" : "dyadic",
    balance: "leaves",
    directions,
    shape: Array.from(polygon),
    shapeIsPiece: true,
  };
  const parents = [-1, ...shown.map(() => 0)];
  const weights = [0, ...shown.map((index) => sizes[index]!)];
  const drawn = partition({ parents, weights }, options);
  return shown.map((index, i) => ({ index, polygon: drawn.polygon(i + 1) }));
}
