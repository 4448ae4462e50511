import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { QuireError } from "../errors.js";
import { readJsonObject } from "./flat-json.js";
import { openingError } from "./weight-source.js";

/** Which files of a folder make up a safetensors model. */
export interface Shards {
  readonly folder: string;
  readonly files: readonly string[];
  /** Tensor to file, where an index lists them. */
  readonly listed: ReadonlyMap<string, string> | undefined;
}

export const indexName = "model.safetensors.index.json";

export async function findShards(folder: string): Promise<Shards> {
  const names = await readdir(folder).catch((cause: unknown) => {
    throw openingError(folder, cause);
  });
  if (names.includes(indexName)) return readIndex(folder);
  if (names.includes("model.safetensors")) {
    return { folder, files: [join(folder, "model.safetensors")], listed: undefined };
  }
  const found = names.filter((name) => name.endsWith(".safetensors"));
  if (found.length === 1) return { folder, files: [join(folder, found[0] as string)], listed: undefined };
  throw new QuireError(
    found.length === 0 ? "not-found" : "bad-file",
    found.length === 0
      ? `${folder} holds no safetensors model.`
      : `${folder} holds ${found.length} safetensors files, and no index says which belong together.`,
    { got: names.slice(0, 20), expected: `model.safetensors or ${indexName}` },
  );
}

async function readIndex(folder: string): Promise<Shards> {
  const path = join(folder, indexName);
  const { weight_map: map } = await readJsonObject(path);
  if (typeof map !== "object" || map === null || Array.isArray(map)) {
    throw new QuireError("bad-file", `${path} has no weight_map.`, { got: typeof map, expected: "an object" });
  }
  const listed = new Map<string, string>();
  for (const [tensor, file] of Object.entries(map)) {
    // A name with a folder in it could lead anywhere on the disk.
    if (typeof file !== "string" || file !== basename(file) || !/^[\w.-]+\.safetensors$/.test(file)) {
      throw new QuireError("bad-file", `${path} names a file that cannot be part of the model.`, {
        got: file,
        expected: "the name of a .safetensors file in the same folder",
      });
    }
    listed.set(tensor, join(folder, file));
  }
  if (listed.size === 0) throw new QuireError("bad-file", `${path} lists no tensors.`);
  return { folder, files: [...new Set(listed.values())].sort(), listed };
}
