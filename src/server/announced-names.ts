import { realpath } from "node:fs/promises";
import path from "node:path";
import { walk } from "../corpus/walk.js";
import type { Library } from "./library/library.js";

/** What private usage figures may speak of: names that are known before any request, so that a name appearing tells nothing. */

const mostDocuments = 1000;

export function documentName(corpus: string, file: string): string {
  return `${corpus}/${file}`;
}

/** Files of the folders the server was started with, and of the corpora that were sent so far. */
export async function announcedDocuments(folders: readonly string[], library: Library): Promise<string[]> {
  const names: string[] = [];
  for (const target of folders) {
    const folder = await realpath(target).catch(() => target);
    try {
      for await (const entry of walk(folder, {})) {
        if (names.length >= mostDocuments) return names;
        if (entry.kind === "file") names.push(documentName(path.basename(folder), entry.uri));
      }
    } catch {
      // A folder that holds nothing yet has no names.
    }
  }
  for (const { record } of library.list({ key: undefined, address: "" })) {
    for (const { name } of Object.values(record.files)) names.push(documentName(record.name, name));
  }
  return names.slice(0, mostDocuments);
}
