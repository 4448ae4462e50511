import { PairTable } from "./pair-table.js";

/** A forest over the leaves 0..leafCount-1 with plus and minus edges between its nodes, while it is still being changed. Parents
 *  have larger numbers than their children. */
export class SignedForest {
  readonly leafCount: number;
  /** -1 for roots; removed nodes stay in the numbering, unmarked, until the summary is built. */
  readonly parent: Int32Array;
  readonly removed: Uint8Array;
  x = new Int32Array(1024);
  y = new Int32Array(1024);
  /** +1, -1, or 0 for an edge that was cancelled. */
  sign = new Int8Array(1024);
  count = 0;
  /** Edges at each node, and the XOR of their numbers: where there is one edge, that is its number. */
  readonly degree: Int32Array;
  readonly edgeXor: Int32Array;
  readonly #places: PairTable;

  constructor(leafCount: number, nodeCount: number) {
    this.leafCount = leafCount;
    this.parent = new Int32Array(nodeCount).fill(-1);
    this.removed = new Uint8Array(nodeCount);
    this.degree = new Int32Array(nodeCount);
    this.edgeXor = new Int32Array(nodeCount);
    this.#places = new PairTable(nodeCount);
  }

  get nodeCount(): number {
    return this.parent.length;
  }

  /** The sign between two nodes, 0 if there is no edge. */
  signOf(x: number, y: number): number {
    const at = this.#places.get(x, y);
    return at === -1 ? 0 : this.sign[at]!;
  }

  /** An opposite edge is cancelled instead. */
  add(x: number, y: number, sign: number): void {
    const at = this.#places.get(x, y);
    if (at !== -1 && this.sign[at] !== 0) {
      if (this.sign[at] === sign) throw new Error(`two edges of one sign between ${x} and ${y}`);
      this.cancel(at);
      return;
    }
    if (this.count === this.x.length) this.#grow();
    const edge = this.count++;
    this.x[edge] = x;
    this.y[edge] = y;
    this.sign[edge] = sign;
    this.#places.set(x, y, edge);
    this.#touch(edge, 1);
  }

  cancel(edge: number): void {
    this.sign[edge] = 0;
    this.#touch(edge, -1);
  }

  #touch(edge: number, by: number): void {
    const x = this.x[edge]!;
    const y = this.y[edge]!;
    this.degree[x]! += by;
    this.edgeXor[x]! ^= edge;
    if (x === y) return;
    this.degree[y]! += by;
    this.edgeXor[y]! ^= edge;
  }

  #grow(): void {
    const [x, y, sign] = [this.x, this.y, this.sign];
    this.x = new Int32Array(2 * x.length);
    this.y = new Int32Array(2 * x.length);
    this.sign = new Int8Array(2 * x.length);
    this.x.set(x);
    this.y.set(y);
    this.sign.set(sign);
  }

  /** Plus edges, minus edges and parent links: what the description costs. */
  cost(): number {
    let cost = 0;
    for (let e = 0; e < this.count; e++) if (this.sign[e] !== 0) cost++;
    for (let node = 0; node < this.nodeCount; node++) if (this.removed[node] === 0 && this.parent[node] !== -1) cost++;
    return cost;
  }

  roots(): Int32Array {
    const roots = new Int32Array(this.nodeCount);
    for (let node = this.nodeCount - 1; node >= 0; node--) {
      const parent = this.parent[node]!;
      roots[node] = parent === -1 ? node : roots[parent]!;
    }
    return roots;
  }

  /** The children of every node in compressed rows, removed nodes left out. */
  children(): { offsets: Int32Array; nodes: Int32Array } {
    const offsets = new Int32Array(this.nodeCount + 1);
    for (let node = 0; node < this.nodeCount; node++) {
      if (this.removed[node] === 0 && this.parent[node] !== -1) offsets[this.parent[node]! + 1]!++;
    }
    for (let node = 0; node < this.nodeCount; node++) offsets[node + 1]! += offsets[node]!;
    const nodes = new Int32Array(offsets[this.nodeCount]!);
    const cursor = offsets.slice();
    for (let node = 0; node < this.nodeCount; node++) {
      if (this.removed[node] === 0 && this.parent[node] !== -1) nodes[cursor[this.parent[node]!]!++] = node;
    }
    return { offsets, nodes };
  }
}

/** Leaves in an order in which those below any node stand together: node x holds `order[first[x] .. first[x] + size[x])`. */
export interface LeafOrder {
  readonly order: Int32Array;
  readonly first: Int32Array;
  readonly size: Int32Array;
}

export function leafOrder(leafCount: number, parent: Int32Array): LeafOrder {
  const nodes = parent.length;
  const size = new Int32Array(nodes).fill(1, 0, leafCount);
  for (let node = 0; node < nodes; node++) if (parent[node] !== -1) size[parent[node]!]! += size[node]!;
  const first = new Int32Array(nodes);
  const cursor = new Int32Array(nodes);
  const order = new Int32Array(leafCount);
  let end = 0;
  for (let node = nodes - 1; node >= 0; node--) {
    const up = parent[node]!;
    if (up === -1) {
      first[node] = end;
      end += size[node]!;
    } else {
      first[node] = cursor[up]!;
      cursor[up]! += size[node]!;
    }
    cursor[node] = first[node]!;
    if (node < leafCount) order[first[node]!] = node;
  }
  return { order, first, size };
}
