import { mkdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { QuireError } from "../errors.js";
import { writeAtomically } from "./atomic-file.js";
import { readJsonObject } from "./flat-json.js";
import type { WeightRequest } from "./load.js";
import { openSafetensors } from "./safetensors.js";
import { writeSafetensors } from "./safetensors-write.js";
import { toFloat32 } from "./to-float32.js";
import { openingError } from "./weight-source.js";

/** LoRA adapters as PEFT writes them: adapter_model.safetensors with two thin matrices for every adapted weight, and
 *  adapter_config.json beside it. Hu et al. 2021, arXiv 2106.09685. */

/** What is added to a weight [outputs, inputs]: scale · b · a. */
export interface LoraMatrices {
  readonly rank: number;
  /** f32 [rank, inputs] */
  readonly a: Float32Array;
  /** f32 [outputs, rank] */
  readonly b: Float32Array;
}

export interface Adapter {
  readonly path: string;
  /** alpha / rank */
  readonly scale: number;
  /** By the name of the weight among the model's requests; rows in the order in which the model holds them. */
  readonly matrices: ReadonlyMap<string, LoraMatrices>;
}

export const adapterFiles = { weights: "adapter_model.safetensors", config: "adapter_config.json" } as const;

/** Reads a folder, or the safetensors file in it, and checks it against the weights of the model that it is for. */
export async function readAdapter(path: string, requests: readonly WeightRequest[]): Promise<Adapter> {
  const folder = await folderOf(path);
  const { rank, alpha, scaling } = await readAdapterConfig(join(folder, adapterFiles.config));
  const file = await openSafetensors(path.endsWith(".safetensors") ? path : join(folder, adapterFiles.weights));
  try {
    const sites = new Map(requests.filter(canBeAdapted).map((request) => [adapterName(request), request]));
    const halves = new Map<string, { a?: Float32Array; b?: Float32Array; rank?: number }>();
    for (const entry of file.tensors.values()) {
      const [, site = "", half = ""] = entry.name.match(/^(.+)\.lora_([AB])(?:\.default)?\.weight$/) ?? [];
      const request = sites.get(site);
      if (request === undefined) throw anotherModel(path, entry.name, [...sites.keys()]);
      const [outputs = 0, inputs = 0] = request.shape;
      const [rows = 0, columns = 0] = entry.shape;
      const ownRank = half === "A" ? rows : columns;
      const fits =
        entry.shape.length === 2 && (half === "A" ? columns === inputs : rows === outputs) && ownRank === rank;
      if (!fits) {
        const expected = half === "A" ? [rank, inputs] : [outputs, rank];
        throw new QuireError("bad-file", `${path} is an adapter for another model: ${entry.name} does not fit.`, {
          got: `[${entry.shape.join(", ")}]`,
          expected: `[${expected.join(", ")}]`,
          fix: "Use the adapter with the model that it was trained on.",
        });
      }
      const bytes = new Uint8Array(entry.sizeBytes);
      await file.read(entry, 0, bytes);
      const values = toFloat32(entry.dtype, bytes);
      const found = halves.get(request.name) ?? {};
      halves.set(
        request.name,
        half === "A" ? { ...found, a: values } : { ...found, b: reorderRows(values, request, rank, "to-model") },
      );
    }
    const matrices = new Map<string, LoraMatrices>();
    for (const [name, { a, b }] of halves) {
      if (a === undefined || b === undefined) {
        throw new QuireError("bad-file", `${path}: one of the two matrices for ${name} is missing.`, {
          got: a === undefined ? "lora_B alone" : "lora_A alone",
          expected: "lora_A and lora_B",
        });
      }
      matrices.set(name, { rank, a, b });
    }
    if (matrices.size === 0)
      throw new QuireError("bad-file", `${path} holds no adapter.`, { expected: "lora_A, lora_B" });
    return { path, scale: scaling === "root" ? alpha / Math.sqrt(rank) : alpha / rank, matrices };
  } finally {
    await file.close();
  }
}

export interface AdapterToWrite {
  readonly rank: number;
  readonly alpha: number;
  readonly matrices: ReadonlyMap<string, LoraMatrices>;
  /** What the model is called where it came from; only information for others. */
  readonly base?: string;
  readonly signal?: AbortSignal;
}

/** Writes both files into a folder; a reader never sees half of one. */
export async function writeAdapter(
  folder: string,
  requests: readonly WeightRequest[],
  { rank, alpha, matrices, base, signal }: AdapterToWrite,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const adapted = requests.filter(({ name }) => matrices.has(name));
  const tensors = adapted.flatMap((request) => {
    const { a, b } = matrices.get(request.name) as LoraMatrices;
    const [outputs = 0, inputs = 0] = request.shape;
    const part = (half: string, shape: number[], values: Float32Array) => ({
      name: `${adapterName(request)}.lora_${half}.weight`,
      dtype: "f32" as const,
      shape,
      data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
    });
    return [part("A", [rank, inputs], a), part("B", [outputs, rank], reorderRows(b, request, rank, "to-file"))];
  });
  await writeSafetensors(join(folder, adapterFiles.weights), { tensors, notes: { format: "pt" }, signal });
  const modules = new Set(adapted.map((request) => adapterName(request).split(".").at(-1)));
  const config = {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: base ?? null,
    r: rank,
    lora_alpha: alpha,
    lora_dropout: 0,
    target_modules: [...modules],
    bias: "none",
    fan_in_fan_out: false,
    inference_mode: true,
  };
  const text = Buffer.from(`${JSON.stringify(config, null, 2)}\n`);
  await writeAtomically(join(folder, adapterFiles.config), (file) => file.write(text));
}

/** Weights that are only ever multiplied can have an adapter. */
export function canBeAdapted({ use, shape, values }: WeightRequest): boolean {
  return use === "product" && shape.length === 2 && values === undefined;
}

/** What PEFT calls the adapter of a weight: by the name in published checkpoints. */
function adapterName({ name, from }: WeightRequest): string {
  return `base_model.model.${(from.at(-1) ?? name).replace(/\.weight$/, "")}`;
}

async function folderOf(path: string): Promise<string> {
  const found = await stat(path).catch((cause: unknown) => {
    throw openingError(path, cause);
  });
  return found.isDirectory() ? path : dirname(path);
}

async function readAdapterConfig(path: string): Promise<{ rank: number; alpha: number; scaling: "plain" | "root" }> {
  const config = await readJsonObject(path);
  const { r: rank, lora_alpha: alpha, peft_type: type = "LORA" } = config;
  if (type !== "LORA" || !Number.isInteger(rank) || (rank as number) < 1 || !((alpha as number) > 0)) {
    throw new QuireError("bad-file", `${path} does not describe a LoRA adapter.`, {
      got: { peft_type: type, r: rank, lora_alpha: alpha },
      expected: "peft_type LORA, a rank r of at least 1, lora_alpha above 0",
    });
  }
  const isSet = (value: unknown): boolean =>
    value !== undefined && value !== null && value !== false && value !== "none" && Object.keys(value).length !== 0;
  for (const name of ["use_dora", "fan_in_fan_out", "rank_pattern", "alpha_pattern", "modules_to_save", "bias"]) {
    if (!isSet(config[name]) && config[name] !== true) continue;
    throw new QuireError("unsupported", `${path}: adapters with ${name} are not supported.`, {
      got: config[name],
      expected: "a plain LoRA adapter",
    });
  }
  return { rank: rank as number, alpha: alpha as number, scaling: config["use_rslora"] === true ? "root" : "plain" };
}

function anotherModel(path: string, name: string, sites: readonly string[]): QuireError {
  return new QuireError("bad-file", `${path} is an adapter for another model: this one has nothing for ${name}.`, {
    got: name,
    expected: `${basename(sites[0] ?? "")} and the like, ${sites.length} weights`,
    fix: "Use the adapter with the model that it was trained on.",
  });
}

/** GGUF files of some models interleave the halves of each head (row 2i is row i of the first half); published checkpoints do not. */
function reorderRows(
  values: Float32Array,
  { interleavedHeads, shape }: WeightRequest,
  width: number,
  direction: "to-model" | "to-file",
): Float32Array {
  if (interleavedHeads === undefined) return values;
  const rows = shape[0] ?? 0;
  const headDim = rows / interleavedHeads;
  const result = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    const within = row % headDim;
    const published = row - within + (within % 2) * (headDim / 2) + Math.floor(within / 2);
    const [from, to] = direction === "to-model" ? [published, row] : [row, published];
    result.set(values.subarray(from * width, (from + 1) * width), to * width);
  }
  return result;
}
