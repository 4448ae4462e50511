/** Shows a binary tree of joins as topics of a few parts each. A topic begins with the group it is; again and again its largest part
 *  is replaced by the two it was joined from, until there are enough. Parts too small to stand alone go to the part they are linked
 *  with most. */

import type { CommunityTree } from "../../structure/community-tree.js";
import type { GroupLinks } from "../../structure/density-linkage.js";
import { type Topic, topicOf } from "./topic.js";

/** Topics beside each other: as many as colours and eyes can tell apart. */
const most = 8;
/** Share of its topic that a part must hold. */
const leastShare = 0.04;

/** Groups of the tree that make up one part. */
type Part = readonly number[];

export function shapeTopics(
  tree: CommunityTree,
  links: GroupLinks,
  leafWeights: Float64Array,
  leaf: (leaf: number) => Topic,
): Topic {
  const weights = groupWeights(tree, leafWeights);
  const leavesOf = leafCounts(tree);
  const between = new Map<number, number>();
  for (let e = 0; e < links.a.length; e++) {
    between.set(links.a[e]! * tree.leafCount + links.b[e]!, links.weight[e]!);
  }
  const roots: number[] = [];
  for (let g = 0; g < tree.parent.length; g++) if (tree.parent[g] === -1) roots.push(g);

  const build = (part: Part): Topic => {
    const [only] = part;
    if (part.length === 1 && only! < tree.leafCount) return leaf(only!);
    return topicOf(partsOf(part).map(build));
  };
  return build(roots);

  function partsOf(whole: Part): Part[] {
    const total = weightOf(whole);
    const leaves = whole.reduce((sum, group) => sum + leavesOf[group]!, 0);
    const wanted = leaves <= most ? leaves : Math.min(most, Math.max(3, Math.round(Math.sqrt(2 * leaves))));
    const large: number[] = [];
    const small: number[] = [];
    const sort = (group: number) => (weights[group]! < leastShare * total ? small : large).push(group);
    for (const group of whole) sort(group);
    while (large.length < wanted) {
      let next = -1;
      for (const [i, group] of large.entries()) {
        if (group >= tree.leafCount && (next === -1 || weights[group]! > weights[large[next]!]!)) next = i;
      }
      if (next === -1) break;
      const [group] = large.splice(next, 1);
      sort(tree.left[group! - tree.leafCount]!);
      sort(tree.right[group! - tree.leafCount]!);
    }
    if (large.length < 2) return [...large, ...small].map((group) => [group]);
    const parts: number[][] = large.sort((a, b) => weights[b]! - weights[a]! || a - b).map((group) => [group]);
    const leavesOfParts = parts.map((part) => part.flatMap(leavesBelow));
    for (const group of small) {
      const own = leavesBelow(group);
      let best = 0;
      let strongest = -1;
      for (const [i, others] of leavesOfParts.entries()) {
        const strength = linked(own, others) / weights[parts[i]![0]!]!;
        if (strength > strongest) {
          best = i;
          strongest = strength;
        }
      }
      parts[best]!.push(group);
    }
    return parts;
  }

  function weightOf(part: Part): number {
    return part.reduce((sum, group) => sum + weights[group]!, 0);
  }

  function linked(own: readonly number[], others: readonly number[]): number {
    let sum = 0;
    for (const a of own) {
      for (const b of others) sum += between.get(Math.min(a, b) * tree.leafCount + Math.max(a, b)) ?? 0;
    }
    return sum;
  }

  function leavesBelow(group: number): number[] {
    const found: number[] = [];
    const open = [group];
    while (open.length > 0) {
      const g = open.pop()!;
      if (g < tree.leafCount) found.push(g);
      else open.push(tree.left[g - tree.leafCount]!, tree.right[g - tree.leafCount]!);
    }
    return found;
  }
}

function groupWeights(tree: CommunityTree, leafWeights: Float64Array): Float64Array {
  const weights = new Float64Array(tree.parent.length);
  weights.set(leafWeights);
  for (let t = 0; t < tree.left.length; t++) {
    weights[tree.leafCount + t] = weights[tree.left[t]!]! + weights[tree.right[t]!]!;
  }
  return weights;
}

function leafCounts(tree: CommunityTree): Int32Array {
  const counts = new Int32Array(tree.parent.length).fill(1);
  for (let t = 0; t < tree.left.length; t++) {
    counts[tree.leafCount + t] = counts[tree.left[t]!]! + counts[tree.right[t]!]!;
  }
  return counts;
}
