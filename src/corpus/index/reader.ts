/** Reads an index folder as it is, whoever wrote it, also while an update of this or another process is writing. */

import { isQuireError, QuireError } from "../../errors.js";
import type { CorpusIndexOptions } from "./corpus-index.js";
import type { SearchTables } from "./search.js";
import { type IndexSettings, readSettings } from "./settings.js";
import { onTables, openStore, type Store } from "./store.js";

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

export function modelName({ embeddingModel }: Pick<CorpusIndexOptions, "embeddingModel">): string {
  return embeddingModel ?? "unnamed";
}

export class IndexReader {
  readonly #folder: string;
  readonly #options: CorpusIndexOptions;
  #opened: { store: Store; settings: IndexSettings } | undefined;

  constructor(folder: string, options: CorpusIndexOptions) {
    this.#folder = folder;
    this.#options = options;
  }

  /** Where the index was made anew under the open tables, they are opened again, once. Other reads may still be at the old
   *  ones, so those are let go and not closed. */
  async read<Result>(work: (tables: ReadableTables) => Promise<Result>): Promise<Result> {
    const tables = await this.#tables();
    try {
      return await work(tables);
    } catch (error) {
      if (!isQuireError(error) || error.code !== "bad-file") throw error;
      if (this.#opened?.store === tables.store) this.#opened = undefined;
      return work(await this.#tables());
    }
  }

  /** Vectors count only where they are of the embedder in use. */
  async #tables(): Promise<ReadableTables> {
    const settings = await readSettings(this.#folder);
    if (settings === undefined) {
      throw new QuireError("not-found", "The folder has no index yet.", {
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
    if (this.#opened === undefined || !sameVectors(this.#opened.settings, settings)) {
      this.#opened = { store: await openStore(this.#folder), settings };
    }
    const { store } = this.#opened;
    const sameModel = this.#options.embed === undefined || settings.embeddingModel === modelName(this.#options);
    const hasVectors = settings.dimensions !== undefined && sameModel;
    return { store, settings, hasVectors, dimensions: settings.dimensions ?? 0 };
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

  close(): void {
    this.#opened?.store.close();
    this.#opened = undefined;
  }
}

function sameVectors(a: IndexSettings, b: IndexSettings): boolean {
  return a.embeddingModel === b.embeddingModel && a.dimensions === b.dimensions;
}
