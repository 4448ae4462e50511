import type { WeightFile } from "../../weights/weight-file.js";

/** A file whose f32 matrices read as bf16, half as many bytes and on processors with such products twice as fast. Vectors
 *  (norms and biases) stay as they are. */
export function asBf16(file: WeightFile, isNarrowed: (name: string) => boolean): WeightFile {
  const tensors = new Map(
    [...file.tensors].map(([name, entry]) => {
      const narrowed = entry.dtype === "f32" && entry.shape.length === 2 && isNarrowed(name);
      return [name, narrowed ? { ...entry, dtype: "bf16" as const, sizeBytes: entry.sizeBytes / 2 } : entry];
    }),
  );
  return {
    ...file,
    tensors,
    read: async (entry, offset, target) => {
      const stored = file.tensors.get(entry.name);
      if (stored === undefined || stored.dtype === entry.dtype) return file.read(entry, offset, target);
      const raw = new Uint8Array(2 * target.byteLength);
      await file.read(stored, 2 * offset, raw);
      narrow(raw, target);
    },
    close: () => file.close(),
  };
}

/** Rounded to the nearest, ties to even. */
function narrow(raw: Uint8Array, target: Uint8Array): void {
  const from = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const to = new DataView(target.buffer, target.byteOffset, target.byteLength);
  for (let at = 0; at < target.byteLength; at += 2) {
    const bits = from.getUint32(2 * at, true);
    const noNumber = (bits & 0x7fffffff) > 0x7f800000;
    to.setUint16(at, noNumber ? (bits >>> 16) | 0x40 : (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16, true);
  }
}
