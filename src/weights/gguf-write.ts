import { QuireError } from "../errors.js";
import { type DType, dtypes, rowBytes } from "../tensor/dtype.js";
import { type AppendOnly, writeAtomically } from "./atomic-file.js";
import { headerLimits } from "./gguf-header.js";
import { type GgufScalarType, type GgufType, ggufTypeOf, ggufTypes, numeric } from "./gguf-types.js";
import { sendTensorData, type TensorData } from "./tensor-data.js";
import type { MetadataValue } from "./weight-file.js";

/** Writes GGUF version 3: header first, then the tensors' data streamed one after another, so that a model larger than memory
 *  can be written. The file appears under its name only when it is whole. */

export interface GgufTensor {
  readonly name: string;
  readonly dtype: DType;
  /** Outermost first. */
  readonly shape: readonly number[];
  readonly data: TensorData;
}

export interface GgufContents {
  readonly metadata: Iterable<readonly [string, MetadataValue]>;
  /** Types for keys whose value does not show it: 10000 as f32, 32 as u64. Others follow `ggufTypeOf`. */
  readonly metadataTypes?: ReadonlyMap<string, GgufType>;
  readonly tensors: readonly GgufTensor[];
  /** Default 32, or what `general.alignment` says. */
  readonly alignment?: number;
  readonly signal?: AbortSignal;
}

export async function writeGguf(path: string, contents: GgufContents): Promise<void> {
  const metadata = new Map(contents.metadata);
  const types = new Map(contents.metadataTypes);
  const alignment = contents.alignment ?? metadata.get("general.alignment") ?? 32;
  if (typeof alignment !== "number" || alignment < 1 || alignment > 2 ** 20 || (alignment & (alignment - 1)) !== 0) {
    throw new QuireError("bad-option", "The alignment cannot be used.", { got: alignment, expected: "a power of two" });
  }
  if (alignment !== 32 || metadata.has("general.alignment")) {
    metadata.set("general.alignment", alignment);
    types.set("general.alignment", "u32");
  }
  const sizes = checkTensors(contents.tensors);
  const header = encodeHeader({ metadata, types, tensors: contents.tensors, sizes, alignment });
  await writeAtomically(path, async (file) => {
    await file.write(header);
    for (const [i, tensor] of contents.tensors.entries()) {
      await pad(file, alignment);
      await sendTensorData(file, { ...tensor, sizeBytes: sizes[i] as number }, contents.signal);
    }
    await pad(file, alignment);
  });
}

async function pad(file: AppendOnly, alignment: number): Promise<void> {
  const missing = padded(file.position, alignment) - file.position;
  if (missing > 0) await file.write(new Uint8Array(missing));
}

function padded(size: number, alignment: number): number {
  return Math.ceil(size / alignment) * alignment;
}

function checkTensors(tensors: readonly GgufTensor[]): number[] {
  const names = new Set<string>();
  return tensors.map(({ name, dtype, shape }) => {
    const length = Buffer.byteLength(name);
    if (names.has(name) || length === 0 || length > headerLimits.tensorNameBytes) {
      throw new QuireError("bad-option", `"${name}" cannot name a tensor.`, {
        got: name,
        expected: `a name of its own, of 1 to ${headerLimits.tensorNameBytes} bytes`,
      });
    }
    names.add(name);
    const width = shape.at(-1) ?? 1;
    const whole = shape.every((extent) => Number.isSafeInteger(extent) && extent > 0);
    if (!whole || shape.length > 4 || width % dtypes[dtype].block !== 0) {
      throw new QuireError("bad-shape", `"${name}" has a shape that ${dtype} cannot have in GGUF.`, {
        got: shape,
        expected: `at most 4 whole numbers above 0, the last a multiple of ${dtypes[dtype].block}`,
      });
    }
    return shape.slice(0, -1).reduce((rows, extent) => rows * extent, 1) * rowBytes(dtype, width);
  });
}

interface HeaderParts {
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  readonly types: ReadonlyMap<string, GgufType>;
  readonly tensors: readonly GgufTensor[];
  readonly sizes: readonly number[];
  readonly alignment: number;
}

function encodeHeader({ metadata, types, tensors, sizes, alignment }: HeaderParts): Buffer {
  const pieces: Buffer[] = [
    Buffer.from("GGUF"),
    number("u32", 3),
    number("u64", tensors.length),
    number("u64", metadata.size),
  ];
  for (const [key, value] of metadata) {
    pieces.push(string(key), encodeValue(key, types.get(key) ?? ggufTypeOf(value), value));
  }
  let offset = 0;
  for (const [i, { name, dtype, shape }] of tensors.entries()) {
    pieces.push(string(name), number("u32", shape.length));
    for (const extent of [...shape].reverse()) pieces.push(number("u64", extent));
    pieces.push(number("u32", dtypes[dtype].id), number("u64", offset));
    offset += padded(sizes[i] as number, alignment);
  }
  return Buffer.concat(pieces);
}

function encodeValue(key: string, type: GgufType, value: MetadataValue): Buffer {
  if (!type.endsWith("[]")) {
    return Buffer.concat([typeId(type as GgufScalarType), encodeScalar(key, type as GgufScalarType, value)]);
  }
  const element = type.slice(0, -2) as GgufScalarType;
  if (typeof value !== "object") throw wrongValue(key, type, value);
  const head = [typeId("array"), typeId(element), number("u64", value.length)];
  if (ArrayBuffer.isView(value) && ggufTypeOf(value) === type) {
    return Buffer.concat([...head, Buffer.from(value.buffer, value.byteOffset, value.byteLength)]);
  }
  const items = Array.from<MetadataValue>(value).map((item) => encodeScalar(key, element, item));
  return Buffer.concat(head.concat(items));
}

function encodeScalar(key: string, type: GgufScalarType, value: MetadataValue): Buffer {
  if (type === "string" && typeof value === "string") return string(value);
  if (type === "bool" && typeof value === "boolean") return Buffer.from([value ? 1 : 0]);
  if (type === "string" || type === "bool" || (typeof value !== "number" && typeof value !== "bigint")) {
    throw wrongValue(key, type, value);
  }
  const whole = type !== "f32" && type !== "f64";
  if (whole && typeof value === "number" && !Number.isInteger(value)) throw wrongValue(key, type, value);
  const bytes = number(type, value);
  const back = numeric[type].read(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0);
  if (whole && BigInt(back) !== BigInt(value)) throw wrongValue(key, type, value);
  return bytes;
}

function wrongValue(key: string, type: GgufType, value: MetadataValue): QuireError {
  return new QuireError("bad-option", `"${key}" cannot be written as ${type}.`, { got: value, expected: type });
}

function typeId(type: GgufScalarType | "array"): Buffer {
  return number("u32", ggufTypes.indexOf(type));
}

function number(type: keyof typeof numeric, value: number | bigint): Buffer {
  const { bytes, write } = numeric[type];
  const buffer = Buffer.alloc(bytes);
  write(new DataView(buffer.buffer, buffer.byteOffset, bytes), 0, value);
  return buffer;
}

function string(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([number("u64", bytes.byteLength), bytes]);
}
