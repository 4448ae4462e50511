/** Lists the files of a folder for a corpus: in the same order every time (names by code point, folder by folder), one at a time,
 *  and nothing is left out silently: whatever is not yielded as a file is yielded as skipped, with the reason.
 *
 *  Symbolic links are not followed by default: what they lead to inside the folder is met at its own place, and what lies outside
 *  was not asked for. `followLinks` follows those that lead outside; every real folder is entered once, so loops end. */

import type { Dirent, Stats } from "node:fs";
import { lstat, readdir, readlink, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { QuireError, throwIfAborted } from "../errors.js";
import { fileProblem } from "./file-problem.js";
import { globMatcher, type IgnoreRules, ignoreRules, type PathMatcher } from "./ignore-rules.js";

export interface WalkOptions {
  /** Only files matching one of these, in the form of ignore files ("*.md", "/src/**"). */
  include?: readonly string[];
  /** Files and folders left out, in the same form. */
  exclude?: readonly string[];
  /** Larger files are skipped without being opened. Default 64 MiB. */
  maxFileBytes?: number;
  /** Follow symbolic links that lead outside the folder. Default false. */
  followLinks?: boolean;
  /** Absolute paths that are never entered, such as an index that lies inside the folder. */
  leaveOut?: readonly string[];
  /** An error where no file is found. Default true. */
  failIfEmpty?: boolean;
  signal?: AbortSignal;
}

export const defaultMaxFileBytes = 64 * 1024 * 1024;

export type SkipReason =
  | "ignored"
  | "excluded"
  | "version-control"
  | "dependencies"
  | "binary"
  | "too-large"
  | "unreadable"
  | "link"
  | "not-a-file"
  | "own-index"
  | "bad-file"
  | "unsupported"
  | "empty";

export interface WalkedFile {
  readonly kind: "file";
  /** Relative to the root, with forward slashes; the name alone where the root is one file. */
  readonly uri: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
}

export interface SkippedPath {
  readonly kind: "skipped";
  readonly uri: string;
  readonly reason: SkipReason;
  /** One sentence for a person. */
  readonly detail: string;
}

export type WalkEntry = WalkedFile | SkippedPath;

const versionControlFolders = new Set([".git", ".hg", ".svn", ".bzr", "_darcs", ".jj", "CVS"]);
const dependencyFolders = new Set(["node_modules", "bower_components", "__pycache__", ".venv", ".tox"]);

const binaryExtensions = new Set(
  (
    "png jpg jpeg gif bmp ico webp avif heic tif tiff psd mp3 mp4 m4a m4v wav flac ogg opus webm mkv avi mov wmv " +
    "zip gz tgz bz2 xz zst lz4 7z rar tar jar war whl egg deb rpm dmg iso img apk exe dll so dylib a o obj lib class pyc pyo wasm " +
    "node bin db sqlite sqlite3 mdb parquet arrow feather npy npz pkl pickle pt pth onnx gguf safetensors h5 tflite " +
    "ttf otf woff woff2 eot swf doc xls xlsx ppt pptx odt ods odp key pages numbers epub mobi lance pack idx"
  ).split(" "),
);

/** Folders with more entries than this at once still work; it only bounds the files looked at together. */
const statsAtOnce = 32;

interface Walk {
  readonly root: string;
  readonly rootReal: string;
  readonly include: PathMatcher | undefined;
  readonly exclude: PathMatcher | undefined;
  readonly maxFileBytes: number;
  readonly followLinks: boolean;
  readonly leaveOut: ReadonlySet<string>;
  readonly entered: Set<string>;
  readonly signal: AbortSignal | undefined;
}

export async function* walk(folder: string, options: WalkOptions = {}): AsyncGenerator<WalkEntry> {
  const root = resolve(folder);
  const rootStats = await statRoot(root, folder);
  const walkState: Walk = {
    root,
    rootReal: await realpath(root),
    include: globMatcher(options.include),
    exclude: globMatcher(options.exclude),
    maxFileBytes: options.maxFileBytes ?? defaultMaxFileBytes,
    followLinks: options.followLinks ?? false,
    leaveOut: new Set((options.leaveOut ?? []).map((path) => resolve(path))),
    entered: new Set(),
    signal: options.signal,
  };
  let files = 0;
  const skipped: SkippedPath[] = [];
  const entries = rootStats.isDirectory()
    ? walkFolder(walkState, root, "", ignoreRules())
    : [judgeFile(walkState, root, basename(root), rootStats)];
  for await (const entry of entries) {
    if (entry.kind === "file") files++;
    else if (skipped.length < 5) skipped.push(entry);
    yield entry;
  }
  if (files === 0 && (options.failIfEmpty ?? true)) throw emptyCorpus(folder, skipped);
}

export function emptyCorpus(folder: string, skipped: readonly { uri: string; detail: string }[]): QuireError {
  return new QuireError("bad-input", `${folder} holds no file that can be read.`, {
    got: skipped.slice(0, 5).map(({ uri, detail }) => `${uri}: ${detail}`),
    expected: "a folder with text, Markdown, HTML, PDF, DOCX, code, notebooks or tables, or one such file",
    fix: skipped.length > 0 ? "Look at why its files are skipped." : "Give a folder that holds documents.",
  });
}

async function statRoot(root: string, given: string): Promise<Stats> {
  let stats: Stats;
  try {
    stats = await stat(root);
    if (stats.isDirectory()) await readdir(root);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") {
      throw new QuireError("not-found", `There is no ${given}.`, {
        got: given,
        expected: "a folder or a file",
        fix: "Check the path.",
        cause,
      });
    }
    throw new QuireError("bad-input", `${given} cannot be read: ${fileProblem(cause)}.`, {
      got: given,
      expected: "a readable folder or file",
      cause,
    });
  }
  if (!stats.isDirectory() && !stats.isFile()) {
    throw new QuireError("bad-input", `${given} is neither a folder nor a file.`, {
      got: given,
      expected: "a folder or a file",
    });
  }
  return stats;
}

async function* walkFolder(walk: Walk, folder: string, uri: string, above: IgnoreRules): AsyncGenerator<WalkEntry> {
  throwIfAborted(walk.signal);
  let entries: Dirent[];
  try {
    const real = await realpath(folder);
    if (walk.entered.has(real)) {
      yield skip(uri, "link", "It leads to a folder that has been read already.");
      return;
    }
    walk.entered.add(real);
    entries = await readdir(folder, { withFileTypes: true });
  } catch (cause) {
    yield skip(uri, "unreadable", `The folder cannot be read: ${fileProblem(cause)}.`);
    return;
  }
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  const rules = await above.enter(folder, uri, new Set(entries.map((entry) => entry.name)));
  const within = (name: string): string => (uri === "" ? name : `${uri}/${name}`);

  for (let from = 0; from < entries.length; from += statsAtOnce) {
    const group = entries.slice(from, from + statsAtOnce);
    const judged = await Promise.all(
      group.map((entry) => judge(walk, join(folder, entry.name), within(entry.name), entry, rules)),
    );
    for (const [i, verdict] of judged.entries()) {
      if (verdict !== "enter") yield verdict;
      else {
        const name = group[i]!.name;
        yield* walkFolder(walk, join(folder, name), within(name), rules);
      }
    }
    throwIfAborted(walk.signal);
  }
}

async function judge(
  walk: Walk,
  path: string,
  uri: string,
  entry: Dirent,
  rules: IgnoreRules,
): Promise<WalkEntry | "enter"> {
  let stats: Stats;
  try {
    stats = await lstat(path);
    if (stats.isSymbolicLink()) {
      const target = await realpath(path);
      const inside = target === walk.rootReal || target.startsWith(walk.rootReal + sep);
      if (inside)
        return skip(uri, "link", `It is a link to ${relative(walk.rootReal, target) || "the folder itself"}.`);
      if (!walk.followLinks) return skip(uri, "link", `It is a link that leads outside, to ${target}.`);
      stats = await stat(path);
    }
  } catch (cause) {
    return skip(uri, entry.isSymbolicLink() ? "link" : "unreadable", await unreadableDetail(path, cause));
  }
  if (stats.isDirectory()) return judgeFolder(walk, path, uri, entry.name, rules);
  if (!stats.isFile()) return skip(uri, "not-a-file", "It is a device, socket or pipe.");
  if (rules.ignores(uri, false)) return skip(uri, "ignored", "An ignore file names it.");
  return judgeFile(walk, path, uri, stats);
}

function judgeFolder(walk: Walk, path: string, uri: string, name: string, rules: IgnoreRules): SkippedPath | "enter" {
  if (walk.leaveOut.has(path)) return skip(uri, "own-index", "It holds an index, not documents.");
  if (versionControlFolders.has(name)) return skip(uri, "version-control", "It belongs to version control.");
  if (dependencyFolders.has(name)) return skip(uri, "dependencies", "It holds installed packages.");
  if (rules.ignores(uri, true)) return skip(uri, "ignored", "An ignore file names it.");
  if (walk.exclude?.(`${uri}/`)) return skip(uri, "excluded", "An exclude pattern names it.");
  return "enter";
}

function judgeFile(walk: Walk, path: string, uri: string, stats: Stats): WalkEntry {
  if (walk.exclude?.(uri)) return skip(uri, "excluded", "An exclude pattern names it.");
  if (walk.include !== undefined && !walk.include(uri)) return skip(uri, "excluded", "No include pattern names it.");
  const extension = /\.([^./]+)$/.exec(uri)?.[1]?.toLowerCase();
  if (extension !== undefined && binaryExtensions.has(extension)) {
    return skip(uri, "binary", `Files that end in .${extension} hold no text.`);
  }
  if (stats.size > walk.maxFileBytes) {
    return skip(uri, "too-large", `It has ${stats.size} bytes; the limit is ${walk.maxFileBytes} (maxFileBytes).`);
  }
  return { kind: "file", uri, path, sizeBytes: stats.size, mtimeMs: stats.mtimeMs };
}

async function unreadableDetail(path: string, cause: unknown): Promise<string> {
  const target = await readlink(path).catch(() => undefined);
  return target === undefined
    ? `It cannot be read: ${fileProblem(cause)}.`
    : `It is a link to ${target} in ${dirname(path)}, which cannot be followed: ${fileProblem(cause)}.`;
}

function skip(uri: string, reason: SkipReason, detail: string): SkippedPath {
  return { kind: "skipped", uri, reason, detail };
}
