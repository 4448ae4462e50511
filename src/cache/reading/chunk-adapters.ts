import { readFileSync } from "node:fs";
import { isQuireError, QuireError } from "../../errors.js";
import { writeSafetensors } from "../../weights/safetensors-write.js";

/** ChunkLLM's adapters as a file: two projections a layer and the boundary judge, with the model they belong to. */

export interface AdapterShape {
  /** Which model they were fitted on, in words or as a checksum. */
  readonly model: string;
  readonly layers: number;
  readonly queryHeads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly hiddenSize: number;
  /** Width of adapter queries and keys. */
  readonly width: number;
}

export interface ChunkAdapters {
  readonly shape: AdapterShape;
  /** By layer: f32 [width, H·D] and f32 [width, K·D], on queries and keys before rotation. */
  readonly queries: readonly Float32Array[];
  readonly keys: readonly Float32Array[];
  /** f32 [hidden] and a bias, on the normalised state after the first layer. */
  readonly boundary: Float32Array;
  readonly bias: number;
}

const format = "quire-chunk-adapters-1";

export async function saveChunkAdapters(path: string, adapters: ChunkAdapters): Promise<void> {
  const { shape } = adapters;
  const tensor = (name: string, size: readonly number[], data: Float32Array) => ({
    name,
    dtype: "f32" as const,
    shape: size,
    data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  });
  await writeSafetensors(path, {
    notes: { format, ...Object.fromEntries(Object.entries(shape).map(([key, value]) => [key, String(value)])) },
    tensors: [
      ...expected(shape).map(({ name, layer, part, size }) =>
        tensor(name, size, adapters[part][layer] as Float32Array),
      ),
      tensor("boundary.weight", [shape.hiddenSize], adapters.boundary),
      tensor("boundary.bias", [1], Float32Array.of(adapters.bias)),
    ],
  });
}

/** Reads a file of adapters whole: a few megabytes, needed before the first token. */
export function readChunkAdapters(path: string): ChunkAdapters {
  const { notes, tensors } = parse(path, bytesOf(path));
  if (notes["format"] !== format)
    throw new QuireError("bad-file", "This file does not hold chunk adapters.", {
      got: notes["format"],
      expected: format,
    });
  const count = (name: keyof AdapterShape): number => {
    const value = Number(notes[name]);
    if (!Number.isInteger(value) || value < 1 || value > 2 ** 20)
      throw new QuireError("bad-file", `The adapters have no usable ${name}.`, { got: notes[name] });
    return value;
  };
  const shape: AdapterShape = {
    model: notes["model"] ?? "",
    layers: count("layers"),
    queryHeads: count("queryHeads"),
    kvHeads: count("kvHeads"),
    headDim: count("headDim"),
    hiddenSize: count("hiddenSize"),
    width: count("width"),
  };
  const read = (name: string, size: readonly number[]): Float32Array => {
    const found = tensors.get(name);
    if (found === undefined || String(found.shape) !== String(size))
      throw new QuireError("bad-file", `The adapters have no ${name} of this shape.`, {
        got: found?.shape,
        expected: size,
      });
    if (!found.values.every(Number.isFinite))
      throw new QuireError("bad-file", `${name} holds numbers that are not finite.`);
    return found.values;
  };
  const parts: { queries: Float32Array[]; keys: Float32Array[] } = { queries: [], keys: [] };
  for (const { name, layer, part, size } of expected(shape)) parts[part][layer] = read(name, size);
  const [bias = 0] = read("boundary.bias", [1]);
  return { shape, ...parts, boundary: read("boundary.weight", [shape.hiddenSize]), bias };
}

/** Refuses adapters of another model; `model` names those sizes that are known. */
export function mustFit({ shape }: ChunkAdapters, model: Partial<AdapterShape>): void {
  const differs = (Object.keys(model) as (keyof AdapterShape)[]).filter((key) => shape[key] !== model[key]);
  if (differs.length === 0) return;
  throw new QuireError("bad-option", "These adapters belong to another model.", {
    got: `${shape.model}: ${differs.map((key) => `${key} ${shape[key]}`).join(", ")}`,
    expected: differs.map((key) => `${key} ${model[key]}`).join(", "),
  });
}

function bytesOf(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new QuireError("not-found", `The adapters ${path} cannot be read.`, { got: path, cause });
  }
}

interface Parsed {
  readonly notes: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, { readonly shape: readonly number[]; readonly values: Float32Array }>;
}

function parse(path: string, bytes: Buffer): Parsed {
  const damaged = (cause?: unknown) =>
    new QuireError("bad-file", `${path} is not a safetensors file of adapters.`, { got: path, cause });
  const length = bytes.length >= 8 ? Number(bytes.readBigUInt64LE(0)) : Number.POSITIVE_INFINITY;
  if (length > bytes.length - 8) throw damaged();
  try {
    const header = JSON.parse(bytes.toString("utf8", 8, 8 + length)) as Record<string, Record<string, unknown>>;
    const { __metadata__: notes = {}, ...entries } = header;
    const tensors = Object.entries(entries).map(([name, { dtype, shape, data_offsets }]) => {
      const [start, end] = data_offsets as [number, number];
      const data = bytes.subarray(8 + length + start, 8 + length + end);
      const size = (shape as number[]).reduce((product, one) => product * one, 4);
      if (dtype !== "F32" || data.length !== size || start < 0) throw damaged();
      return [name, { shape: shape as number[], values: new Float32Array(new Uint8Array(data).buffer) }] as const;
    });
    return { notes: notes as Record<string, string>, tensors: new Map(tensors) };
  } catch (cause) {
    throw isQuireError(cause) ? cause : damaged(cause);
  }
}

function expected({ layers, queryHeads, kvHeads, headDim, width }: AdapterShape) {
  return Array.from({ length: layers }, (_, layer) => [
    { name: `layers.${layer}.query`, layer, part: "queries" as const, size: [width, queryHeads * headDim] },
    { name: `layers.${layer}.key`, layer, part: "keys" as const, size: [width, kvHeads * headDim] },
  ]).flat();
}
