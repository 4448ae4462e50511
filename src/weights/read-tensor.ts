import { QuireError } from "../errors.js";
import type { TensorEntry } from "./weight-file.js";
import type { WeightSource } from "./weight-source.js";

/** Reading part of a tensor's data from the file that holds it, never past its own end. */
export async function readTensor(
  sources: readonly WeightSource[],
  entry: TensorEntry,
  offset: number,
  target: Uint8Array,
): Promise<void> {
  const source = sources[entry.file];
  const inside = Number.isSafeInteger(offset) && offset >= 0 && offset + target.byteLength <= entry.sizeBytes;
  if (!source || !inside) {
    throw new QuireError("bad-option", `Bytes ${offset} to ${offset + target.byteLength} are not in "${entry.name}".`, {
      got: { offset, bytes: target.byteLength, file: entry.file },
      expected: `0 to ${entry.sizeBytes}`,
    });
  }
  await source.read(entry.fileOffset + offset, target);
}
