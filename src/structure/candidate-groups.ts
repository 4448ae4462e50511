import type { CompressedGraph } from "./compressed-graph.js";
import type { SeededRandom } from "./random.js";

/** Roots worth comparing with each other: two roots whose neighbourhoods overlap much are likely to share the node of smallest
 *  random rank (a min-hash "shingle"). Groups larger than allowed are split again with fresh ranks, at last by slices. */
export interface CandidateGroups {
  /** Group g is `roots[offsets[g] .. offsets[g+1])`. */
  readonly roots: Int32Array;
  readonly offsets: Int32Array;
}

export interface LeafLists {
  /** First leaf of a root's chain and the next leaf of each leaf, -1 at the end. */
  readonly first: Int32Array;
  readonly next: Int32Array;
}

export function candidateGroups(
  graph: CompressedGraph,
  roots: Int32Array,
  leaves: LeafLists,
  { maxGroup, maxSplits, random }: { maxGroup: number; maxSplits: number; random: SeededRandom },
): CandidateGroups {
  const ranks = new Int32Array(graph.nodeCount);
  const done: Int32Array[] = [];
  let open: Int32Array[] = [roots];
  for (let split = 0; split < maxSplits && open.length > 0; split++) {
    random.permutation(ranks);
    const large: Int32Array[] = [];
    for (const group of open) {
      for (const part of splitByShingle(graph, group, leaves, ranks)) {
        if (part.length > maxGroup) large.push(part);
        else if (part.length > 1) done.push(part);
      }
    }
    open = large;
  }
  for (const group of open) {
    for (let i = 0; i < group.length; i += maxGroup) done.push(group.subarray(i, i + maxGroup));
  }
  const offsets = new Int32Array(done.length + 1);
  for (const [g, group] of done.entries()) offsets[g + 1] = offsets[g]! + group.length;
  const all = new Int32Array(offsets[done.length]!);
  for (const [g, group] of done.entries()) all.set(group, offsets[g]!);
  return { roots: all, offsets };
}

function splitByShingle(graph: CompressedGraph, group: Int32Array, leaves: LeafLists, ranks: Int32Array): Int32Array[] {
  // The place in the group stands in the low digits, so that one numeric sort is stable.
  const keys = new Float64Array(group.length);
  for (let i = 0; i < group.length; i++) keys[i] = shingle(graph, group[i]!, leaves, ranks) * group.length + i;
  keys.sort();
  const sorted = new Int32Array(group.length);
  const parts: Int32Array[] = [];
  let start = 0;
  let last = -1;
  for (let i = 0; i < keys.length; i++) {
    const value = Math.floor(keys[i]! / group.length);
    sorted[i] = group[keys[i]! % group.length]!;
    if (i > 0 && value !== last) {
      parts.push(sorted.subarray(start, i));
      start = i;
    }
    last = value;
  }
  if (group.length > 0) parts.push(sorted.subarray(start));
  return parts;
}

function shingle({ offsets, neighbors }: CompressedGraph, root: number, leaves: LeafLists, ranks: Int32Array): number {
  let least = 2147483647;
  for (let v = leaves.first[root]!; v !== -1; v = leaves.next[v]!) {
    if (ranks[v]! < least) least = ranks[v]!;
    for (let i = offsets[v]!; i < offsets[v + 1]!; i++) {
      const rank = ranks[neighbors[i]!]!;
      if (rank < least) least = rank;
    }
  }
  return least;
}
