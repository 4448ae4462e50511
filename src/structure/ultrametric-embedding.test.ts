import { describe, expect, it } from "vitest";
import { isQuireError } from "../errors.js";
import { seededRandom } from "./random.js";
import { randomTree } from "./random-tree.case.js";
import { embedUltrametric } from "./ultrametric-embedding.js";

function labelledTree(seed: number, leaves: number, fall: number) {
  const random = seededRandom(seed + 1000);
  const { parents } = randomTree(seed, leaves, 0, 5);
  const labels = parents.map(() => 0);
  parents.forEach((parent, node) => {
    labels[node] = parent < 0 ? 100 : labels[parent]! * (1 - fall * (0.05 + 0.9 * random.uniform()));
  });
  return { parents, labels };
}

/** Distance by walking up from both leaves: the plain definition. */
function treeDistance({ parents, labels }: { parents: number[]; labels: number[] }, a: number, b: number): number {
  const above = new Set<number>();
  for (let node = a; node >= 0; node = parents[node]!) above.add(node);
  let node = b;
  while (!above.has(node)) node = parents[node]!;
  return labels[node]!;
}

describe("ultrametrics into space", () => {
  it.each([
    [2, false],
    [3, false],
    [2, true],
    [3, true],
  ])("dims %s, rounded %s: no pair comes nearer than the tree says, none farther than the bound", (dims, round) => {
    for (let seed = 0; seed < 12; seed++) {
      const tree = labelledTree(seed, 16 + 10 * seed, seed % 2 === 0 ? 0.9 : 0.3);
      const { leaves, points, stretchBound, measured } = embedUltrametric(tree, { dims, round });
      let least = Number.POSITIVE_INFINITY;
      let most = 0;
      for (let i = 0; i < leaves.length; i++) {
        for (let j = 0; j < i; j++) {
          let square = 0;
          for (let axis = 0; axis < dims; axis++) square += (points[dims * i + axis]! - points[dims * j + axis]!) ** 2;
          const ratio = Math.sqrt(square) / treeDistance(tree, leaves[i]!, leaves[j]!);
          least = Math.min(least, ratio);
          most = Math.max(most, ratio);
        }
      }
      expect(least).toBeGreaterThanOrEqual(1 - 1e-9);
      expect(most).toBeLessThanOrEqual(stretchBound * (1 + 1e-9));
      expect(measured!.least).toBeCloseTo(least, 9);
      expect(measured!.most).toBeCloseTo(most, 6);
    }
  });

  it("places one leaf, chains, and labels of any size", () => {
    expect(Array.from(embedUltrametric({ parents: [-1], labels: [0] }).points)).toHaveLength(2);
    expect(embedUltrametric({ parents: [-1, 0, 1], labels: [3, 2, 0] }).leaves).toHaveLength(1);
    for (const scale of [1e-200, 1e200]) {
      const { measured } = embedUltrametric({ parents: [-1, 0, 0, 1, 1], labels: [2 * scale, scale, 0, 0, 0] });
      expect(measured!.least).toBeGreaterThanOrEqual(1 - 1e-9);
      expect(measured!.most).toBeLessThan(100);
    }
  });

  it("names the node whose label does not fall", () => {
    const run = (labels: number[]) => () =>
      embedUltrametric({ parents: [-1, 0, 0, 1, 1], labels, ids: ["top", "inner", "x", "y", "z"] });
    expect(run([1, 1, 0, 0, 0])).toThrowError(/inner/);
    expect(run([1, 2, 0, 0, 0])).toThrowError(/inner/);
    expect(run([Number.NaN, 1, 0, 0, 0])).toThrowError(/top/);
    expect(run([1, 0, 0, 0, 0])).toThrowError(/inner/);
    try {
      embedUltrametric({ parents: [-1, 0], labels: [1, 0] }, { dims: 0 });
      expect.unreachable();
    } catch (error) {
      expect(isQuireError(error) && error.code).toBe("bad-option");
    }
  });
});
