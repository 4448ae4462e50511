import { mkdir, readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { diskError } from "../../corpus/file-problem.js";
import { writeAtomically } from "../../weights/atomic-file.js";

/** What is known of uploaded files and corpora, each in a small JSON file beside what it describes. */

export const fileRecord = z.object({
  id: z.string(),
  name: z.string(),
  bytes: z.number(),
  created_at: z.number(),
  purpose: z.string(),
  owner: z.string().optional(),
});
export type FileRecord = z.output<typeof fileRecord>;

export const corpusRecord = z.object({
  id: z.string(),
  name: z.string(),
  created_at: z.number(),
  owner: z.string().optional(),
  /** By the name on disk. */
  files: z.record(z.string(), z.object({ name: z.string(), bytes: z.number() })),
});
export type CorpusRecord = z.output<typeof corpusRecord>;

/** All records below a folder; a folder whose record is damaged or missing is passed over. */
export async function readRecords<Schema extends z.ZodType>(
  folder: string,
  schema: Schema,
): Promise<z.output<Schema>[]> {
  const names = await readdir(folder).catch(() => []);
  const found: z.output<Schema>[] = [];
  for (const name of names) {
    try {
      const value = schema.parse(JSON.parse(await readFile(path.join(folder, name, "record.json"), "utf8")));
      found.push(value as z.output<Schema>);
    } catch {
      // Half an upload, or nothing of ours.
    }
  }
  return found;
}

export async function writeRecord(folder: string, record: object): Promise<void> {
  const text = `${JSON.stringify(record, undefined, 2)}\n`;
  await writeAtomically(path.join(folder, "record.json"), (file) => file.write(Buffer.from(text)));
}

export async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
    throw diskError("The server's folder cannot be made", cause);
  });
}
