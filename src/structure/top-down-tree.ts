import { throwIfAborted } from "../errors.js";
import { type CommunityTree, communityTree } from "./community-tree.js";
import type { CompressedGraph } from "./compressed-graph.js";
import type { StructureContext } from "./structure.js";
import { subgraph } from "./subgraph.js";

/** The tree of a method that splits from the top: each part is handed to `split`, which gives a label to each of its nodes, or
 *  nothing to leave the part whole. Joins are listed deepest first, so that a cut undoes the top splits first; the height of a join is
 *  the density between its parts, and may rise on the way up. */
export function topDownTree(
  graph: CompressedGraph,
  split: (part: CompressedGraph, depth: number) => Int32Array | undefined,
  context: StructureContext,
  warnings: readonly string[] = [],
): CommunityTree {
  const leafOf = new Int32Array(graph.nodeCount);
  const room = new Int32Array(graph.nodeCount).fill(-1);
  const splits: { depth: number; height: number; kids: number[]; part: number }[] = [];
  const leafNumber = new Map<number, number>();
  const open: { nodes: Int32Array; depth: number; part: number }[] = [
    { nodes: Int32Array.from({ length: graph.nodeCount }, (_, v) => v), depth: 0, part: 0 },
  ];
  let parts = 1;
  for (let at = 0; at < open.length; at++) {
    throwIfAborted(context.signal);
    const { nodes, depth, part } = open[at]!;
    const inside = nodes.length === graph.nodeCount ? graph : subgraph(graph, nodes, room);
    const labels = nodes.length < 2 ? undefined : split(inside, depth);
    const groups = labels === undefined ? [nodes] : byLabel(nodes, labels);
    if (groups.length < 2) {
      for (const v of nodes) leafOf[v] = leafNumber.size;
      leafNumber.set(part, leafNumber.size);
      continue;
    }
    const kids = groups.map((group) => {
      open.push({ nodes: group, depth: depth + 1, part: parts });
      return parts++;
    });
    splits.push({ depth, part, kids, height: densityBetween(inside, labels!, groups) });
  }

  const leafCount = leafNumber.size;
  const groupOf = leafNumber;
  const joins: { left: number[]; right: number[]; height: number[] } = { left: [], right: [], height: [] };
  for (const { part, kids, height } of splits.sort((x, y) => y.depth - x.depth || x.part - y.part)) {
    let joined = groupOf.get(kids[0]!)!;
    for (const kid of kids.slice(1)) {
      const other = groupOf.get(kid)!;
      joins.left.push(Math.min(joined, other));
      joins.right.push(Math.max(joined, other));
      joins.height.push(height);
      joined = leafCount + joins.height.length - 1;
    }
    groupOf.set(part, joined);
  }
  return communityTree(
    graph,
    leafOf,
    { left: Int32Array.from(joins.left), right: Int32Array.from(joins.right), height: Float64Array.from(joins.height) },
    { warnings },
  );
}

function byLabel(nodes: Int32Array, labels: Int32Array): Int32Array[] {
  const groups = new Map<number, number[]>();
  for (const [i, v] of nodes.entries()) {
    const group = groups.get(labels[i]!);
    if (group === undefined) groups.set(labels[i]!, [v]);
    else group.push(v);
  }
  return [...groups.values()].map((group) => Int32Array.from(group));
}

function densityBetween(part: CompressedGraph, labels: Int32Array, groups: readonly Int32Array[]): number {
  let weight = 0;
  for (let v = 0; v < part.nodeCount; v++) {
    for (let i = part.offsets[v]!; i < part.offsets[v + 1]!; i++) {
      if (labels[part.neighbors[i]!] !== labels[v]) weight += part.weights?.[i] ?? 1;
    }
  }
  const inside = groups.reduce((sum, group) => sum + group.length ** 2, 0);
  return weight / (part.nodeCount ** 2 - inside);
}
