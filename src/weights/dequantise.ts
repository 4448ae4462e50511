import type { Device } from "../tensor/device.js";
import { isQuantised } from "../tensor/dtype.js";
import { Graph } from "../tensor/graph.js";
import { Storage } from "../tensor/storage.js";
import { toFloat32 } from "./to-float32.js";
import type { TensorEntry, WeightFile } from "./weight-file.js";

/** A file's tensor as plain numbers, whatever its type: what fine-tuning starts from. */
export async function readAsFloat32(file: WeightFile, entry: TensorEntry, device: Device): Promise<Float32Array> {
  const bytes = new Uint8Array(entry.sizeBytes);
  await file.read(entry, 0, bytes);
  if (!isQuantised(entry.dtype)) return toFloat32(entry.dtype, bytes);
  const storage = Storage.allocate(device, [{ name: entry.name, dtype: entry.dtype, shape: entry.shape }]);
  const graph = new Graph(device);
  try {
    const stored = storage.tensor(entry.name);
    storage.write(stored, bytes);
    const values = graph.output(graph.use(stored).cast("f32"));
    graph.compile();
    await graph.run();
    return graph.host<Float32Array>(values).slice();
  } finally {
    graph.close();
    storage.close();
  }
}
