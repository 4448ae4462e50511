import { QuireError } from "../errors.js";
import type { CompressedGraph, NodeId } from "./compressed-graph.js";
import type { Joins } from "./density-linkage.js";
import { renumber } from "./k-means.js";

/** A tree of groups of nodes: leaf groups, and joins of two groups each. Every method that finds communities gives one, so what
 *  names, summarises and searches topics works on any of them. */
export interface CommunityTree extends Joins {
  readonly nodeCount: number;
  /** Groups 0..leafCount-1 are leaf groups, leafCount + t is what join t made. */
  readonly leafCount: number;
  readonly leafOf: Int32Array;
  readonly size: Int32Array;
  /** Parent of each group; -1 for the last one, or for all where there is no tree. */
  readonly parent: Int32Array;
  readonly ids: readonly NodeId[] | undefined;
  /** Levels worth showing: the whole, the cuts with the largest steps in height, the leaf groups; coarse to fine. */
  readonly levels: readonly Level[];
  readonly warnings: readonly string[];
  /** Group of each node, 0..groups-1, after undoing the last groups - 1 joins. */
  cut(groups: number): Int32Array;
  /** The groups that hold a node, its leaf group first, the whole last. */
  path(node: number): number[];
  members(group: number): Int32Array;
  /** The groups that a group is shown as: joins whose heights differ by less than the tolerance (default 0.1) count as one. */
  children(group: number, tolerance?: number): number[];
  /** Equal for equal sets of members, whatever the run. */
  stableId(group: number): string;
  modularity(of: Int32Array): number;
}

export interface Level {
  readonly groups: number;
  /** The tree's own groups at this level. */
  readonly members: Int32Array;
  /** Ratio of the heights above and below this cut, Infinity at the ends. */
  readonly step: number;
}

export function communityTree(
  graph: CompressedGraph,
  leafOf: Int32Array,
  joins: Joins,
  { levels = 4, warnings = [] }: { levels?: number; warnings?: readonly string[] } = {},
): CommunityTree {
  const leafCount = leafOf.reduce((most, leaf) => Math.max(most, leaf + 1), 0);
  const groups = leafCount + joins.height.length;
  const parent = new Int32Array(groups).fill(-1);
  const size = new Int32Array(groups);
  for (const leaf of leafOf) size[leaf]!++;
  for (let t = 0; t < joins.height.length; t++) {
    for (const kid of [joins.left[t]!, joins.right[t]!]) {
      parent[kid] = leafCount + t;
      size[leafCount + t]! += size[kid]!;
    }
  }
  const { offsets, nodes } = nodesByLeaf(leafOf, leafCount);

  /** The live groups when only the first joins are made. */
  const groupsAt = (count: number): Int32Array => {
    const least = leafCount - joins.height.length;
    if (!Number.isInteger(count) || count < Math.min(least, leafCount) || count > leafCount) {
      throw new QuireError(
        "bad-option",
        `The tree cannot be cut into ${String(count)} groups: it has ${leafCount} leaf groups.`,
        {
          got: count,
          expected:
            least === leafCount
              ? `${leafCount}: there are no edges, so no tree`
              : `an integer from ${least} to ${leafCount}`,
        },
      );
    }
    const limit = leafCount + (leafCount - count);
    const live: number[] = [];
    for (let g = 0; g < Math.min(limit, groups); g++) if (parent[g] === -1 || parent[g]! >= limit) live.push(g);
    return Int32Array.from(live);
  };
  const leaves = (group: number): number[] => {
    const found: number[] = [];
    const open = [checkGroup(group, groups)];
    while (open.length > 0) {
      const g = open.pop()!;
      if (g < leafCount) found.push(g);
      else open.push(joins.left[g - leafCount]!, joins.right[g - leafCount]!);
    }
    return found;
  };
  const members = (group: number): Int32Array => {
    const all = new Int32Array(size[checkGroup(group, groups)]!);
    let end = 0;
    for (const leaf of leaves(group)) {
      all.set(nodes.subarray(offsets[leaf]!, offsets[leaf + 1]!), end);
      end += size[leaf]!;
    }
    return all.sort();
  };

  return {
    ...joins,
    nodeCount: graph.nodeCount,
    leafCount,
    leafOf,
    size,
    parent,
    ids: graph.ids,
    levels: suggestedLevels(joins.height, leafCount, levels).map(({ count, step }) => ({
      groups: count,
      members: groupsAt(count),
      step,
    })),
    warnings,
    members,
    cut(count) {
      const live = groupsAt(count);
      const numberOfLeaf = new Int32Array(leafCount);
      for (const [number, group] of live.entries()) for (const leaf of leaves(group)) numberOfLeaf[leaf] = number;
      return renumber(leafOf.map((leaf) => numberOfLeaf[leaf]!)).labels;
    },
    path(node) {
      if (!Number.isInteger(node) || node < 0 || node >= graph.nodeCount) {
        throw new QuireError("bad-input", `There is no node ${String(node)}.`, {
          got: node,
          expected: `0 to ${graph.nodeCount - 1}`,
        });
      }
      const groupsAbove: number[] = [];
      for (let g = leafOf[node]!; g !== -1; g = parent[g]!) groupsAbove.push(g);
      return groupsAbove;
    },
    children(group, tolerance = 0.1) {
      if (checkGroup(group, groups) < leafCount) return [];
      const height = joins.height[group - leafCount]!;
      const shown: number[] = [];
      const open = [joins.right[group - leafCount]!, joins.left[group - leafCount]!];
      while (open.length > 0) {
        const g = open.pop()!;
        if (
          g < leafCount ||
          Math.abs(joins.height[g - leafCount]! - height) > tolerance * Math.max(height, joins.height[g - leafCount]!)
        ) {
          shown.push(g);
        } else open.push(joins.right[g - leafCount]!, joins.left[g - leafCount]!);
      }
      return shown;
    },
    stableId: (group) => hashOf(members(group), graph.ids),
    modularity: (of) => modularity(graph, of),
  };
}

function checkGroup(group: number, groups: number): number {
  if (Number.isInteger(group) && group >= 0 && group < groups) return group;
  throw new QuireError("bad-input", `There is no group ${String(group)}.`, {
    got: group,
    expected: `0 to ${groups - 1}`,
  });
}

function nodesByLeaf(leafOf: Int32Array, leafCount: number): { offsets: Int32Array; nodes: Int32Array } {
  const offsets = new Int32Array(leafCount + 1);
  for (const leaf of leafOf) offsets[leaf + 1]!++;
  for (let leaf = 0; leaf < leafCount; leaf++) offsets[leaf + 1]! += offsets[leaf]!;
  const nodes = new Int32Array(leafOf.length);
  const cursor = offsets.slice();
  for (const [node, leaf] of leafOf.entries()) nodes[cursor[leaf]!++] = node;
  return { offsets, nodes };
}

/** Undoing k - 1 joins leaves k groups; the step there is the height of the last join kept over that of the first undone. */
function suggestedLevels(height: Float64Array, leafCount: number, most: number): { count: number; step: number }[] {
  if (leafCount === 0) return [];
  const ends = leafCount === 1 || height.length === 0 ? [leafCount] : [leafCount - height.length, leafCount];
  const between: { count: number; step: number }[] = [];
  for (let t = 0; t + 1 < height.length; t++) {
    const step = height[t + 1] === 0 ? (height[t] === 0 ? 1 : Infinity) : height[t]! / height[t + 1]!;
    if (step > 1) between.push({ count: leafCount - 1 - t, step });
  }
  const chosen = between.sort((x, y) => y.step - x.step || x.count - y.count).slice(0, most);
  return [...chosen, ...ends.map((count) => ({ count, step: Infinity }))].sort((x, y) => x.count - y.count);
}

/** Two 32-bit FNV-1a hashes over the sorted names. */
function hashOf(members: Int32Array, ids: readonly NodeId[] | undefined): string {
  const names = Array.from(members, (node) => String(ids?.[node] ?? node)).sort();
  let low = 0x811c9dc5;
  let high = 0x1000193;
  for (const name of names) {
    for (let i = 0; i <= name.length; i++) {
      const code = i < name.length ? name.charCodeAt(i) : 0xffff;
      low = Math.imul(low ^ code, 0x01000193);
      high = Math.imul(high ^ (code + 0x9e37), 0x01000193) ^ (low >>> 15);
    }
  }
  return [high, low].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
}

/** Share of edge weight inside groups, less what a random graph of the same degrees has there. */
export function modularity(graph: CompressedGraph, of: Int32Array): number {
  const inside = new Map<number, number>();
  const degree = new Map<number, number>();
  let total = 0;
  for (let v = 0; v < graph.nodeCount; v++) {
    for (let i = graph.offsets[v]!; i < graph.offsets[v + 1]!; i++) {
      const weight = graph.weights?.[i] ?? 1;
      total += weight;
      degree.set(of[v]!, (degree.get(of[v]!) ?? 0) + weight);
      if (of[graph.neighbors[i]!] === of[v]) inside.set(of[v]!, (inside.get(of[v]!) ?? 0) + weight);
    }
  }
  let sum = 0;
  for (const [group, d] of degree) sum += (inside.get(group) ?? 0) / total - (d / total) ** 2;
  return sum;
}
