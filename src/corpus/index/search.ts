/** Searching the tables: by meaning (cosine of vectors: exact, or by the approximate index of a large corpus and then exact on
 *  what that found), by words (BM25; words in quotes must stand together), or both, fused by rank. */

import { BooleanQuery, type FullTextQuery, MatchQuery, Occur, PhraseQuery } from "@lancedb/lancedb";
import { QuireError, throwIfAborted } from "../../errors.js";
import type { Chunk } from "../document.js";
import type { Candidate } from "../select/selector.js";
import { fuseRankings } from "./fuse.js";
import { type ChunkRow, chunkColumns, chunkOfRow } from "./rows.js";
import { onTables, quoted, type Store } from "./store.js";

/** How far down each ranking is looked at before fusing. */
export const fusionDepth = 100;

type FoundRow = ChunkRow & Key & { vector?: { toArray(): Float32Array } | null };

/** Enough of a row to rank it and find it again. */
interface Key {
  readonly uri: string;
  readonly ordinal: number;
  readonly _rowid: bigint;
  readonly _score?: number;
  readonly _distance?: number;
}

export interface SearchTables {
  readonly store: Store;
  readonly hasVectors: boolean;
}

export async function searchText(tables: SearchTables, query: string, k: number): Promise<Candidate[]> {
  const rows = await textRows(tables, query, k, wholeRow(tables));
  return rows.map((row) => candidate(row as FoundRow, row._score ?? 0));
}

export async function searchVector(tables: SearchTables, vector: Float32Array, k: number): Promise<Candidate[]> {
  const rows = await vectorRows(tables, vector, k, wholeRow(tables));
  return rows.map((row) => candidate(row as FoundRow, 1 - (row._distance ?? 1)));
}

/** Ranks by keys alone, and reads whole rows only for what is returned. */
export async function searchHybrid(
  tables: SearchTables,
  query: string,
  vector: Float32Array,
  k: number,
): Promise<Candidate[]> {
  const depth = Math.max(k, fusionDepth);
  const rankings = await Promise.all([
    vectorRows(tables, vector, depth, keyOnly),
    textRows(tables, query, depth, keyOnly),
  ]);
  const fused = fuseRankings<Key>(rankings, keyOf).slice(0, k);
  if (fused.length === 0) return [];
  const rows = await onTables("Searching the index", () =>
    tables.store.chunks
      .takeRowIds(fused.map(({ item }) => item._rowid))
      .select(wholeRow(tables))
      .toArray(),
  );
  const byKey = new Map((rows as FoundRow[]).map((row) => [keyOf(row), row]));
  return fused.map(({ item, score }) => {
    const row = byKey.get(keyOf(item));
    // Another process has moved the rows between the two reads: the caller opens the tables again and asks once more.
    if (row === undefined) throw new QuireError("bad-file", "The index was changed while it was searched.");
    return candidate(row, score);
  });
}

const keyOnly = ["uri", "ordinal"];
const keyOf = ({ uri, ordinal }: Key): string => `${uri}\0${ordinal}`;

function wholeRow({ hasVectors }: SearchTables): string[] {
  return hasVectors ? [...chunkColumns, "vector"] : [...chunkColumns];
}

async function textRows({ store }: SearchTables, query: string, k: number, columns: string[]): Promise<Key[]> {
  const parsed = textQuery(query);
  if (parsed === undefined) return [];
  const rows = await onTables("Searching the index", () =>
    store.chunks
      .query()
      .fullTextSearch(parsed)
      .select([...columns, "_score"])
      .withRowId()
      .limit(k)
      .toArray(),
  );
  return inOrder(rows as Key[], ({ _score = 0 }) => _score);
}

async function vectorRows({ store }: SearchTables, vector: Float32Array, k: number, columns: string[]): Promise<Key[]> {
  const rows = await onTables("Searching the index", () =>
    store.chunks
      .query()
      .nearestTo(vector)
      .distanceType("dot")
      // Only of effect with an approximate index: parts searched, and how many more are compared exactly.
      .nprobes(32)
      .refineFactor(10)
      .select([...columns, "_distance"])
      .withRowId()
      .limit(k)
      .toArray(),
  );
  return inOrder(rows as Key[], ({ _distance = 1 }) => 1 - _distance);
}

export async function neighboursOf(store: Store, chunk: Chunk, width: number, signal?: AbortSignal): Promise<Chunk[]> {
  throwIfAborted(signal);
  if (width < 1) return [];
  const near = `ordinal >= ${chunk.order - width} AND ordinal <= ${chunk.order + width} AND ordinal != ${chunk.order}`;
  const rows = await onTables("Searching the index", () =>
    store.chunks
      .query()
      .where(`uri = ${quoted(chunk.uri)} AND ${near}`)
      .select([...chunkColumns])
      .limit(2 * width)
      .toArray(),
  );
  return (rows as ChunkRow[]).map(chunkOfRow).sort((a, b) => a.order - b.order);
}

function candidate(row: FoundRow, score: number): Candidate {
  const vector = row.vector?.toArray();
  return vector === undefined ? { chunk: chunkOfRow(row), score } : { chunk: chunkOfRow(row), score, vector };
}

/** Equal scores come in whatever order threads end; the place in the corpus decides instead. */
function inOrder(rows: Key[], score: (row: Key) => number): Key[] {
  const before = (a: Key, b: Key): number => (a.uri < b.uri ? -1 : a.uri > b.uri ? 1 : a.ordinal - b.ordinal);
  return rows.sort((a, b) => score(b) - score(a) || before(a, b));
}

/** A question is words; nobody needs more of them, and a pasted book must not stop the machine. */
const mostQueryLength = 2000;

export function textQuery(query: string): FullTextQuery | undefined {
  const words = query.slice(0, mostQueryLength);
  if (!/[\p{L}\p{N}]/u.test(words)) return undefined;
  const all = new MatchQuery(words, "searched");
  const phrases = [...words.matchAll(/"([^"]+)"/g)]
    .map(([, phrase]) => phrase!.trim())
    .filter((phrase) => /[\p{L}\p{N}][^\p{L}\p{N}]+[\p{L}\p{N}]/u.test(phrase));
  if (phrases.length === 0) return all;
  return new BooleanQuery([
    [Occur.Should, all],
    ...phrases.map((phrase): [Occur, FullTextQuery] => [Occur.Must, new PhraseQuery(phrase, "searched")]),
  ]);
}
