/** The index of one folder: `update` brings it up to date, `search` and `neighbours` draw from it, `document` reads a file again
 *  for citations. It lies in a folder of the cache, so the indexed folder itself is never written to. */

import { createHash } from "node:crypto";
import { readFile, realpath, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { isQuireError, QuireError, throwIfAborted } from "../../errors.js";
import { cacheFolder } from "../../weights/cache-folder.js";
import type { ChunkContext, Chunker } from "../chunk/chunker.js";
import type { Chunk, Document } from "../document.js";
import { fileProblem } from "../file-problem.js";
import { parseDocument } from "../parse/parse.js";
import type { Candidate, CandidateSource, SearchMode } from "../select/selector.js";
import { emptyCorpus, type WalkOptions } from "../walk.js";
import { type AllChunks, type AllChunksOptions, indexVersion, readAllChunks } from "./all-chunks.js";
import { IndexKeeper } from "./keeper.js";
import { isAddress } from "./place.js";
import { IndexReader, type IndexStats, type ReadableTables } from "./reader.js";
import { neighboursOf, searchHybrid, searchText, searchVector } from "./search.js";
import type { IndexProgress, UpdateResult } from "./update.js";
import { checkVectors, type EmbedFunction, unitLength } from "./writer.js";

export interface CorpusIndexOptions {
  readonly chunker: Chunker;
  /** Tokens of the model that will read the chunks. */
  countTokens(text: string): number;
  /** Sentence embeddings; without, the index holds words only, and gets vectors when there is an embedder later. */
  readonly embed?: EmbedFunction;
  /** Names the embedder, so that vectors of different models never mix. */
  readonly embeddingModel?: string;
  /** What a chunker that asks a model needs. */
  readonly chunkContext?: Pick<ChunkContext, "tokenEnds" | "model" | "note">;
  /** A folder, or an address of an object store. Default: `corpora/<hash of the folder's path>` in the cache folder. */
  readonly indexFolder?: string;
  /** Which files; see `walk`. */
  readonly files?: Pick<WalkOptions, "include" | "exclude" | "maxFileBytes" | "followLinks">;
  /** What to do while another process writes the index. Default "wait". */
  readonly whenLocked?: "wait" | "fail";
  /** From how many vectors on search is approximate. Default 50,000. */
  readonly annAbove?: number;
  onProgress?(progress: IndexProgress): void;
  /** Told once each: that another process is waited for, why an index is made anew. */
  onNotice?(notice: string): void;
  readonly signal?: AbortSignal;
}

export interface UpdateOptions {
  /** Throw the index away first. */
  readonly rebuild?: boolean;
  /** Compare the bytes of all files, also where size and time are as before. */
  readonly verify?: boolean;
  readonly signal?: AbortSignal;
}

export interface CorpusIndex extends CandidateSource {
  /** The indexed folder (or file), absolute. */
  readonly folder: string;
  readonly indexFolder: string;
  update(options?: UpdateOptions): Promise<UpdateResult>;
  /** Default mode: "hybrid", which is by words alone where the index has no vectors or there is no embedder. */
  search(query: string, options: { k: number; mode?: SearchMode; signal?: AbortSignal }): Promise<Candidate[]>;
  neighbours(chunk: Chunk, width: number): Promise<Chunk[]>;
  /** The document as it is now; its id says whether it is still what was indexed. */
  document(uri: string, signal?: AbortSignal): Promise<Document>;
  /** Every chunk, with its vector where all have one of the embedder in use. */
  all(options?: AllChunksOptions): Promise<AllChunks>;
  /** Changes when and only when what is indexed changes. */
  version(): Promise<string>;
  stats(): Promise<IndexStats>;
  close(): Promise<void>;
}

export async function openCorpusIndex(folder: string, options: CorpusIndexOptions): Promise<CorpusIndex> {
  const root = await existing(folder);
  const place = options.indexFolder ?? defaultIndexFolder(root);
  const indexFolder = isAddress(place) ? place : resolve(place);
  const keeper = new IndexKeeper(root, indexFolder, options);
  const reader = new IndexReader(indexFolder, options);

  return {
    folder: root,
    indexFolder,
    async update(updateOptions = {}) {
      const result = await keeper.update(updateOptions);
      if (result.documents === 0) throw withResult(emptyCorpus(folder, result.skipped), result);
      return result;
    },
    async search(query, { k, mode, signal = options.signal }) {
      throwIfAborted(signal);
      if (!Number.isInteger(k) || k < 1 || k > 100_000) {
        throw new QuireError("bad-option", "k is the number of passages to find.", {
          got: k,
          expected: "1 to 100,000",
        });
      }
      return query.trim() === ""
        ? []
        : reader.read((tables) => searchTables(tables, options, { query, k, mode, signal }));
    },
    async neighbours(chunk, width) {
      return reader.read(({ store }) => neighboursOf(store, chunk, width, options.signal));
    },
    async document(uri, signal) {
      const path = await pathOf(root, uri);
      const bytes = await readFile(path).catch((cause: unknown) => {
        throw new QuireError("not-found", `${uri} cannot be read: ${fileProblem(cause)}.`, { got: uri, cause });
      });
      return parseDocument({ uri, bytes, signal });
    },
    all: (wanted) => reader.read((tables) => readAllChunks(tables, { signal: options.signal, ...wanted })),
    version: () => reader.read(indexVersion),
    stats: () => reader.stats(),
    async close() {
      await keeper.settled();
      reader.close();
    },
  };
}

async function existing(folder: string): Promise<string> {
  try {
    return await realpath(folder);
  } catch (cause) {
    throw new QuireError("not-found", `There is no ${folder}.`, {
      got: folder,
      expected: "a folder or a file",
      fix: "Check the path.",
      cause,
    });
  }
}

function defaultIndexFolder(root: string): string {
  return join(cacheFolder(), "corpora", createHash("sha256").update(root).digest("hex").slice(0, 24));
}

/** Only what lies in the folder can be asked for. */
async function pathOf(root: string, uri: string): Promise<string> {
  if ((await stat(root)).isFile()) {
    if (uri === basename(root)) return root;
  } else if (!uri.split("/").includes("..")) return join(root, uri);
  throw new QuireError("not-found", `${uri} is not in the corpus.`, { got: uri, expected: "a file of the corpus" });
}

async function searchTables(
  tables: ReadableTables,
  options: CorpusIndexOptions,
  { query, k, mode, signal }: { query: string; k: number; mode?: SearchMode; signal?: AbortSignal },
): Promise<Candidate[]> {
  const wanted = mode ?? "hybrid";
  const vector =
    wanted !== "text" && tables.hasVectors ? await queryVector(options, tables.dimensions, query, signal) : undefined;
  if (vector !== undefined) {
    return wanted === "vector" ? searchVector(tables, vector, k) : searchHybrid(tables, query, vector, k);
  }
  if (wanted !== "vector") return searchText(tables, query, k);
  throw new QuireError("unsupported", "This index cannot be searched by meaning.", {
    got: options.embed === undefined ? "no embedder" : "an index without this embedder's vectors",
    expected: "an index made with the embedder that is used now",
    fix: "Give an embedder and update the index, or search in mode text.",
  });
}

async function queryVector(
  { embed }: CorpusIndexOptions,
  dimensions: number,
  query: string,
  signal: AbortSignal | undefined,
): Promise<Float32Array | undefined> {
  if (embed === undefined) return undefined;
  const vectors = await embed([query], signal);
  checkVectors(vectors, 1, dimensions);
  return unitLength(vectors[0]!);
}

function withResult(error: QuireError, partial: UpdateResult): QuireError {
  if (!isQuireError(error)) return error;
  const { code, message, got, expected, fix } = error;
  return new QuireError(code, message, { got, expected, fix, partial });
}
