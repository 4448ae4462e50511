import { z } from "zod";
import { communityTree } from "./community-tree.js";
import { type CompressedGraph, compressGraph, type EdgeList } from "./compressed-graph.js";
import type { Joins } from "./density-linkage.js";
import { structure } from "./structure.js";

/** Paris: join nodes by the nearest-neighbour chain, the distance of two groups being what chance would join them by over what does.
 *  Paper    Bonald, Charpentier, Galland, Hollocou 2018, arXiv 1806.01664 (Hierarchical Graph Clustering using Node Pair Sampling). A baseline
 *  Takes    an undirected graph, as bottom-up-communities does
 *  Gives    CommunityTree whose leaf groups are the nodes; heights are 1 / distance
 *  Does     distance w_a·w_b / (w_ab·W), w a group's total weight, W that of the graph; chains are followed to pairs nearest to each other
 *  Cost     O(E log N) to O(N·E) by the shape of the graph, memory O(E)
 *  Differs  parts without a path between them are joined last, at height 0
 *  Not      bottom-up-communities (finds groups first, joins by density)
 *  Errors   as bottom-up-communities */
export const paris = structure({
  name: "paris",
  title: "join nodes that are nearest by sampled pairs",
  arxiv: "1806.01664",
  options: z.object({}),
  create: () => (edges: EdgeList) => {
    const graph = compressGraph(edges);
    const leafOf = Int32Array.from({ length: graph.nodeCount }, (_, v) => v);
    const joins =
      graph.edgeCount === 0
        ? { left: new Int32Array(0), right: new Int32Array(0), height: new Float64Array(0) }
        : chainJoins(graph);
    return communityTree(graph, leafOf, joins, {
      warnings: edges.directed ? ["Directions of edges were dropped."] : [],
    });
  },
});

interface Merge {
  readonly a: number;
  readonly b: number;
  readonly distance: number;
}

function chainJoins(graph: CompressedGraph): Joins {
  const n = graph.nodeCount;
  const weight = new Float64Array(2 * n);
  const links: (Map<number, number> | undefined)[] = [];
  let total = 0;
  for (let v = 0; v < n; v++) {
    const row = new Map<number, number>();
    for (let i = graph.offsets[v]!; i < graph.offsets[v + 1]!; i++) {
      const w = graph.weights?.[i] ?? 1;
      row.set(graph.neighbors[i]!, w);
      weight[v]! += w;
      total += w;
    }
    links.push(row);
  }
  const merges: Merge[] = [];
  const distanceOf = new Float64Array(2 * n);
  const chain: number[] = [];
  const finished: number[] = [];
  for (let seed = 0; seed < links.length; seed++) {
    if (links[seed] === undefined) continue;
    chain.push(seed);
    while (chain.length > 0) {
      const a = chain.at(-1)!;
      const before = chain.at(-2) ?? -1;
      const { nearest, distance } = nearestOf(a, before, { links, weight, total });
      if (nearest === -1) {
        finished.push(chain.pop()!);
        links[a] = undefined;
      } else if (nearest !== before) chain.push(nearest);
      else {
        chain.length -= 2;
        const m = links.length;
        // Distances never shrink on the way up; rounding must not say otherwise.
        distanceOf[m] = Math.max(distance, distanceOf[a]!, distanceOf[before]!);
        merges.push({ a, b: before, distance: distanceOf[m]! });
        weight[m] = weight[a]! + weight[before]!;
        links.push(joinedLinks(a, before, m, links));
      }
    }
  }
  return ordered(merges, finished, n);
}

/** The nearest group; of equally near ones the one before it in the chain, else the smallest number. */
function nearestOf(
  a: number,
  before: number,
  {
    links,
    weight,
    total,
  }: { links: readonly (Map<number, number> | undefined)[]; weight: Float64Array; total: number },
): { nearest: number; distance: number } {
  let nearest = -1;
  let distance = Infinity;
  for (const [b, w] of links[a]!) {
    const d = (weight[a]! * weight[b]!) / (w * total);
    if (d < distance || (d === distance && (b === before || (nearest !== before && b < nearest)))) {
      nearest = b;
      distance = d;
    }
  }
  return { nearest, distance };
}

function joinedLinks(a: number, b: number, m: number, links: (Map<number, number> | undefined)[]): Map<number, number> {
  const joined = new Map<number, number>();
  for (const from of [a, b]) {
    for (const [other, w] of links[from]!) {
      if (other === a || other === b) continue;
      joined.set(other, (joined.get(other) ?? 0) + w);
    }
    links[from] = undefined;
  }
  for (const [other, w] of joined) {
    const theirs = links[other]!;
    theirs.delete(a);
    theirs.delete(b);
    theirs.set(m, w);
  }
  return joined;
}

/** Merges by distance; the groups that are left over are joined at height 0. */
function ordered(merges: readonly Merge[], finished: readonly number[], n: number): Joins {
  const order = Array.from(merges.keys()).sort((i, j) => merges[i]!.distance - merges[j]!.distance || i - j);
  const numberOf = new Int32Array(n + merges.length);
  for (let v = 0; v < n; v++) numberOf[v] = v;
  for (const [t, i] of order.entries()) numberOf[n + i] = n + t;
  const [left, right, height]: number[][] = [[], [], []];
  const join = (x: number, y: number, h: number): void => {
    left!.push(Math.min(x, y));
    right!.push(Math.max(x, y));
    height!.push(h);
  };
  for (const i of order) join(numberOf[merges[i]!.a]!, numberOf[merges[i]!.b]!, 1 / merges[i]!.distance);
  const rest = finished.map((group) => numberOf[group]!);
  for (let i = 0; i + 1 < rest.length; i += 2) {
    join(rest[i]!, rest[i + 1]!, 0);
    rest.push(n + height!.length - 1);
  }
  return { left: Int32Array.from(left!), right: Int32Array.from(right!), height: Float64Array.from(height!) };
}
