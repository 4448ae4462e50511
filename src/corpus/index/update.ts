/** Brings an index up to date with its folder. A file of unchanged size and time is not opened; one whose bytes are the same is
 *  not parsed; only what changed is chunked and embedded. Rows are written in batches in such an order that whatever moment it
 *  is stopped at, the next run finds what is missing: see `writer.ts`. */

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { isQuireError, QuireError, throwIfAborted } from "../../errors.js";
import type { ChunkContext, Chunker } from "../chunk/chunker.js";
import type { Chunk } from "../document.js";
import { fileProblem } from "../file-problem.js";
import { isBinaryRefusal } from "../parse/decode-text.js";
import { parseDocument } from "../parse/parse.js";
import { type SkipReason, type WalkedFile, type WalkOptions, walk } from "../walk.js";
import type { FileRow } from "./rows.js";
import type { IndexWriter } from "./writer.js";

export interface SkippedFile {
  readonly uri: string;
  readonly reason: SkipReason;
  readonly detail: string;
}

export interface UpdateResult {
  readonly added: string[];
  readonly changed: string[];
  readonly removed: string[];
  readonly unchanged: number;
  readonly skipped: SkippedFile[];
  /** Chunks written by this update. */
  readonly chunks: number;
  /** Documents in the index when the update ended. */
  readonly documents: number;
  /** Why the index was made anew, where it was. */
  readonly rebuilt?: string;
  readonly seconds: number;
}

export interface IndexProgress {
  readonly phase: "scan" | "index" | "tidy";
  readonly done: number;
  /** Unknown while scanning. */
  readonly total?: number;
  /** The file at work. */
  readonly uri?: string;
}

export interface UpdatePlan {
  readonly folder: string;
  readonly known: ReadonlyMap<string, FileRow>;
  readonly walkOptions: WalkOptions;
  readonly chunker: Chunker;
  readonly context: ChunkContext;
  /** Whether chunks get vectors, so that files without are done again. */
  readonly embeds: boolean;
  /** Read files also where size and time are as they were. */
  readonly verify: boolean;
  readonly writer: IndexWriter;
  readonly signal?: AbortSignal;
  onProgress?(progress: IndexProgress): void;
}

export interface UpdateCounts {
  added: string[];
  changed: string[];
  removed: string[];
  unchanged: number;
  skipped: SkippedFile[];
}

export async function updateIndex(plan: UpdatePlan, counts: UpdateCounts): Promise<void> {
  const { work, gone } = await scan(plan, counts);
  await plan.writer.remove(gone);
  for (const [i, file] of work.entries()) {
    throwIfAborted(plan.signal);
    plan.onProgress?.({ phase: "index", done: i, total: work.length, uri: file.uri });
    await indexFile(plan, counts, file);
  }
  await plan.writer.flush();
  if (work.length > 0) plan.onProgress?.({ phase: "index", done: work.length, total: work.length });
}

/** Sorts all files into unchanged, skipped, gone, and those to be read. */
async function scan(plan: UpdatePlan, counts: UpdateCounts): Promise<{ work: WalkedFile[]; gone: string[] }> {
  const work: WalkedFile[] = [];
  const gone = new Set(plan.known.keys());
  let seen = 0;
  for await (const entry of walk(plan.folder, { ...plan.walkOptions, failIfEmpty: false, signal: plan.signal })) {
    if (++seen % 100 === 0) plan.onProgress?.({ phase: "scan", done: seen });
    if (entry.kind === "skipped") {
      counts.skipped.push({ uri: entry.uri, reason: entry.reason, detail: entry.detail });
      continue;
    }
    gone.delete(entry.uri);
    const row = plan.known.get(entry.uri);
    if (row === undefined || plan.verify || needsVectors(plan, row) || !sameStamp(row, entry)) work.push(entry);
    else countKnown(counts, row);
  }
  plan.onProgress?.({ phase: "scan", done: seen, total: seen });
  for (const uri of gone) if (plan.known.get(uri)!.problem === "") counts.removed.push(uri);
  return { work, gone: [...gone] };
}

function sameStamp(row: FileRow, file: WalkedFile): boolean {
  return row.sizeBytes === file.sizeBytes && row.mtimeMs === file.mtimeMs;
}

function needsVectors(plan: UpdatePlan, row: FileRow): boolean {
  return plan.embeds && !row.embedded && row.chunks > 0;
}

function countKnown(counts: UpdateCounts, { uri, problem, detail }: FileRow): void {
  if (problem === "") counts.unchanged++;
  else counts.skipped.push({ uri, reason: problem, detail });
}

async function indexFile(plan: UpdatePlan, counts: UpdateCounts, file: WalkedFile): Promise<void> {
  const { uri, sizeBytes } = file;
  const known = plan.known.get(uri);
  const readAt = Date.now();
  let bytes: Buffer;
  try {
    bytes = await readFile(file.path, { signal: plan.signal });
  } catch (cause) {
    throwIfAborted(plan.signal);
    // No row, so that it is tried again next time.
    counts.skipped.push({ uri, reason: "unreadable", detail: `It cannot be read: ${fileProblem(cause)}.` });
    if (known !== undefined) await plan.writer.remove([uri]);
    return;
  }
  const row = {
    uri,
    sizeBytes,
    // File systems keep times in steps of up to two seconds: within one, a later change would look like none.
    mtimeMs: readAt - file.mtimeMs > 2000 ? file.mtimeMs : -1,
    sha256: createHash("sha256").update(bytes).digest("hex"),
  };
  if (known?.sha256 === row.sha256 && !needsVectors(plan, known)) {
    await plan.writer.touch({ ...known, ...row });
    countKnown(counts, known);
    return;
  }
  const problem = await chunkFile(plan, uri, bytes, known !== undefined, row);
  if (problem !== undefined) {
    await plan.writer.skipped({ ...row, problem: problem.reason, detail: problem.detail }, known !== undefined);
    counts.skipped.push({ uri, ...problem });
    if (known !== undefined && known.chunks > 0) counts.removed.push(uri);
  } else if (known === undefined) counts.added.push(uri);
  else counts.changed.push(uri);
}

interface Problem {
  readonly reason: SkipReason;
  readonly detail: string;
}

/** Parses, cuts and writes one file; what is wrong with the file itself comes back as its problem. */
async function chunkFile(
  plan: UpdatePlan,
  uri: string,
  bytes: Buffer,
  isKnown: boolean,
  row: Omit<FileRow, "chunks" | "embedded" | "problem" | "detail">,
): Promise<Problem | undefined> {
  let chunks: AsyncIterable<Chunk>;
  try {
    const document = await parseDocument({ uri, bytes, signal: plan.signal });
    if (document.text.trim() === "") return { reason: "empty", detail: "It holds no text." };
    chunks = plan.chunker.chunk(document, plan.context);
  } catch (error) {
    return problemOf(error);
  }
  await plan.writer.begin(uri, isKnown);
  for await (const chunk of chunks) await plan.writer.chunk(chunk);
  await plan.writer.end(row);
  return undefined;
}

function problemOf(error: unknown): Problem {
  if (!isQuireError(error)) throw error;
  if (error.code === "bad-file") return { reason: "bad-file", detail: error.message };
  if (error.code !== "unsupported") throw error;
  return { reason: isBinaryRefusal(error) ? "binary" : "unsupported", detail: error.message };
}

/** What a stopped or failed update leaves in its error, so that nobody has to guess what was done. */
export function withPartial(error: unknown, partial: UpdateResult): unknown {
  if (!isQuireError(error) || error.partial !== undefined) return error;
  const { code, message, got, expected, fix } = error;
  return new QuireError(code, message, { got, expected, fix, cause: error, partial });
}
