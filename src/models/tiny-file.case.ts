import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { RandomStream } from "../tensor/random.js";
import { elements } from "../tensor/shape.js";
import { writeGguf } from "../weights/gguf-write.js";
import type { MetadataValue, WeightFile } from "../weights/weight-file.js";
import type { Architecture, ModelConfig } from "./architecture.js";

/** A file of an architecture with random weights, and those weights beside it, for references. */
export interface TinyFile<Config> {
  readonly path: string;
  readonly config: Config;
  readonly tensors: ReadonlyMap<string, Float32Array>;
}

export async function writeTinyFile<Config extends ModelConfig>(
  architecture: Architecture<Config>,
  fields: Readonly<Record<string, MetadataValue>>,
  options: { seed?: number; change?(name: string, values: Float32Array): void } = {},
): Promise<TinyFile<Config>> {
  const { seed = 1, change } = options;
  const metadata: [string, MetadataValue][] = [
    ["general.architecture", architecture.name],
    ...Object.entries(fields).map(([name, value]): [string, MetadataValue] => [`${architecture.name}.${name}`, value]),
  ];
  const config = architecture.readConfig(headOnly(metadata));
  const tensors = new Map<string, Float32Array>();
  const shapes = new Map<string, readonly number[]>();
  for (const { name, shape } of architecture.parameters?.(config) ?? []) {
    const random = new RandomStream(seed, name);
    const isGain = name.includes("norm") && name.endsWith("weight");
    const deviation = name.endsWith("bias") || isGain ? 0.3 : 1 / Math.sqrt(shape.at(-1) ?? 1);
    const values = random.normalArray(elements(shape), deviation).map((value) => (isGain ? 1 + value : value));
    change?.(name, values);
    tensors.set(name, values);
    shapes.set(name, shape);
  }
  const file = path.join(await mkdtemp(path.join(tmpdir(), "quire-tiny-")), "model.gguf");
  await writeGguf(file, {
    metadata,
    metadataTypes: new Map(
      metadata.flatMap(([name, value]) =>
        typeof value === "number" && !Number.isInteger(value) ? [[name, "f32"] as const] : [],
      ),
    ),
    tensors: [...tensors].map(([name, values]) => ({
      name,
      dtype: "f32",
      shape: shapes.get(name) ?? [],
      data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
    })),
  });
  return { path: file, config, tensors };
}

/** A file that holds only metadata. */
export function headOnly(metadata: Iterable<readonly [string, MetadataValue]>): WeightFile {
  return {
    format: "gguf",
    path: "a test",
    tensors: new Map(),
    metadata: new Map(metadata),
    sizeBytes: 0,
    read: async () => undefined,
    close: async () => undefined,
  };
}
