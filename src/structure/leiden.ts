import { z } from "zod";
import { type CompressedGraph, compressGraph, type EdgeList } from "./compressed-graph.js";
import { renumber } from "./k-means.js";
import { type SeededRandom, seededRandom } from "./random.js";
import { structure } from "./structure.js";
import { topDownTree } from "./top-down-tree.js";

/** Hierarchical Leiden: partition by modularity, then partition every large community again inside itself.
 *  Paper    Traag, Waltman, van Eck 2019, arXiv 1810.08473 (From Louvain to Leiden: guaranteeing well-connected communities). A baseline
 *  Takes    an undirected graph, as bottom-up-communities does; weights count
 *  Gives    CommunityTree, joins deepest first
 *  Does     nodes move to the community of largest gain, from a queue; each community is refined into well-connected parts; parts become the nodes
 *           of the next round, until nothing moves; a community of more than `maxSize` nodes is partitioned again
 *  Cost     O(E) a round, some ten rounds a level
 *  Differs  rounds are repeated until nothing moves, so the result does not depend on how many were asked for
 *  Not      bottom-up-communities (smallest groups first)
 *  Errors   as bottom-up-communities */
export const leiden = structure({
  name: "leiden",
  title: "partition by modularity, large communities again inside",
  arxiv: "1810.08473",
  options: z.object({
    resolution: z
      .number()
      .positive()
      .default(1)
      .describe("weight of what chance would join, above 0; larger gives smaller communities"),
    randomness: z.number().positive().default(0.001).describe("how freely the refinement chooses, above 0"),
    maxSize: z
      .number()
      .int()
      .min(2)
      .default(10)
      .describe("nodes of the largest community that is not partitioned again, 2 or more"),
    seed: z.number().int().min(0).default(0).describe("seed of all random choices, where the call gives none"),
  }),
  create:
    ({ maxSize, seed, ...options }) =>
    (edges: EdgeList, context) => {
      const random = seededRandom(context.seed ?? seed);
      const split = (part: CompressedGraph, depth: number): Int32Array | undefined =>
        depth > 0 && part.nodeCount <= maxSize ? undefined : leidenPartition(part, options, random);
      return topDownTree(
        compressGraph(edges),
        split,
        context,
        edges.directed ? ["Directions of edges were dropped."] : [],
      );
    },
});

/** Nodes of one round: what was joined so far, with the weight inside each. */
interface LevelGraph {
  readonly nodeCount: number;
  readonly offsets: Int32Array;
  readonly neighbors: Int32Array;
  readonly weights: Float64Array;
  /** Total weight of each node's edges, those inside it twice. */
  readonly degree: Float64Array;
}

interface LeidenOptions {
  readonly resolution: number;
  readonly randomness: number;
}

export function leidenPartition(graph: CompressedGraph, options: LeidenOptions, random: SeededRandom): Int32Array {
  let level = firstLevel(graph);
  const total = level.degree.reduce((sum, d) => sum + d, 0);
  let communities: Int32Array = Int32Array.from({ length: graph.nodeCount }, (_, v) => v);
  let nodeOf = communities.slice();
  if (total === 0) return communities;
  // Chance joins two groups with weight factor · product of degrees.
  const factor = options.resolution / total;
  for (let round = 0; round < 100; round++) {
    const moved = moveNodes(level, communities, factor, random);
    const { clusters, labels } = renumber(communities);
    communities = labels;
    const parts = renumber(refine(level, communities, { ...options, factor, total }, random));
    if (clusters === level.nodeCount || (!moved && parts.clusters === level.nodeCount)) break;
    const communityOfPart = new Int32Array(parts.clusters);
    for (let v = 0; v < level.nodeCount; v++) communityOfPart[parts.labels[v]!] = communities[v]!;
    nodeOf = nodeOf.map((v) => parts.labels[v]!);
    level = aggregate(level, parts.labels, parts.clusters);
    communities = communityOfPart;
  }
  return renumber(nodeOf.map((v) => communities[v]!)).labels;
}

function firstLevel({ nodeCount, offsets, neighbors, weights }: CompressedGraph): LevelGraph {
  const all = weights ?? new Float64Array(neighbors.length).fill(1);
  const degree = new Float64Array(nodeCount);
  for (let v = 0; v < nodeCount; v++) for (let i = offsets[v]!; i < offsets[v + 1]!; i++) degree[v]! += all[i]!;
  return { nodeCount, offsets, neighbors, weights: all, degree };
}

/** Weights from one node to the groups around it. */
class GroupWeights {
  readonly weight: Float64Array;
  readonly around: number[] = [];
  constructor(groups: number) {
    this.weight = new Float64Array(groups).fill(-1);
  }
  gather(
    { offsets, neighbors, weights }: LevelGraph,
    node: number,
    groupOf: Int32Array,
    counts: (u: number) => boolean,
  ): void {
    for (const group of this.around) this.weight[group] = -1;
    this.around.length = 0;
    for (let i = offsets[node]!; i < offsets[node + 1]!; i++) {
      const u = neighbors[i]!;
      if (!counts(u)) continue;
      const group = groupOf[u]!;
      if (this.weight[group] === -1) {
        this.weight[group] = 0;
        this.around.push(group);
      }
      this.weight[group]! += weights[i]!;
    }
  }
  to(group: number): number {
    return Math.max(0, this.weight[group]!);
  }
}

/** Moves nodes, from a queue, to the community of largest gain; a moved node puts its neighbours back in the queue. */
function moveNodes(level: LevelGraph, communities: Int32Array, factor: number, random: SeededRandom): boolean {
  const n = level.nodeCount;
  const degree = new Float64Array(n);
  for (let v = 0; v < n; v++) degree[communities[v]!]! += level.degree[v]!;
  const around = new GroupWeights(n);
  const queue = random.permutation(new Int32Array(n));
  const queued = new Uint8Array(n).fill(1);
  let moved = false;
  let waiting = n;
  for (let head = 0; waiting > 0; head = (head + 1) % n) {
    const v = queue[head]!;
    waiting--;
    queued[v] = 0;
    const own = communities[v]!;
    around.gather(level, v, communities, () => true);
    degree[own]! -= level.degree[v]!;
    let best = own;
    let bestGain = around.to(own) - factor * level.degree[v]! * degree[own]!;
    for (const group of around.around) {
      const gain = around.to(group) - factor * level.degree[v]! * degree[group]!;
      if (gain > bestGain + 1e-12) {
        best = group;
        bestGain = gain;
      }
    }
    degree[best]! += level.degree[v]!;
    if (best === own) continue;
    communities[v] = best;
    moved = true;
    for (let i = level.offsets[v]!; i < level.offsets[v + 1]!; i++) {
      const u = level.neighbors[i]!;
      if (queued[u] === 1 || communities[u] === best) continue;
      queued[u] = 1;
      queue[(head + 1 + waiting++) % n] = u;
    }
  }
  return moved;
}

/** Parts of each community: single nodes that are well connected to the rest of it join well-connected parts, at random in
 *  proportion to exp(gain / randomness), never at a loss. */
function refine(
  level: LevelGraph,
  communities: Int32Array,
  { randomness, factor, total }: LeidenOptions & { factor: number; total: number },
  random: SeededRandom,
): Int32Array {
  const n = level.nodeCount;
  const parts = Int32Array.from({ length: n }, (_, v) => v);
  const partDegree = level.degree.slice();
  const communityDegree = new Float64Array(n);
  for (let v = 0; v < n; v++) communityDegree[communities[v]!]! += level.degree[v]!;
  /** Weight between a part and the rest of its community. */
  const outward = new Float64Array(n);
  for (let v = 0; v < n; v++) {
    for (let i = level.offsets[v]!; i < level.offsets[v + 1]!; i++) {
      if (communities[level.neighbors[i]!] === communities[v]) outward[v]! += level.weights[i]!;
    }
  }
  const single = new Uint8Array(n).fill(1);
  const around = new GroupWeights(n);
  const wellConnected = (part: number, community: number): boolean =>
    outward[part]! >= factor * partDegree[part]! * (communityDegree[community]! - partDegree[part]!);
  for (const v of random.permutation(new Int32Array(n))) {
    const community = communities[v]!;
    if (single[v] === 0 || !wellConnected(v, community)) continue;
    around.gather(level, v, parts, (u) => communities[u] === community);
    const choices = around.around.flatMap((part) => {
      const gain = around.to(part) - factor * level.degree[v]! * partDegree[part]!;
      return gain >= 0 && wellConnected(part, community) ? [{ part, gain }] : [];
    });
    if (choices.length === 0) continue;
    const most = Math.max(...choices.map(({ gain }) => gain));
    const chances = choices.map(({ gain }) => Math.exp((2 * (gain - most)) / (randomness * total)));
    const chosen = choices[drawn(chances, random)]!;
    const link = around.to(chosen.part);
    parts[v] = chosen.part;
    single[v] = 0;
    single[chosen.part] = 0;
    partDegree[chosen.part]! += level.degree[v]!;
    outward[chosen.part]! += outward[v]! - 2 * link;
    partDegree[v] = 0;
    outward[v] = 0;
  }
  return parts;
}

/** A place drawn in proportion to the chances. */
function drawn(chances: readonly number[], random: SeededRandom): number {
  let target = random.uniform() * chances.reduce((sum, chance) => sum + chance, 0);
  for (const [place, chance] of chances.entries()) {
    target -= chance;
    if (target < 0) return place;
  }
  return chances.length - 1;
}

function aggregate(level: LevelGraph, parts: Int32Array, count: number): LevelGraph {
  const members = Array.from({ length: count }, (): number[] => []);
  for (const [v, part] of parts.entries()) members[part]!.push(v);
  const around = new Float64Array(count);
  const offsets = new Int32Array(count + 1);
  const [neighbors, weights]: [number[], number[]] = [[], []];
  const degree = new Float64Array(count);
  for (let part = 0; part < count; part++) {
    const seen: number[] = [];
    for (const v of members[part]!) {
      degree[part]! += level.degree[v]!;
      for (let i = level.offsets[v]!; i < level.offsets[v + 1]!; i++) {
        const other = parts[level.neighbors[i]!]!;
        if (other === part) continue;
        if (around[other] === 0) seen.push(other);
        around[other]! += level.weights[i]!;
      }
    }
    for (const other of seen.sort((x, y) => x - y)) {
      neighbors.push(other);
      weights.push(around[other]!);
      around[other] = 0;
    }
    offsets[part + 1] = neighbors.length;
  }
  return {
    nodeCount: count,
    offsets,
    neighbors: Int32Array.from(neighbors),
    weights: Float64Array.from(weights),
    degree,
  };
}
