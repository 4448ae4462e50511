import { afterAll, describe, expect, it } from "vitest";
import type { dtypes } from "./dtype.js";
import { Graph } from "./graph.js";
import { closeTestDevice, testDevice } from "./reference.case.js";
import { contiguousStrides, settledStrides, sizeBytes } from "./shape.js";
import { Storage } from "./storage.js";

afterAll(closeTestDevice);

describe("Storage", () => {
  it("keeps what was written, part by part", () => {
    const storage = Storage.allocate(testDevice(), [
      { name: "a", dtype: "f32", shape: [2, 3] },
      { name: "b", dtype: "q4_0", shape: [4, 64] },
    ]);
    const [a, b] = [storage.tensor("a"), storage.tensor("b")];
    expect(storage.sizeBytes).toBeGreaterThanOrEqual(a.sizeBytes + b.sizeBytes);
    expect(b.sizeBytes).toBe(4 * 2 * 18);
    storage.write(a, Float32Array.of(1, 2, 3, 4, 5, 6));
    storage.write(a, Float32Array.of(9), 8);
    const bytes = Uint8Array.from({ length: b.sizeBytes }, (_, i) => i % 251);
    storage.write(b, bytes);
    const [gotA, gotB] = [new Float32Array(6), new Uint8Array(b.sizeBytes)];
    storage.read(a, gotA);
    storage.read(b, gotB);
    expect([...gotA]).toEqual([1, 2, 9, 4, 5, 6]);
    expect(gotB).toEqual(bytes);
    storage.clear();
    storage.read(a, gotA);
    expect([...gotA]).toEqual([0, 0, 0, 0, 0, 0]);
    storage.close();
    storage.close();
    expect(() => storage.read(a, gotA)).toThrow(/freed/);
    const graph = new Graph(testDevice());
    expect(() => graph.use(a).neg()).toThrow(/freed/);
    graph.close();
  });

  it("refuses bad shapes, names and places", () => {
    const device = testDevice();
    const one = (shape: number[], dtype: keyof typeof dtypes = "f32") =>
      Storage.allocate(device, [{ name: "t", dtype, shape }]);
    expect(() => one([])).toThrow(/not a shape/);
    expect(() => one([0])).toThrow(/not a shape/);
    expect(() => one([1.5])).toThrow(/not a shape/);
    expect(() => one([1, 1, 1, 1, 1])).toThrow(/not a shape/);
    expect(() => one([2 ** 31])).toThrow(/not a shape/);
    expect(() => one([3, 33], "q8_0")).toThrow(/cannot be stored as q8_0/);
    expect(() => Storage.allocate(device, [])).toThrow(/without tensors/);
    const twice = { name: "t", dtype: "f32", shape: [1] } as const;
    expect(() => Storage.allocate(device, [twice, twice])).toThrow(/two tensors named t/);
    expect(() => one([2 ** 20, 2 ** 20])).toThrow(/no room for/);
    const [storage, other] = [one([4]), one([4])];
    expect(() => storage.tensor("missing")).toThrow(/no tensor missing/);
    expect(() => storage.write(storage.tensor("t"), new Float32Array(5))).toThrow(/lie outside/);
    expect(() => storage.write(storage.tensor("t"), new Float32Array(1), -4)).toThrow(/lie outside/);
    expect(() => storage.write(other.tensor("t"), new Float32Array(1))).toThrow(/another storage/);
    storage.close();
    other.close();
  });
});

describe("sizes and strides", () => {
  it("count blocks of quantised rows", () => {
    expect(contiguousStrides("f32", [2, 3, 4])).toEqual([48, 16, 4]);
    expect(contiguousStrides("q8_0", [5, 2, 64])).toEqual([2 * 68, 68, 34]);
    expect(sizeBytes("q4_k", [3, 512])).toBe(3 * 2 * 144);
    expect(sizeBytes("f16", [7])).toBe(14);
  });

  it("axes of size 1 get the stride they would have without gaps", () => {
    expect(settledStrides("f32", [1, 3, 5], [80, 20, 4])).toEqual([60, 20, 4]);
    expect(settledStrides("f32", [8, 1], [4, 32])).toEqual([4, 4]);
    expect(settledStrides("f32", [2, 1, 4], [64, 999, 4])).toEqual([64, 16, 4]);
    expect(settledStrides("q8_0", [1, 64], [5, 34])).toEqual([68, 34]);
  });
});
