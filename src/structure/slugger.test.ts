import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isQuireError } from "../errors.js";
import { compressGraph, type EdgeList, edgesOf } from "./compressed-graph.js";
import { type GraphSummary, openSummary, summaryOf } from "./graph-summary.js";
import { seededRandom } from "./random.js";
import { slugger } from "./slugger.js";
import { mergeRoots } from "./slugger-merge.js";
import { pruneForest } from "./slugger-prune.js";

const pairs = (nodeCount: number, list: readonly (readonly [number, number])[]): EdgeList => ({
  nodeCount,
  sources: list.map(([s]) => s),
  targets: list.map(([, t]) => t),
});

function joined(nodeCount: number, has: (i: number, j: number) => boolean): EdgeList {
  const list: [number, number][] = [];
  for (let i = 0; i < nodeCount; i++) for (let j = i + 1; j < nodeCount; j++) if (has(i, j)) list.push([i, j]);
  return pairs(nodeCount, list);
}

function randomGraph(nodeCount: number, p: number, seed: number): EdgeList {
  const random = seededRandom(seed);
  return joined(nodeCount, () => random.uniform() < p);
}

const clique = (n: number): EdgeList => joined(n, () => true);

/** Neighbour sets, read from the edge list in the plainest way. */
function plainNeighbors({ nodeCount, sources, targets }: EdgeList): number[][] {
  const sets = Array.from({ length: nodeCount! }, () => new Set<number>());
  for (let i = 0; i < sources.length; i++) {
    const [s, t] = [sources[i] as number, targets[i] as number];
    if (s === t) continue;
    sets[s]!.add(t);
    sets[t]!.add(s);
  }
  return sets.map((set) => [...set].sort((a, b) => a - b));
}

const readBack = (summary: GraphSummary): number[][] =>
  Array.from({ length: summary.nodeCount }, (_, v) => [...summary.neighbors(v)]);

const shapes: Record<string, EdgeList> = {
  empty: pairs(0, []),
  "no edges": pairs(7, []),
  "one edge": pairs(2, [[0, 1]]),
  "loops and doubles": pairs(3, [
    [0, 0],
    [0, 1],
    [1, 0],
    [0, 1],
    [2, 2],
  ]), // prettier-ignore
  star: joined(21, (i) => i === 0),
  path: joined(10, (i, j) => j === i + 1),
  "clique of 16": clique(16),
  "complete bipartite": joined(24, (i, j) => i < 9 && j >= 9),
  "two cliques sharing an edge": joined(18, (i, j) => j < 10 || i >= 8),
  "clique but for one edge": joined(12, (i, j) => !(i === 3 && j === 7)),
};

describe("slugger", () => {
  test.each(Object.entries(shapes))("nothing is lost: %s", (_name, edges) => {
    const summary = slugger().build(edges);
    expect(readBack(summary)).toEqual(plainNeighbors(edges));
    expect(summary.size.cost).toBeLessThanOrEqual(summary.edgeCount);
  });

  test("nothing is lost on 200 random graphs, after every step, and no step lengthens the description", () => {
    let seed = 0;
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.double({ min: 0, max: 1, noNaN: true }), (n, p) => {
        const edges = randomGraph(n, p, seed++);
        const expected = plainNeighbors(edges);
        const graph = compressGraph(edges);
        const forest = mergeRoots(graph, { iterations: 8, maxGroup: 20, maxSplits: 10, maxHeight: Infinity }, { seed });
        let cost = graph.edgeCount;
        pruneForest(graph, forest, (step) => {
          expect(readBack(summaryOf(graph, forest)), step).toEqual(expected);
          expect(forest.cost(), step).toBeLessThanOrEqual(cost);
          cost = forest.cost();
        });
        expect(summaryOf(graph, forest).size.cost).toBe(cost);
      }),
      { numRuns: 200, seed: 7 },
    );
  });

  test("nothing is lost on nested blocks, where trees grow tall", () => {
    for (let seed = 0; seed < 5; seed++) {
      const random = seededRandom(seed);
      const chance = [0.95, 0.95, 0.5, 0.02, 0.005, 0.005];
      const edges = joined(256, (i, j) => random.uniform() < chance[levelsUp(i >> 3, j >> 3)]!);
      const summary = slugger({ seed }).build(edges);
      expect(readBack(summary)).toEqual(plainNeighbors(edges));
      expect(summary.size.height).toBeGreaterThan(2);
    }
  });

  test("worked sizes: cliques are a loop and their links, stars and paths stay as they are", () => {
    expect(slugger().build(clique(16)).size).toMatchObject({ cost: 17, minusEdges: 0, height: 1 });
    expect(slugger().build(clique(8)).size.cost).toBe(9);
    expect(slugger().build(shapes["star"]!).size).toMatchObject({ cost: 20, links: 0, relativeSize: 1 });
    expect(slugger().build(shapes["path"]!).size).toMatchObject({ cost: 9, links: 0, relativeSize: 1 });
  });

  test("decode gives the graph in the same rows", () => {
    const edges = randomGraph(50, 0.3, 3);
    const graph = compressGraph(edges);
    const decoded = slugger().build(edges).decode();
    expect(decoded.offsets).toEqual(graph.offsets);
    expect(decoded.neighbors).toEqual(graph.neighbors);
  });

  test("one seed, one result, whatever the order of the edges", () => {
    const edges = edgesOf(compressGraph(randomGraph(80, 0.2, 5)));
    const backwards = { nodeCount: 80, sources: edges.targets.toReversed(), targets: edges.sources.toReversed() };
    const first = slugger().build(edges);
    expect(slugger().build(backwards).stored).toEqual(first.stored);
    expect(slugger().build(edges, { seed: 0 }).stored).toEqual(first.stored);
  });

  test("no edge joins a node with its own ancestor", () => {
    const { stored } = slugger().build(randomGraph(60, 0.6, 9));
    for (let e = 0; e < stored.x.length; e++) {
      for (const [from, to] of [
        [stored.x[e]!, stored.y[e]!],
        [stored.y[e]!, stored.x[e]!],
      ] as const) {
        // prettier-ignore
        for (let up = stored.parent[from]!; up !== -1; up = stored.parent[up]!) expect(up).not.toBe(to);
      }
    }
  });

  test("maxHeight holds, and a lower cap never loses anything", () => {
    const edges = joined(128, (i, j) => (i ^ j) < 16 || (i * j) % 7 === 0);
    for (const maxHeight of [1, 2, 5]) {
      const summary = slugger({ maxHeight }).build(edges);
      expect(summary.size.height).toBeLessThanOrEqual(maxHeight);
      expect(readBack(summary)).toEqual(plainNeighbors(edges));
    }
  });

  test("any ids are numbered in sorted order, isolated nodes are kept", () => {
    const summary = slugger().build({ sources: ["b", 10, "b"], targets: ["a", 2.5, "a"], nodes: ["z"] });
    expect(summary.ids).toEqual([2.5, 10, "a", "b", "z"]);
    expect([...summary.neighbors(3)]).toEqual([2]);
    expect([...summary.neighbors(4)]).toEqual([]);
  });

  test.each([
    ["weights", () => slugger().build({ ...clique(3), weights: [1, 2, 1] }), "bad-input"],
    ["directed", () => slugger().build({ ...clique(3), directed: true }), "bad-input"],
    ["lists of unequal length", () => slugger().build({ sources: [0], targets: [], nodeCount: 2 }), "bad-input"],
    ["a node out of range", () => slugger().build({ sources: [0], targets: [2], nodeCount: 2 }), "bad-input"],
    ["a NaN id", () => slugger().build({ sources: [Number.NaN], targets: [2] }), "bad-input"],
    ["nothing at all", () => slugger().build(undefined as unknown as EdgeList), "bad-input"],
    ["T of 0", () => slugger({ iterations: 0 }), "bad-option"],
    ["C of 1", () => slugger({ maxGroup: 1 }), "bad-option"],
    ["a node that is not there", () => slugger().build(clique(3)).neighbors(3), "bad-input"],
    ["a parent below its child", () => openSummary(damagedParent()), "bad-file"],
    ["a stop", () => slugger().build(clique(9), { signal: AbortSignal.abort() }), "cancelled"],
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

function levelsUp(a: number, b: number): number {
  let levels = 0;
  for (let x = a ^ b; x > 0; x >>= 1) levels++;
  return levels;
}

function damagedParent(): GraphSummary["stored"] {
  const { stored } = slugger().build(clique(16));
  return { ...stored, parent: stored.parent.map((up) => (up === -1 ? 0 : up)) };
}
