import { describe, expect, it } from "vitest";
import { isQuireError } from "../errors.js";
import { polygonalPartitions } from "./polygonal-partitions.js";
import { randomTree } from "./random-tree.case.js";
import { placeBoxes } from "./slack-boxes.js";
import { indexTree, sumWeights } from "./weighted-tree.js";

describe("boxes with slack", () => {
  const slacks = [1 / 3, 0.1, 0.02];
  it.each([2, 3])("keep side ratios, volumes and nesting in %s dimensions", (dims) => {
    for (const slack of slacks) {
      for (let seed = 0; seed < 8; seed++) {
        // Few children with weights far apart, and many of like weight: the two ways a cut could go wrong.
        const given = seed % 2 === 0 ? randomTree(seed, 300, 12) : randomTree(seed, 150, 1, 60);
        const tree = indexTree(given.parents);
        const { weights } = sumWeights(tree, given.weights);
        const unit = { low: new Array<number>(dims).fill(0), size: new Array<number>(dims).fill(1) };
        const { low, sizes } = placeBoxes(tree, weights, unit, slack);
        const side = (node: number, axis: number) => sizes[dims * node + axis]!;
        const at = (node: number, axis: number) => low[dims * node + axis]!;
        const axes = Array.from({ length: dims }, (_, axis) => axis);
        for (let node = 0; node < tree.size; node++) {
          const sides = axes.map((axis) => side(node, axis));
          expect(Math.max(...sides) / Math.min(...sides)).toBeLessThanOrEqual((1 / slack) * (1 + 1e-9));
          const volume = sides.reduce((product, one) => product * one, 1);
          const share = weights[node]! / weights[tree.root]!;
          expect(volume).toBeLessThanOrEqual(share * (1 + 1e-9));
          expect(volume).toBeGreaterThanOrEqual((1 - slack) ** tree.depths[node]! * share * (1 - 1e-9));
          const parent = tree.parents[node]!;
          if (parent < 0) continue;
          for (const axis of axes) {
            expect(at(node, axis)).toBeGreaterThanOrEqual(at(parent, axis) - 1e-12);
            expect(at(node, axis) + side(node, axis)).toBeLessThanOrEqual(
              at(parent, axis) + side(parent, axis) + 1e-12,
            );
          }
          for (let other = 0; other < node; other++) {
            if (tree.parents[other] !== parent) continue;
            const apart = axes.some(
              (axis) =>
                at(node, axis) >= at(other, axis) + side(other, axis) - 1e-12 ||
                at(other, axis) >= at(node, axis) + side(node, axis) - 1e-12,
            );
            expect(apart).toBe(true);
          }
        }
      }
    }
  });

  it("lose at most a factor e in all with the default slack", () => {
    const given = randomTree(4, 500, 5);
    const drawn = polygonalPartitions({ rule: "rectangles" }).build(given);
    const tree = indexTree(given.parents);
    const { weights } = sumWeights(tree, given.weights);
    drawn.areas.forEach((area, node) => {
      const kept = area / (weights[node]! / weights[0]!);
      expect(kept).toBeGreaterThan(1 / Math.E - 1e-9);
      expect(kept).toBeLessThan(1 + 1e-9);
    });
  });

  it("refuse a slack out of range and a root that is no upright rectangle", () => {
    const tree = { parents: [-1, 0, 0], weights: [0, 1, 2] };
    expect(() => polygonalPartitions({ rule: "rectangles", shape: [0, 0, 1, 0, 0, 1] }).build(tree)).toThrowError(
      /upright/,
    );
    for (const slack of [0, -0.1, 0.34, Number.NaN]) {
      try {
        polygonalPartitions({ rule: "rectangles", slack }).build(tree);
        expect.unreachable();
      } catch (error) {
        expect(isQuireError(error) && error.code).toBe("bad-option");
      }
    }
  });
});
