import { z } from "zod";
import { QuireError, throwIfAborted } from "../errors.js";
import { spectralGroups } from "./bethe-hessian.js";
import { type CommunityTree, communityTree } from "./community-tree.js";
import { type CompressedGraph, components, compressGraph, type EdgeList } from "./compressed-graph.js";
import { groupLinks, joinByDensity } from "./density-linkage.js";
import { renumber } from "./k-means.js";
import { type SeededRandom, seededRandom } from "./random.js";
import { type StructureContext, structure } from "./structure.js";
import { subgraph } from "./subgraph.js";

/** Bottom-up communities: find the smallest groups first, then join them by edge density into a tree.
 *  Paper    Dreveton, Kuroda, Grossglauser, Thiran 2023, arXiv 2306.00833 (When Does Bottom-up Beat Top-down in Hierarchical Community Detection?).
 *           Page: docs/methods/bottom-up-communities.md
 *  Takes    an undirected graph: sources and targets [E], any ids or the numbers 0..N-1, optional weights [E]; loops are dropped, parallel edges added
 *  Gives    CommunityTree: leaf group of each node [N], joins with their densities [K-1]; cuts, levels, paths, stable ids
 *  Does     per connected part the lowest eigenvectors of the Bethe-Hessian and k-means give K groups; then, until one is left, the two groups with the
 *           largest share of possible edges between them are joined
 *  Cost     O(K·E) a round of Lanczos, N·K² to orthogonalise, K² log K to join; memory O(E + N·K + K²)
 *  Differs  K of several parts is shared out by size (the paper has one part); joins closer than 10% may be shown as one; weights count in the
 *           joins only; one radius for all vectors by default ("exact" finds one for each, for few groups); the first of the K vectors is taken at √ρ; K is estimated up to what 1 GB of vectors allows
 *  Not      louvain, paris, recursive-bipartition (the baselines, same result), slugger (groups that shorten, not groups that mean something)
 *  Errors   bad-input for negative or NaN weights, wrong ids; bad-option for K < 1, K > N, K below the number of large parts, cuts finer than the leaves */
export const bottomUpCommunities = structure({
  name: "bottom-up-communities",
  title: "find the smallest groups first, then join them by edge density",
  arxiv: "2306.00833",
  options: z.object({
    groups: z
      .number()
      .int()
      .min(1)
      .optional()
      .describe("bottom groups of the large parts together, 1 to the number of nodes; default estimated"),
    linkage: z
      .enum(["average", "single"])
      .default("average")
      .describe("density of a join: of all edges (average), or the largest of any two leaf groups (single)"),
    spectral: z
      .enum(["short", "exact"])
      .default("short")
      .describe("one radius from the degrees (short), or one for each eigenvector (exact)"),
    levels: z
      .number()
      .int()
      .min(0)
      .max(16)
      .default(4)
      .describe("cuts to offer between the whole and the leaf groups, 0 to 16"),
    minComponent: z
      .number()
      .int()
      .min(2)
      .default(10)
      .describe("nodes of the smallest connected part that is divided further, 2 or more"),
    seed: z.number().int().min(0).default(0).describe("seed of all random choices, where the call gives none"),
  }),
  create: (options) => (edges: EdgeList, context) => {
    const graph = compressGraph(edges);
    const warnings = edges.directed ? ["Directions of edges were dropped."] : [];
    const { of, count, small, capped } = bottomGroups(graph, options, { seed: options.seed, ...context });
    if (small.nodes > 0) {
      warnings.push(
        `${small.nodes} nodes in ${small.parts} connected parts of fewer than ${options.minComponent} nodes are leaf groups of their own.`,
      );
    }
    if (capped)
      warnings.push("There may be more bottom groups than memory let it look for; a larger number can be given.");
    // Without any edge there is nothing to join by.
    const joins =
      graph.edgeCount === 0
        ? { left: new Int32Array(0), right: new Int32Array(0), height: new Float64Array(0) }
        : joinByDensity(groupLinks(graph, of, count), options.linkage);
    return communityTree(graph, of, joins, { levels: options.levels, warnings }) satisfies CommunityTree;
  },
});

interface BottomOptions {
  readonly groups?: number;
  readonly spectral: "short" | "exact";
  readonly minComponent: number;
}

function bottomGroups(
  graph: CompressedGraph,
  { groups, spectral, minComponent }: BottomOptions,
  context: StructureContext,
) {
  const random: SeededRandom = seededRandom(context.seed ?? 0);
  const parts = nodesOfParts(graph);
  const large = parts.filter((part) => part.length >= minComponent);
  const shares = groups === undefined ? undefined : shareOut(groups, graph.nodeCount, large);
  const of = new Int32Array(graph.nodeCount);
  let count = 0;
  let done = 0;
  let capped = false;
  let next = 0;
  const room = new Int32Array(graph.nodeCount).fill(-1);
  for (const part of parts) {
    throwIfAborted(context.signal);
    if (part.length < minComponent) {
      for (const v of part) of[v] = count;
      count++;
      continue;
    }
    const inside = part.length === graph.nodeCount ? graph : subgraph(graph, part, room);
    const found = spectralGroups(inside, { groups: shares?.[next++], form: spectral, random, signal: context.signal });
    for (const [at, v] of part.entries()) of[v] = count + found.labels[at]!;
    count += found.groups;
    capped ||= found.capped;
    done += part.length;
    context.onProgress?.(done, graph.nodeCount);
  }
  const small = parts.filter((part) => part.length < minComponent);
  const nodes = small.reduce((sum, part) => sum + part.length, 0);
  return { of: renumber(of).labels, count, small: { parts: small.length, nodes }, capped };
}

/** Nodes of each connected part, ascending. */
function nodesOfParts(graph: CompressedGraph): Int32Array[] {
  const { count, of } = components(graph);
  const sizes = new Int32Array(count);
  for (const part of of) sizes[part]!++;
  const parts = Array.from(sizes, (size) => new Int32Array(size));
  const ends = new Int32Array(count);
  for (const [v, part] of of.entries()) parts[part]![ends[part]!++] = v;
  return parts;
}

/** K groups over the large parts by size: one each, then the part with the most nodes a group. */
function shareOut(groups: number, nodeCount: number, large: readonly Int32Array[]): number[] {
  const room = large.reduce((sum, part) => sum + part.length, 0);
  if (groups > room || groups < large.length) {
    throw new QuireError("bad-option", `${groups} groups cannot be made of ${nodeCount} nodes.`, {
      got: groups,
      expected: `${large.length} (one for each large connected part) to ${room} (the nodes in them)`,
      fix: "Leave groups out to have their number estimated, or lower minComponent.",
    });
  }
  const shares = large.map(() => 1);
  for (let given = large.length; given < groups; given++) {
    let next = -1;
    for (const [i, part] of large.entries()) {
      if (shares[i]! >= part.length) continue;
      if (next === -1 || part.length / shares[i]! > large[next]!.length / shares[next]!) next = i;
    }
    shares[next]!++;
  }
  return shares;
}
