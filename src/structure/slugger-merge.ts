import type { CompressedGraph } from "./compressed-graph.js";
import { type GreedyOptions, type MergingRoots, mergeGreedily } from "./greedy-merging.js";
import { RootPairs } from "./root-pairs.js";
import {
  type Encoding,
  panelEncodings,
  type SideShape,
  selfEncoding,
  stackedEncodings,
  triangleEdges,
} from "./signed-blocks.js";
import { SignedForest } from "./signed-forest.js";
import type { StructureContext } from "./structure.js";

/** The merging phase of slugger: roots of a growing binary forest are joined pairwise where that shortens the description, and
 *  only the edges among the top two levels of the two trees are written anew. */

export interface MergeOptions extends GreedyOptions {
  readonly maxHeight: number;
}

// Rows 0 and 1 of a panel are the kids of its owner, columns those of the other root; a leaf counts as two kids that are equal.
const transposed = Uint8Array.from({ length: 16 }, (_, p) => (p & 9) | ((p & 2) << 1) | ((p & 4) >> 1));
const fullPanel = 15;

export function mergeRoots(graph: CompressedGraph, options: MergeOptions, context: StructureContext): SignedForest {
  const state = new MergeState(graph, options.maxHeight);
  mergeGreedily(graph, state, options, context);
  return state.emit();
}

class MergeState implements MergingRoots {
  readonly #leafCount: number;
  #nodes: number;
  readonly #pairs: RootPairs;
  readonly #panel: Uint8Array;
  readonly #pairCost: Int32Array;
  /** How many fixed edges belong to a pair; which ones they are matters only at the end. */
  readonly #pairFixed: Int32Array;
  readonly #selfPanel: Uint8Array;
  readonly #selfCost: Int32Array;
  readonly #selfFixed: Int32Array;
  readonly #rootCost: Int32Array;
  readonly #isRoot: Uint8Array;
  readonly #height: Int32Array;
  readonly #kids: Int32Array;
  readonly #maxHeight: number;
  readonly #edges: FixedEdges;
  readonly first: Int32Array;
  readonly next: Int32Array;
  readonly #last: Int32Array;
  readonly #panelCost = Uint8Array.from(panelEncodings(), (e) => e.cost);
  readonly #stacked = stackedEncodings();
  readonly #stackedCost = Uint8Array.from(stackedEncodings(), (e) => e.cost);

  constructor(graph: CompressedGraph, maxHeight: number) {
    const n = graph.nodeCount;
    const limit = Math.max(1, 2 * n);
    this.#leafCount = n;
    this.#nodes = n;
    this.#maxHeight = maxHeight;
    this.#pairs = new RootPairs(graph, limit);
    this.#panel = new Uint8Array(graph.edgeCount).fill(fullPanel);
    this.#pairCost = new Int32Array(graph.edgeCount).fill(1);
    this.#edges = new FixedEdges(graph.edgeCount);
    this.#pairFixed = new Int32Array(graph.edgeCount);
    this.#selfPanel = new Uint8Array(limit);
    this.#selfCost = new Int32Array(limit);
    this.#selfFixed = new Int32Array(limit);
    this.#rootCost = new Int32Array(limit);
    this.#isRoot = new Uint8Array(limit);
    this.#height = new Int32Array(limit);
    this.#kids = new Int32Array(2 * limit);
    this.first = new Int32Array(limit);
    this.#last = new Int32Array(limit);
    this.next = new Int32Array(n).fill(-1);
    for (let v = 0; v < n; v++) {
      this.#isRoot[v] = 1;
      this.#rootCost[v] = graph.offsets[v + 1]! - graph.offsets[v]!;
      this.#kids[2 * v] = v;
      this.#kids[2 * v + 1] = v;
      this.first[v] = v;
      this.#last[v] = v;
    }
  }

  openRoots(): Int32Array {
    let count = 0;
    const roots = new Int32Array(this.#nodes);
    for (let x = 0; x < this.#nodes; x++) if (this.#isRoot[x] === 1 && this.#rootCost[x]! > 0) roots[count++] = x;
    return roots.subarray(0, count);
  }

  bestPartner(a: number, group: Int32Array, size: number, threshold: number): number {
    const costA = this.#rootCost[a]!;
    this.#pairs.mark(a);
    let best = -1;
    let bestSaving = -1;
    for (let i = 0; i < size; i++) {
      const b = group[i]!;
      if (Math.max(this.#height[a]!, this.#height[b]!) >= this.#maxHeight) continue;
      const between = this.#pairs.pairWithMarked(b);
      const costBetween = between === -1 ? 0 : this.#pairCost[between]!;
      const before = costA + this.#rootCost[b]! - costBetween;
      if (before === 0) continue;
      // No block of the merged root can serve more than the dearer side needs by itself: a bound that spares most comparisons.
      const most = Math.min(costA, this.#rootCost[b]!);
      if (most < 2 || most < threshold * before - 1e-9 || most <= bestSaving * before) continue;
      const gain = this.#gain(a, b, between);
      const saving = gain / before;
      if (gain >= 2 && saving >= threshold && saving > bestSaving) {
        best = i;
        bestSaving = saving;
      }
    }
    return best;
  }

  /** How many edges fewer after joining the marked root a with b. A root adjacent to only one of them costs what it did. */
  #gain(a: number, b: number, between: number): number {
    const { pool, start, ends, stamps, stamp, markedPair } = this.#pairs;
    const end = this.#pairs.sweep(b);
    let gain = this.#selfCost[a]! + this.#selfCost[b]! + (between === -1 ? 0 : this.#pairCost[between]!);
    gain -= this.#joinedSelf(a, b, between).cost + this.#selfFixed[a]! + this.#selfFixed[b]!;
    if (between !== -1) gain -= this.#pairFixed[between]!;
    for (let i = start[b]!; i < end; i++) {
      const pairB = pool[i]!;
      const other = ends[pairB]! ^ b;
      if (stamps[other] !== stamp) continue;
      const pairA = markedPair[other]!;
      const after =
        this.#stackedCost[this.#rows(pairA, a) | (this.#rows(pairB, b) << 4)]! +
        this.#pairFixed[pairA]! +
        this.#pairFixed[pairB]!;
      gain += this.#pairCost[pairA]! + this.#pairCost[pairB]! - after;
    }
    return gain;
  }

  #rows(pair: number, root: number): number {
    const panel = this.#panel[pair]!;
    return this.#pairs.rowOwner[pair] === root ? panel : transposed[panel]!;
  }

  #joinedSelf(a: number, b: number, between: number): Encoding {
    const across = between === -1 ? 0 : this.#rows(between, a);
    const target = this.#selfPanel[a]! | (across << 3) | (this.#selfPanel[b]! << 7);
    return selfEncoding(this.#shape(a), this.#shape(b), target);
  }

  #shape(root: number): SideShape {
    if (root < this.#leafCount) return 0;
    const first = this.#kids[2 * root]! < this.#leafCount ? 1 : 0;
    const second = this.#kids[2 * root + 1]! < this.#leafCount ? 2 : 0;
    return (1 + first + second) as SideShape;
  }

  merge(a: number, b: number): number {
    const m = this.#nodes++;
    this.#kids[2 * m] = a;
    this.#kids[2 * m + 1] = b;
    const places = [m, a, b, this.#kids[2 * a]!, this.#kids[2 * a + 1]!, this.#kids[2 * b]!, this.#kids[2 * b + 1]!];

    this.#pairs.mark(a);
    const between = this.#pairs.pairWithMarked(b);
    const self = this.#joinedSelf(a, b, between);
    const lower = this.#selfFixed[a]! + this.#selfFixed[b]! + (between === -1 ? 0 : this.#pairFixed[between]!);
    this.#selfCost[m] = self.cost + lower;
    this.#selfFixed[m] = lower + self.fixed.length / 3;
    for (let i = 0; i < self.fixed.length; i += 3) {
      this.#edges.add(places[self.fixed[i]!]!, places[self.fixed[i + 1]!]!, self.fixed[i + 2]!);
    }
    this.#selfPanel[m] = self.panel;
    let total = this.#selfCost[m]!;

    this.#pairs.merge(a, b, m, (pairA, pairB, other) => {
      const kept = pairA === -1 ? pairB : pairA;
      const target = (pairA === -1 ? 0 : this.#rows(pairA, a)) | ((pairB === -1 ? 0 : this.#rows(pairB, b)) << 4);
      const encoding = this.#stacked[target]!;
      const before = (pairA === -1 ? 0 : this.#pairCost[pairA]!) + (pairB === -1 ? 0 : this.#pairCost[pairB]!);
      if (pairA !== -1 && pairB !== -1) this.#pairFixed[pairA]! += this.#pairFixed[pairB]!;
      this.#pairFixed[kept]! += encoding.fixed.length / 3;
      for (let i = 0; i < encoding.fixed.length; i += 3) {
        const column = encoding.fixed[i + 1]!;
        const end = column === 0 ? other : this.#kids[2 * other + column - 1]!;
        this.#edges.add(places[encoding.fixed[i]!]!, end, encoding.fixed[i + 2]!);
      }
      this.#panel[kept] = encoding.panel;
      const after = this.#panelCost[encoding.panel]! + this.#pairFixed[kept]!;
      this.#pairCost[kept] = after;
      this.#rootCost[other]! += after - before;
      total += after;
    });
    this.#rootCost[m] = total;
    this.#isRoot[a] = 0;
    this.#isRoot[b] = 0;
    this.#isRoot[m] = 1;
    this.#height[m] = 1 + Math.max(this.#height[a]!, this.#height[b]!);
    this.first[m] = this.first[a]!;
    this.next[this.#last[a]!] = this.first[b]!;
    this.#last[m] = this.#last[b]!;
    return m;
  }

  /** Turns what the panels still hold into edges and gives everything out. */
  emit(): SignedForest {
    const forest = new SignedForest(this.#leafCount, this.#nodes);
    for (let m = this.#leafCount; m < this.#nodes; m++) {
      forest.parent[this.#kids[2 * m]!] = m;
      forest.parent[this.#kids[2 * m + 1]!] = m;
    }
    const { x, y, sign, count } = this.#edges;
    for (let e = 0; e < count; e++) forest.add(x[e]!, y[e]!, sign[e]!);
    for (let pair = 0; pair < this.#pairs.pairCount; pair++) {
      const owner = this.#pairs.rowOwner[pair]!;
      if (owner !== -1) this.#emitPanel(forest, owner, this.#pairs.ends[pair]! ^ owner, this.#panel[pair]!);
    }
    for (let root = this.#leafCount; root < this.#nodes; root++) {
      if (this.#isRoot[root] === 0) continue;
      const [first, second] = [this.#kids[2 * root]!, this.#kids[2 * root + 1]!];
      const places = [root, first, second];
      const edges = triangleEdges(this.#selfPanel[root]!, first < this.#leafCount, second < this.#leafCount);
      for (let i = 0; i < edges.length; i += 3) forest.add(places[edges[i]!]!, places[edges[i + 1]!]!, edges[i + 2]!);
    }
    return forest;
  }

  #emitPanel(forest: SignedForest, x: number, y: number, panel: number): void {
    const { fixed } = panelEncodings()[panel]!;
    const rows = [x, this.#kids[2 * x]!, this.#kids[2 * x + 1]!];
    const columns = [y, this.#kids[2 * y]!, this.#kids[2 * y + 1]!];
    for (let i = 0; i < fixed.length; i += 3) forest.add(rows[fixed[i]!]!, columns[fixed[i + 1]!]!, fixed[i + 2]!);
  }
}

/** Edges that lie too low to be written anew. Never more than the graph has: a merge may not lengthen the description. */
class FixedEdges {
  readonly x: Int32Array;
  readonly y: Int32Array;
  readonly sign: Int8Array;
  count = 0;

  constructor(capacity: number) {
    this.x = new Int32Array(capacity);
    this.y = new Int32Array(capacity);
    this.sign = new Int8Array(capacity);
  }

  add(x: number, y: number, sign: number): void {
    this.x[this.count] = x;
    this.y[this.count] = y;
    this.sign[this.count++] = sign;
  }
}
