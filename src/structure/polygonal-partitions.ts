import { z } from "zod";
import { balances } from "./cut-tree.js";
import { type PartitionOptions, partition } from "./polygon-layout.js";
import { structure } from "./structure.js";
import { flattenTree, type TreeNode, type WeightedTree } from "./weighted-tree.js";

export { inscribedCircle } from "./convex-polygon.js";
export { balances } from "./cut-tree.js";
export type { Partition } from "./partition.js";
export { aspectBound, type PartitionOptions, partition } from "./polygon-layout.js";
export { placeBoxes } from "./slack-boxes.js";
export { type Embedding, embedUltrametric, type UltrametricTree } from "./ultrametric-embedding.js";
export { indexTree, sumWeights, type TreeNode, type WeightedTree } from "./weighted-tree.js";

/** Polygonal partitions: draws a weighted tree as nested convex polygons that never get thin.
 *  Paper    de Berg, Onak, Sidiropoulos: Fat Polygonal Partitions with Applications to Visualization and Embeddings, 2013, arXiv 1009.1866.
 *           Page: docs/methods/polygonal-partitions.md
 *  Takes    parents [N], weights [N] (read at leaves)   (N nodes)
 *  Gives    a convex polygon per node, counter-clockwise, area = its share of the root polygon; children tile their parent.
 *           rule rectangles: boxes of ratio at most 1/slack that may lose up to a factor (1 - slack) per level; also `placeBoxes` in d
 *           dimensions, and `embedUltrametric` (points for the leaves of a labelled tree)
 *  Cost     a cut of a polygon with K corners O(K log K), greedy 360 times that; N - 1 cuts; K at most 4 + cuts on the path; memory O(N · K)
 *  Differs  from the paper: the constants of the bound, the boxes and the embedding are derived anew (their proofs are on the page); child
 *           lists are halved by leaves, not by number; a cut keeps corners relative to one of them and directions as angles, for digits
 *  Not      bottom-up-communities (makes the tree that is drawn here); treemaps (rectangles only: a heavy sibling makes slivers)
 *  Errors   bad-input: negative or endless weights, all zero, no tree, shape not convex or clockwise; cancelled */
export const polygonalPartitions = structure({
  name: "polygonal-partitions",
  title: "Draws a weighted tree as nested convex polygons that never get thin",
  arxiv: "1009.1866",
  options: z.object({
    rule: z
      .enum(["widest-angle", "dyadic", "greedy", "rectangles"])
      .default("widest-angle")
      .describe(
        "direction of cuts: widest-angle (proven bound), dyadic (tidy), greedy (best looking, no bound), or rectangles",
      ),
    balance: z
      .enum(balances)
      .default("leaves")
      .describe("how lists of siblings are halved: by leaves, code words or count"),
    slack: z
      .number()
      .gt(0)
      .max(1 / 3)
      .optional()
      .describe(
        "rectangles: share of area a level may lose, 0 to 1/3; sides stay within 1/slack; default 1 / (height + 1)",
      ),
    shape: z
      .array(z.number())
      .optional()
      .describe("corners x0, y0, x1, y1, ... of the root polygon, counter-clockwise; default the unit square"),
  }),
  create: (options) => (input: WeightedTree, context) => partition(input, options, context),
});

/** Convenience for a tree of objects. Nodes without weight are left out. */
export function layoutTree(
  root: TreeNode,
  options: Partial<PartitionOptions> = {},
): { id: string; polygon: [number, number][]; area: number; aspect: number }[] {
  const tree = flattenTree(root);
  const { rule, balance, slack, shape } = options;
  const drawn = polygonalPartitions({ rule, balance, slack, shape: shape && [...shape] }).build(tree);
  return tree.ids.flatMap((id, node) => {
    const flat = drawn.polygon(node);
    if (flat.length === 0) return [];
    const polygon = Array.from({ length: flat.length / 2 }, (_, i): [number, number] => [
      flat[2 * i]!,
      flat[2 * i + 1]!,
    ]);
    return [{ id, polygon, area: drawn.areas[node]!, aspect: drawn.aspects[node]! }];
  });
}
