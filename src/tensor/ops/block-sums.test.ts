import { describe, expect, it } from "vitest";
import { Device } from "../device.js";
import { Graph } from "../graph.js";
import { RandomSource } from "../random-source.case.js";
import { blockSums } from "./block-sums.js";

/** What q8_1 stores as a block's sum: the quantised values' sum times the unrounded step, rounded to f16 (2⁻¹¹ of it). */
function plainSum(values: Float32Array): number {
  const step = Math.max(...values.map(Math.abs)) / 127;
  return values.reduce((sum, value) => sum + (step === 0 ? 0 : Math.round(value / step)), 0) * step;
}

describe("blockSums", () => {
  it("gives the sums that q8_1 keeps, for every row and block", async () => {
    const device = Device.open({ device: "cpu", threads: 1 });
    for (const [rows, width] of [
      [1, 64],
      [3, 576],
      [17, 96],
    ] as const) {
      const values = new RandomSource(rows).array(rows * width);
      const graph = new Graph(device);
      const x = graph.input("x", "f32", [rows, width]);
      const sums = graph.output(blockSums(x));
      graph.compile();
      graph.host<Float32Array>(x).set(values);
      await graph.run();
      const got = graph.host<Float32Array>(sums);
      expect(got.length).toBe((rows * width) / 32);
      for (const [i, sum] of got.entries()) {
        const block = values.subarray(32 * i, 32 * i + 32);
        // A value halfway between two steps may go either way.
        const step = Math.max(...block.map(Math.abs)) / 127;
        expect(Math.abs(sum - plainSum(block))).toBeLessThanOrEqual(1.01 * step + Math.abs(sum) * 2 ** -10);
        expect(Math.fround(sum)).toBe(sum);
      }
      graph.close();
    }
    await device.close();
  });

  it("refuses rows that are no whole blocks", async () => {
    const device = Device.open({ device: "cpu", threads: 1 });
    const graph = new Graph(device);
    expect(() => blockSums(graph.input("x", "f32", [2, 40]))).toThrow(/whole blocks/);
    graph.close();
    await device.close();
  });
});
