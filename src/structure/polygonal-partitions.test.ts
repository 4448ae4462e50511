import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isQuireError } from "../errors.js";
import { inscribedCircle, polygonArea, polygonAspect, polygonDiameter } from "./convex-polygon.js";
import {
  aspectBound,
  layoutTree,
  type Partition,
  polygonalPartitions,
  type WeightedTree,
} from "./polygonal-partitions.js";
import { randomTree } from "./random-tree.case.js";

type Rule = "widest-angle" | "dyadic" | "greedy";

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return isQuireError(error) ? error.code : `untyped: ${String(error)}`;
  }
  return "no error";
}

/** Plain sums by recursion over the parent array. */
function plainWeights({ parents, weights }: { parents: number[]; weights: number[] }): number[] {
  const childrenOf = (node: number) => parents.flatMap((parent, child) => (parent === node ? [child] : []));
  const sums: number[] = [];
  const visit = (node: number): number => {
    const children = childrenOf(node);
    sums[node] = children.length === 0 ? weights[node]! : children.reduce((sum, child) => sum + visit(child), 0);
    return sums[node]!;
  };
  visit(parents.indexOf(-1));
  return sums;
}

function corners(flat: ArrayLike<number>): [number, number][] {
  return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i]!, flat[2 * i + 1]!]);
}

function cross([ax, ay]: [number, number], [bx, by]: [number, number], [cx, cy]: [number, number]): number {
  return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax);
}

/** How far the worst corner of `inner` lies outside `outer`. */
function outside(inner: ArrayLike<number>, outer: ArrayLike<number>): number {
  const edges = corners(outer);
  let worst = 0;
  for (const point of corners(inner)) {
    edges.forEach((a, i) => {
      const b = edges[(i + 1) % edges.length]!;
      const length = Math.hypot(b[0] - a[0], b[1] - a[1]);
      if (length > 1e-13) worst = Math.max(worst, -cross(a, b, point) / length);
    });
  }
  return worst;
}

/** Two convex polygons are apart if a line along some edge of one has the other on its far side. */
function overlap(one: ArrayLike<number>, other: ArrayLike<number>): number {
  let least = Number.POSITIVE_INFINITY;
  for (const [p, q] of [
    [corners(one), corners(other)],
    [corners(other), corners(one)],
  ] as const) {
    p.forEach((a, i) => {
      const b = p[(i + 1) % p.length]!;
      const length = Math.hypot(b[0] - a[0], b[1] - a[1]);
      if (length < 1e-9) return;
      least = Math.min(least, Math.max(...q.map((point) => cross(a, b, point) / length)));
    });
  }
  return least;
}

function checkPartition(tree: { parents: number[]; weights: number[] }, drawn: Partition, tolerance: number): void {
  const sums = plainWeights(tree);
  const total = sums[tree.parents.indexOf(-1)]!;
  tree.parents.forEach((parent, node) => {
    const flat = drawn.polygon(node);
    if (sums[node] === 0) {
      expect(flat.length).toBe(0);
      return;
    }
    const share = sums[node]! / total;
    expect(Math.abs(drawn.areas[node]! / share - 1)).toBeLessThan(tolerance);
    const points = corners(flat);
    expect(points.length).toBeLessThanOrEqual(4 + drawn.cuts[node]!);
    if (share > 1e-8) {
      // Shares this large can be checked from the absolute coordinates too.
      expect(Math.abs(polygonArea(flat) / share - 1)).toBeLessThan(1e-5);
      const size = polygonDiameter(flat);
      points.forEach((a, i) => {
        const [b, c] = [points[(i + 1) % points.length]!, points[(i + 2) % points.length]!];
        expect(cross(a, b, c)).toBeGreaterThan(-1e-12 * size - 1e-15);
      });
    }
    if (parent >= 0) expect(outside(flat, drawn.polygon(parent))).toBeLessThan(1e-11);
  });
}

describe("worked examples", () => {
  it("cuts a square for four equal leaves into four right triangles that meet in the middle", () => {
    const drawn = polygonalPartitions().build({ parents: [-1, 0, 0, 0, 0], weights: [0, 1, 1, 1, 1] });
    for (let node = 1; node <= 4; node++) {
      const points = corners(drawn.polygon(node));
      expect(points).toHaveLength(3);
      expect(points.filter(([x, y]) => Math.hypot(x - 0.5, y - 0.5) < 1e-12)).toHaveLength(1);
      expect(drawn.aspects[node]).toBeCloseTo(4, 9);
      expect(drawn.areas[node]).toBeCloseTo(0.25, 12);
      expect(drawn.cuts[node]).toBe(2);
    }
  });

  it.each([0.1, 0.01, 1e-4, 1e-8, 1e-30, 1e-100])("draws shares 1-x and x = %s with aspect at most 4, exactly", (x) => {
    for (const weights of [
      [0, 1 - x, x],
      [0, x, 1 - x],
    ]) {
      const drawn = polygonalPartitions().build({ parents: [-1, 0, 0], weights });
      expect(Math.max(drawn.aspects[1]!, drawn.aspects[2]!)).toBeCloseTo(4, 6);
      expect(drawn.areas[weights.indexOf(x)]! / x).toBeCloseTo(1, 9);
    }
  });

  it("lets a chain of single children share one polygon", () => {
    const drawn = polygonalPartitions().build({ parents: [-1, 0, 1, 1, 2], weights: [0, 0, 0, 1, 3] });
    expect(drawn.polygon(0)).toEqual(drawn.polygon(1));
    expect(drawn.polygon(2)).toEqual(drawn.polygon(4));
    expect(drawn.starts[2]).toBe(drawn.starts[4]);
  });

  it("names the nodes of nested objects", () => {
    const shown = layoutTree({
      id: "all",
      children: [
        { id: "a", weight: 1 },
        { id: "b", weight: 3 },
        { id: "none", weight: 0 },
      ],
    });
    expect(shown.map(({ id }) => id)).toEqual(["all", "a", "b"]);
    expect(shown[2]!.area).toBeCloseTo(0.75, 12);
  });
});

describe("properties", () => {
  const rules: Rule[] = ["widest-angle", "dyadic"];

  it("tiles exactly, convex, nested and within the bound on random trees", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1e6 }),
        fc.integer({ min: 1, max: 60 }),
        fc.constantFrom(0, 2, 4.6, 12),
        fc.constantFrom(...rules),
        fc.constantFrom<"leaves" | "code" | "count">("leaves", "code", "count"),
        (seed, leaves, skew, rule, balance) => {
          const tree = randomTree(seed, leaves, skew);
          const drawn = polygonalPartitions({ rule, balance }).build(tree);
          checkPartition(tree, drawn, 1e-9);
          drawn.aspects.forEach((aspect, node) => {
            expect(aspect).toBeLessThanOrEqual(aspectBound(drawn.cuts[node]!) + 1e-9);
          });
        },
      ),
      { numRuns: 120 },
    );
  });

  it("keeps siblings apart", () => {
    const tree = randomTree(5, 80, 4);
    for (const rule of [...rules, "greedy"] as const) {
      const drawn = polygonalPartitions({ rule }).build(tree);
      for (let a = 1; a < tree.parents.length; a++) {
        for (let b = a + 1; b < tree.parents.length; b++) {
          if (tree.parents[a] === tree.parents[b])
            expect(overlap(drawn.polygon(a), drawn.polygon(b))).toBeLessThan(1e-11);
        }
      }
    }
  });

  it("stays within the bound for 2,048 leaves of weights e^±10", () => {
    for (let seed = 1; seed <= 5; seed++) {
      const tree = randomTree(seed, 2048, 10);
      const drawn = polygonalPartitions().build(tree);
      expect(drawn.aspects.every((aspect, node) => aspect <= aspectBound(drawn.cuts[node]!))).toBe(true);
      checkPartition(tree, drawn, 1e-9);
    }
  });

  it("greedy tiles exactly and looks no worse than the others here", () => {
    const tree = randomTree(3, 64, 5);
    const worst = (rule: Rule) => Math.max(...polygonalPartitions({ rule }).build(tree).aspects);
    checkPartition(tree, polygonalPartitions({ rule: "greedy" }).build(tree), 1e-9);
    expect(worst("greedy")).toBeLessThanOrEqual(worst("widest-angle"));
  });

  it("balances leaves so that a path has at most log2 n + 2 · depth + 1 cuts by code", () => {
    for (let seed = 0; seed < 20; seed++) {
      const tree = randomTree(seed, 300, 0, 40);
      const drawn = polygonalPartitions({ balance: "code" }).build(tree);
      drawn.cuts.forEach((cuts, node) => {
        expect(cuts).toBeLessThanOrEqual(Math.log2(300) + 2 * drawn.depths[node]! + 1);
      });
    }
    const star = polygonalPartitions().build({
      parents: [-1, ...new Array(1000).fill(0)],
      weights: [0, ...new Array(1000).fill(1)],
    });
    expect(Math.max(...star.cuts)).toBe(10);
  });

  it("depends on ratios only: scaling weights or the square only scales, weightless leaves change nothing", () => {
    const tree = randomTree(8, 100, 3);
    const plain = polygonalPartitions().build(tree);
    const heavier = polygonalPartitions().build({ ...tree, weights: tree.weights.map((weight) => weight * 1024) });
    expect(heavier.points).toEqual(plain.points);
    const larger = polygonalPartitions({ shape: [0, 0, 64, 0, 64, 64, 0, 64] }).build(tree);
    expect(larger.points.every((value, i) => Math.abs(value / 64 - plain.points[i]!) < 1e-12)).toBe(true);
    const last = tree.parents.length - 1;
    const extra = {
      parents: [...tree.parents, 0, last + 1, tree.parents[last]!],
      weights: [...tree.weights, 0, 0, 0],
    };
    expect(polygonalPartitions().build(extra).points).toEqual(plain.points);
  });

  it("takes any convex polygon as root", () => {
    const hexagon = Array.from({ length: 6 }, (_, i) => [
      Math.cos((i * Math.PI) / 3),
      Math.sin((i * Math.PI) / 3),
    ]).flat();
    const tree = randomTree(2, 50, 3);
    const drawn = polygonalPartitions({ shape: hexagon }).build(tree);
    const sums = plainWeights(tree);
    const whole = polygonArea(hexagon);
    expect(drawn.areas.every((area, node) => Math.abs((area * sums[0]!) / (whole * sums[node]!) - 1) < 1e-9)).toBe(
      true,
    );
    expect(drawn.polygon(0).length).toBe(12);
  });

  it("draws a tree 10,000 deep without recursion", () => {
    const parents = [-1];
    const weights = [0];
    // Spine nodes are the even ones; each has a leaf and the next spine node below it.
    for (let level = 0; level < 10_000; level++) {
      parents.push(2 * level, 2 * level);
      weights.push(1, 0);
    }
    weights[20_000] = 1;
    const drawn = polygonalPartitions().build({ parents, weights });
    expect(Math.max(...drawn.cuts)).toBeGreaterThan(9_000);
    for (const area of drawn.areas.filter((_, node) => node % 2 === 1))
      expect(Math.abs(area * 10_001 - 1)).toBeLessThan(1e-6);
  });
});

describe("measures of polygons", () => {
  it("finds the diameter of many corners as all pairs do", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 2 * Math.PI, noNaN: true }), { minLength: 40, maxLength: 90 }),
        fc.double({ min: 0.05, max: 1, noNaN: true }),
        (angles, squeeze) => {
          const flat = [...new Set(angles)]
            .sort((a, b) => a - b)
            .flatMap((angle) => [Math.cos(angle), squeeze * Math.sin(angle)]);
          let best = 0;
          for (const [ax, ay] of corners(flat))
            for (const [bx, by] of corners(flat)) best = Math.max(best, Math.hypot(ax - bx, ay - by));
          expect(polygonDiameter(flat)).toBeCloseTo(best, 9);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("knows square, box and inscribed circle", () => {
    expect(polygonAspect([0, 0, 1, 0, 1, 1, 0, 1])).toBeCloseTo(2, 12);
    expect(polygonAspect([0, 0, 10, 0, 10, 1, 0, 1])).toBeCloseTo(10.1, 12);
    const circle = inscribedCircle([0, 0, 4, 0, 0, 3]);
    expect(circle.radius).toBeCloseTo(1, 6);
    expect([circle.x, circle.y].map((value) => Math.round(value * 1e4) / 1e4)).toEqual([1, 1]);
  });
});

describe("bad input", () => {
  const build = (input: WeightedTree, shape?: number[]) => () => polygonalPartitions({ shape }).build(input);
  it.each([
    ["negative weight", build({ parents: [-1, 0], weights: [0, -1] })],
    ["NaN", build({ parents: [-1, 0], weights: [0, Number.NaN] })],
    ["infinity", build({ parents: [-1, 0], weights: [0, Number.POSITIVE_INFINITY] })],
    ["all zero", build({ parents: [-1, 0, 0], weights: [0, 0, 0] })],
    ["empty", build({ parents: [], weights: [] })],
    ["two roots", build({ parents: [-1, -1], weights: [1, 1] })],
    ["no root", build({ parents: [1, 0], weights: [1, 1] })],
    ["ring", build({ parents: [-1, 2, 1], weights: [1, 1, 1] })],
    ["own parent", build({ parents: [-1, 1], weights: [1, 1] })],
    ["parent out of range", build({ parents: [-1, 7], weights: [1, 1] })],
    ["missing weights", build({ parents: [-1, 0], weights: [1] })],
    ["clockwise shape", build({ parents: [-1], weights: [1] }, [0, 0, 0, 1, 1, 1, 1, 0])],
    ["shape not convex", build({ parents: [-1], weights: [1] }, [0, 0, 2, 0, 1, 0.5, 2, 2, 0, 2])],
    [
      "star shape that crosses itself",
      build({ parents: [-1], weights: [1] }, [1, 0, -0.81, 0.59, 0.31, -0.95, 0.31, 0.95, -0.81, -0.59]),
    ],
    ["shape with NaN", build({ parents: [-1], weights: [1] }, [0, 0, 1, 0, Number.NaN, 1])],
    ["weights beyond any drawing", build({ parents: [-1, 0, 0], weights: [0, 1, 1e-250] })],
  ])("%s gives a typed error", (_, run) => {
    expect(codeOf(run)).toMatch(/^bad-(input|option)$/);
  });

  it("draws a single leaf, and stops when asked", () => {
    expect(polygonalPartitions().build({ parents: [-1], weights: [2] }).areas[0]).toBe(1);
    expect(codeOf(() => polygonalPartitions().build(randomTree(1, 3000, 1), { signal: AbortSignal.abort() }))).toBe(
      "cancelled",
    );
    expect(codeOf(() => polygonalPartitions({ slack: 0.5 } as object))).toBe("bad-option");
  });
});
