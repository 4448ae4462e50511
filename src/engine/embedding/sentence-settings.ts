import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { QuireError } from "../../errors.js";
import { readFlatJson } from "../../weights/flat-json.js";
import type { MetadataValue, WeightFile } from "../../weights/weight-file.js";

/** What makes one vector of a text's hidden states, as the model was trained for: from GGUF metadata, or from the files that
 *  sentence-transformers puts beside the weights (modules.json, 1_Pooling/config.json, sentence_bert_config.json). */

export type Pooling = "mean" | "cls" | "last";

export interface SentenceSettings {
  readonly pooling: Pooling;
  /** Vectors are brought to length 1. */
  readonly normalise: boolean;
  /** Tokens of a text that are looked at, [CLS] and [SEP] included. */
  readonly maxTokens: number;
}

type Metadata = ReadonlyMap<string, MetadataValue>;

/** `folder` is where a safetensors model lies; undefined for GGUF. */
export async function readSentenceSettings(
  file: WeightFile,
  folder: string | undefined,
  maxPositions: number,
): Promise<SentenceSettings> {
  if (folder === undefined) return { pooling: ggufPooling(file), normalise: true, maxTokens: maxPositions };
  const modules = await modulesOf(folder);
  const pooling = await readIfThere(join(folder, modules.pooling, "config.json"));
  const limits = await readIfThere(join(folder, "sentence_bert_config.json"));
  const tokenizer = await readIfThere(join(folder, "tokenizer_config.json"));
  const longest = limits?.get("max_seq_length") ?? tokenizer?.get("model_max_length");
  const maxTokens = typeof longest === "number" && longest >= 2 ? Math.min(longest, maxPositions) : maxPositions;
  return {
    pooling: pooling === undefined ? "mean" : poolingOf(pooling, folder),
    normalise: modules.normalise,
    maxTokens: Math.floor(maxTokens),
  };
}

/** As llama.cpp numbers them. */
const ggufPoolings: Record<number, Pooling> = { 1: "mean", 2: "cls", 3: "last" };

function ggufPooling(file: WeightFile): Pooling {
  const architecture = file.metadata.get("general.architecture");
  const given = file.metadata.get(`${String(architecture)}.pooling_type`);
  if (given === undefined) return "mean";
  const pooling = ggufPoolings[Number(given)];
  if (pooling !== undefined) return pooling;
  throw new QuireError("unsupported", `${file.path}: this way of pooling is not supported.`, {
    got: given,
    expected: "1 (mean), 2 (first token) or 3 (last token)",
    fix: "Use a model made for sentence embeddings.",
  });
}

const knownModules: Record<string, "transformer" | "pooling" | "normalise"> = {
  Transformer: "transformer",
  Pooling: "pooling",
  Normalize: "normalise",
};

const modulesSchema = z.array(z.object({ type: z.string(), path: z.string().default("") })).max(64);

/** Without modules.json a model is taken for a plain encoder: mean of the hidden states, length 1. */
async function modulesOf(folder: string): Promise<{ pooling: string; normalise: boolean }> {
  const listed = await readModuleList(join(folder, "modules.json"));
  if (listed === undefined) return { pooling: "1_Pooling", normalise: true };
  const found = { pooling: "1_Pooling", normalise: false };
  for (const { type, path } of listed) {
    const kind = knownModules[type.split(".").at(-1) ?? ""];
    if (kind === undefined) {
      throw new QuireError("unsupported", `${folder}: the model has a part that is not supported.`, {
        got: type,
        expected: Object.keys(knownModules).join(", "),
        fix: "Use a model without further layers after the pooling.",
      });
    }
    if (kind === "pooling") found.pooling = insideOf(path, folder);
    if (kind === "normalise") found.normalise = true;
  }
  return found;
}

function insideOf(path: string, folder: string): string {
  if (!path.split(/[\\/]/).includes("..") && !/^([\\/]|[A-Za-z]:)/.test(path)) return path;
  throw new QuireError("bad-file", `${folder}: modules.json points outside the model's folder.`, { got: path });
}

async function readModuleList(path: string): Promise<{ type: string; path: string }[] | undefined> {
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return modulesSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new QuireError("bad-file", `${path} is not a list of modules.`, {
      got: text.slice(0, 80),
      expected: 'a list of {"type", "path"}',
      fix: "Fetch the model again.",
      cause,
    });
  }
}

const modes: Record<string, Pooling> = {
  pooling_mode_mean_tokens: "mean",
  pooling_mode_cls_token: "cls",
  pooling_mode_lasttoken: "last",
};

function poolingOf(config: Metadata, folder: string): Pooling {
  const chosen = [...config].filter(([key, value]) => key.startsWith("pooling_mode_") && value === true);
  const pooling = modes[chosen[0]?.[0] ?? ""];
  if (chosen.length === 1 && pooling !== undefined) return pooling;
  throw new QuireError("unsupported", `${folder}: this way of pooling is not supported.`, {
    got: chosen.map(([key]) => key),
    expected: `one of ${Object.keys(modes).join(", ")}`,
  });
}

async function readIfThere(path: string): Promise<Metadata | undefined> {
  const found = await stat(path).catch(() => undefined);
  return found === undefined ? undefined : readFlatJson(path);
}
