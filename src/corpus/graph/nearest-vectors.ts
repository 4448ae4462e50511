/** The nearest vectors of every vector, by dot product of unit vectors. Few are compared each with each. Many are cut by random
 *  hyperplanes into small cells, several times over; what shares a cell is compared, and at last each looks at the neighbours
 *  of its neighbours. Time grows as n log n, never as n², and the same input gives the same result. */

import { throwIfAborted } from "../../errors.js";
import { type SeededRandom, seededRandom } from "../../structure/random.js";
import { NeighbourLists, type Neighbours } from "./neighbour-lists.js";

export interface NearestOptions {
  /** Neighbours of each. */
  readonly most: number;
  /** Up to this many vectors, all pairs are compared. */
  readonly exactUpTo?: number;
  readonly seed?: number;
  readonly signal?: AbortSignal;
}

const defaultExactUpTo = 3000;
const cuttings = 6;
const cellSize = 48;
const furtherLooks = 3;

export function nearestVectors(vectors: Float32Array, dimensions: number, options: NearestOptions): Neighbours {
  const count = dimensions === 0 ? 0 : vectors.length / dimensions;
  const lists = new NeighbourLists(count, options.most);
  const compare = comparer(vectors, dimensions, lists);
  if (count <= (options.exactUpTo ?? defaultExactUpTo)) {
    for (let v = 0; v < count; v++) {
      if (v % 256 === 0) throwIfAborted(options.signal);
      for (let u = v + 1; u < count; u++) compare(v, u);
    }
    return lists;
  }
  const random = seededRandom(options.seed ?? 0);
  const order = Int32Array.from({ length: count }, (_, v) => v);
  for (let round = 0; round < cuttings; round++) {
    for (const [from, to] of cells(vectors, dimensions, order, random)) {
      throwIfAborted(options.signal);
      for (let i = from; i < to; i++) for (let j = i + 1; j < to; j++) compare(order[i]!, order[j]!);
    }
  }
  for (let round = 0; round < furtherLooks; round++) lookFurther(lists, compare, options.signal);
  return lists;
}

type Compare = (v: number, u: number) => void;

function comparer(vectors: Float32Array, dimensions: number, lists: NeighbourLists): Compare {
  return (v, u) => {
    const a = v * dimensions;
    const b = u * dimensions;
    let first = 0;
    let second = 0;
    let i = 0;
    // Two sums, so that the additions need not wait for each other.
    for (; i + 1 < dimensions; i += 2) {
      first += vectors[a + i]! * vectors[b + i]!;
      second += vectors[a + i + 1]! * vectors[b + i + 1]!;
    }
    if (i < dimensions) first += vectors[a + i]! * vectors[b + i]!;
    const score = first + second;
    if (score >= lists.least(v)) lists.offer(v, u, score);
    if (score >= lists.least(u)) lists.offer(u, v, score);
  };
}

/** Sorts `order` so that each cell is a range of it. A cell is halved at the middle of its members along the line between two of
 *  them, so cells are of like size however the vectors lie. */
function cells(
  vectors: Float32Array,
  dimensions: number,
  order: Int32Array,
  random: SeededRandom,
): [from: number, to: number][] {
  const found: [number, number][] = [];
  const open: [number, number][] = [[0, order.length]];
  const along = new Float64Array(order.length);
  const direction = new Float64Array(dimensions);
  while (open.length > 0) {
    const [from, to] = open.pop()!;
    if (to - from <= cellSize) {
      found.push([from, to]);
      continue;
    }
    const a = order[from + random.below(to - from)]! * dimensions;
    const b = order[from + random.below(to - from)]! * dimensions;
    for (let i = 0; i < dimensions; i++) direction[i] = vectors[a + i]! - vectors[b + i]!;
    for (let at = from; at < to; at++) {
      const start = order[at]! * dimensions;
      let sum = 0;
      for (let i = 0; i < dimensions; i++) sum += direction[i]! * vectors[start + i]!;
      along[order[at]!] = sum;
    }
    const middle = (from + to) >> 1;
    halve(order, from, to, middle, along);
    open.push([middle, to], [from, middle]);
  }
  return found;
}

/** Moves what lies lowest along the line before `middle`, by quickselect. */
function halve(order: Int32Array, from: number, to: number, middle: number, along: Float64Array): void {
  let low = from;
  let high = to - 1;
  while (low < high) {
    const pivot = along[order[(low + high) >> 1]!]!;
    let i = low;
    let j = high;
    while (i <= j) {
      while (along[order[i]!]! < pivot) i++;
      while (along[order[j]!]! > pivot) j--;
      if (i > j) break;
      const held = order[i]!;
      order[i++] = order[j]!;
      order[j--] = held;
    }
    if (middle <= j) high = j;
    else if (middle >= i) low = i;
    else return;
  }
}

/** Who is near to what is near to me may be near to me. */
function lookFurther(lists: NeighbourLists, compare: Compare, signal: AbortSignal | undefined): void {
  const { most } = lists;
  const before = lists.others.slice();
  for (let v = 0; v < lists.counts.length; v++) {
    if (v % 256 === 0) throwIfAborted(signal);
    for (let i = 0; i < most; i++) {
      const u = before[v * most + i]!;
      if (u < 0) break;
      for (let j = 0; j < most; j++) {
        const w = before[u * most + j]!;
        if (w < 0) break;
        if (w !== v) compare(v, w);
      }
    }
  }
}
