import { readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve, sep } from "node:path";
import { QuireError } from "../errors.js";
import { writeAtomically } from "./atomic-file.js";

/** The cache folder (`QUIRE_CACHE`, or ~/.cache/quire) and the note that says a model in it is complete. A model is a folder
 *  under models/; the note is written last, so a folder without one is an unfinished download. */

export interface InstalledFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly verifiedBy: "known-sha256" | "hub-sha256" | "hub-git-sha1" | "size";
}

export interface InstalledModel {
  readonly name: string;
  readonly folder: string;
  readonly origin: "hub" | "package" | "url";
  /** Where it came from, in words. */
  readonly source: string;
  /** The file to open, or "" for the folder. */
  readonly main: string;
  readonly installedAt: string;
  readonly files: readonly InstalledFile[];
}

export const noteName = "quire-model.json";

export function cacheFolder(): string {
  const chosen = process.env["QUIRE_CACHE"];
  return chosen ? resolve(chosen) : join(homedir(), ".cache", "quire");
}

export function modelsFolder(): string {
  return join(cacheFolder(), "models");
}

/** The folder of a model inside the cache; never one outside it, whatever the name. */
export function modelFolder(...segments: readonly string[]): string {
  const folder = join(modelsFolder(), ...segments);
  const plain = segments.every((segment) => /^[\w.@+-]+$/.test(segment) && !/^\.+$/.test(segment));
  if (plain && segments.length > 0 && folder.startsWith(modelsFolder() + sep)) return folder;
  throw new QuireError("bad-option", `"${segments.join("/")}" cannot name a model in the cache.`, {
    got: segments.join("/"),
    expected: "letters, digits, and . _ - + @",
  });
}

/** The note of a folder, if all files it lists are there with their sizes. */
export async function readInstalled(folder: string): Promise<InstalledModel | undefined> {
  const note = await readNote(folder);
  if (!note) return undefined;
  for (const { path, sizeBytes } of note.files) {
    const found = await stat(join(folder, path)).catch(() => undefined);
    if (found?.size !== sizeBytes) return undefined;
  }
  return note;
}

async function readNote(folder: string): Promise<InstalledModel | undefined> {
  try {
    const note = JSON.parse(await readFile(join(folder, noteName), "utf8")) as InstalledModel;
    return Array.isArray(note.files) && typeof note.main === "string" ? { ...note, folder } : undefined;
  } catch {
    return undefined;
  }
}

export async function writeInstalled({ folder, ...note }: InstalledModel): Promise<void> {
  const text = `${JSON.stringify(note, undefined, 2)}\n`;
  await writeAtomically(join(folder, noteName), (file) => file.write(Buffer.from(text)));
}
