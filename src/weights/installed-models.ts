import { readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { QuireError } from "../errors.js";
import { writingError } from "./atomic-file.js";
import { type InstalledModel, modelsFolder, noteName, readInstalled } from "./cache-folder.js";
import { type CatalogueEntry, catalogue, unknownModel } from "./catalogue.js";
import { type LockOptions, withLock } from "./file-lock.js";
import { installable } from "./resolve-model.js";
import { isWhole } from "./sha256.js";

/** What `quire models` shows and does with the cache: list, path, remove, verify. */

export interface ListedModel {
  readonly name: string;
  /** Missing for models that were named by address. */
  readonly entry: CatalogueEntry | undefined;
  readonly installed: InstalledModel | undefined;
}

/** The catalogue in its order, then everything else that is installed. */
export async function listModels(): Promise<ListedModel[]> {
  const installed = new Map((await installedModels()).map((model) => [model.name, model]));
  const known = [...catalogue.values()].map((entry) => ({
    name: entry.name,
    entry,
    installed: installed.get(entry.name),
  }));
  const others = [...installed.values()].filter((model) => !catalogue.has(model.name));
  return [...known, ...others.map((model) => ({ name: model.name, entry: undefined, installed: model }))];
}

export async function installedModels(): Promise<InstalledModel[]> {
  const models: InstalledModel[] = [];
  for (const folder of await foldersWithNote(modelsFolder(), 10)) {
    const model = await readInstalled(folder);
    if (model) models.push(model);
  }
  return models.sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function foldersWithNote(folder: string, depth: number): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  if (entries.some((entry) => entry.isFile() && entry.name === noteName)) return [folder];
  if (depth === 0) return [];
  const deeper = entries.filter((entry) => entry.isDirectory()).map((entry) => join(folder, entry.name));
  return (await Promise.all(deeper.map((inner) => foldersWithNote(inner, depth - 1)))).flat();
}

/** Where an installed model lies. */
export async function modelPath(name: string): Promise<string> {
  const model = await readInstalled(folderOf(name));
  if (model) return model.main === "" ? model.folder : join(model.folder, model.main);
  throw new QuireError("not-found", `${name} is not installed.`, { fix: `Run \`quire models pull ${name}\`.` });
}

/** Removes a model, unfinished downloads included; returns how many bytes were listed as installed. */
export async function removeModel(name: string, options: LockOptions = {}): Promise<number> {
  const folder = folderOf(name);
  const there = await readdir(dirname(folder)).catch(() => [] as string[]);
  if (!there.some((file) => join(dirname(folder), file) === folder)) {
    throw new QuireError("not-found", `${name} is not installed.`, { got: name });
  }
  return withLock(`${folder}.lock`, options, async () => {
    const model = await readInstalled(folder);
    await rm(folder, { recursive: true, force: true }).catch((error: unknown) => {
      throw writingError(folder, error);
    });
    return model?.files.reduce((sum, file) => sum + file.sizeBytes, 0) ?? 0;
  });
}

/** Reads an installed model's files again and holds them against the hashes they were installed with. */
export async function verifyModel(name: string): Promise<void> {
  const model = await readInstalled(folderOf(name));
  if (!model) throw new QuireError("not-found", `${name} is not installed, or files are missing.`, { got: name });
  for (const { path, sizeBytes, sha256 } of model.files) {
    if (await isWhole(join(model.folder, path), sizeBytes, sha256)) continue;
    throw new QuireError("checksum", `${join(model.folder, path)} has changed since it was installed.`, {
      expected: sha256,
      fix: `Run \`quire models rm ${name}\`, then \`quire models pull ${name}\`.`,
    });
  }
}

function folderOf(name: string): string {
  const found = installable(name);
  if (found) return found.folder;
  throw unknownModel(name);
}
