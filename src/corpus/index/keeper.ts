/** Holds one index folder: opens its tables, decides whether they can be continued or must be made anew, and runs updates under
 *  the lock. */

import { mkdir } from "node:fs/promises";
import { isQuireError, QuireError } from "../../errors.js";
import { diskError } from "../file-problem.js";
import { parserVersion } from "../parse/parse.js";
import type { CorpusIndexOptions, UpdateOptions } from "./corpus-index.js";
import { acquireLock } from "./lock.js";
import type { FileRow } from "./rows.js";
import type { SearchTables } from "./search.js";
import { type IndexSettings, indexFormat, readSettings, writeSettings } from "./settings.js";
import {
  createStore,
  defaultAnnAbove,
  onTables,
  openStore,
  readChunkUris,
  readFiles,
  removeUris,
  type Store,
  tidyStore,
} from "./store.js";
import { type UpdateCounts, type UpdateResult, updateIndex, withPartial } from "./update.js";
import { checkVectors, IndexWriter } from "./writer.js";

export interface IndexStats {
  /** Files that have chunks. */
  readonly documents: number;
  /** Files that were looked at and could not be used. */
  readonly unusable: number;
  readonly chunks: number;
  readonly chunksWithVectors: number;
  readonly embeddingModel: string | undefined;
  readonly dimensions: number | undefined;
  readonly chunker: string;
  /** False after an update that was cut off: the next one continues. */
  readonly complete: boolean;
}

export interface ReadableTables extends SearchTables {
  readonly settings: IndexSettings;
  readonly dimensions: number;
}

interface Opened {
  store: Store;
  settings: IndexSettings;
}

export class IndexKeeper {
  readonly #root: string;
  readonly #folder: string;
  readonly #options: CorpusIndexOptions;
  #opened: Opened | undefined;
  /** Updates of one object follow each other. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(root: string, folder: string, options: CorpusIndexOptions) {
    this.#root = root;
    this.#folder = folder;
    this.#options = options;
  }

  update(options: UpdateOptions): Promise<UpdateResult> {
    const next = this.#last.then(() => this.#updateLocked(options));
    this.#last = next.catch(() => undefined);
    return next;
  }

  async #updateLocked(options: UpdateOptions): Promise<UpdateResult> {
    const { whenLocked = "wait", onNotice } = this.#options;
    const signal = options.signal ?? this.#options.signal;
    await mkdir(this.#folder, { recursive: true }).catch((cause: unknown) => {
      throw diskError(`The index folder ${this.#folder} cannot be made`, cause);
    });
    const lock = await acquireLock(this.#folder, {
      whenLocked,
      signal,
      onWait: (holder) => onNotice?.(`Waiting for ${holder}, which is indexing the same folder.`),
    });
    try {
      return await this.#update(options, signal);
    } finally {
      await lock.release();
    }
  }

  async #update(options: UpdateOptions, signal: AbortSignal | undefined): Promise<UpdateResult> {
    const began = performance.now();
    const { embed, onProgress, files } = this.#options;
    const { opened, known, rebuilt } = await this.#openForUpdate(options.rebuild ?? false, signal);
    const { store, settings } = opened;
    const writer = new IndexWriter({
      store,
      embed,
      dimensions: settings.dimensions,
      signal,
      beforeWriting: () => this.#markComplete(opened, false),
    });
    const counts: UpdateCounts = { added: [], changed: [], removed: [], unchanged: 0, skipped: [] };
    const result = (): UpdateResult => ({
      ...counts,
      chunks: writer.chunksWritten,
      ...(rebuilt === undefined ? {} : { rebuilt }),
      seconds: (performance.now() - began) / 1000,
    });
    const { countTokens, chunkContext } = this.#options;
    try {
      await updateIndex(
        {
          folder: this.#root,
          known,
          walkOptions: { ...files, leaveOut: [this.#folder] },
          chunker: this.#options.chunker,
          context: { ...chunkContext, countTokens, embed, signal },
          embeds: embed !== undefined && settings.dimensions !== undefined,
          verify: options.verify ?? false,
          writer,
          signal,
          onProgress,
        },
        counts,
      );
      if (writer.wrote || !settings.complete) {
        onProgress?.({ phase: "tidy", done: 0, total: 1 });
        const { annAbove = defaultAnnAbove } = this.#options;
        await tidyStore(store, { annAbove, dimensions: settings.dimensions });
        await this.#markComplete(opened, true);
        onProgress?.({ phase: "tidy", done: 1, total: 1 });
      }
      return result();
    } catch (error) {
      throw withPartial(error, result());
    }
  }

  /** Opens what is there if it can be continued, else makes a new one and says why. */
  async #openForUpdate(
    rebuild: boolean,
    signal: AbortSignal | undefined,
  ): Promise<{ opened: Opened; known: Map<string, FileRow>; rebuilt?: string }> {
    const found = await readSettings(this.#folder);
    let reason = rebuild ? "as asked for" : this.#reasonToRebuild(found);
    if (reason === undefined && found !== undefined && found !== "damaged") {
      try {
        await this.close();
        const opened = await this.#open(found);
        if (!found.complete) await removeOrphans(opened.store);
        const known = await readFiles(opened.store);
        return { opened, known };
      } catch (error) {
        if (!isQuireError(error) || error.code !== "bad-file") throw error;
        reason = `it is damaged: ${error.message}`;
      }
    }
    await this.close();
    const rebuilt = found === undefined ? undefined : reason;
    if (rebuilt !== undefined) this.#options.onNotice?.(`The index is made anew, ${rebuilt}.`);
    return { opened: await this.#create(signal), known: new Map(), rebuilt };
  }

  #reasonToRebuild(found: IndexSettings | "damaged" | undefined): string | undefined {
    if (found === undefined) return "there is none";
    if (found === "damaged") return "its settings are damaged";
    const { chunker, embed } = this.#options;
    if (found.format !== indexFormat || found.parser !== parserVersion) return "it was made by another version";
    if (found.root !== this.#root) return `it was of another folder, ${found.root}`;
    if (found.chunker !== chunker.label) return `its chunks were cut by ${found.chunker}, now by ${chunker.label}`;
    if (embed === undefined || found.embeddingModel === this.#modelName) return undefined;
    return found.embeddingModel === undefined
      ? "it had no vectors"
      : `its vectors were of ${found.embeddingModel}, now of ${this.#modelName}`;
  }

  get #modelName(): string {
    return this.#options.embeddingModel ?? "unnamed";
  }

  async #open(settings: IndexSettings): Promise<Opened> {
    const { store } = this.#opened ?? { store: await openStore(this.#folder) };
    this.#opened = { store, settings };
    return this.#opened;
  }

  async #create(signal: AbortSignal | undefined): Promise<Opened> {
    const { embed, chunker } = this.#options;
    let dimensions: number | undefined;
    if (embed !== undefined) {
      const vectors = await embed(["How long is a vector?"], signal);
      dimensions = vectors[0]?.length ?? 0;
      checkVectors(vectors, 1, Math.max(1, dimensions));
    }
    const settings: IndexSettings = {
      format: indexFormat,
      parser: parserVersion,
      root: this.#root,
      chunker: chunker.label,
      ...(dimensions === undefined ? {} : { embeddingModel: this.#modelName, dimensions }),
      complete: false,
    };
    const store = await createStore(this.#folder, dimensions);
    await writeSettings(this.#folder, settings);
    this.#opened = { store, settings };
    return this.#opened;
  }

  async #markComplete(opened: Opened, complete: boolean): Promise<void> {
    if (opened.settings.complete === complete) return;
    opened.settings = { ...opened.settings, complete };
    await writeSettings(this.#folder, opened.settings);
  }

  /** Reads from the index as it is, whoever made it. Vectors count only where they are of the embedder in use. Where another
   *  process made the index anew in the meantime, the tables are opened again. */
  async read<Result>(work: (tables: ReadableTables) => Promise<Result>): Promise<Result> {
    try {
      return await work(this.#readable(await this.#openForReading()));
    } catch (error) {
      if (!isQuireError(error) || error.code !== "bad-file") throw error;
      await this.close();
      return work(this.#readable(await this.#openForReading()));
    }
  }

  #readable({ store, settings }: Opened): ReadableTables {
    const { embed } = this.#options;
    const sameModel = embed === undefined || settings.embeddingModel === this.#modelName;
    const hasVectors = settings.dimensions !== undefined && sameModel;
    return { store, settings, hasVectors, dimensions: settings.dimensions ?? 0 };
  }

  async #openForReading(): Promise<Opened> {
    const settings = await readSettings(this.#folder);
    if (settings === undefined) {
      throw new QuireError("not-found", `${this.#root} has no index yet.`, {
        got: this.#folder,
        expected: "an index",
        fix: "Index the folder first (update).",
      });
    }
    if (settings === "damaged") {
      throw new QuireError("bad-file", `The index in ${this.#folder} is damaged.`, {
        expected: "readable settings",
        fix: "Index the folder again; it is made anew.",
      });
    }
    const { embeddingModel, dimensions } = this.#opened?.settings ?? settings;
    if (embeddingModel !== settings.embeddingModel || dimensions !== settings.dimensions) await this.close();
    return this.#open(settings);
  }

  stats(): Promise<IndexStats> {
    const count = async ({ store, settings }: ReadableTables): Promise<IndexStats> => ({
      documents: await store.files.countRows("chunks > 0"),
      unusable: await store.files.countRows("problem != ''"),
      chunks: await store.chunks.countRows(),
      chunksWithVectors: settings.dimensions === undefined ? 0 : await store.chunks.countRows("vector IS NOT NULL"),
      embeddingModel: settings.embeddingModel,
      dimensions: settings.dimensions,
      chunker: settings.chunker,
      complete: settings.complete,
    });
    return this.read((tables) => onTables("Reading the index", () => count(tables)));
  }

  async close(): Promise<void> {
    this.#opened?.store.close();
    this.#opened = undefined;
  }
}

/** Chunks of files that have no row are left from an update that was cut off. */
async function removeOrphans(store: Store): Promise<void> {
  const orphans = await readChunkUris(store);
  for await (const batch of store.files.query().select(["uri"])) {
    const column = batch.getChild("uri");
    for (let i = 0; i < batch.numRows; i++) orphans.delete(String(column?.get(i)));
  }
  if (orphans.size > 0) await removeUris(store, [...orphans], "both");
}
