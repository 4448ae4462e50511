import { access } from "node:fs/promises";
import { join } from "node:path";
import { QuireError } from "../errors.js";
import type { GgufFile } from "./gguf.js";
import { openWeightFile } from "./open-weight-file.js";
import type { SafetensorsFile } from "./safetensors.js";
import { scanTensors } from "./scan-tensors.js";
import type { MetadataValue } from "./weight-file.js";

/** Says whether a model file is whole and sensible without running it: opens it with every check of the readers, looks at the
 *  metadata a model needs, and reads all tensors once for values that are not numbers. */

export interface ModelReport {
  readonly path: string;
  readonly format: "gguf" | "safetensors";
  readonly files: readonly string[];
  readonly architecture: string;
  readonly tensors: number;
  readonly parameters: number;
  /** Bytes of all tensors. */
  readonly sizeBytes: number;
  /** Bytes per element type. */
  readonly dtypes: Readonly<Record<string, number>>;
  readonly layers: number | undefined;
  readonly contextTokens: number | undefined;
  readonly vocabulary: number | undefined;
  /** Things that are odd but do not forbid use. */
  readonly warnings: readonly string[];
}

export interface CheckOptions {
  /** Leave the tensors' data unread. */
  readonly headerOnly?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { file: string; receivedBytes: number; totalBytes: number }) => void;
}

export async function checkModelFile(path: string, options: CheckOptions = {}): Promise<ModelReport> {
  const file = await openWeightFile(path);
  try {
    const warnings: string[] = [];
    if (file.tensors.size === 0) {
      throw new QuireError("bad-file", `${path} holds no tensors.`, {
        fix: "It may be a vocabulary only: fetch the model.",
      });
    }
    const facts = file.format === "gguf" ? ggufFacts(file, warnings) : await safetensorsFacts(file, warnings);
    if (!options.headerOnly) await scanTensors(file, options);
    return { path, format: file.format, files: file.files, ...counts(file), ...facts, warnings };
  } finally {
    await file.close();
  }
}

function counts(file: GgufFile | SafetensorsFile) {
  const bytes: Record<string, number> = {};
  let parameters = 0;
  for (const { dtype, shape, sizeBytes } of file.tensors.values()) {
    bytes[dtype] = (bytes[dtype] ?? 0) + sizeBytes;
    parameters += shape.reduce((product, extent) => product * extent, 1);
  }
  return { tensors: file.tensors.size, parameters, sizeBytes: file.sizeBytes, dtypes: bytes };
}

function ggufFacts(file: GgufFile, warnings: string[]) {
  const { metadata, path } = file;
  const architecture = metadata.get("general.architecture");
  if (typeof architecture !== "string" || architecture === "") {
    throw missing(path, "general.architecture", "the name of an architecture", architecture);
  }
  const count = (key: string, needed = true) => {
    const value = metadata.get(`${architecture}.${key}`);
    if (value === undefined && !needed) return undefined;
    if (typeof value === "number" && Number.isInteger(value) && value > 0) return value;
    throw missing(path, `${architecture}.${key}`, "a whole number above 0", value);
  };
  const layers = count("block_count");
  count("embedding_length");
  const tokens = metadata.get("tokenizer.ggml.tokens");
  const vocabulary = Array.isArray(tokens) ? tokens.length : undefined;
  if (vocabulary === undefined) warnings.push("It has no vocabulary (tokenizer.ggml.tokens), so it cannot read text.");
  const rows = file.tensors.get("token_embd.weight")?.shape[0];
  if (rows === undefined) warnings.push("It has no token embeddings (token_embd.weight).");
  else if (vocabulary !== undefined && rows < vocabulary) {
    throw new QuireError("bad-file", `${path} has more tokens than rows of token embeddings.`, {
      got: vocabulary,
      expected: `at most ${rows}`,
    });
  }
  return { architecture, layers, contextTokens: count("context_length", false), vocabulary };
}

async function safetensorsFacts(file: SafetensorsFile, warnings: string[]) {
  const { metadata, folder } = file;
  const count = (...keys: string[]) =>
    keys.map((key) => metadata.get(key)).find((value): value is number => typeof value === "number" && value > 0);
  const named = metadata.get("model_type");
  if (metadata.size === 0 || typeof named !== "string") {
    warnings.push(`There is no config.json with a model_type in ${folder}, so no architecture can be chosen for it.`);
  }
  const there = await access(join(folder, "tokenizer.json")).then(
    () => true,
    () => false,
  );
  if (!there) warnings.push(`There is no tokenizer.json in ${folder}, so it cannot read text.`);
  for (const [name, what] of file.skipped) warnings.push(`"${name}" is left out: ${what} has no counterpart here.`);
  return {
    architecture: typeof named === "string" ? named : "unknown",
    layers: count("num_hidden_layers", "n_layer"),
    contextTokens: count("max_position_embeddings", "n_positions"),
    vocabulary: count("vocab_size"),
  };
}

function missing(path: string, key: string, expected: string, got: MetadataValue | undefined): QuireError {
  return new QuireError("bad-file", `${path}: ${key} is ${got === undefined ? "missing" : "not usable"}.`, {
    got: typeof got === "object" ? "a list" : got,
    expected,
    fix: "The file is not a complete model: fetch it again, or another copy.",
  });
}
