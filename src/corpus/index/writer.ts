/** Writes an update's rows in batches. The order makes every moment safe to stop at: a file's row is removed before its old
 *  chunks, and written after all its new ones. So a file with a row has exactly its chunks, and one without is done again. */

import { QuireError, throwIfAborted } from "../../errors.js";
import type { Chunk } from "../document.js";
import { type ChunkRow, type FileRow, rowOfChunk, textToEmbed } from "./rows.js";
import { addChunks, addFiles, removeUris, type Store } from "./store.js";

export type EmbedFunction = (texts: readonly string[], signal?: AbortSignal) => Promise<Float32Array[]>;

export interface WriterOptions {
  readonly store: Store;
  readonly embed: EmbedFunction | undefined;
  /** Of the table's vectors; undefined = the table has none. */
  readonly dimensions: number | undefined;
  /** Called before the first write. */
  beforeWriting(): Promise<void>;
  readonly signal?: AbortSignal;
}

type FileFacts = Omit<FileRow, "chunks" | "embedded" | "problem" | "detail">;

/** Whichever comes first ends a batch; the time, so that little is lost by a stop where embedding is slow. */
const chunksAtOnce = 512;
const filesAtOnce = 256;
const batchMs = 5000;
const textsPerEmbedding = 64;

export class IndexWriter {
  readonly #options: WriterOptions;
  /** Chunks that wait for the embedder, and rows and finished files that wait for the next batch. */
  #pending: Chunk[] = [];
  #rows: ChunkRow[] = [];
  #files: FileRow[] = [];
  /** Files whose old rows must go before anything of the batch is written. */
  #toClear: string[] = [];
  #touched: string[] = [];
  #current: { uri: string; chunks: number } | undefined;
  #flushedAt = performance.now();
  #writes = 0;
  #chunksWritten = 0;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  get chunksWritten(): number {
    return this.#chunksWritten;
  }

  get wrote(): boolean {
    return this.#writes > 0;
  }

  async begin(uri: string, isKnown: boolean): Promise<void> {
    if (isKnown) this.#toClear.push(uri);
    this.#current = { uri, chunks: 0 };
  }

  async chunk(chunk: Chunk): Promise<void> {
    this.#pending.push(chunk);
    this.#current!.chunks++;
    if (this.#pending.length >= textsPerEmbedding) await this.#embedPending();
    if (this.#rows.length >= chunksAtOnce || performance.now() - this.#flushedAt > batchMs) await this.flush();
  }

  async end(facts: FileFacts): Promise<void> {
    const { chunks } = this.#current!;
    this.#current = undefined;
    this.#files.push({ ...facts, chunks, embedded: this.#embeds, problem: "", detail: "" });
    await this.#flushIfFull();
  }

  /** A file that could not be used: it has a row, so that it is not read again until it changes. */
  async skipped(row: Omit<FileRow, "chunks" | "embedded">, isKnown: boolean): Promise<void> {
    if (isKnown) this.#toClear.push(row.uri);
    this.#files.push({ ...row, chunks: 0, embedded: false });
    await this.#flushIfFull();
  }

  /** Same bytes, another time: only its row changes. */
  async touch(row: FileRow): Promise<void> {
    this.#touched.push(row.uri);
    this.#files.push(row);
    await this.#flushIfFull();
  }

  async remove(uris: readonly string[]): Promise<void> {
    if (uris.length === 0) return;
    await this.#beforeWrite();
    await removeUris(this.#options.store, uris, "both");
  }

  async flush(): Promise<void> {
    await this.#embedPending();
    if (this.#rows.length + this.#files.length + this.#toClear.length > 0) await this.#writeBatch();
    this.#flushedAt = performance.now();
  }

  async #writeBatch(): Promise<void> {
    const { store } = this.#options;
    await this.#beforeWrite();
    await removeUris(store, this.#toClear, "both");
    await addChunks(store, this.#rows);
    await removeUris(store, this.#touched, "files");
    await addFiles(store, this.#files);
    this.#chunksWritten += this.#rows.length;
    this.#rows = [];
    this.#files = [];
    this.#toClear = [];
    this.#touched = [];
  }

  async #flushIfFull(): Promise<void> {
    if (this.#files.length >= filesAtOnce) await this.flush();
  }

  async #beforeWrite(): Promise<void> {
    if (this.#writes++ === 0) await this.#options.beforeWriting();
  }

  get #embeds(): boolean {
    return this.#options.embed !== undefined && this.#options.dimensions !== undefined;
  }

  async #embedPending(): Promise<void> {
    const { embed, dimensions, signal } = this.#options;
    const chunks = this.#pending;
    if (chunks.length === 0) return;
    throwIfAborted(signal);
    if (embed === undefined || dimensions === undefined) {
      const none = dimensions === undefined ? undefined : null;
      this.#rows.push(...chunks.map((chunk) => rowOfChunk(chunk, none)));
    } else {
      const vectors = await embed(chunks.map(textToEmbed), signal);
      checkVectors(vectors, chunks.length, dimensions);
      this.#rows.push(...chunks.map((chunk, i) => rowOfChunk(chunk, unitLength(vectors[i]!))));
    }
    this.#pending = [];
  }
}

export function checkVectors(vectors: readonly Float32Array[], count: number, dimensions: number): void {
  const wrong = vectors.length !== count || vectors.some((vector) => vector.length !== dimensions);
  const broken = !wrong && vectors.some((vector) => vector.some((value) => !Number.isFinite(value)));
  if (!wrong && !broken) return;
  throw new QuireError("bad-shape", "The embedding function gave vectors that cannot be used.", {
    got: broken ? "values that are not finite" : vectors.map((vector) => vector.length).slice(0, 5),
    expected: `${count} vectors of ${dimensions} finite numbers`,
  });
}

/** Vectors are compared by their dot product, so all have length 1; the zero vector stays, being near to nothing. */
export function unitLength(vector: Float32Array): Float32Array {
  let squares = 0;
  for (const value of vector) squares += value * value;
  if (squares === 0 || Math.abs(squares - 1) < 1e-6) return vector;
  const scale = 1 / Math.sqrt(squares);
  return vector.map((value) => value * scale);
}
