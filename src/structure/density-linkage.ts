import type { CompressedGraph } from "./compressed-graph.js";

/** Joins groups of nodes into a tree, the pair with the densest connection first. Density is edges (or their weight) over possible
 *  edges; counts are added exactly and divided, so a join's density is that of the graph itself. */
export interface GroupLinks {
  readonly sizes: ArrayLike<number>;
  /** Each pair of different groups once, with the weight of the edges between them. */
  readonly a: ArrayLike<number>;
  readonly b: ArrayLike<number>;
  readonly weight: ArrayLike<number>;
}

/** Join t makes group `sizes.length + t` of groups left and right. */
export interface Joins {
  readonly left: Int32Array;
  readonly right: Int32Array;
  readonly height: Float64Array;
}

/** "average": density of all edges between two groups. "single": largest density between the first groups they hold. */
export type Linkage = "average" | "single";

export function groupLinks(graph: CompressedGraph, of: Int32Array, groups: number): GroupLinks {
  const sizes = new Int32Array(groups);
  const between = new Map<number, number>();
  for (let v = 0; v < graph.nodeCount; v++) {
    sizes[of[v]!]!++;
    for (let i = graph.offsets[v]!; i < graph.offsets[v + 1]!; i++) {
      const u = graph.neighbors[i]!;
      if (u < v || of[u] === of[v]) continue;
      const key = Math.min(of[u]!, of[v]!) * groups + Math.max(of[u]!, of[v]!);
      between.set(key, (between.get(key) ?? 0) + (graph.weights?.[i] ?? 1));
    }
  }
  const keys = [...between.keys()].sort((x, y) => x - y);
  return {
    sizes,
    a: Int32Array.from(keys, (key) => Math.floor(key / groups)),
    b: Int32Array.from(keys, (key) => key % groups),
    weight: Float64Array.from(keys, (key) => between.get(key)!),
  };
}

export function joinByDensity({ sizes, a, b, weight }: GroupLinks, linkage: Linkage = "average"): Joins {
  const groups = sizes.length;
  const joins = {
    left: new Int32Array(Math.max(0, groups - 1)),
    right: new Int32Array(Math.max(0, groups - 1)),
    height: new Float64Array(Math.max(0, groups - 1)),
  };
  const size = Float64Array.from({ length: 2 * groups }, (_, g) => sizes[g] ?? 0);
  // Per live group: what joins it to each other live group, a weight ("average") or a density ("single").
  const links: (Map<number, number> | undefined)[] = Array.from({ length: groups }, () => new Map());
  const queue = new DensestFirst();
  const densityOf = (value: number, x: number, y: number): number =>
    linkage === "average" ? value / (size[x]! * size[y]!) : value;
  for (let e = 0; e < a.length; e++) {
    const value = linkage === "average" ? weight[e]! : weight[e]! / (size[a[e]!]! * size[b[e]!]!);
    links[a[e]!]!.set(b[e]!, value);
    links[b[e]!]!.set(a[e]!, value);
    queue.push(densityOf(value, a[e]!, b[e]!), a[e]!, b[e]!);
  }
  let made = 0;
  const join = (x: number, y: number, height: number): void => {
    const m = groups + made;
    joins.left[made] = Math.min(x, y);
    joins.right[made] = Math.max(x, y);
    joins.height[made++] = height;
    size[m] = size[x]! + size[y]!;
    const merged = new Map<number, number>();
    for (const from of [x, y]) {
      for (const [other, value] of links[from]!) {
        if (other === x || other === y) continue;
        const known = merged.get(other);
        merged.set(other, known === undefined ? value : linkage === "average" ? known + value : Math.max(known, value));
      }
      links[from] = undefined;
    }
    links[m] = merged;
    for (const [other, value] of merged) {
      const theirs = links[other]!;
      theirs.delete(x);
      theirs.delete(y);
      theirs.set(m, value);
      queue.push(densityOf(value, other, m), other, m);
    }
  };
  for (let top = queue.pop(); top !== undefined; top = queue.pop()) {
    // A joined group gets a new number, so a pair is current as long as both its groups live.
    if (links[top.a] !== undefined && links[top.b] !== undefined) join(top.a, top.b, top.density);
  }
  // What is left has nothing in common: joined at height 0, the smallest numbers first.
  const rest: number[] = [];
  for (const [group, live] of links.entries()) if (live !== undefined) rest.push(group);
  for (let i = 0; i + 1 < rest.length; i += 2) {
    rest.push(groups + made);
    join(rest[i]!, rest[i + 1]!, 0);
  }
  return joins;
}

/** A heap of pairs: largest density first, then smallest first number, then smallest second. */
class DensestFirst {
  readonly #density: number[] = [];
  readonly #a: number[] = [];
  readonly #b: number[] = [];

  push(density: number, x: number, y: number): void {
    this.#density.push(density);
    this.#a.push(Math.min(x, y));
    this.#b.push(Math.max(x, y));
    let at = this.#density.length - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (!this.#before(at, up)) break;
      this.#swap(at, up);
      at = up;
    }
  }

  pop(): { density: number; a: number; b: number } | undefined {
    const last = this.#density.length - 1;
    if (last < 0) return undefined;
    this.#swap(0, last);
    const top = { density: this.#density.pop()!, a: this.#a.pop()!, b: this.#b.pop()! };
    let at = 0;
    for (;;) {
      let first = at;
      for (const kid of [2 * at + 1, 2 * at + 2]) if (kid < last && this.#before(kid, first)) first = kid;
      if (first === at) return top;
      this.#swap(at, first);
      at = first;
    }
  }

  #before(i: number, j: number): boolean {
    if (this.#density[i] !== this.#density[j]) return this.#density[i]! > this.#density[j]!;
    if (this.#a[i] !== this.#a[j]) return this.#a[i]! < this.#a[j]!;
    return this.#b[i]! < this.#b[j]!;
  }

  #swap(i: number, j: number): void {
    for (const list of [this.#density, this.#a, this.#b]) {
      const held = list[i]!;
      list[i] = list[j]!;
      list[j] = held;
    }
  }
}
