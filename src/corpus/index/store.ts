/** The tables of one index folder in LanceDB: opening, checking, writing in batches, keeping the search indexes fresh. Every
 *  failure of the library becomes a typed error here. Only what an index itself made is ever removed from the folder. */

import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Connection, connect, Index, type Table } from "@lancedb/lancedb";
import { isQuireError, QuireError } from "../../errors.js";
import { diskError, isDiskError } from "../file-problem.js";
import { isAddress } from "./place.js";
import { type ChunkRow, chunkSchema, type FileRow, fileSchema } from "./rows.js";
import { settingsFileName, settingsTableName } from "./settings-names.js";

export interface Store {
  readonly chunks: Table;
  readonly files: Table;
  close(): void;
}

const chunkTable = "chunks";
const fileTable = "files";

/** Names that one IN (...) holds; longer lists are asked in parts. */
const namesAtOnce = 200;

export function quoted(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

/** Runs work on the tables; what fails comes out as `disk` or `bad-file`. */
export async function onTables<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (cause) {
    if (isQuireError(cause)) throw cause;
    if (isDiskError(cause)) throw diskError(`${what} failed`, cause);
    if (/os error (?:11|12|23|24)\b|Too many open files|Cannot allocate memory/i.test(String(cause))) {
      throw new QuireError("native", `${what} failed: ${firstLine(cause)}`, {
        expected: "free memory and file handles",
        fix: "Close other programs or raise the limit of open files, then run it again.",
        cause,
      });
    }
    throw new QuireError("bad-file", `${what} failed: ${firstLine(cause)}`, {
      expected: "an undamaged index",
      fix: "Index the folder again with rebuild.",
      cause,
    });
  }
}

function firstLine(cause: unknown): string {
  const line = String((cause as Error | null)?.message ?? cause).split("\n")[0]!;
  return line.replace(/, \/\S+\.rs:\d+:\d+.*$/, "").slice(0, 300);
}

async function openConnection(folder: string): Promise<Connection> {
  // Every read looks for what another process wrote: it costs well under a millisecond.
  return connect(folder, { readConsistencyInterval: 0 });
}

export async function openStore(folder: string): Promise<Store> {
  return onTables("Opening the index", async () => {
    const connection = await openConnection(folder);
    const chunks = await connection.openTable(chunkTable);
    const files = await connection.openTable(fileTable);
    return storeOf(connection, chunks, files);
  });
}

export async function createStore(folder: string, dimensions: number | undefined): Promise<Store> {
  if (!isAddress(folder)) {
    await mkdir(folder, { recursive: true }).catch((cause: unknown) => {
      throw diskError(`The index folder ${folder} cannot be made`, cause);
    });
  }
  await removeStore(folder);
  return onTables("Making the index", async () => {
    const connection = await openConnection(folder);
    const chunks = await connection.createEmptyTable(chunkTable, chunkSchema(dimensions));
    const files = await connection.createEmptyTable(fileTable, fileSchema());
    // Made while empty, so that a search works at any moment: rows that are not in an index yet are looked through one by one.
    await chunks.createIndex("searched", { config: fullText() });
    await chunks.createIndex("uri", { config: Index.btree() });
    return storeOf(connection, chunks, files);
  });
}

export async function removeStore(folder: string): Promise<void> {
  if (isAddress(folder)) return removeRemoteStore(folder);
  try {
    await rm(join(folder, settingsFileName), { force: true });
    for (const table of [chunkTable, fileTable])
      await rm(join(folder, `${table}.lance`), { recursive: true, force: true });
  } catch (cause) {
    throw diskError(`The old index in ${folder} cannot be removed`, cause);
  }
}

async function removeRemoteStore(address: string): Promise<void> {
  await onTables("Removing the old index", async () => {
    const connection = await openConnection(address);
    const there = await connection.tableNames();
    for (const table of [settingsTableName, chunkTable, fileTable]) {
      if (there.includes(table)) await connection.dropTable(table);
    }
    connection.close();
  });
}

function storeOf(connection: Connection, chunks: Table, files: Table): Store {
  return {
    chunks,
    files,
    close() {
      chunks.close();
      files.close();
      connection.close();
    },
  };
}

function fullText(): Index {
  return Index.fts({
    baseTokenizer: "icu/split",
    withPosition: true,
    lowercase: true,
    asciiFolding: true,
    stem: false,
    removeStopWords: false,
  });
}

/** All files by uri. Reading every row, and one column of every chunk, is also what shows a damaged index. */
export async function readFiles(store: Store): Promise<Map<string, FileRow>> {
  return onTables("Reading the index", async () => {
    const files = new Map<string, FileRow>();
    let expected = 0;
    for await (const batch of store.files.query()) {
      for (const row of batch.toArray() as unknown as FileRow[]) {
        const { uri, sizeBytes, mtimeMs, sha256, chunks, embedded, problem, detail } = row;
        files.set(uri, { uri, sizeBytes, mtimeMs, sha256, chunks, embedded, problem, detail });
        expected += chunks;
      }
    }
    let found = 0;
    for await (const batch of store.chunks.query().select(["ordinal"])) found += batch.numRows;
    if (found < expected) throw new Error(`${expected} chunks are listed, ${found} are there`);
    return files;
  });
}

export async function readChunkUris(store: Store): Promise<Set<string>> {
  return onTables("Reading the index", async () => {
    const uris = new Set<string>();
    for await (const batch of store.chunks.query().select(["uri"])) {
      const column = batch.getChild("uri");
      for (let i = 0; i < batch.numRows; i++) uris.add(String(column?.get(i)));
    }
    return uris;
  });
}

export async function addChunks(store: Store, rows: readonly ChunkRow[]): Promise<void> {
  if (rows.length > 0)
    await onTables("Writing the index", () => store.chunks.add(rows as unknown as Record<string, unknown>[]));
}

export async function addFiles(store: Store, rows: readonly FileRow[]): Promise<void> {
  if (rows.length > 0)
    await onTables("Writing the index", () => store.files.add(rows as unknown as Record<string, unknown>[]));
}

/** File rows go first: a file without a row is done again, whatever is left of its chunks. */
export async function removeUris(store: Store, uris: readonly string[], from: "files" | "both"): Promise<void> {
  await onTables("Writing the index", async () => {
    for (let at = 0; at < uris.length; at += namesAtOnce) {
      const condition = `uri IN (${uris
        .slice(at, at + namesAtOnce)
        .map(quoted)
        .join(", ")})`;
      await store.files.delete(condition);
      if (from === "both") await store.chunks.delete(condition);
    }
  });
}

/** From how many vectors on search is approximate. */
export const defaultAnnAbove = 50_000;

/** Old versions stay this long, for readers in other processes. */
const keepVersionsMs = 10 * 60_000;

/** Brings new rows into the search indexes, joins small pieces, forgets old versions. */
export async function tidyStore(
  store: Store,
  options: { annAbove: number; dimensions: number | undefined },
): Promise<void> {
  await onTables("Tidying the index", async () => {
    const indexes = await store.chunks.listIndices();
    const searched = indexes.find(({ columns }) => columns.includes("searched"));
    const stats = searched === undefined ? undefined : await store.chunks.indexStats(searched.name);
    // Mostly new: one index over everything searches faster than many small ones.
    if (stats === undefined || stats.numUnindexedRows > stats.numIndexedRows / 2) {
      await store.chunks.createIndex("searched", { config: fullText(), replace: true });
    }
    const rows = await store.chunks.countRows();
    const hasVectorIndex = indexes.some(({ columns }) => columns.includes("vector"));
    if (options.dimensions !== undefined && rows > options.annAbove && !hasVectorIndex) {
      const vectors = await store.chunks.countRows("vector IS NOT NULL");
      if (vectors > options.annAbove) await makeVectorIndex(store.chunks, vectors, options.dimensions);
    }
    const cleanupOlderThan = new Date(Date.now() - keepVersionsMs);
    await store.chunks.optimize({ cleanupOlderThan });
    await store.files.optimize({ cleanupOlderThan });
  });
}

async function makeVectorIndex(chunks: Table, vectors: number, dimensions: number): Promise<void> {
  const numSubVectors = [8, 4, 2].map((width) => dimensions / width).find(Number.isInteger) ?? 1;
  const numPartitions = Math.max(1, Math.round(Math.sqrt(vectors)));
  await chunks.createIndex("vector", { config: Index.ivfPq({ distanceType: "dot", numPartitions, numSubVectors }) });
}
