import { QuireError, throwIfAborted } from "../errors.js";
import type { AppendOnly } from "./atomic-file.js";
import type { TensorEntry, WeightFile } from "./weight-file.js";

/** A tensor's data on their way into a file: all at once, or piece by piece from a function that is called when their turn
 *  comes, so that one tensor's pieces are in memory at a time. */
export type TensorData = Uint8Array | (() => Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>);

interface Sent {
  readonly name: string;
  readonly sizeBytes: number;
  readonly data: TensorData;
}

export async function sendTensorData(
  file: AppendOnly,
  { name, sizeBytes, data }: Sent,
  signal: AbortSignal | undefined,
): Promise<void> {
  const given = typeof data === "function" ? data() : data;
  const start = file.position;
  for await (const piece of given instanceof Uint8Array ? [given] : given) {
    throwIfAborted(signal);
    await file.write(piece);
  }
  if (file.position - start === sizeBytes) return;
  throw new QuireError("bad-shape", `The data of "${name}" do not have the size that its shape and type say.`, {
    got: `${file.position - start} bytes`,
    expected: `${sizeBytes} bytes`,
  });
}

/** The data of a tensor in an open file, in pieces, for writing it into another. */
export function dataOf(file: WeightFile, entry: TensorEntry, pieceBytes = 4 * 2 ** 20): TensorData {
  return async function* () {
    for (let offset = 0; offset < entry.sizeBytes; offset += pieceBytes) {
      const piece = new Uint8Array(Math.min(pieceBytes, entry.sizeBytes - offset));
      await file.read(entry, offset, piece);
      yield piece;
    }
  };
}
