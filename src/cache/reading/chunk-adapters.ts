import { QuireError } from "../../errors.js";
import { openSafetensors } from "../../weights/safetensors.js";
import { writeSafetensors } from "../../weights/safetensors-write.js";
import { toFloat32 } from "../../weights/to-float32.js";

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

/** `model`: what they must belong to; a file of another model is refused. */
export async function loadChunkAdapters(path: string, model: AdapterShape): Promise<ChunkAdapters> {
  const file = await openSafetensors(path);
  try {
    const note = (name: string): string => String(file.metadata.get(`safetensors.${name}`) ?? "");
    if (note("format") !== format)
      throw new QuireError("bad-file", "This file does not hold chunk adapters.", {
        got: note("format"),
        expected: format,
      });
    const differs = (Object.keys(model) as (keyof AdapterShape)[]).filter((key) => note(key) !== String(model[key]));
    if (differs.length > 0) {
      throw new QuireError("bad-file", "These adapters belong to another model.", {
        got: differs.map((key) => `${key} ${note(key)}`).join(", "),
        expected: differs.map((key) => `${key} ${model[key]}`).join(", "),
      });
    }
    const read = async (name: string, size: readonly number[]): Promise<Float32Array> => {
      const entry = file.tensors.get(name);
      if (entry === undefined || String(entry.shape) !== String(size))
        throw new QuireError("bad-file", `The adapters have no ${name} of this shape.`, {
          got: entry?.shape,
          expected: size,
        });
      const bytes = new Uint8Array(entry.sizeBytes);
      await file.read(entry, 0, bytes);
      const values = toFloat32(entry.dtype, bytes);
      if (!values.every(Number.isFinite))
        throw new QuireError("bad-file", `${name} holds numbers that are not finite.`);
      return values;
    };
    const parts: { queries: Float32Array[]; keys: Float32Array[] } = { queries: [], keys: [] };
    for (const { name, layer, part, size } of expected(model)) parts[part][layer] = await read(name, size);
    const [bias = 0] = await read("boundary.bias", [1]);
    return { shape: model, ...parts, boundary: await read("boundary.weight", [model.hiddenSize]), bias };
  } finally {
    await file.close();
  }
}

function expected({ layers, queryHeads, kvHeads, headDim, width }: AdapterShape) {
  return Array.from({ length: layers }, (_, layer) => [
    { name: `layers.${layer}.query`, layer, part: "queries" as const, size: [width, queryHeads * headDim] },
    { name: `layers.${layer}.key`, layer, part: "keys" as const, size: [width, kvHeads * headDim] },
  ]).flat();
}
