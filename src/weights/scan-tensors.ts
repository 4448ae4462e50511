import { QuireError, throwIfAborted } from "../errors.js";
import { type DType, dtypes } from "../tensor/dtype.js";
import type { TensorEntry, WeightFile } from "./weight-file.js";

/** Reads the data of every tensor once and looks for values that are not finite: in plain floats, every element; in quantised
 *  blocks, the block's scales, which is where damage shows. Blocks are read as ggml lays them out. */

/** Where the half-precision scales lie in a block. Types whose scales are packed otherwise are read but not looked into. */
const scales: Partial<Record<DType, readonly number[]>> = {
  f16: [0],
  q4_0: [0],
  q4_1: [0, 2],
  q5_0: [0],
  q5_1: [0, 2],
  q8_0: [0],
  q8_1: [0, 2],
  q2_k: [80, 82],
  q3_k: [108],
  q4_k: [0, 2],
  q5_k: [0, 2],
  q6_k: [208],
  iq4_nl: [0],
  iq4_xs: [0],
  iq2_xxs: [0],
  iq2_xs: [0],
  iq2_s: [0],
  iq3_xxs: [0],
  iq3_s: [0],
  iq1_s: [0],
  tq1_0: [52],
  tq2_0: [64],
};

const pieceBytes = 4 * 2 ** 20;

export interface ScanOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { file: string; receivedBytes: number; totalBytes: number }) => void;
}

export async function scanTensors(file: WeightFile, { signal, onProgress }: ScanOptions): Promise<void> {
  let done = 0;
  const buffer = Buffer.alloc(Math.min(pieceBytes, Math.max(1, file.sizeBytes)));
  for (const entry of file.tensors.values()) {
    // Whole blocks to a piece, so that no scale is cut in two.
    const step = Math.floor(buffer.byteLength / dtypes[entry.dtype].bytes) * dtypes[entry.dtype].bytes;
    for (let offset = 0; offset < entry.sizeBytes; offset += step) {
      throwIfAborted(signal);
      const piece = buffer.subarray(0, Math.min(step, entry.sizeBytes - offset));
      await file.read(entry, offset, piece);
      const bad = firstNotFinite(entry.dtype, piece);
      if (bad !== undefined) throw notFinite(file, entry, offset + bad);
      done += piece.byteLength;
      onProgress?.({ file: file.path, receivedBytes: done, totalBytes: file.sizeBytes });
    }
  }
}

function notFinite(file: WeightFile, entry: TensorEntry, byte: number): QuireError {
  return new QuireError("bad-file", `${file.path}: "${entry.name}" holds a value that is not a number.`, {
    got: { tensor: entry.name, dtype: entry.dtype, byte },
    expected: "finite values",
    fix: "The file is damaged, or the training run broke: fetch another copy.",
  });
}

/** The byte of the first value that is infinite or not a number: all bits of its exponent are set. */
function firstNotFinite(dtype: DType, bytes: Uint8Array): number | undefined {
  if (dtype === "f32") return firstWithBits(bytes, { stride: 4, at: 2, mask: 0x7f80 });
  if (dtype === "bf16") return firstWithBits(bytes, { stride: 2, at: 0, mask: 0x7f80 });
  if (dtype === "f64") return firstWithBits(bytes, { stride: 8, at: 6, mask: 0x7ff0 });
  if (dtype === "q8_k") return firstWithBits(bytes, { stride: 292, at: 2, mask: 0x7f80 });
  for (const at of scales[dtype] ?? []) {
    const found = firstWithBits(bytes, { stride: dtypes[dtype].bytes, at, mask: 0x7c00 });
    if (found !== undefined) return found;
  }
  return undefined;
}

function firstWithBits(bytes: Uint8Array, { stride, at, mask }: { stride: number; at: number; mask: number }) {
  for (let i = at; i + 1 < bytes.byteLength; i += stride) {
    const word = (bytes[i] as number) | ((bytes[i + 1] as number) << 8);
    if ((word & mask) === mask) return i - at;
  }
  return undefined;
}
