import type { CompressedGraph } from "./compressed-graph.js";

/** The live adjacent pairs of roots while roots are merged. A pair has a number, which never moves: at first one pair an edge, and
 *  a merge only joins pairs. Each root has a list of its pairs' numbers; a pair that died is swept from a list when that list is
 *  next read. Payloads (panels, counts) are the caller's arrays, indexed by pair number. */
export class RootPairs {
  readonly pairCount: number;
  /** XOR of the two roots: either one gives the other. */
  readonly ends: Int32Array;
  /** Which of the two owns the rows of the payload; -1 when the pair is dead. */
  readonly rowOwner: Int32Array;
  /** Pair between the marked root and this one, valid where `stamps` holds the current mark. */
  readonly markedPair: Int32Array;
  readonly stamps: Int32Array;
  stamp = 0;
  /** `pool[start .. start + length)` holds the pair numbers of a root. */
  pool: Int32Array;
  readonly start: Int32Array;
  readonly length: Int32Array;
  readonly #capacity: Int32Array;
  readonly #dirty: Uint8Array;
  #poolEnd: number;

  constructor(graph: CompressedGraph, rootLimit: number) {
    const { nodeCount, edgeCount, offsets, neighbors } = graph;
    this.pairCount = edgeCount;
    this.ends = new Int32Array(edgeCount);
    this.rowOwner = new Int32Array(edgeCount);
    this.markedPair = new Int32Array(rootLimit);
    this.stamps = new Int32Array(rootLimit);
    this.start = new Int32Array(rootLimit);
    this.length = new Int32Array(rootLimit);
    this.#capacity = new Int32Array(rootLimit);
    this.#dirty = new Uint8Array(rootLimit);
    this.pool = new Int32Array(3 * edgeCount + 16);
    this.#poolEnd = 2 * edgeCount;
    this.start.set(offsets.subarray(0, nodeCount));
    let pair = 0;
    for (let v = 0; v < nodeCount; v++) {
      for (let i = offsets[v]!; i < offsets[v + 1]!; i++) {
        const u = neighbors[i]!;
        if (u < v) continue;
        this.ends[pair] = u ^ v;
        this.rowOwner[pair] = v;
        this.#append(v, pair);
        this.#append(u, pair);
        pair++;
      }
    }
    for (let v = 0; v < nodeCount; v++) this.#capacity[v] = this.length[v]!;
  }

  /** Sweeps the root's list and returns where it ends; read `pool` from `start[root]` up to it. */
  sweep(root: number): number {
    const start = this.start[root]!;
    let end = start + this.length[root]!;
    if (this.#dirty[root] === 1) {
      let kept = start;
      for (let i = start; i < end; i++) {
        const pair = this.pool[i]!;
        if (this.rowOwner[pair] !== -1) this.pool[kept++] = pair;
      }
      this.length[root] = kept - start;
      this.#dirty[root] = 0;
      end = kept;
    }
    return end;
  }

  /** Makes `markedPair` and `stamps` answer, for any root, whether and by which pair it is adjacent to this one. */
  mark(root: number): void {
    this.stamp++;
    const end = this.sweep(root);
    for (let i = this.start[root]!; i < end; i++) {
      const pair = this.pool[i]!;
      const other = this.ends[pair]! ^ root;
      this.stamps[other] = this.stamp;
      this.markedPair[other] = pair;
    }
  }

  /** The pair {marked root, other}, or -1. */
  pairWithMarked(other: number): number {
    return this.stamps[other] === this.stamp ? this.markedPair[other]! : -1;
  }

  /** Joins roots a and b into m. `join` gets, for each root adjacent to either, the pair that stays and the one that dies (-1 where
   *  only one was adjacent: then `stays` is the pair of a or of b); it must rewrite the payload with m as owner of the rows. The
   *  pair {a, b}, if there is one, dies and is returned. */
  merge(a: number, b: number, m: number, join: (pairA: number, pairB: number, other: number) => void): number {
    this.mark(a);
    const between = this.pairWithMarked(b);
    if (between !== -1) this.#kill(between, a, b);
    const endB = this.sweep(b);
    for (let i = this.start[b]!; i < endB; i++) {
      const pairB = this.pool[i]!;
      const other = this.ends[pairB]! ^ b;
      const pairA = this.pairWithMarked(other);
      join(pairA, pairB, other);
      if (pairA === -1) this.#rename(pairB, other, m);
      else {
        this.#rename(pairA, other, m);
        this.stamps[other] = 0;
        this.#kill(pairB, b, other);
      }
    }
    const endA = this.sweep(a);
    for (let i = this.start[a]!; i < endA; i++) {
      const pairA = this.pool[i]!;
      if (this.rowOwner[pairA] === m) continue;
      const other = this.ends[pairA]! ^ a;
      join(pairA, -1, other);
      this.#rename(pairA, other, m);
    }
    this.sweep(b);
    this.#takeLists(a, b, m);
    return between;
  }

  #rename(pair: number, other: number, m: number): void {
    this.ends[pair] = other ^ m;
    this.rowOwner[pair] = m;
  }

  #kill(pair: number, x: number, y: number): void {
    this.rowOwner[pair] = -1;
    this.#dirty[x] = 1;
    this.#dirty[y] = 1;
  }

  /** The longer list becomes the new root's, the shorter is appended: a pair number is copied at most log times. */
  #takeLists(a: number, b: number, m: number): void {
    const [long, short] = this.length[a]! >= this.length[b]! ? [a, b] : [b, a];
    const total = this.length[long]! + this.length[short]!;
    if (total > this.#capacity[long]!) this.#grow(long, total + (total >> 2) + 2);
    this.start[m] = this.start[long]!;
    this.length[m] = this.length[long]!;
    this.#capacity[m] = this.#capacity[long]!;
    for (let i = 0; i < this.length[short]!; i++) this.#append(m, this.pool[this.start[short]! + i]!);
    this.length[a] = 0;
    this.length[b] = 0;
    this.#capacity[a] = 0;
    this.#capacity[b] = 0;
  }

  #append(root: number, pair: number): void {
    this.pool[this.start[root]! + this.length[root]!++] = pair;
  }

  #grow(root: number, capacity: number): void {
    if (this.#poolEnd + capacity > this.pool.length) this.#repack(capacity);
    const start = this.#poolEnd;
    this.pool.copyWithin(start, this.start[root]!, this.start[root]! + this.length[root]!);
    this.start[root] = start;
    this.#capacity[root] = capacity;
    this.#poolEnd += capacity;
  }

  #repack(room: number): void {
    let live = 0;
    for (const capacity of this.#capacity) live += capacity;
    const packed = new Int32Array(Math.max(this.pool.length, Math.ceil(1.5 * (live + room))));
    let end = 0;
    for (let root = 0; root < this.start.length; root++) {
      if (this.#capacity[root] === 0) continue;
      const start = this.start[root]!;
      packed.set(this.pool.subarray(start, start + this.length[root]!), end);
      this.start[root] = end;
      end += this.#capacity[root]!;
    }
    this.pool = packed;
    this.#poolEnd = end;
  }
}
