import { readFile } from "node:fs/promises";
import path from "node:path";
import type { ChunkContext, Chunker } from "./corpus/chunk/chunker.js";
import type { Document } from "./corpus/document.js";
import { parseDocument } from "./corpus/parse/parse.js";
import { type SkippedPath, type WalkOptions, walk } from "./corpus/walk.js";
import { type CorpusEmbedder, defaultEmbedder, openEmbedder } from "./corpus-session.js";
import { isQuireError, QuireError, throwIfAborted } from "./errors.js";
import { partOf } from "./methods.js";
import { chunkingWith } from "./programs/chunk-model.js";
import type { LanguageModel } from "./programs/language-model.js";
import type { ProgramLimits, TraceNode } from "./programs/program.js";
import { planRead, type ReadOptions, type ReadOutput, type ReadPlan, read } from "./programs/read.js";
import type { ReadChunk } from "./programs/read-parts.js";
import type { ReplayLog } from "./programs/replay-log.js";
import { runProgram } from "./programs/run.js";

/** Reads a file or folder as a whole, however long: cuts it, answers over the parts, joins the answers level by level. Needs no
 *  index. What cannot be read is in `skipped`, never left out in silence. */

export interface ReadSessionOptions {
  readonly model: LanguageModel;
  readonly chunker?: string | Chunker;
  /** For a chunker that compares sentences; default all-minilm-l6-v2. */
  readonly embedder?: string;
  readonly files?: Pick<WalkOptions, "include" | "exclude" | "maxFileBytes" | "followLinks">;
  /** Options of the program `read`. */
  readonly read?: Partial<ReadOptions>;
  readonly limits?: ProgramLimits;
  readonly parallel?: number;
  readonly seed?: number;
  /** Calls in it are not made again. */
  readonly log?: ReplayLog;
  readonly signal?: AbortSignal;
  /** Told what a reader should know, such as what a chunker did instead of what was asked. */
  onNotice?(notice: string): void;
  onText?(text: string): void;
  onProgress?(progress: { readonly done: number; readonly total: number }): void;
  onTrace?(node: TraceNode, root: TraceNode): void;
}

export interface ReadableText {
  readonly chunks: readonly ReadChunk[];
  readonly skipped: readonly SkippedPath[];
}

export async function readableText(
  target: string,
  options: Pick<ReadSessionOptions, "model" | "chunker" | "embedder" | "files" | "signal" | "onNotice">,
): Promise<ReadableText> {
  const chunker = await partOf("chunker", options.chunker ?? "recursive");
  const embedder = chunker.embeds ? await openEmbedder(options.embedder ?? defaultEmbedder, options) : undefined;
  try {
    return await readChunks(target, chunker, options, embedder);
  } finally {
    await embedder?.close();
  }
}

async function readChunks(
  target: string,
  chunker: Chunker,
  { model, files, signal, onNotice }: Pick<ReadSessionOptions, "model" | "files" | "signal" | "onNotice">,
  embedder: CorpusEmbedder | undefined,
): Promise<ReadableText> {
  const context: ChunkContext = {
    ...chunkingWith(model, onNotice),
    countTokens: model.countTokens.bind(model),
    embed: embedder === undefined ? undefined : async (texts, stop) => embedder.embed(texts, { signal: stop }),
    signal,
  };
  const chunks: ReadChunk[] = [];
  const skipped: SkippedPath[] = [];
  for await (const entry of walk(target, { ...files, signal })) {
    throwIfAborted(signal);
    if (entry.kind === "skipped") {
      skipped.push(entry);
      continue;
    }
    let document: Document;
    try {
      document = await parseDocument({ uri: entry.uri, bytes: await readFile(entry.path), signal });
    } catch (error) {
      if (!isQuireError(error) || error.code === "cancelled") throw error;
      skipped.push({ kind: "skipped", uri: entry.uri, reason: "unreadable", detail: error.message });
      continue;
    }
    for await (const chunk of chunker.chunk(document, context)) chunks.push(chunk);
  }
  if (chunks.length === 0) {
    throw new QuireError("bad-input", `There is nothing to read in ${path.resolve(target)}.`, {
      got: skipped.slice(0, 5).map(({ uri, reason }) => `${uri}: ${reason}`),
      expected: "text, Markdown, HTML, PDF, DOCX, source code, notebooks, CSV or JSON",
    });
  }
  return { chunks, skipped };
}

export function planReading(text: ReadableText, instruction: string, options: ReadSessionOptions): ReadPlan {
  return planRead({ instruction, chunks: text.chunks }, options.model, options.read);
}

export async function readThrough(
  text: ReadableText,
  instruction: string,
  options: ReadSessionOptions,
): Promise<ReadOutput & { readonly trace: TraceNode; readonly skipped: readonly SkippedPath[] }> {
  const { model, signal, seed, limits, parallel, log, onText, onProgress, onTrace } = options;
  const { output, trace } = await runProgram(
    read(options.read),
    { instruction, chunks: text.chunks, onText, onProgress },
    { model, signal, seed, limits, parallel, log, onTrace },
  );
  return { ...output, trace, skipped: text.skipped };
}
