import { QuireError } from "../errors.js";
import { type DType, dtypes } from "../tensor/dtype.js";
import { writeAtomically } from "./atomic-file.js";
import { longestHeader, safetensorsTypeOf } from "./safetensors-header.js";
import { sendTensorData, type TensorData } from "./tensor-data.js";

/** Writes one safetensors file, data streamed, whole or not at all. Wide elements come first, so that each tensor starts at a
 *  multiple of its element's size. */

export interface SafetensorsTensor {
  readonly name: string;
  /** One of f64 f32 f16 bf16 i64 i32 i16 i8: the format holds no quantised blocks. */
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

export interface SafetensorsContents {
  readonly tensors: readonly SafetensorsTensor[];
  /** Texts kept under __metadata__. */
  readonly notes?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export async function writeSafetensors(path: string, { tensors, notes, signal }: SafetensorsContents): Promise<void> {
  const inOrder = [...tensors].sort(
    (a, b) => dtypes[b.dtype].bytes - dtypes[a.dtype].bytes || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  );
  const header: [string, unknown][] = notes === undefined ? [] : [["__metadata__", notes]];
  const names = new Set<string>(["__metadata__"]);
  const sizes: number[] = [];
  let end = 0;
  for (const tensor of inOrder) {
    const sizeBytes = sizeOf(tensor);
    if (names.has(tensor.name)) {
      throw new QuireError("bad-option", `"${tensor.name}" cannot name this tensor.`, {
        expected: "a name of its own",
      });
    }
    names.add(tensor.name);
    sizes.push(sizeBytes);
    const place = [end, end + sizeBytes];
    header.push([tensor.name, { dtype: safetensorsTypeOf(tensor.dtype), shape: tensor.shape, data_offsets: place }]);
    end += sizeBytes;
  }
  const bytes = encodeHeader(header);
  await writeAtomically(path, async (file) => {
    await file.write(bytes);
    for (const [i, tensor] of inOrder.entries()) {
      await sendTensorData(file, { ...tensor, sizeBytes: sizes[i] as number }, signal);
    }
  });
}

function sizeOf({ name, dtype, shape }: SafetensorsTensor): number {
  if (safetensorsTypeOf(dtype) === undefined) {
    throw new QuireError("unsupported", `"${name}": safetensors cannot hold ${dtype}.`, {
      got: dtype,
      expected: "f64, f32, f16, bf16, i64, i32, i16 or i8",
      fix: "Convert it first, or write GGUF.",
    });
  }
  if (!shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0)) {
    throw new QuireError("bad-shape", `"${name}" has a shape that cannot be.`, { got: shape });
  }
  return shape.reduce((product, extent) => product * extent, 1) * dtypes[dtype].bytes;
}

function encodeHeader(entries: readonly (readonly [string, unknown])[]): Buffer {
  const json = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  // Spaces up to a multiple of 8 keep the data aligned, as the format advises.
  const length = Math.ceil(json.byteLength / 8) * 8;
  if (length > longestHeader) {
    throw new QuireError("bad-option", "The header would be longer than the format allows.", { got: length });
  }
  const bytes = Buffer.alloc(8 + length, 0x20);
  bytes.writeBigUInt64LE(BigInt(length));
  json.copy(bytes, 8);
  return bytes;
}
