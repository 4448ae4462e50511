import { expect, it } from "vitest";
import { heatOf } from "./heat.js";

it("reads shares of layers and heads out of the bits", () => {
  // Two layers, one head, ten tokens: the first keeps 0 and 9, the second 0.
  const kept = btoa(String.fromCharCode(0b00000001, 0b00000010, 0b00000001, 0));
  const inspection = {
    policy: "p",
    tokens: [],
    promptTokens: 10,
    layers: [3, 5],
    kvHeads: 1,
    snapshots: [{ tokens: 10, kept }],
  };
  const all = heatOf(inspection, 7, { layer: undefined, head: undefined });
  expect(Array.from(all.shares)).toEqual([1, 0, 0, 0, 0, 0, 0, 0, 0, 0.5]);
  expect(all.kept).toBeCloseTo(0.15);
  expect(Array.from(heatOf(inspection, 0, { layer: 5, head: 0 }).shares)).toEqual([1, ...Array(9).fill(0)]);
});
