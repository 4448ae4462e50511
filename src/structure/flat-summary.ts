import { z } from "zod";
import { type CompressedGraph, compressGraph, type EdgeList } from "./compressed-graph.js";
import { type GraphSummary, summaryOf } from "./graph-summary.js";
import { type MergingRoots, mergeGreedily } from "./greedy-merging.js";
import { RootPairs } from "./root-pairs.js";
import { SignedForest } from "./signed-forest.js";
import { plainGraph } from "./slugger.js";
import { dropBareNodes } from "./slugger-prune.js";
import { structure } from "./structure.js";

/** The flat summary: store a graph exactly as disjoint groups with edges between groups and corrections between nodes.
 *  Paper    Navlakha, Rastogi, Shrivastava 2008 (Graph Summarization with Bounded Error), the model; the greedy rounds are slugger's. A baseline
 *  Takes    an undirected, unweighted graph, as slugger does
 *  Gives    GraphSummary of height 1 at most: edges join roots or leaves only
 *  Does     groups are joined in slugger's rounds; a pair of groups with e of a possible edges costs min(e, a - e + 1), a member one link
 *  Cost     O(T·E) time in practice, O(V+E) memory
 *  Differs  a join must save the links it adds (two, one or none), at least one edge: what the model really pays
 *  Not      slugger (groups inside groups; this is what it is measured against)
 *  Errors   as slugger */
export const flatSummary = structure({
  name: "flat-summary",
  title: "store a graph exactly as disjoint groups and corrections",
  options: z.object({
    iterations: z.number().int().min(1).default(20).describe("rounds of merging, 1 or more"),
    maxGroup: z.number().int().min(2).default(500).describe("roots compared with each other at most, 2 or more"),
    seed: z.number().int().min(0).default(0).describe("seed of all random choices, where the call gives none"),
  }),
  create:
    ({ seed, ...options }) =>
    (edges: EdgeList, context): GraphSummary => {
      const graph = compressGraph(plainGraph(edges));
      const groups = new FlatGroups(graph);
      mergeGreedily(graph, groups, { ...options, maxSplits: 10 }, { seed, ...context });
      return summaryOf(graph, groups.emit(graph));
    },
});

function pairCost(edges: number, possible: number): number {
  return Math.min(edges, possible - edges + 1);
}

class FlatGroups implements MergingRoots {
  readonly first: Int32Array;
  readonly next: Int32Array;
  readonly #last: Int32Array;
  readonly #pairs: RootPairs;
  readonly #edges: Int32Array;
  readonly #inside: Int32Array;
  readonly #members: Int32Array;
  readonly #cost: Float64Array;
  readonly #isRoot: Uint8Array;
  readonly #stamps: Int32Array;
  readonly #adjacent: Uint8Array;
  #nodes: number;

  constructor(graph: CompressedGraph) {
    const n = graph.nodeCount;
    const limit = Math.max(1, 2 * n);
    this.#nodes = n;
    this.#pairs = new RootPairs(graph, limit);
    this.#edges = new Int32Array(graph.edgeCount).fill(1);
    this.#inside = new Int32Array(limit);
    this.#members = new Int32Array(limit).fill(1, 0, n);
    this.#cost = new Float64Array(limit);
    this.#isRoot = new Uint8Array(limit).fill(1, 0, n);
    this.#stamps = new Int32Array(limit);
    this.#adjacent = new Uint8Array(n);
    this.first = new Int32Array(limit);
    this.#last = new Int32Array(limit);
    this.next = new Int32Array(n).fill(-1);
    for (let v = 0; v < n; v++) {
      this.#cost[v] = graph.offsets[v + 1]! - graph.offsets[v]!;
      this.first[v] = v;
      this.#last[v] = v;
    }
  }

  openRoots(): Int32Array {
    const roots: number[] = [];
    for (let x = 0; x < this.#nodes; x++) if (this.#isRoot[x] === 1 && this.#cost[x]! > 0) roots.push(x);
    return Int32Array.from(roots);
  }

  bestPartner(a: number, group: Int32Array, size: number, threshold: number): number {
    this.#pairs.mark(a);
    let best = -1;
    let bestSaving = -1;
    for (let i = 0; i < size; i++) {
      const b = group[i]!;
      const before = this.#cost[a]! + this.#cost[b]! - this.#costOf(this.#pairs.pairWithMarked(b), a, b);
      if (before === 0) continue;
      const gain = before - this.#costAfter(a, b);
      const links = (this.#members[a] === 1 ? 1 : 0) + (this.#members[b] === 1 ? 1 : 0);
      const saving = gain / before;
      if (gain >= Math.max(1, links) && saving >= threshold && saving > bestSaving) {
        best = i;
        bestSaving = saving;
      }
    }
    return best;
  }

  #costOf(pair: number, x: number, y: number): number {
    return pair === -1 ? 0 : pairCost(this.#edges[pair]!, this.#members[x]! * this.#members[y]!);
  }

  #insideCost(edges: number, members: number): number {
    return pairCost(edges, (members * (members - 1)) / 2);
  }

  /** Cost of the joined group of the marked root a and b. */
  #costAfter(a: number, b: number): number {
    const members = this.#members[a]! + this.#members[b]!;
    const between = this.#pairs.pairWithMarked(b);
    const inside = this.#inside[a]! + this.#inside[b]! + (between === -1 ? 0 : this.#edges[between]!);
    let cost = this.#insideCost(inside, members);
    const endB = this.#pairs.sweep(b);
    const { pool, start, ends, stamp } = this.#pairs;
    for (let i = start[b]!; i < endB; i++) {
      const pairB = pool[i]!;
      const other = ends[pairB]! ^ b;
      if (other === a) continue;
      const pairA = this.#pairs.pairWithMarked(other);
      const edges = this.#edges[pairB]! + (pairA === -1 ? 0 : this.#edges[pairA]!);
      cost += pairCost(edges, members * this.#members[other]!);
      this.#stamps[other] = stamp;
    }
    const seen = this.#stamps;
    const endA = this.#pairs.sweep(a);
    for (let i = start[a]!; i < endA; i++) {
      const pairA = pool[i]!;
      const other = ends[pairA]! ^ a;
      if (other !== b && seen[other] !== stamp) cost += pairCost(this.#edges[pairA]!, members * this.#members[other]!);
    }
    for (let i = start[b]!; i < endB; i++) seen[ends[pool[i]!]! ^ b] = 0;
    return cost;
  }

  merge(a: number, b: number): number {
    const m = this.#nodes++;
    this.#members[m] = this.#members[a]! + this.#members[b]!;
    let total = 0;
    const between = this.#pairs.merge(a, b, m, (pairA, pairB, other) => {
      const before = this.#costOf(pairA, a, other) + this.#costOf(pairB, b, other);
      const kept = pairA === -1 ? pairB : pairA;
      if (pairA !== -1 && pairB !== -1) this.#edges[kept]! += this.#edges[pairB]!;
      const after = this.#costOf(kept, m, other);
      this.#cost[other]! += after - before;
      total += after;
    });
    this.#inside[m] = this.#inside[a]! + this.#inside[b]! + (between === -1 ? 0 : this.#edges[between]!);
    this.#cost[m] = total + this.#insideCost(this.#inside[m]!, this.#members[m]!);
    this.#isRoot[a] = 0;
    this.#isRoot[b] = 0;
    this.#isRoot[m] = 1;
    this.first[m] = this.first[a]!;
    this.next[this.#last[a]!] = this.first[b]!;
    this.#last[m] = this.#last[b]!;
    return m;
  }

  /** Every pair of groups in the cheaper of its two forms. */
  emit(graph: CompressedGraph): SignedForest {
    const groupOf = new Int32Array(graph.nodeCount);
    const forest = new SignedForest(graph.nodeCount, this.#nodes);
    for (let x = 0; x < this.#nodes; x++) {
      if (this.#isRoot[x] === 0) {
        if (x >= graph.nodeCount) forest.removed[x] = 1;
        continue;
      }
      for (let v = this.first[x]!; v !== -1; v = this.next[v]!) {
        groupOf[v] = x;
        if (v !== x) forest.parent[v] = x;
      }
    }
    for (let pair = 0; pair < this.#pairs.pairCount; pair++) {
      const x = this.#pairs.rowOwner[pair]!;
      if (x === -1) continue;
      const y = this.#pairs.ends[pair]! ^ x;
      const possible = this.#members[x]! * this.#members[y]!;
      if (possible - this.#edges[pair]! + 1 < this.#edges[pair]!) this.#emitDense(graph, forest, x, y);
    }
    for (let x = 0; x < this.#nodes; x++) {
      const possible = (this.#members[x]! * (this.#members[x]! - 1)) / 2;
      if (this.#isRoot[x] === 1 && possible - this.#inside[x]! + 1 < this.#inside[x]!)
        this.#emitDense(graph, forest, x, x);
    }
    for (let v = 0; v < graph.nodeCount; v++) {
      for (let i = graph.offsets[v]!; i < graph.offsets[v + 1]!; i++) {
        const u = graph.neighbors[i]!;
        if (u > v && !isDense(forest, groupOf[v]!, groupOf[u]!)) forest.add(v, u, 1);
      }
    }
    dropBareNodes(forest);
    return forest;
  }

  /** One plus edge between the groups and a minus edge for each pair that is missing. */
  #emitDense(graph: CompressedGraph, forest: SignedForest, x: number, y: number): void {
    forest.add(x, y, 1);
    const adjacent = this.#adjacent;
    for (let u = this.first[x]!; u !== -1; u = this.next[u]!) {
      const row = graph.neighbors.subarray(graph.offsets[u]!, graph.offsets[u + 1]!);
      for (const v of row) adjacent[v] = 1;
      for (let v = x === y ? this.next[u]! : this.first[y]!; v !== -1; v = this.next[v]!) {
        if (adjacent[v] === 0) forest.add(u, v, -1);
      }
      for (const v of row) adjacent[v] = 0;
    }
  }
}

function isDense(forest: SignedForest, x: number, y: number): boolean {
  return forest.signOf(x, y) === 1 && !(x < forest.leafCount && y < forest.leafCount);
}
