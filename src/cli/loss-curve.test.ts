import { expect, test } from "vitest";
import { lossCurve } from "./loss-curve.js";

test("a falling curve goes from the first dot above to the last below, on a logarithmic scale", () => {
  const points = [
    { step: 1, loss: 1 },
    { step: 2, loss: 0.1 },
    { step: 3, loss: 0.01 },
  ];
  const lines = lossCurve({ points, columns: 30, rows: 4 });
  expect(lines).toHaveLength(4);
  expect(lines[0]).toMatch(/^ {4}1\.00 ┤/);
  expect(lines[3]).toMatch(/^ {2}0\.0100 ┤/);
  const starts = lines.map((line) => line.slice(10).search(/[^\u2800]/));
  expect(starts[0]).toBe(0);
  expect(starts).toEqual([...starts].sort((a, b) => a - b));
  // A tenth of the loss halfway: the middle of the scale.
  expect(starts[2]).toBeGreaterThanOrEqual(9);
  expect(starts[2]).toBeLessThanOrEqual(11);
});

test("what cannot be drawn is left out", () => {
  expect(lossCurve({ points: [{ step: 1, loss: 2 }], columns: 40, rows: 4 })).toEqual([]);
  const points = [
    { step: 1, loss: 2 },
    { step: 2, loss: Number.NaN },
    { step: 3, loss: 2 },
  ];
  expect(lossCurve({ points, columns: 40, rows: 4 })).toHaveLength(4);
});
