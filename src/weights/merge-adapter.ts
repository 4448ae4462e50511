import { copyFile, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { QuireError, throwIfAborted } from "../errors.js";
import type { Device } from "../tensor/device.js";
import { type DType, dtypes, isQuantised, rowBytes } from "../tensor/dtype.js";
import { ggml } from "../tensor/ffi/ggml.js";
import type { Adapter, LoraMatrices } from "./adapter-file.js";
import { writingError } from "./atomic-file.js";
import { readAsFloat32 } from "./dequantise.js";
import type { GgufFile } from "./gguf.js";
import { writeGguf } from "./gguf-write.js";
import type { WeightRequest } from "./load.js";
import type { SafetensorsFile } from "./safetensors.js";
import { writeSafetensors } from "./safetensors-write.js";
import { dataOf, type TensorData } from "./tensor-data.js";
import type { TensorEntry, WeightFile } from "./weight-file.js";

/** A model with an adapter added into its weights: a file (GGUF) or folder (safetensors) of its own, that needs no adapter any more. Only
 *  adapted matrices change; what was quantised becomes f16 there, so that the addition is not rounded away. */

export interface MergeOptions {
  readonly device: Device;
  readonly signal?: AbortSignal;
}

interface MergedTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

export async function mergeAdapter(
  file: GgufFile | SafetensorsFile,
  requests: readonly WeightRequest[],
  adapter: Adapter,
  out: string,
  options: MergeOptions,
): Promise<void> {
  const byEntry = new Map<string, LoraMatrices>();
  for (const { name, from } of requests) {
    const matrices = adapter.matrices.get(name);
    const entry = from.find((known) => file.tensors.has(known));
    if (matrices !== undefined && entry !== undefined) byEntry.set(entry, matrices);
  }
  const tensors = [...file.tensors.values()].map((entry): MergedTensor => {
    const matrices = byEntry.get(entry.name);
    const { name, shape } = entry;
    if (matrices === undefined) return { name, shape, dtype: entry.dtype, data: dataOf(file, entry) };
    const dtype = isQuantised(entry.dtype) ? "f16" : entry.dtype;
    return { name, shape, dtype, data: () => merged(file, entry, matrices, adapter.scale, dtype, options) };
  });
  const { signal } = options;
  if (file.format === "gguf") {
    if (!out.endsWith(".gguf")) {
      throw new QuireError("bad-option", `${out} cannot name the merged model.`, {
        got: out,
        expected: "a .gguf file",
      });
    }
    await writeGguf(out, { metadata: file.metadata, metadataTypes: file.metadataTypes, tensors, signal });
    return;
  }
  await mkdir(out, { recursive: true }).catch((error: unknown) => {
    throw writingError(out, error);
  });
  await writeSafetensors(join(out, "model.safetensors"), { tensors, signal });
  for (const name of await readdir(file.folder))
    if (name.endsWith(".json") && !name.endsWith(".index.json"))
      await copyFile(join(file.folder, name), join(out, name));
}

/** Values changed at once, while everything else waits. */
const atOnce = 2 ** 18;

async function* merged(
  file: WeightFile,
  entry: TensorEntry,
  { rank, a, b }: LoraMatrices,
  scale: number,
  dtype: DType,
  { device, signal }: MergeOptions,
): AsyncGenerator<Uint8Array> {
  const values = await readAsFloat32(file, entry, device);
  const [rows = 1, width = 1] = entry.shape;
  const step = Math.max(1, Math.floor(atOnce / width));
  for (let first = 0; first < rows; first += step) {
    throwIfAborted(signal);
    await turn();
    const count = Math.min(step, rows - first);
    const part = values.subarray(first * width, (first + count) * width);
    for (let row = 0; row < count; row++) {
      for (let k = 0; k < rank; k++) {
        const factor = scale * (b[(first + row) * rank + k] as number);
        for (let column = 0; column < width; column++)
          part[row * width + column] =
            (part[row * width + column] as number) + factor * (a[k * width + column] as number);
      }
    }
    const bytes = new Uint8Array(count * rowBytes(dtype, width));
    ggml().ggml_quantize_chunk(dtypes[dtype].id, part, bytes, 0, count, width, null);
    yield bytes;
  }
}
