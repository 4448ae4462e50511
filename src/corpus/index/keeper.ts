/** Updates one index folder under its lock: decides whether what is there can be continued or must be made anew. Its tables are
 *  its own for the time of the update; reading (`reader.ts`) never disturbs it. */

import { mkdir } from "node:fs/promises";
import { isQuireError } from "../../errors.js";
import { chunkerName } from "../chunk/chunker.js";
import { diskError } from "../file-problem.js";
import { parserVersion } from "../parse/parse.js";
import type { CorpusIndexOptions, UpdateOptions } from "./corpus-index.js";
import { acquireLock } from "./lock.js";
import { localFolder } from "./place.js";
import { modelName } from "./reader.js";
import type { FileRow } from "./rows.js";
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

interface Opened {
  readonly store: Store;
  settings: IndexSettings;
}

export class IndexKeeper {
  readonly #root: string;
  readonly #folder: string;
  readonly #options: CorpusIndexOptions;
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

  /** When no update of this object is running any more. */
  async settled(): Promise<void> {
    await this.#last;
  }

  async #updateLocked(options: UpdateOptions): Promise<UpdateResult> {
    const { whenLocked = "wait", onNotice } = this.#options;
    const signal = options.signal ?? this.#options.signal;
    const folder = localFolder(this.#folder);
    await mkdir(folder, { recursive: true }).catch((cause: unknown) => {
      throw diskError(`The index folder ${folder} cannot be made`, cause);
    });
    const lock = await acquireLock(folder, {
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
    const result = (documents: number): UpdateResult => ({
      ...counts,
      chunks: writer.chunksWritten,
      documents,
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
      return result(await countDocuments(store));
    } catch (error) {
      throw withPartial(error, result(await countDocuments(store).catch(() => 0)));
    } finally {
      store.close();
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
      let store: Store | undefined;
      try {
        store = await openStore(this.#folder);
        if (!found.complete) await removeOrphans(store);
        const known = await readFiles(store);
        return { opened: { store, settings: found }, known };
      } catch (error) {
        store?.close();
        if (!isQuireError(error) || error.code !== "bad-file") throw error;
        reason = `it is damaged: ${error.message}`;
      }
    }
    const rebuilt = found === undefined ? undefined : reason;
    if (rebuilt !== undefined) this.#options.onNotice?.(`The index is made anew, ${rebuilt}.`);
    return { opened: await this.#create(signal), known: new Map(), rebuilt };
  }

  #reasonToRebuild(found: IndexSettings | "damaged" | undefined): string | undefined {
    if (found === undefined) return "there is none";
    if (found === "damaged") return "its settings are damaged";
    const { embed } = this.#options;
    const chunker = this.#chunkerName;
    if (found.format !== indexFormat || found.parser !== parserVersion) return "it was made by another version";
    if (found.root !== this.#root) return `it was of another folder, ${found.root}`;
    if (found.chunker !== chunker) return `its chunks were cut by ${found.chunker}, now by ${chunker}`;
    if (embed === undefined || found.embeddingModel === modelName(this.#options)) return undefined;
    return found.embeddingModel === undefined
      ? "it had no vectors"
      : `its vectors were of ${found.embeddingModel}, now of ${modelName(this.#options)}`;
  }

  get #chunkerName(): string {
    const { chunker, chunkContext } = this.#options;
    return chunkerName(chunker, chunkContext?.model);
  }

  async #create(signal: AbortSignal | undefined): Promise<Opened> {
    const { embed } = this.#options;
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
      chunker: this.#chunkerName,
      ...(dimensions === undefined ? {} : { embeddingModel: modelName(this.#options), dimensions }),
      complete: false,
    };
    const store = await createStore(this.#folder, dimensions);
    await writeSettings(this.#folder, settings);
    return { store, settings };
  }

  async #markComplete(opened: Opened, complete: boolean): Promise<void> {
    if (opened.settings.complete === complete) return;
    opened.settings = { ...opened.settings, complete };
    await writeSettings(this.#folder, opened.settings);
  }
}

function countDocuments(store: Store): Promise<number> {
  return onTables("Reading the index", () => store.files.countRows("chunks > 0"));
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
