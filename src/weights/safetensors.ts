import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isQuireError, QuireError } from "../errors.js";
import { readFlatJson } from "./flat-json.js";
import { readTensor } from "./read-tensor.js";
import { readSafetensorsHeader } from "./safetensors-header.js";
import { findShards, indexName, type Shards } from "./safetensors-index.js";
import type { MetadataValue, TensorEntry, WeightFile } from "./weight-file.js";
import { openingError, openWeightSource, type WeightSource } from "./weight-source.js";

/** Opens safetensors: one file, or a folder with model.safetensors or the shards that model.safetensors.index.json lists. The
 *  config.json beside them becomes the metadata, flattened with dots; notes inside the files come under "safetensors." */

export interface SafetensorsFile extends WeightFile {
  readonly format: "safetensors";
  readonly files: readonly string[];
  /** The folder that config.json, tokenizer.json and the like are looked for in. */
  readonly folder: string;
  /** Tensors that have no counterpart here (masks of booleans, rank above 4), and what they are. They are left out. */
  readonly skipped: ReadonlyMap<string, string>;
}

export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  const shards = await locate(path);
  const sources: WeightSource[] = [];
  try {
    const tensors = new Map<string, TensorEntry>();
    const skipped = new Map<string, string>();
    const metadata = await readConfig(shards.folder);
    for (const [i, name] of shards.files.entries()) {
      const source = await openShard(shards, name);
      sources.push(source);
      const header = await readSafetensorsHeader(source, i);
      for (const entry of header.tensors) addOnce(tensors, entry, source);
      for (const [tensor, what] of header.skipped) skipped.set(tensor, what);
      for (const [key, value] of header.notes) metadata.set(`safetensors.${key}`, value);
    }
    checkIndex(shards, tensors, skipped, sources);
    return {
      format: "safetensors",
      path,
      folder: shards.folder,
      files: sources.map((source) => source.path),
      metadata,
      tensors,
      skipped,
      sizeBytes: [...tensors.values()].reduce((sum, tensor) => sum + tensor.sizeBytes, 0),
      read: (entry, offset, target) => readTensor(sources, entry, offset, target),
      async close() {
        await Promise.all(sources.map((source) => source.close()));
      },
    };
  } catch (error) {
    await Promise.all(sources.map((source) => source.close()));
    throw error;
  }
}

async function locate(path: string): Promise<Shards> {
  const found = await stat(path).catch((cause: unknown) => {
    throw openingError(path, cause);
  });
  if (found.isDirectory()) return findShards(path);
  if (path.endsWith(".index.json")) return findShards(dirname(path));
  return { folder: dirname(path), files: [path], listed: undefined };
}

async function readConfig(folder: string): Promise<Map<string, MetadataValue>> {
  try {
    return await readFlatJson(join(folder, "config.json"));
  } catch (error) {
    if (isQuireError(error) && error.code === "not-found") return new Map();
    throw error;
  }
}

async function openShard(shards: Shards, path: string): Promise<WeightSource> {
  try {
    return await openWeightSource(path);
  } catch (error) {
    if (!isQuireError(error) || error.code !== "not-found" || !shards.listed) throw error;
    throw new QuireError("not-found", `${indexName} in ${shards.folder} lists ${path}, which is not there.`, {
      got: path,
      fix: "Put all files of the model into one folder.",
      cause: error,
    });
  }
}

function addOnce(tensors: Map<string, TensorEntry>, entry: TensorEntry, source: WeightSource): void {
  if (tensors.has(entry.name)) {
    throw new QuireError("bad-file", `${source.path}: the tensor "${entry.name}" is in an earlier file too.`, {
      got: entry.name,
    });
  }
  tensors.set(entry.name, entry);
}

function checkIndex(
  shards: Shards,
  tensors: ReadonlyMap<string, TensorEntry>,
  skipped: ReadonlyMap<string, string>,
  sources: readonly WeightSource[],
): void {
  for (const [name, file] of shards.listed ?? []) {
    const entry = tensors.get(name);
    const right = entry ? sources[entry.file]?.path === file : skipped.has(name);
    if (right) continue;
    throw new QuireError("bad-file", `${indexName} in ${shards.folder} puts "${name}" into ${file}, where it is not.`, {
      got: entry ? sources[entry.file]?.path : "no file",
      expected: file,
      fix: "A file of the model is missing or from another version: fetch all of them again.",
    });
  }
}
