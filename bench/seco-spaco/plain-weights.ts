import { stat } from "node:fs/promises";
import type { Device } from "../../src/tensor/device.js";
import { isQuantised } from "../../src/tensor/dtype.js";
import { readAsFloat32 } from "../../src/weights/dequantise.js";
import { openGguf } from "../../src/weights/gguf.js";
import { writeGguf } from "../../src/weights/gguf-write.js";
import { dataOf } from "../../src/weights/tensor-data.js";

/** The same model with its quantised weights written out in f32. Products with quantised weights round activations to 8 bits, so that
 *  whatever differs in the last bit of a float soon differs in the second digit; only without that can gradients be compared closely. */
export async function plainWeights(path: string, copy: string, device: Device): Promise<string> {
  if (await stat(copy).catch(() => undefined)) return copy;
  const file = await openGguf(path);
  try {
    const tensors = [...file.tensors.values()].map((entry) => {
      const { name, shape } = entry;
      if (!isQuantised(entry.dtype)) return { name, shape, dtype: entry.dtype, data: dataOf(file, entry) };
      const data = async function* (): AsyncGenerator<Uint8Array> {
        const values = await readAsFloat32(file, entry, device);
        yield new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      };
      return { name, shape, dtype: "f32" as const, data };
    });
    await writeGguf(copy, { metadata: file.metadata, metadataTypes: file.metadataTypes, tensors });
    return copy;
  } finally {
    await file.close();
  }
}
