import type { MetadataValue } from "./weight-file.js";

/** GGUF's own numbering of metadata value types, with how a scalar and an array of each are read and written. */
export const ggufTypes = [
  "u8",
  "i8",
  "u16",
  "i16",
  "u32",
  "i32",
  "f32",
  "bool",
  "string",
  "array",
  "u64",
  "i64",
  "f64",
] as const;

export type GgufScalarType = Exclude<(typeof ggufTypes)[number], "array">;

/** "u32", or "u32[]" for an array. */
export type GgufType = GgufScalarType | `${GgufScalarType}[]`;

export type NumericArray = Extract<MetadataValue, ArrayBufferView>;

interface Numeric {
  readonly bytes: 1 | 2 | 4 | 8;
  read(view: DataView, at: number): number | bigint;
  write(view: DataView, at: number, value: number | bigint): void;
  /** The typed array over bytes of its own, which lie as the machine lays them (little-endian wherever Quire runs). */
  array(buffer: ArrayBuffer): NumericArray;
}

export const numeric: Record<Exclude<GgufScalarType, "bool" | "string">, Numeric> = {
  u8: {
    bytes: 1,
    read: (view, at) => view.getUint8(at),
    write: (view, at, value) => view.setUint8(at, Number(value)),
    array: (buffer) => new Uint8Array(buffer),
  },
  i8: {
    bytes: 1,
    read: (view, at) => view.getInt8(at),
    write: (view, at, value) => view.setInt8(at, Number(value)),
    array: (buffer) => new Int8Array(buffer),
  },
  u16: {
    bytes: 2,
    read: (view, at) => view.getUint16(at, true),
    write: (view, at, value) => view.setUint16(at, Number(value), true),
    array: (buffer) => new Uint16Array(buffer),
  },
  i16: {
    bytes: 2,
    read: (view, at) => view.getInt16(at, true),
    write: (view, at, value) => view.setInt16(at, Number(value), true),
    array: (buffer) => new Int16Array(buffer),
  },
  u32: {
    bytes: 4,
    read: (view, at) => view.getUint32(at, true),
    write: (view, at, value) => view.setUint32(at, Number(value), true),
    array: (buffer) => new Uint32Array(buffer),
  },
  i32: {
    bytes: 4,
    read: (view, at) => view.getInt32(at, true),
    write: (view, at, value) => view.setInt32(at, Number(value), true),
    array: (buffer) => new Int32Array(buffer),
  },
  f32: {
    bytes: 4,
    read: (view, at) => view.getFloat32(at, true),
    write: (view, at, value) => view.setFloat32(at, Number(value), true),
    array: (buffer) => new Float32Array(buffer),
  },
  u64: {
    bytes: 8,
    read: (view, at) => narrow(view.getBigUint64(at, true)),
    write: (view, at, value) => view.setBigUint64(at, BigInt(value), true),
    array: (buffer) => new BigUint64Array(buffer),
  },
  i64: {
    bytes: 8,
    read: (view, at) => narrow(view.getBigInt64(at, true)),
    write: (view, at, value) => view.setBigInt64(at, BigInt(value), true),
    array: (buffer) => new BigInt64Array(buffer),
  },
  f64: {
    bytes: 8,
    read: (view, at) => view.getFloat64(at, true),
    write: (view, at, value) => view.setFloat64(at, Number(value), true),
    array: (buffer) => new Float64Array(buffer),
  },
};

/** 64-bit integers become numbers where a number holds them exactly. */
function narrow(value: bigint): number | bigint {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

/** The type a value is written as when the writer is not told: whole numbers as u32 or i32, others as f32. */
export function ggufTypeOf(value: MetadataValue): GgufType {
  if (typeof value === "string") return "string";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "bigint") return value < 0n ? "i64" : "u64";
  if (typeof value === "number") return ggufTypeOfNumber(value);
  if (value instanceof Float32Array) return "f32[]";
  if (value instanceof Float64Array) return "f64[]";
  if (value instanceof Int32Array) return "i32[]";
  if (value instanceof Uint32Array) return "u32[]";
  if (value instanceof Int16Array) return "i16[]";
  if (value instanceof Uint16Array) return "u16[]";
  if (value instanceof Int8Array) return "i8[]";
  if (value instanceof Uint8Array) return "u8[]";
  if (value instanceof BigInt64Array) return "i64[]";
  if (value instanceof BigUint64Array) return "u64[]";
  return typeof value[0] === "boolean" ? "bool[]" : "string[]";
}

function ggufTypeOfNumber(value: number): GgufScalarType {
  if (!Number.isInteger(value)) return "f32";
  if (value >= 0 && value <= 0xffffffff) return "u32";
  if (value < 0 && value >= -0x80000000) return "i32";
  if (Number.isSafeInteger(value)) return value < 0 ? "i64" : "u64";
  return "f64";
}
