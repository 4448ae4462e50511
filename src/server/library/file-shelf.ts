import { readFile, rm } from "node:fs/promises";
import path from "node:path";
import { writeAtomically } from "../../weights/atomic-file.js";
import { type Caller, maySee } from "../access/caller.js";
import { notFound } from "../http/api-error.js";
import { newId, shownName } from "./names.js";
import { type FileRecord, fileRecord, makeFolder, readRecords, writeRecord } from "./records.js";

/** Files that were sent to the server, until they are deleted. */

export class FileShelf {
  readonly #folder: string;
  readonly #files: Map<string, FileRecord>;

  static async open(folder: string): Promise<FileShelf> {
    const records = await readRecords(folder, fileRecord);
    return new FileShelf(folder, new Map(records.map((record) => [record.id, record])));
  }

  private constructor(folder: string, files: Map<string, FileRecord>) {
    this.#folder = folder;
    this.#files = files;
  }

  list(caller: Caller): FileRecord[] {
    const mine = [...this.#files.values()].filter((file) => maySee(caller, file.owner));
    return mine.sort((a, b) => b.created_at - a.created_at);
  }

  get(caller: Caller, id: string): FileRecord {
    const found = this.#files.get(id);
    if (found === undefined || !maySee(caller, found.owner)) throw notFound(`There is no file ${id}.`);
    return found;
  }

  async add(caller: Caller, file: { name: string; purpose: string; bytes: Uint8Array }): Promise<FileRecord> {
    const record: FileRecord = {
      id: newId("file"),
      name: shownName(file.name),
      bytes: file.bytes.byteLength,
      created_at: Math.floor(Date.now() / 1000),
      purpose: file.purpose,
      ...(caller.key === undefined ? {} : { owner: caller.key }),
    };
    const folder = path.join(this.#folder, record.id);
    await makeFolder(folder);
    try {
      await writeAtomically(path.join(folder, "content"), (out) => out.write(file.bytes));
      await writeRecord(folder, record);
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
    this.#files.set(record.id, record);
    return record;
  }

  content(record: FileRecord): Promise<Buffer> {
    return readFile(path.join(this.#folder, record.id, "content"));
  }

  async remove(record: FileRecord): Promise<void> {
    this.#files.delete(record.id);
    await rm(path.join(this.#folder, record.id), { recursive: true, force: true });
  }
}
