import { z } from "zod";
import { isDivisible } from "./bethe-hessian.js";
import { type CompressedGraph, compressGraph, type EdgeList } from "./compressed-graph.js";
import { kMeans } from "./k-means.js";
import { lowestEigenpairs } from "./lowest-eigenpairs.js";
import { type SeededRandom, seededRandom } from "./random.js";
import { structure } from "./structure.js";
import { topDownTree } from "./top-down-tree.js";

/** Recursive bipartition: split the graph in two by its spectrum, then each part, until nothing more is to be seen.
 *  Paper    the top-down method that bottom-up-communities is compared with (arXiv 2306.00833, section on experiments). A baseline
 *  Takes    an undirected graph, as bottom-up-communities does
 *  Gives    CommunityTree, joins deepest first
 *  Does     two lowest eigenvectors of the normalised Laplacian of A + 0.1 · mean degree / n, two clusters by k-means; a part whose Bethe-Hessian
 *           has fewer than two negative eigenvalues stays whole
 *  Cost     O(E) a round of Lanczos, per level of the tree
 *  Differs  `depth` splits that many times whatever the spectrum says
 *  Not      bottom-up-communities (smallest groups first)
 *  Errors   as bottom-up-communities */
export const recursiveBipartition = structure({
  name: "recursive-bipartition",
  title: "split in two by the spectrum, again and again",
  options: z.object({
    depth: z
      .number()
      .int()
      .min(1)
      .max(30)
      .optional()
      .describe("splits from the top to each leaf, 1 to 30; default until nothing is seen"),
    seed: z.number().int().min(0).default(0).describe("seed of all random choices, where the call gives none"),
  }),
  create:
    ({ depth: forced, seed }) =>
    (edges: EdgeList, context) => {
      const random = seededRandom(context.seed ?? seed);
      const split = (part: CompressedGraph, depth: number): Int32Array | undefined => {
        const wanted = forced === undefined ? depth < 30 && isDivisible(part, random) : depth < forced;
        return wanted && part.edgeCount > 0 ? halves(part, random) : undefined;
      };
      return topDownTree(
        compressGraph(edges),
        split,
        context,
        edges.directed ? ["Directions of edges were dropped."] : [],
      );
    },
});

function halves(part: CompressedGraph, random: SeededRandom): Int32Array {
  const n = part.nodeCount;
  const { vectors } = lowestEigenpairs({ size: n, count: 2, apply: regularisedLaplacian(part), random });
  const rows = Float64Array.from({ length: 2 * n }, (_, i) => vectors[(i % 2) * n + (i >> 1)]!);
  return kMeans(rows, { width: 2, clusters: 2, random }).labels;
}

/** y = x - D^(-1/2) (A + e·11ᵀ) D^(-1/2) x, with D the row sums of the bracket. */
function regularisedLaplacian({ nodeCount, offsets, neighbors }: CompressedGraph) {
  const everywhere = (0.1 * offsets[nodeCount]!) / nodeCount / nodeCount;
  const scale = Float64Array.from(
    { length: nodeCount },
    (_, v) => 1 / Math.sqrt(offsets[v + 1]! - offsets[v]! + everywhere * nodeCount),
  );
  const scaled = new Float64Array(nodeCount);
  return (x: Float64Array, y: Float64Array): void => {
    let total = 0;
    for (let v = 0; v < nodeCount; v++) {
      scaled[v] = scale[v]! * x[v]!;
      total += scaled[v]!;
    }
    for (let v = 0; v < nodeCount; v++) {
      let sum = everywhere * total;
      for (let i = offsets[v]!; i < offsets[v + 1]!; i++) sum += scaled[neighbors[i]!]!;
      y[v] = x[v]! - scale[v]! * sum;
    }
  };
}
