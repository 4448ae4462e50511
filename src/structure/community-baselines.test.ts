import { describe, expect, test } from "vitest";
import { sampleBlockTree } from "./block-model.js";
import { modularity } from "./community-tree.js";
import { compressGraph, type EdgeList } from "./compressed-graph.js";
import { leiden, leidenPartition } from "./leiden.js";
import { paris } from "./paris.js";
import { samePartition } from "./partition-agreement.js";
import { seededRandom } from "./random.js";
import { recursiveBipartition } from "./recursive-bipartition.js";

const planted = sampleBlockTree({ rates: [1, 6, 60], nodesPerLeaf: 50 }, seededRandom(3));

/** Zachary's club is not at hand: two triangles and a bridge, where every answer is known. */
const barbell: EdgeList = { nodeCount: 6, sources: [0, 0, 1, 3, 3, 4, 2], targets: [1, 2, 2, 4, 5, 5, 3] };

describe("baselines", () => {
  test("recursive bipartition finds a clear planted tree, by itself and to a given depth", () => {
    for (const options of [{}, { depth: 2 }]) {
      const tree = recursiveBipartition(options).build(planted);
      expect(tree.leafCount).toBe(4);
      expect(samePartition(tree.leafOf, planted.leafOf)).toBe(true);
      expect(
        samePartition(
          tree.cut(2),
          planted.leafOf.map((leaf) => leaf >> 1),
        ),
      ).toBe(true);
    }
  });

  test("Paris finds the planted groups; heights fall", () => {
    const tree = paris().build(planted);
    expect(samePartition(tree.cut(4), planted.leafOf)).toBe(true);
    expect(
      samePartition(
        tree.cut(2),
        planted.leafOf.map((leaf) => leaf >> 1),
      ),
    ).toBe(true);
    for (let t = 1; t < tree.height.length; t++) expect(tree.height[t]!).toBeLessThanOrEqual(tree.height[t - 1]!);
  });

  test("Paris: last join of the barbell has the distance of its definition", () => {
    const tree = paris().build(barbell);
    expect(samePartition(tree.cut(2), [0, 0, 0, 1, 1, 1])).toBe(true);
    expect(1 / tree.height.at(-1)!).toBeCloseTo((7 * 7) / (1 * 14), 12);
  });

  test("Leiden: best modularity of the barbell, planted groups, parts connected", () => {
    const graph = compressGraph(barbell);
    const of = leidenPartition(graph, { resolution: 1, randomness: 0.001 }, seededRandom(1));
    expect(samePartition(of, [0, 0, 0, 1, 1, 1])).toBe(true);
    expect(modularity(graph, of)).toBeCloseTo(2 * (6 / 14 - 0.25), 12);
    const first = leidenPartition(compressGraph(planted), { resolution: 1, randomness: 0.001 }, seededRandom(1));
    expect(samePartition(first, planted.leafOf)).toBe(true);
    const tree = leiden({ maxSize: 60 }).build(planted);
    expect(samePartition(tree.leafOf, planted.leafOf)).toBe(true);
  });

  test("Leiden reaches the best of all partitions on small random graphs nearly always", () => {
    let reached = 0;
    for (let seed = 0; seed < 20; seed++) {
      const random = seededRandom(seed);
      const [sources, targets]: [number[], number[]] = [[], []];
      for (let i = 0; i < 8; i++)
        for (let j = i + 1; j < 8; j++)
          if (random.uniform() < 0.35) {
            sources.push(i);
            targets.push(j);
          } // prettier-ignore
      const graph = compressGraph({ nodeCount: 8, sources, targets });
      if (graph.edgeCount === 0) continue;
      const best = Math.max(...allPartitions(8).map((of) => modularity(graph, of)));
      const found = modularity(graph, leidenPartition(graph, { resolution: 1, randomness: 0.001 }, random));
      expect(found).toBeLessThanOrEqual(best + 1e-12);
      if (found > best - 1e-9) reached++;
    }
    expect(reached).toBeGreaterThanOrEqual(14);
  });
});

function allPartitions(n: number): Int32Array[] {
  const all: Int32Array[] = [];
  const extend = (labels: number[], groups: number): void => {
    if (labels.length === n) all.push(Int32Array.from(labels));
    else for (let g = 0; g <= groups; g++) extend([...labels, g], Math.max(groups, g + 1));
  };
  extend([], 0);
  return all;
}
