import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Device } from "../tensor/device.js";
import { dtypes, rowBytes } from "../tensor/dtype.js";
import { ggml } from "../tensor/ffi/ggml.js";
import { Graph } from "../tensor/graph.js";
import { RandomSource } from "../tensor/random-source.case.js";
import { Storage } from "../tensor/storage.js";
import type { Tensor } from "../tensor/tensor.js";
import { SplitMatrices } from "./split-q4-1.js";

let device: Device;
beforeAll(() => {
  device = Device.open({ device: "cpu", threads: 1 });
});
afterAll(() => device.close());

async function product(weight: Tensor, values: Float32Array, rows: number): Promise<Float32Array> {
  const graph = new Graph(device);
  const x = graph.input("x", "f32", [rows, values.length / rows]);
  const y = graph.output(x.linear(weight));
  graph.compile();
  graph.host<Float32Array>(x).set(values);
  await graph.run();
  const result = graph.host<Float32Array>(y).slice();
  graph.close();
  return result;
}

describe("q4_1 in two parts", () => {
  it("gives the products of q4_1 itself, up to the order of additions", async () => {
    for (const [rows, width] of [
      [64, 576],
      [24, 1536],
      [8, 32],
    ] as const) {
      const source = new RandomSource(width);
      const bytes = new Uint8Array(rows * rowBytes("q4_1", width));
      ggml().ggml_quantize_chunk(dtypes.q4_1.id, source.array(rows * width), bytes, 0, rows, width, null);
      const storage = Storage.allocate(device, [{ name: "w", dtype: "q4_1", shape: [rows, width] }]);
      const plain = storage.tensor("w");
      storage.write(plain, bytes);
      const splits = new SplitMatrices();
      const split = splits.add(device, plain, storage);
      if (device.repackedBufferTypes.length > 0 && width > 32) expect(split).not.toBe(plain);
      for (const count of [1, 2, 3, 4, 9, 70]) {
        // With a mean, so that the blocks' sums matter.
        const x = source.array(count * width).map((value) => value + 0.5);
        const [one, other] = [await product(plain, x, count), await product(split, x, count)];
        const largest = Math.max(...one.map(Math.abs));
        for (const [i, value] of one.entries())
          expect(Math.abs((other[i] as number) - value)).toBeLessThan(2e-5 * largest);
        // A row's result does not depend on the others.
        const first = await product(split, x.subarray(0, width), 1);
        expect(other.subarray(0, rows)).toEqual(first);
      }
      splits.close();
      storage.close();
    }
  });

  it("leaves matrices alone whose rows do not fit", () => {
    const storage = Storage.allocate(device, [{ name: "w", dtype: "q4_1", shape: [7, 64] }]);
    const splits = new SplitMatrices();
    expect(splits.add(device, storage.tensor("w"), storage)).toBe(storage.tensor("w"));
    expect(splits.sizeBytes).toBe(0);
    storage.close();
  });
});
