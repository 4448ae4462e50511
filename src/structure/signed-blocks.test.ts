import { describe, expect, test } from "vitest";
import {
  panelEncodings,
  type SideShape,
  selfEncoding,
  selfSearch,
  stackedEncodings,
  stackedSearch,
} from "./signed-blocks.js";

function countByCost(costs: ArrayLike<number>, length: number): number[] {
  const counts: number[] = [];
  for (let i = 0; i < length; i++) counts[costs[i]!] = (counts[costs[i]!] ?? 0) + 1;
  return counts;
}

describe("signed blocks", () => {
  test("least costs of the 256 stacked patterns", () => {
    expect(countByCost(stackedSearch().cost, 256)).toEqual([1, 21, 106, 108, 20]);
  });

  test("least costs of the 1,024 patterns of a root with itself", () => {
    expect(countByCost(selfSearch().cost, 1024)).toEqual([1, 18, 114, 324, 405, 162]);
  });

  test("a stacked encoding adds up to its pattern, and cost = fixed + what its panel costs", () => {
    const panels = panelEncodings();
    for (const [target, { cost, panel, fixed }] of stackedEncodings().entries()) {
      const cells = new Array<number>(8).fill(0);
      for (let cell = 0; cell < 8; cell++) cells[cell] = (panel >> (2 * (cell >> 2) + (cell & 1))) & 1;
      for (let i = 0; i < fixed.length; i += 3) {
        for (let cell = 0; cell < 8; cell++) {
          const inRow = fixed[i] === 3 + (cell >> 1);
          if (inRow && (fixed[i + 1] === 0 || fixed[i + 1] === 1 + (cell & 1))) cells[cell]! += fixed[i + 2]!;
        }
      }
      expect(cells).toEqual(Array.from({ length: 8 }, (_, cell) => (target >> cell) & 1));
      expect(cost).toBe(fixed.length / 3 + panels[panel]!.cost);
    }
  });

  test("a second panel of zeros costs nothing more", () => {
    const stacked = stackedEncodings();
    for (const [panel, { cost }] of panelEncodings().entries()) expect(stacked[panel]!.cost).toBe(cost);
  });

  test("every self pattern has an encoding for every shape, and free cells never cost more", () => {
    for (let target = 0; target < 1024; target++) {
      for (let a = 0; a < 5; a++) {
        for (let b = 0; b < 5; b++) {
          const { cost } = selfEncoding(a as SideShape, b as SideShape, target);
          expect(cost).toBeGreaterThanOrEqual(0);
          if (a > 0 && b > 0) expect(cost).toBeLessThanOrEqual(selfSearch().cost[target]!);
        }
      }
    }
  });
});
