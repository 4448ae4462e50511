import { rm } from "node:fs/promises";
import path from "node:path";
import { type CorpusIndex, openCorpusIndex } from "../../corpus/index/corpus-index.js";
import type { FileRow } from "../../corpus/index/rows.js";
import { Corpus } from "../../corpus-session.js";
import { isQuireError } from "../../errors.js";
import { partOf } from "../../methods.js";
import type { LanguageModel } from "../../programs/language-model.js";
import { writeAtomically } from "../../weights/atomic-file.js";
import { Listeners } from "../engine/listeners.js";
import { asApiError, notFound } from "../http/api-error.js";
import type { MapRequest } from "../map-process/map-request.js";
import { CorpusAtlas, type ShownMap } from "./corpus-atlas.js";
import { indexedFiles } from "./indexed-files.js";
import type { LibraryEngine } from "./library-engine.js";
import { diskName, shownName } from "./names.js";
import { readOnly } from "./read-only.js";
import { type CorpusRecord, makeFolder, writeRecord } from "./records.js";
import { renamedIndex } from "./renamed-index.js";
import { SourceReader } from "./source-reader.js";

/** One corpus of the server: a folder it was started with, or files that were sent. Indexing runs in the background, one corpus after
 *  the other, and what is asked meanwhile is answered from what is indexed by then. */

export type CorpusStatus = "ready" | "indexing" | "failed";

export type CorpusEvent =
  | { readonly type: "indexing"; readonly done: number; readonly total?: number; readonly file?: string }
  | { readonly type: "ready"; readonly chunks: number }
  | { readonly type: "error"; readonly message: string };

export interface CorpusFile {
  readonly name: string;
  readonly bytes: number;
  readonly status: "completed" | "failed" | "in_progress";
  readonly problem?: string;
}

export interface HostedCorpusOptions {
  readonly record: CorpusRecord;
  /** Of a corpus the server was started with; its files are not the server's to change. */
  readonly folder?: string;
  /** Of a corpus of files that were sent. */
  readonly home?: string;
  readonly engine: LibraryEngine;
  /** Waits for its turn to index. */
  turn<Result>(work: () => Promise<Result>): Promise<Result>;
}

const refreshAfterMs = 10_000;
/** Why a file of a folder is simply not part of the corpus. */
const leftOut = new Set(["binary", "unsupported", "empty", "ignored", "excluded"]);

export class HostedCorpus {
  status: CorpusStatus = "indexing";
  problem: string | undefined;
  chunks = 0;
  readonly events = new Listeners<[CorpusEvent]>();
  readonly record: CorpusRecord;
  readonly #options: HostedCorpusOptions;
  readonly #index: CorpusIndex;
  readonly #sources: SourceReader;
  readonly #stop = new AbortController();
  #rows = new Map<string, FileRow>();
  #updating: Promise<void> | undefined;
  #again = false;
  #updatedAt = 0;
  #lastEvent: CorpusEvent | undefined;
  readonly #atlas: CorpusAtlas;

  static async open(options: HostedCorpusOptions): Promise<HostedCorpus> {
    const { record, home, engine } = options;
    const folder = options.folder ?? path.join(home!, "documents");
    if (home !== undefined) await makeFolder(folder);
    let hosted: HostedCorpus | undefined;
    const index = await openCorpusIndex(folder, {
      chunker: await partOf("chunker", "recursive"),
      countTokens: engine.countTokens,
      embed: engine.embed,
      embeddingModel: engine.embedder?.id,
      ...(home === undefined ? {} : { indexFolder: path.join(home, "index") }),
      onProgress: ({ phase, done, total, uri }) => {
        if (phase !== "index") return;
        const file = uri === undefined ? undefined : (record.files[uri]?.name ?? uri);
        hosted?.tell({ type: "indexing", done, total, ...(file === undefined ? {} : { file }) });
      },
    });
    hosted = new HostedCorpus(options, index);
    await hosted.look();
    return hosted;
  }

  private constructor(options: HostedCorpusOptions, index: CorpusIndex) {
    this.#options = options;
    this.record = options.record;
    const { files } = options.record;
    this.#index =
      options.folder !== undefined
        ? index
        : renamedIndex(index, {
            shown: (uri) => files[uri]?.name ?? uri,
            onDisk: (name) => this.#onDisk(name) ?? name,
          });
    this.#sources = new SourceReader(this.#index.folder);
    this.#atlas = new CorpusAtlas(this.#index, this.#stop.signal);
  }

  get readOnly(): boolean {
    return this.#options.folder !== undefined;
  }

  /** Where it lies, for work that is done elsewhere. */
  get place(): MapRequest {
    return this.#mapRequest();
  }

  /** What events there were last, for those who come late. */
  get lastEvent(): CorpusEvent | undefined {
    return this.#lastEvent;
  }

  files(): CorpusFile[] {
    if (this.readOnly) {
      const rows = [...this.#rows.values()].filter(({ problem }) => !leftOut.has(problem));
      return rows.map((row) => stateOf(row.uri, row.sizeBytes, row));
    }
    return Object.entries(this.record.files).map(([uri, { name, bytes }]) => {
      const row = this.#rows.get(uri);
      if (row !== undefined) return stateOf(name, bytes, row);
      if (this.status === "indexing") return { name, bytes, status: "in_progress" };
      // The walk passes over what cannot be text, as pictures and archives, without a row.
      const problem = this.status === "ready" ? "It was left out: no reader knows its form." : undefined;
      return { name, bytes, status: "failed", problem };
    });
  }

  /** Puts a file in; one of the same name is replaced. Indexing begins at once. */
  async add(given: { name: string; bytes: Uint8Array }): Promise<CorpusFile> {
    const name = shownName(given.name);
    const { files } = this.record;
    const before = this.#onDisk(name);
    const uri = diskName(name);
    const home = this.#home();
    await writeAtomically(path.join(home, "documents", uri), (out) => out.write(given.bytes));
    files[uri] = { name, bytes: given.bytes.byteLength };
    if (before !== undefined) delete files[before];
    try {
      await writeRecord(home, this.record);
    } catch (error) {
      delete files[uri];
      await rm(path.join(home, "documents", uri), { force: true });
      throw error;
    }
    if (before !== undefined) await rm(path.join(home, "documents", before), { force: true });
    this.refresh();
    return { name, bytes: given.bytes.byteLength, status: "in_progress" };
  }

  async removeFile(name: string): Promise<void> {
    const home = this.#home();
    const uri = this.#onDisk(name);
    if (uri === undefined) throw notFound(`There is no file "${name}" in this corpus.`);
    delete this.record.files[uri];
    await writeRecord(home, this.record);
    await rm(path.join(home, "documents", uri), { force: true });
    this.refresh();
  }

  /** Takes in what is indexed by now: also while indexing, and from before a restart. */
  async look(): Promise<void> {
    try {
      this.#rows = await indexedFiles(this.#index.indexFolder);
      this.chunks = (await this.#index.stats()).chunks;
    } catch {
      // Nothing yet, or just being written.
    }
  }

  /** Brings the index up to date, after what runs now. */
  refresh(): void {
    this.#again = true;
    this.#updating ??= this.#updateUntilDone().finally(() => {
      this.#updating = undefined;
    });
  }

  /** Resolves when nothing is being indexed. */
  async settled(): Promise<void> {
    await this.#updating;
  }

  /** The corpus to ask and search, or one topic of it; looks for changed files now and then. */
  async corpus(model?: LanguageModel, scope?: string): Promise<Corpus> {
    if (Date.now() - this.#updatedAt > refreshAfterMs) this.refresh();
    const { embed } = this.#options.engine;
    const embedder =
      embed === undefined
        ? undefined
        : {
            embed: (texts: readonly string[], options: { signal?: AbortSignal } = {}) => embed(texts, options.signal),
            close: async () => {},
          };
    const index = scope === undefined ? this.#index : await this.#atlas.scoped(scope, this.#mapRequest());
    return new Corpus(index, embedder, await partOf("selector", "hybrid"), model);
  }

  /** Lines of a file that is indexed, and of no other. */
  async source(file: string, start: number, end: number, signal?: AbortSignal) {
    const uri = this.readOnly ? file : this.#onDisk(file);
    const row = uri === undefined ? undefined : this.#rows.get(uri);
    if (uri === undefined || row === undefined || row.problem !== "") {
      throw notFound(`There is no file "${file}" in this corpus.`, "not_found", "file");
    }
    return this.#sources.lines({ uri, stamp: row.sha256, start, end }, () => this.#index.document(file, signal));
  }

  async map(): Promise<ShownMap> {
    if (this.chunks === 0) return { id: "root", name: this.record.name, size: 0, children: [] };
    const files = this.files().filter(({ status }) => status === "completed");
    return this.#atlas.map(this.#mapRequest(), files);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#again = false;
    await this.#updating;
    await this.#index.close();
  }

  /** Also deletes everything of it. */
  async destroy(): Promise<void> {
    await this.close();
    await rm(this.#home(), { recursive: true, force: true });
  }

  async #updateUntilDone(): Promise<void> {
    while (this.#again && !this.#stop.signal.aborted) {
      this.#again = false;
      this.#become("indexing");
      try {
        await this.#options.turn(() => this.#update());
        this.#become("ready");
        this.tell({ type: "ready", chunks: this.chunks });
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        const { message } = asApiError(error);
        this.#become("failed", message);
        this.tell({ type: "error", message });
      } finally {
        this.#updatedAt = Date.now();
      }
    }
  }

  async #update(): Promise<void> {
    try {
      await this.#index.update({ signal: this.#stop.signal });
    } catch (error) {
      // A corpus without any text yet is no failure.
      if (!isQuireError(error) || error.code !== "bad-input") throw error;
      this.#rows = new Map();
      this.chunks = 0;
      return;
    }
    this.#rows = await indexedFiles(this.#index.indexFolder);
    this.chunks = (await this.#index.stats()).chunks;
  }

  tell(event: CorpusEvent): void {
    this.#lastEvent = event;
    this.events.tell(event);
  }

  #become(status: CorpusStatus, problem?: string): void {
    this.status = status;
    this.problem = problem;
  }

  #mapRequest(): MapRequest {
    const { files, name: title } = this.record;
    const names = this.readOnly ? undefined : mapValues(files, ({ name }) => name);
    return { folder: this.#index.folder, indexFolder: this.#index.indexFolder, title, names };
  }

  #onDisk(name: string): string | undefined {
    return Object.entries(this.record.files).find(([, file]) => file.name === name)?.[0];
  }

  #home(): string {
    const { home } = this.#options;
    if (home !== undefined) return home;
    throw readOnly(this.record.name);
  }
}

function mapValues<Value, Made>(record: Record<string, Value>, make: (value: Value) => Made): Record<string, Made> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, make(value)]));
}

function stateOf(name: string, bytes: number, { problem, detail }: FileRow): CorpusFile {
  return problem === "" ? { name, bytes, status: "completed" } : { name, bytes, status: "failed", problem: detail };
}
