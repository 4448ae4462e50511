import { createHash } from "node:crypto";
import { realpath } from "node:fs/promises";
import path from "node:path";
import { QuireError } from "../../errors.js";
import { type Caller, maySee } from "../access/caller.js";
import { badRequest, notFound } from "../http/api-error.js";
import { FileShelf } from "./file-shelf.js";
import { HostedCorpus } from "./hosted-corpus.js";
import type { LibraryEngine } from "./library-engine.js";
import { newId } from "./names.js";
import { type CorpusRecord, corpusRecord, makeFolder, readRecords, writeRecord } from "./records.js";

/** Files and corpora of the server: those of folders it was started with, and those that were sent and lie in its own folder. */

export interface LibraryOptions {
  /** Where what is sent is kept. */
  readonly folder: string;
  /** Folders (or files) to offer, read-only. */
  readonly corpora: readonly string[];
  readonly engine: LibraryEngine;
}

export class Library {
  readonly files: FileShelf;
  readonly engine: LibraryEngine;
  readonly #folder: string;
  readonly #corpora = new Map<string, HostedCorpus>();
  #indexing: Promise<unknown> = Promise.resolve();

  static async open(options: LibraryOptions): Promise<Library> {
    const { folder, corpora } = options;
    await makeFolder(path.join(folder, "files"));
    await makeFolder(path.join(folder, "corpora"));
    const library = new Library(options, await FileShelf.open(path.join(folder, "files")));
    for (const target of corpora) await library.#openFolder(target);
    for (const record of await readRecords(path.join(folder, "corpora"), corpusRecord)) await library.#openSent(record);
    return library;
  }

  private constructor({ folder, engine }: LibraryOptions, files: FileShelf) {
    this.#folder = folder;
    this.engine = engine;
    this.files = files;
  }

  list(caller: Caller): HostedCorpus[] {
    return [...this.#corpora.values()].filter(({ record }) => maySee(caller, record.owner));
  }

  get(caller: Caller, id: string): HostedCorpus {
    const found = this.#corpora.get(id);
    if (found === undefined || !maySee(caller, found.record.owner)) throw notFound(`There is no corpus ${id}.`);
    return found;
  }

  async create(caller: Caller, name: string): Promise<HostedCorpus> {
    if (name.trim() === "") throw badRequest("name: It is empty.", "name");
    const record: CorpusRecord = {
      id: newId("corpus"),
      name: name.trim(),
      created_at: Math.floor(Date.now() / 1000),
      files: {},
      ...(caller.key === undefined ? {} : { owner: caller.key }),
    };
    const home = path.join(this.#folder, "corpora", record.id);
    await makeFolder(home);
    await writeRecord(home, record);
    return this.#openSent(record);
  }

  async remove(corpus: HostedCorpus): Promise<void> {
    await corpus.destroy();
    this.#corpora.delete(corpus.record.id);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#corpora.values()].map((corpus) => corpus.close()));
  }

  async #openFolder(target: string): Promise<void> {
    const folder = await realpath(target).catch((cause: unknown) => {
      throw new QuireError("not-found", `There is no ${target}.`, { got: target, fix: "Check the path.", cause });
    });
    const id = `corpus-${createHash("sha256").update(folder).digest("hex").slice(0, 24)}`;
    const record = { id, name: path.basename(folder), created_at: Math.floor(Date.now() / 1000), files: {} };
    await this.#add({ record, folder });
  }

  #openSent(record: CorpusRecord): Promise<HostedCorpus> {
    return this.#add({ record, home: path.join(this.#folder, "corpora", record.id) });
  }

  async #add(place: { record: CorpusRecord; folder?: string; home?: string }): Promise<HostedCorpus> {
    const corpus = await HostedCorpus.open({ ...place, engine: this.engine, turn: (work) => this.#inTurn(work) });
    this.#corpora.set(place.record.id, corpus);
    corpus.refresh();
    return corpus;
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#indexing.then(work, work);
    this.#indexing = result.catch(() => {});
    return result;
  }
}
