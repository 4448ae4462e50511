import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isQuireError } from "../errors.js";
import { chernoffHellinger, recoveryThreshold, sampleBlockTree, topDownThreshold } from "./block-model.js";
import { bottomUpCommunities } from "./bottom-up-communities.js";
import { compressGraph, type EdgeList } from "./compressed-graph.js";
import { groupLinks, joinByDensity } from "./density-linkage.js";
import { adjustedRand, bestMatch, samePartition } from "./partition-agreement.js";
import { seededRandom } from "./random.js";

function cliques(...sizes: number[]): EdgeList & { nodeCount: number } {
  const [sources, targets]: [number[], number[]] = [[], []];
  let start = 0;
  for (const size of sizes) {
    for (let i = 0; i < size; i++) {
      for (let j = i + 1; j < size; j++) {
        sources.push(start + i);
        targets.push(start + j);
      }
    }
    start += size;
  }
  return { nodeCount: start, sources, targets };
}

describe("joining by density", () => {
  test("worked example: A and B at .30, then C at .075, then D at .035", () => {
    const joins = joinByDensity({
      sizes: [10, 10, 20, 5],
      a: [0, 0, 0, 1, 1, 2],
      b: [1, 2, 3, 2, 3, 3],
      weight: [30, 10, 2, 20, 1, 4],
    });
    expect([...joins.left]).toEqual([0, 2, 3]);
    expect([...joins.right]).toEqual([1, 4, 5]);
    for (const [t, height] of [0.3, 0.075, 0.035].entries()) expect(joins.height[t]!).toBeCloseTo(height, 14);
  });

  test("heights never rise, and each is the density counted in the graph", () => {
    const edge = fc.tuple(fc.nat(29), fc.nat(29), fc.double({ min: 0.01, max: 5, noNaN: true }));
    fc.assert(
      fc.property(fc.array(edge, { maxLength: 120 }), fc.integer({ min: 2, max: 12 }), (edges, groups) => {
        const graph = compressGraph({
          nodeCount: 30,
          sources: edges.map(([s]) => s),
          targets: edges.map(([, t]) => t),
          weights: edges.map(([, , w]) => w),
        });
        const of = Int32Array.from({ length: 30 }, (_, v) => v % groups);
        const joins = joinByDensity(groupLinks(graph, of, groups));
        const members = Array.from({ length: groups }, (_, g) => new Set([...of.keys()].filter((v) => of[v] === g)));
        for (let t = 0; t + 1 < groups; t++) {
          const [a, b] = [members[joins.left[t]!]!, members[joins.right[t]!]!];
          let weight = 0;
          for (const [s, far, w] of edges) if ((a.has(s) && b.has(far)) || (a.has(far) && b.has(s))) weight += w;
          expect(Math.abs(joins.height[t]! - weight / (a.size * b.size))).toBeLessThan(1e-12);
          if (t > 0) expect(joins.height[t]!).toBeLessThanOrEqual(joins.height[t - 1]! + 1e-12);
          members.push(new Set([...a, ...b]));
        }
        expect(members.at(-1)!.size).toBe(30);
      }),
      { numRuns: 100, seed: 3 },
    );
  });

  test("each join is the densest pair there is, as by plain search", () => {
    const random = seededRandom(5);
    const weight = Array.from({ length: 9 }, (_, i) =>
      Array.from({ length: 9 }, (_, j) => (j < i ? random.below(9) : 0)),
    );
    const pairs = weight.flatMap((row, i) => row.flatMap((w, j) => (w > 0 ? [{ a: j, b: i, w }] : [])));
    const sizes = Array.from({ length: 9 }, () => 1 + random.below(6));
    const joins = joinByDensity({
      sizes,
      a: pairs.map((p) => p.a),
      b: pairs.map((p) => p.b),
      weight: pairs.map((p) => p.w),
    });
    const sets: (number[] | undefined)[] = sizes.map((_, g) => [g]);
    const density = (x: number[], y: number[]): number => {
      let sum = 0;
      for (const i of x) for (const j of y) sum += weight[Math.max(i, j)]![Math.min(i, j)]!;
      const size = (list: number[]): number => list.reduce((total, g) => total + sizes[g]!, 0);
      return sum / (size(x) * size(y));
    };
    for (let t = 0; t < 8; t++) {
      let best = { d: -1, x: 0, y: 0 };
      for (let x = 0; x < sets.length; x++) {
        for (let y = x + 1; y < sets.length; y++) {
          if (!sets[x] || !sets[y]) continue;
          const d = density(sets[x]!, sets[y]!);
          if (d > best.d) best = { d, x, y };
        }
      }
      expect([joins.left[t], joins.right[t]]).toEqual([best.x, best.y]);
      sets.push([...sets[best.x]!, ...sets[best.y]!]);
      sets[best.x] = sets[best.y] = undefined;
    }
  });
});

describe("bottom-up communities", () => {
  test("disjoint cliques: one group each, all joins at height 0; small parts are kept and counted", () => {
    const tree = bottomUpCommunities().build(cliques(12, 15, 11, 4, 1));
    expect(tree.leafCount).toBe(5);
    expect([...tree.height]).toEqual([0, 0, 0, 0]);
    expect(tree.warnings.join()).toContain("5 nodes in 2 connected parts");
    expect([...tree.members(3)]).toEqual([38, 39, 40, 41]);
  });

  test.each(["short", "exact"] as const)("a complete graph is one group (%s)", (spectral) => {
    expect(bottomUpCommunities({ spectral }).build(cliques(40)).leafCount).toBe(1);
  });

  test.each(["short", "exact"] as const)("a planted tree comes back at every level (%s)", (spectral) => {
    for (let seed = 0; seed < 3; seed++) {
      const graph = sampleBlockTree({ rates: [1, 4, 10, 45], nodesPerLeaf: 60 }, seededRandom(seed + 1));
      const tree = bottomUpCommunities({ spectral }).build(graph, { seed });
      expect(tree.leafCount).toBe(8);
      for (let q = 1; q <= 3; q++) {
        expect(
          samePartition(
            tree.cut(2 ** q),
            graph.leafOf.map((leaf) => leaf >> (3 - q)),
          ),
        ).toBe(true);
      }
      expect(tree.levels.map(({ groups }) => groups)).toEqual(expect.arrayContaining([1, 2, 4, 8]));
      const topics = tree.children(tree.leafCount + 6, 0.3);
      expect(topics).toHaveLength(2);
      expect(tree.path(0).at(-1)).toBe(14);
    }
  });

  test("renumbering the nodes only renames the groups", () => {
    const graph = sampleBlockTree({ rates: [2, 10, 60], nodesPerLeaf: 40 }, seededRandom(8));
    const to = seededRandom(2).permutation(new Int32Array(graph.nodeCount));
    const renamed = {
      nodeCount: graph.nodeCount,
      sources: Array.from(graph.sources, (v) => to[v as number]!),
      targets: Array.from(graph.targets, (v) => to[v as number]!),
    };
    const [one, other] = [bottomUpCommunities().build(graph), bottomUpCommunities().build(renamed)];
    expect(
      samePartition(
        one.leafOf,
        Int32Array.from(to, (v) => other.leafOf[v]!),
      ),
    ).toBe(true);
    expect(Array.from(one.height)).toEqual(Array.from(other.height));
  });

  test("stable ids follow the members, not the run", () => {
    const names = (edges: EdgeList & { nodeCount: number }) => ({
      sources: Array.from(edges.sources, (v) => `n${v}`),
      targets: Array.from(edges.targets, (v) => `n${v}`),
    });
    const [a, b] = [
      bottomUpCommunities().build(names(cliques(12, 14))),
      bottomUpCommunities({ seed: 5 }).build(names(cliques(12, 14, 11))),
    ];
    const ids = new Set([0, 1, 2].map((group) => b.stableId(group)));
    expect(ids.size).toBe(3);
    expect(ids).toContain(a.stableId(0));
    expect(ids).toContain(a.stableId(1));
  });

  test("weights decide the joins", () => {
    const edges = cliques(12, 12, 12);
    const bridges: [number, number, number][] = [
      [0, 12, 1],
      [12, 24, 50],
      [0, 24, 2],
    ]; // prettier-ignore
    const tree = bottomUpCommunities({ groups: 3 }).build({
      nodeCount: 36,
      sources: [...Array.from(edges.sources), ...bridges.map(([s]) => s)],
      targets: [...Array.from(edges.targets), ...bridges.map(([, t]) => t)],
      weights: [...Array.from(edges.sources, () => 1), ...bridges.map(([, , w]) => w)],
      directed: true,
    });
    expect(
      samePartition(
        tree.cut(2),
        Int32Array.from({ length: 36 }, (_, v) => (v < 12 ? 0 : 1)),
      ),
    ).toBe(true);
    expect(tree.height[0]!).toBeCloseTo(50 / 144, 12);
    expect(tree.warnings).toEqual(["Directions of edges were dropped."]);
  });

  test.each([
    [
      "a star",
      { nodeCount: 30, sources: new Int32Array(29), targets: Int32Array.from({ length: 29 }, (_, i) => i + 1) },
    ],
    [
      "a path",
      {
        nodeCount: 30,
        sources: Int32Array.from({ length: 29 }, (_, i) => i),
        targets: Int32Array.from({ length: 29 }, (_, i) => i + 1),
      },
    ],
    ["loops and doubles", { nodeCount: 12, sources: [0, 0, 1, 1], targets: [0, 1, 0, 1] }],
    ["one node", { nodeCount: 1, sources: [], targets: [] }],
    ["nothing", { nodeCount: 0, sources: [], targets: [] }],
  ])("every node is in one leaf group: %s", (_name, edges) => {
    for (const spectral of ["short", "exact"] as const) {
      const tree = bottomUpCommunities({ spectral }).build(edges);
      expect(tree.leafOf).toHaveLength(edges.nodeCount);
      expect(tree.leafOf.every((leaf) => leaf >= 0 && leaf < tree.leafCount)).toBe(true);
    }
  });

  test("without edges every node is its own group and there is no tree", () => {
    const tree = bottomUpCommunities().build({ nodeCount: 5, sources: [], targets: [] });
    expect(tree.leafCount).toBe(5);
    expect(tree.height).toHaveLength(0);
    expect(tree.levels.map(({ groups }) => groups)).toEqual([5]);
  });

  test.each([
    ["a negative weight", () => bottomUpCommunities().build({ ...cliques(2), weights: [-1] }), "bad-input"],
    ["a NaN weight", () => bottomUpCommunities().build({ ...cliques(2), weights: [Number.NaN] }), "bad-input"],
    ["K above N", () => bottomUpCommunities({ groups: 13 }).build(cliques(12)), "bad-option"],
    ["K of 0", () => bottomUpCommunities({ groups: 0 }), "bad-option"],
    [
      "more groups than leaves",
      () =>
        bottomUpCommunities()
          .build(cliques(12, 12, 12))
          .cut(5),
      "bad-option",
    ],
    [
      "a cut of no tree",
      () => bottomUpCommunities().build({ nodeCount: 5, sources: [], targets: [] }).cut(2),
      "bad-option",
    ],
    ["a group that is not there", () => bottomUpCommunities().build(cliques(12)).members(7), "bad-input"],
    ["a stop", () => bottomUpCommunities().build(cliques(12, 12), { signal: AbortSignal.abort() }), "cancelled"],
  ])("typed error: %s", (_name, run, code) => {
    let caught: unknown;
    try {
      run();
    } catch (error) {
      caught = error;
    }
    expect(isQuireError(caught) && caught.code).toBe(code);
  });
});

describe("thresholds of exact recovery", () => {
  test("figures at the two settings", () => {
    const at = (rates: number[], threshold: (rates: number[], q: number) => number) =>
      [1, 2, 3].map((q) => threshold(rates, q));
    const close = (found: number[], wanted: number[], digits: number) => {
      for (const [i, value] of wanted.entries()) expect(found[i]!).toBeCloseTo(value, digits);
    };
    close(at([40, 50, 60, 100], recoveryThreshold), [2.08, 1.129, 0.635], 3);
    close(at([40, 50, 60, 100], topDownThreshold), [1.51, 0.877, 0.635], 3);
    close(at([8, 9, 10, 40], recoveryThreshold), [1.549, 1.385, 1.25], 2);
    close(at([8, 9, 10, 40], topDownThreshold), [0.838, 1.0, 1.25], 2);
  });

  test("bottom-up needs no more than top-down, and the general form agrees with that for binary trees", () => {
    const rates = fc.array(fc.double({ min: 0.1, max: 30, noNaN: true }), { minLength: 2, maxLength: 5 });
    fc.assert(
      fc.property(rates, (steps) => {
        const growing = steps.map((_, t) => steps.slice(0, t + 1).reduce((sum, x) => sum + x, 0));
        const d = growing.length - 1;
        const leaves = Array.from({ length: 2 ** d }, (_, leaf) => leaf);
        const matrix = leaves.map((a) => leaves.map((b) => growing[d - (32 - Math.clz32(a ^ b))]!));
        const shares = leaves.map(() => 1 / leaves.length);
        for (let q = 1; q <= d; q++) {
          const needed = recoveryThreshold(growing, q);
          expect(needed).toBeGreaterThanOrEqual(topDownThreshold(growing, q) - 1e-9);
          expect(
            chernoffHellinger(
              matrix,
              shares,
              leaves.map((leaf) => leaf >> (d - q)),
            ),
          ).toBeCloseTo(needed, 6);
        }
      }),
      { numRuns: 50, seed: 2 },
    );
  });
});

test("agreement of partitions: names do not matter, the best naming is found", () => {
  expect(samePartition([0, 0, 1], [5, 5, 2])).toBe(true);
  expect(samePartition([0, 0, 1], [5, 5, 5])).toBe(false);
  expect(bestMatch([0, 0, 0, 1, 1, 2], [7, 7, 8, 8, 8, 9])).toBeCloseTo(5 / 6, 12);
  expect(bestMatch([0, 1, 2, 3], [0, 0, 0, 0])).toBe(0.25);
  expect(adjustedRand([0, 0, 1, 1], [1, 1, 0, 0])).toBe(1);
  expect(adjustedRand([0, 0, 1, 1], [0, 1, 0, 1])).toBeCloseTo(-0.5, 12);
});
