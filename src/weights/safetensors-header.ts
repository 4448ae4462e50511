import { QuireError } from "../errors.js";
import { type DType, dtypes } from "../tensor/dtype.js";
import { parseObject } from "./flat-json.js";
import { checkPlaces } from "./tensor-places.js";
import type { TensorEntry } from "./weight-file.js";
import type { WeightSource } from "./weight-source.js";

/** The header of one safetensors file: 8 bytes of length, that much JSON, then data without a gap. */

/** The format's own limit. */
export const longestHeader = 100_000_000;

/** Element types of the format with the bits of one element, and the type it is here, where there is one. */
export const safetensorsTypes: Readonly<Record<string, { bits: number; dtype?: DType }>> = {
  F64: { bits: 64, dtype: "f64" },
  F32: { bits: 32, dtype: "f32" },
  F16: { bits: 16, dtype: "f16" },
  BF16: { bits: 16, dtype: "bf16" },
  I64: { bits: 64, dtype: "i64" },
  I32: { bits: 32, dtype: "i32" },
  I16: { bits: 16, dtype: "i16" },
  I8: { bits: 8, dtype: "i8" },
  U64: { bits: 64 },
  U32: { bits: 32 },
  U16: { bits: 16 },
  U8: { bits: 8 },
  BOOL: { bits: 8 },
  C64: { bits: 64 },
  F8_E4M3: { bits: 8 },
  F8_E5M2: { bits: 8 },
  F8_E8M0: { bits: 8 },
  F6_E2M3: { bits: 6 },
  F6_E3M2: { bits: 6 },
  F4: { bits: 4 },
};

export interface SafetensorsHeader {
  readonly tensors: readonly TensorEntry[];
  readonly skipped: ReadonlyMap<string, string>;
  /** The texts under __metadata__. */
  readonly notes: ReadonlyMap<string, string>;
}

export async function readSafetensorsHeader(source: WeightSource, file: number): Promise<SafetensorsHeader> {
  const length = await headerLength(source);
  const bytes = Buffer.alloc(length);
  await source.read(8, bytes);
  if (bytes[0] !== 0x7b) throw broken(source, "the header does not start with {");
  const header = parseObject(bytes.toString("utf8"), source.path);
  const all: TensorEntry[] = [];
  const tensors: TensorEntry[] = [];
  const skipped = new Map<string, string>();
  for (const [name, info] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const { entry, missing } = readInfo(source, name, info, { file, dataStart: 8 + length });
    all.push(entry);
    if (missing === undefined) tensors.push(entry);
    else skipped.set(name, missing);
  }
  checkPlaces(source, all);
  checkGaps(source, all, 8 + length);
  return { tensors, skipped, notes: readNotes(source, header["__metadata__"]) };
}

async function headerLength(source: WeightSource): Promise<number> {
  if (source.size < 10) throw broken(source, "it is too short to be a safetensors file", { got: source.size });
  const start = Buffer.alloc(8);
  await source.read(0, start);
  const length = Number(start.readBigUInt64LE());
  if (length >= 2 && length <= longestHeader && 8 + length <= source.size) return length;
  const text = start.toString("latin1");
  throw broken(source, "the length of the header cannot be right", {
    got: length,
    expected: `2 to ${Math.min(longestHeader, source.size - 8)}`,
    fix: text.startsWith("version ")
      ? "This is a Git LFS pointer, not the model: fetch the real file, for example with `git lfs pull`."
      : "The file is cut off or not a safetensors file: fetch it again.",
  });
}

interface Where {
  readonly file: number;
  readonly dataStart: number;
}

function readInfo(source: WeightSource, name: string, info: unknown, { file, dataStart }: Where) {
  const { dtype: typeName, shape, data_offsets: offsets } = (info ?? {}) as Record<string, unknown>;
  const type =
    typeof typeName === "string" && Object.hasOwn(safetensorsTypes, typeName) ? safetensorsTypes[typeName] : undefined;
  if (!type)
    throw broken(source, `"${shown(name)}" has an unknown type`, {
      got: typeName,
      expected: Object.keys(safetensorsTypes),
    });
  if (!isCounts(shape) || shape.length > 64)
    throw broken(source, `"${shown(name)}" has no usable shape`, { got: shape });
  if (!isCounts(offsets) || offsets.length !== 2) {
    throw broken(source, `"${shown(name)}" has no usable data_offsets`, { got: offsets, expected: "[start, end]" });
  }
  const [start, end] = offsets as [number, number];
  const sizeBytes = (shape.reduce((product, extent) => product * extent, 1) * type.bits) / 8;
  if (end - start !== sizeBytes) {
    throw broken(source, `the place of "${shown(name)}" does not fit its shape and type`, {
      got: `${end - start} bytes`,
      expected: `${sizeBytes} bytes`,
    });
  }
  const missing = type.dtype === undefined ? String(typeName) : shape.length > 4 ? `rank ${shape.length}` : undefined;
  const entry: TensorEntry = { name, dtype: type.dtype ?? "i8", shape, sizeBytes, file, fileOffset: dataStart + start };
  return { entry, missing };
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && (item as number) >= 0);
}

/** The format leaves no bytes unaccounted for, so a gap means that the header and the data are not of one file. */
function checkGaps(source: WeightSource, tensors: readonly TensorEntry[], dataStart: number): void {
  const used = tensors.reduce((sum, tensor) => sum + tensor.sizeBytes, dataStart);
  if (used === source.size) return;
  throw broken(source, "there are bytes between or behind the tensors that belong to none", {
    got: `${source.size - used} bytes`,
    expected: "0 bytes",
    fix: "The file is damaged: fetch it again.",
  });
}

function readNotes(source: WeightSource, notes: unknown): Map<string, string> {
  if (notes === undefined) return new Map();
  const entries =
    typeof notes === "object" && notes !== null && !Array.isArray(notes) ? Object.entries(notes) : undefined;
  if (entries?.every(([, value]) => typeof value === "string")) return new Map(entries as [string, string][]);
  throw broken(source, "__metadata__ is not an object of texts", { got: typeof notes });
}

function shown(name: string): string {
  return name.length > 60 ? `${name.slice(0, 60)}…` : name;
}

function broken(
  source: WeightSource,
  problem: string,
  details: { got?: unknown; expected?: unknown; fix?: string } = {},
) {
  return new QuireError("bad-file", `${source.path}: ${problem}.`, details);
}

/** Bytes of one element, for types that the format can hold. */
export function safetensorsTypeOf(dtype: DType): string | undefined {
  return Object.entries(safetensorsTypes).find(([, type]) => type.dtype === dtype && dtypes[dtype].block === 1)?.[0];
}
