import { throwIfAborted } from "../errors.js";
import { candidateGroups, type LeafLists } from "./candidate-groups.js";
import type { CompressedGraph } from "./compressed-graph.js";
import { type SeededRandom, seededRandom } from "./random.js";
import type { StructureContext } from "./structure.js";

/** The greedy rounds that summaries of both kinds share: candidate groups by shingles, then in each group every root joins its best
 *  partner if that saves enough. What a join costs and how it is written is the model's own. */

export interface GreedyOptions {
  readonly iterations: number;
  readonly maxGroup: number;
  readonly maxSplits: number;
}

export interface MergingRoots extends LeafLists {
  /** Roots that have anything to save. */
  openRoots(): Int32Array;
  /** Place in `group[0 .. size)` of the root whose join with `root` saves the largest share, at least the threshold; else -1. */
  bestPartner(root: number, group: Int32Array, size: number, threshold: number): number;
  /** Joins two roots and gives the number of the new one. */
  merge(a: number, b: number): number;
}

export function mergeGreedily(
  graph: CompressedGraph,
  roots: MergingRoots,
  options: GreedyOptions,
  context: StructureContext,
): void {
  const random = seededRandom(context.seed ?? 0);
  for (let t = 1; t <= options.iterations; t++) {
    const threshold = t < options.iterations ? 1 / (1 + t) : 0;
    const groups = candidateGroups(graph, roots.openRoots(), roots, { ...options, random });
    for (let g = 0; g + 1 < groups.offsets.length; g++) {
      throwIfAborted(context.signal);
      mergeGroup(roots, groups.roots.subarray(groups.offsets[g]!, groups.offsets[g + 1]!), threshold, random);
    }
    throwIfAborted(context.signal);
    context.onProgress?.(t, options.iterations);
  }
}

function mergeGroup(roots: MergingRoots, group: Int32Array, threshold: number, random: SeededRandom): void {
  let size = group.length;
  while (size > 1) {
    const drawn = random.below(size);
    const root = group[drawn]!;
    group[drawn] = group[--size]!;
    const place = roots.bestPartner(root, group, size, threshold);
    if (place !== -1) group[place] = roots.merge(root, group[place]!);
  }
}
