/** What an index was made with, in `settings.json` beside its tables: whether it can be continued is decided by this alone. */

import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { diskError } from "../file-problem.js";
import { isAddress } from "./place.js";
import { readRemoteSettings, writeRemoteSettings } from "./remote-settings.js";
import { settingsFileName } from "./settings-names.js";

/** Raised when the tables change, so that older indexes are made anew. */
export const indexFormat = 1;

const settingsSchema = z.object({
  format: z.int(),
  parser: z.int(),
  /** Absolute path of the folder that is indexed. */
  root: z.string(),
  chunker: z.string(),
  /** None = text only. */
  embeddingModel: z.string().optional(),
  dimensions: z.int().positive().optional(),
  /** False while an update is writing, and after one that was cut off. */
  complete: z.boolean(),
});

export type IndexSettings = z.infer<typeof settingsSchema>;

/** Undefined where there are none; "damaged" where they cannot be read. */
export async function readSettings(folder: string): Promise<IndexSettings | "damaged" | undefined> {
  let text: string;
  try {
    if (isAddress(folder)) {
      const found = await readRemoteSettings(folder);
      if (found === undefined) return undefined;
      text = found;
    } else text = await readFile(join(folder, settingsFileName), "utf8");
  } catch (cause) {
    // A store that cannot be reached is no damaged index.
    if (isAddress(folder)) throw cause;
    return (cause as NodeJS.ErrnoException).code === "ENOENT" ? undefined : "damaged";
  }
  try {
    const parsed = settingsSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : "damaged";
  } catch {
    return "damaged";
  }
}

export async function writeSettings(folder: string, settings: IndexSettings): Promise<void> {
  if (isAddress(folder)) return writeRemoteSettings(folder, JSON.stringify(settings));
  const path = join(folder, settingsFileName);
  try {
    await writeFile(`${path}.new`, `${JSON.stringify(settings, null, 2)}\n`);
    await rename(`${path}.new`, path);
  } catch (cause) {
    throw diskError(`${path} cannot be written`, cause);
  }
}
