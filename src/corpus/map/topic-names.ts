/** Names that a model gave to topics, beside the index: a name is asked for once, and `--scope` understands it later. */

import { randomBytes } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { diskError } from "../file-problem.js";
import { localFolder } from "../index/place.js";

const fileName = "topic-names.json";
const schema = z.object({ model: z.string(), names: z.record(z.string(), z.string()) });

export interface TopicNames {
  readonly model: string;
  /** Name by topic id; "" where the model had none that could be used. */
  readonly names: Readonly<Record<string, string>>;
}

/** None where there is no file, or one that cannot be read: names can always be asked for again. */
export async function readTopicNames(indexFolder: string): Promise<TopicNames> {
  try {
    return schema.parse(JSON.parse(await readFile(join(localFolder(indexFolder), fileName), "utf8")));
  } catch {
    return { model: "", names: {} };
  }
}

export async function writeTopicNames(indexFolder: string, names: TopicNames): Promise<void> {
  const path = join(localFolder(indexFolder), fileName);
  const temporary = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    await writeFile(temporary, JSON.stringify(names));
    await rename(temporary, path);
  } catch (cause) {
    throw diskError(`${path} cannot be written`, cause);
  }
}
