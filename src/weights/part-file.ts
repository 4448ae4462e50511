import { readFile, rm, stat, truncate } from "node:fs/promises";
import { writeAtomically } from "./atomic-file.js";

/** FILE.part holds what has arrived of a download, FILE.part.json says what it is a part of. */

export interface PartNote {
  readonly url: string;
  readonly etag: string | undefined;
  readonly sha256: string | undefined;
  readonly totalBytes: number | undefined;
}

export interface Part {
  readonly bytes: number;
  readonly etag?: string;
}

/** What is there to go on from: nothing unless it is surely of the same file, or a hash will show it at the end. */
export async function readPart(path: string, url: string, sha256: string | undefined): Promise<Part> {
  const note = await readNote(path);
  const found = await stat(`${path}.part`).catch(() => undefined);
  if (!note || !found || found.size === 0 || note.url !== url) return { bytes: 0 };
  if (sha256 !== undefined && note.sha256 !== sha256) return { bytes: 0 };
  if (note.etag === undefined && note.sha256 === undefined) return { bytes: 0 };
  let bytes = found.size;
  if (note.totalBytes !== undefined && bytes >= note.totalBytes) {
    // Stopped just before the end was checked: the last byte is asked for again, so that the usual way finishes it.
    bytes = note.totalBytes - 1;
    await truncate(`${path}.part`, bytes);
  }
  return { bytes, ...(note.etag === undefined ? {} : { etag: note.etag }) };
}

async function readNote(path: string): Promise<PartNote | undefined> {
  try {
    const note = JSON.parse(await readFile(`${path}.part.json`, "utf8")) as PartNote;
    return typeof note === "object" && note !== null && typeof note.url === "string" ? note : undefined;
  } catch {
    return undefined;
  }
}

export async function writePartNote(path: string, note: PartNote): Promise<void> {
  await writeAtomically(`${path}.part.json`, (file) => file.write(Buffer.from(JSON.stringify(note))));
}

export async function discardPart(path: string): Promise<void> {
  await rm(`${path}.part`, { force: true });
  await rm(`${path}.part.json`, { force: true });
}
