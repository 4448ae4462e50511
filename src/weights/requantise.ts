import { createHash } from "node:crypto";
import { mkdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { nearest, QuireError, throwIfAborted } from "../errors.js";
import { suggestion } from "../method.js";
import type { Device } from "../tensor/device.js";
import { type DType, dtypes, rowBytes } from "../tensor/dtype.js";
import { ggml } from "../tensor/ffi/ggml.js";
import { writingError } from "./atomic-file.js";
import { cacheFolder } from "./cache-folder.js";
import { readAsFloat32 } from "./dequantise.js";
import { withLock } from "./file-lock.js";
import { openGguf } from "./gguf.js";
import { type GgufTensor, writeGguf } from "./gguf-write.js";
import { openWeightFile } from "./open-weight-file.js";
import { dataOf } from "./tensor-data.js";
import type { TensorEntry, WeightFile } from "./weight-file.js";

/** A model's file once more with fewer bits a weight, in the cache folder, made when first asked for. Only matrices are changed. Rows
 *  that do not divide into a type's blocks get q4_0, whose blocks are the shortest of the fast types. The copy has no vocabulary of its
 *  own: it serves beside the model that it was made from. */

export interface RequantiseOptions {
  readonly device: Device;
  readonly signal?: AbortSignal;
  onProgress?(doneBytes: number, totalBytes: number): void;
}

const types: readonly DType[] = ["q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "q4_0", "q4_1", "q5_0", "q8_0", "iq4_nl"];
const forShortRows: DType = "q4_0";
/** Weights changed at once, while everything else waits. */
const atOnce = 2 ** 18;
/** Part of the copies' names: changes when they would turn out otherwise. */
const edition = 1;

/** The path of the copy. */
export async function requantised(path: string, type: string, options: RequantiseOptions): Promise<string> {
  const dtype = type.toLowerCase() as DType;
  if (!types.includes(dtype)) {
    throw new QuireError("bad-option", `There are no copies of type "${type}".`, {
      got: type,
      expected: types.join(", "),
      fix: suggestion(nearest(type, types)),
    });
  }
  const { size, mtimeMs } = await stat(path);
  const folder = join(cacheFolder(), "requantised");
  const key = createHash("sha256")
    .update(JSON.stringify([edition, path, size, mtimeMs, dtype]))
    .digest("hex");
  const copy = join(folder, `${basename(path).replace(/\.gguf$/i, "")}-${dtype}-${key.slice(0, 16)}.gguf`);
  if (await isThere(copy)) return copy;
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw writingError(folder, error);
  });
  return withLock(`${copy}.lock`, options, async () => {
    // Another process may have made it while this one waited.
    if (!(await isThere(copy))) await write(path, copy, dtype, options);
    return copy;
  });
}

async function isThere(path: string): Promise<boolean> {
  if ((await stat(path).catch(() => undefined)) === undefined) return false;
  const file = await openGguf(path).catch(() => undefined);
  await file?.close();
  return file !== undefined;
}

async function write(path: string, copy: string, dtype: DType, options: RequantiseOptions): Promise<void> {
  const file = await openWeightFile(path);
  try {
    if (file.format !== "gguf") {
      throw new QuireError("unsupported", `${path} cannot be requantised.`, {
        got: file.format,
        expected: "a GGUF file",
        fix: "Use the GGUF version of the model.",
      });
    }
    let done = 0;
    const tensors = [...file.tensors.values()].map((entry): GgufTensor => {
      const wanted = typeFor(entry, dtype);
      const { name, shape } = entry;
      if (wanted === entry.dtype) return { name, dtype: wanted, shape, data: dataOf(file, entry) };
      const data = () => smaller(file, entry, wanted, options);
      return {
        ...{ name, dtype: wanted, shape },
        data: async function* () {
          yield* data();
          done += entry.sizeBytes;
          options.onProgress?.(done, file.sizeBytes);
        },
      };
    });
    const metadata = [...file.metadata].filter(([key]) => !key.startsWith("tokenizer."));
    await writeGguf(copy, { metadata, metadataTypes: file.metadataTypes, tensors, signal: options.signal });
  } finally {
    await file.close();
  }
}

function typeFor({ shape, dtype: own }: TensorEntry, dtype: DType): DType {
  if (shape.length !== 2) return own;
  const width = shape[1] as number;
  const wanted = [dtype, forShortRows].find((type) => width % dtypes[type].block === 0);
  // Nothing gets larger than it was.
  return wanted === undefined || rowBytes(wanted, width) >= rowBytes(own, width) ? own : wanted;
}

async function* smaller(
  file: WeightFile,
  entry: TensorEntry,
  dtype: DType,
  { device, signal }: RequantiseOptions,
): AsyncGenerator<Uint8Array> {
  const values = await readAsFloat32(file, entry, device);
  const [rows = 1, width = 1] = entry.shape;
  const step = Math.max(1, Math.floor(atOnce / width));
  for (let row = 0; row < rows; row += step) {
    throwIfAborted(signal);
    await turn();
    const count = Math.min(step, rows - row);
    const bytes = new Uint8Array(count * rowBytes(dtype, width));
    const part = values.subarray(row * width, (row + count) * width);
    ggml().ggml_quantize_chunk(dtypes[dtype].id, part, bytes, 0, count, width, null);
    yield bytes;
  }
}
