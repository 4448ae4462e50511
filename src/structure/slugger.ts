import { z } from "zod";
import { QuireError } from "../errors.js";
import { compressGraph, type EdgeList } from "./compressed-graph.js";
import { type GraphSummary, summaryOf } from "./graph-summary.js";
import { mergeRoots } from "./slugger-merge.js";
import { pruneForest } from "./slugger-prune.js";
import { structure } from "./structure.js";

/** SLUGGER: store a graph exactly, in fewer edges, as nested groups with plus and minus edges.
 *  Paper    Lee, Ko, Shin 2022, arXiv 2112.05374 (SLUGGER: Lossless Hierarchical Summarization of Massive Graphs). Page: docs/methods/slugger.md
 *  Takes    an undirected, unweighted graph: sources and targets [E], any ids or the numbers 0..V-1; loops are dropped, parallel edges become one
 *  Gives    GraphSummary: forest parents [F], signed edges, size; `neighbors(v)` straight from the summary, `decode()` the graph again
 *  Does     T rounds: roots with a common min-hash shingle form groups; in a group each root joins the partner that saves the largest share, if that
 *           is at least 1/(1+t) and two edges; a join re-encodes the top two levels optimally; then nodes, roots and pairs that do not pay are pruned
 *  Cost     O(T·E) time in practice, O(V+E) memory; a read touches the leaves under the far ends of the edges of v and its ancestors
 *  Differs  of equally short encodings the first found is kept, the reference keeps all and picks later (one is enough and makes the result definite);
 *           a leaf's cell with itself takes its cheapest value; flat forms are decided for each pair of roots alone; the seed is fixed
 *  Not      bottom-up-communities (groups that mean something, nothing stored), polygonal-partitions (draws a tree), flat-summary (its baseline)
 *  Errors   bad-input for weights, directed edges, wrong ids; bad-option for T < 1, C < 2 */
export const slugger = structure({
  name: "slugger",
  title: "store a graph exactly, in fewer edges, as nested groups",
  arxiv: "2112.05374",
  options: z.object({
    iterations: z
      .number()
      .int()
      .min(1)
      .default(20)
      .describe("rounds of merging, 1 or more; 5 is fast, beyond 40 little is gained"),
    maxGroup: z.number().int().min(2).default(500).describe("roots compared with each other at most, 2 or more"),
    maxSplits: z
      .number()
      .int()
      .min(1)
      .max(100)
      .default(10)
      .describe("fresh rankings tried before a large group is cut into slices, 1 to 100"),
    maxHeight: z
      .number()
      .int()
      .min(1)
      .optional()
      .describe("height of the tallest tree, 1 or more; lower reads faster and stores more; default none"),
    seed: z.number().int().min(0).default(0).describe("seed of all random choices, where the call gives none"),
  }),
  create:
    ({ seed, maxHeight = Infinity, ...options }) =>
    (edges: EdgeList, context): GraphSummary => {
      const graph = compressGraph(plainGraph(edges));
      const forest = mergeRoots(graph, { ...options, maxHeight }, { seed, ...context });
      pruneForest(graph, forest);
      return summaryOf(graph, forest);
    },
});

/** Refuses what the model cannot hold. Weights that are all 1 say nothing and pass. */
export function plainGraph(edges: EdgeList): EdgeList {
  const field = edges?.directed ? "directed" : edges?.weights && !allOnes(edges.weights) ? "weights" : undefined;
  if (field !== undefined) {
    throw new QuireError("bad-input", `A summary stores undirected, unweighted graphs; the graph has "${field}".`, {
      got: field,
      expected: "sources and targets only",
      fix: `Leave "${field}" out; the summary will hold which nodes are joined, and nothing more.`,
    });
  }
  return edges;
}

function allOnes(weights: ArrayLike<number>): boolean {
  for (let i = 0; i < weights.length; i++) if (weights[i] !== 1) return false;
  return true;
}
