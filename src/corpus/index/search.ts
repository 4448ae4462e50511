/** Searching the tables: by meaning (cosine of vectors: exact, or by the approximate index of a large corpus and then exact on
 *  what that found), by words (BM25; words in quotes must stand together), or both, fused by rank. */

import { BooleanQuery, type FullTextQuery, MatchQuery, Occur, PhraseQuery } from "@lancedb/lancedb";
import { throwIfAborted } from "../../errors.js";
import type { Chunk } from "../document.js";
import type { Candidate } from "../select/selector.js";
import { fuseRankings } from "./fuse.js";
import { type ChunkRow, chunkColumns, chunkOfRow } from "./rows.js";
import { onTables, quoted, type Store } from "./store.js";

/** How far down each ranking is looked at before fusing. */
export const fusionDepth = 100;

type FoundRow = ChunkRow & { _score?: number; _distance?: number; vector?: { toArray(): Float32Array } | null };

export interface SearchTables {
  readonly store: Store;
  readonly hasVectors: boolean;
}

export async function searchText({ store, hasVectors }: SearchTables, query: string, k: number): Promise<Candidate[]> {
  const parsed = textQuery(query);
  if (parsed === undefined) return [];
  const columns = [...chunkColumns, "_score", ...(hasVectors ? ["vector"] : [])];
  const rows = await onTables("Searching the index", () =>
    store.chunks.query().fullTextSearch(parsed).select(columns).limit(k).toArray(),
  );
  return inOrder((rows as FoundRow[]).map((row) => candidate(row, row._score ?? 0)));
}

export async function searchVector({ store }: SearchTables, vector: Float32Array, k: number): Promise<Candidate[]> {
  const columns = [...chunkColumns, "_distance", "vector"];
  const rows = await onTables("Searching the index", () =>
    store.chunks
      .query()
      .nearestTo(vector)
      .distanceType("dot")
      // Only of effect with an approximate index: parts searched, and how many more are compared exactly.
      .nprobes(32)
      .refineFactor(10)
      .select(columns)
      .limit(k)
      .toArray(),
  );
  return inOrder((rows as FoundRow[]).map((row) => candidate(row, 1 - (row._distance ?? 1))));
}

export async function searchHybrid(tables: SearchTables, query: string, vector: Float32Array, k: number) {
  const depth = Math.max(k, fusionDepth);
  const rankings = await Promise.all([searchVector(tables, vector, depth), searchText(tables, query, depth)]);
  const fused = fuseRankings(rankings, ({ chunk }) => `${chunk.uri}\0${chunk.order}`);
  return fused.slice(0, k).map(({ item, score }): Candidate => ({ ...item, score }));
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
function inOrder(candidates: Candidate[]): Candidate[] {
  return candidates.sort(
    (a, b) =>
      b.score - a.score ||
      (a.chunk.uri < b.chunk.uri ? -1 : a.chunk.uri > b.chunk.uri ? 1 : a.chunk.order - b.chunk.order),
  );
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
