import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../structure/random.js";
import { nearestVectors } from "./nearest-vectors.js";
import { NeighbourLists } from "./neighbour-lists.js";

/** Groups of 20 around random directions, as passages on one matter. */
function clustered(count: number, dimensions: number, seed = 1): Float32Array {
  const random = seededRandom(seed);
  const vectors = new Float32Array(count * dimensions);
  let centre = new Float32Array(dimensions);
  for (let v = 0; v < count; v++) {
    if (v % 20 === 0) centre = Float32Array.from({ length: dimensions }, () => random.normal());
    let squares = 0;
    const own = centre.map((value) => value + 0.7 * random.normal());
    for (const value of own) squares += value * value;
    vectors.set(
      own.map((value) => value / Math.sqrt(squares)),
      v * dimensions,
    );
  }
  return vectors;
}

/** The plain way: all scores, sorted. */
function plainNearest(vectors: Float32Array, dimensions: number, v: number, most: number): number[] {
  const count = vectors.length / dimensions;
  const score = (u: number) => {
    let sum = 0;
    for (let i = 0; i < dimensions; i++) sum += vectors[v * dimensions + i]! * vectors[u * dimensions + i]!;
    return sum;
  };
  const others = Array.from({ length: count }, (_, u) => u).filter((u) => u !== v);
  const scores = new Map(others.map((u) => [u, score(u)]));
  return others.sort((a, b) => scores.get(b)! - scores.get(a)! || a - b).slice(0, most);
}

const ofNode = ({ others, counts, most }: { others: Int32Array; counts: Int32Array; most: number }, v: number) =>
  Array.from(others.subarray(v * most, v * most + counts[v]!));

describe("nearest vectors", () => {
  test("of few are those of comparing all", () => {
    const vectors = clustered(300, 16);
    const found = nearestVectors(vectors, 16, { most: 6 });
    for (let v = 0; v < 300; v += 7) expect(ofNode(found, v)).toEqual(plainNearest(vectors, 16, v, 6));
  });

  test("of many are nearly all of them, the same at every run", () => {
    const vectors = clustered(4000, 24);
    const found = nearestVectors(vectors, 24, { most: 8, exactUpTo: 100 });
    let right = 0;
    for (let v = 0; v < 4000; v += 40) {
      const truth = new Set(plainNearest(vectors, 24, v, 8));
      right += ofNode(found, v).filter((u) => truth.has(u)).length;
    }
    expect(right / 800).toBeGreaterThan(0.95);
    expect(nearestVectors(vectors, 24, { most: 8, exactUpTo: 100 }).others).toEqual(found.others);
  });

  test("no vectors, one, and many equal ones", () => {
    expect(nearestVectors(new Float32Array(0), 4, { most: 3 }).counts).toHaveLength(0);
    expect(ofNode(nearestVectors(Float32Array.of(1, 0), 2, { most: 3 }), 0)).toEqual([]);
    const same = new Float32Array(500 * 4).fill(0.5);
    const found = nearestVectors(same, 4, { most: 3, exactUpTo: 10 });
    expect(Array.from(found.counts).every((count) => count === 3)).toBe(true);
  });

  test("stops when asked to", () => {
    const signal = AbortSignal.abort();
    expect(() => nearestVectors(clustered(400, 8), 8, { most: 3, signal })).toThrow(/Stopped/);
  });
});

test("a list keeps the best of what is offered, each once", () => {
  const offers = fc.array(fc.tuple(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 12 })), {
    maxLength: 80,
  });
  fc.assert(
    fc.property(offers, fc.integer({ min: 1, max: 6 }), (given, most) => {
      const lists = new NeighbourLists(1, most);
      // A thing has one score.
      const scores = new Map<number, number>();
      for (const [other, score] of given) if (!scores.has(other)) scores.set(other, score);
      for (const [other] of given) lists.offer(0, other, scores.get(other)!);
      const best = [...scores].sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, most);
      expect(ofNode(lists, 0)).toEqual(best.map(([other]) => other));
    }),
  );
});
