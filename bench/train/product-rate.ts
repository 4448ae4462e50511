import { Device } from "../../src/tensor/device.js";
import { Graph } from "../../src/tensor/graph.js";
import { Storage } from "../../src/tensor/storage.js";
import type { ModelShape } from "./task.js";

/** FLOP per second of processor time of the products alone, at the shapes of a model's layers, on one thread. */
export async function productRate(shape: ModelShape, precision: "f32" | "bf16"): Promise<number> {
  const { width, inner, sequences, length } = shape;
  const rows = sequences * length;
  const device = Device.open({ device: "cpu", threads: 1 });
  const sizes = [
    [3 * width, width],
    [width, width],
    [2 * inner, width],
    [width, inner],
  ] as const;
  const storage = Storage.allocate(
    device,
    sizes.map(([m, k], index) => ({ name: String(index), dtype: precision, shape: [m, k] })),
  );
  storage.clear();
  const graph = new Graph(device, { products: "f32" });
  let flops = 0;
  for (const [index, [m, k]] of sizes.entries()) {
    graph.output(graph.input(`x${index}`, "f32", [rows, k]).linear(storage.tensor(String(index))));
    flops += 2 * rows * m * k;
  }
  graph.compile();
  await graph.run();
  const rounds = Math.max(2, Math.ceil(2e10 / flops));
  const before = process.cpuUsage();
  for (let round = 0; round < rounds; round++) await graph.run();
  const { user, system } = process.cpuUsage(before);
  graph.close();
  storage.close();
  await device.close();
  return (flops * rounds * 1e6) / (user + system);
}
