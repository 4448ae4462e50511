/** Everything an index holds, at once, for what looks at a corpus as a whole: its graph and its map. Rows come in the order of file
 *  and place, whatever the order in which they were written. */

import { createHash } from "node:crypto";
import { throwIfAborted } from "../../errors.js";
import type { Chunk } from "../document.js";
import type { ReadableTables } from "./reader.js";
import { type ChunkRow, chunkColumns, chunkOfRow, type FileRow } from "./rows.js";
import { onTables } from "./store.js";

export interface AllChunks {
  readonly chunks: readonly Chunk[];
  /** Row c holds the unit vector of chunk c: [chunks, dimensions]. Undefined where not all chunks have one. */
  readonly vectors: Float32Array | undefined;
  readonly dimensions: number;
}

export interface AllChunksOptions {
  /** Default true. */
  readonly vectors?: boolean;
  readonly signal?: AbortSignal;
}

export async function readAllChunks(tables: ReadableTables, options: AllChunksOptions = {}): Promise<AllChunks> {
  const { signal } = options;
  const withVectors = tables.hasVectors && options.vectors !== false;
  return onTables("Reading the index", async () => {
    const columns = withVectors ? [...chunkColumns, "vector"] : [...chunkColumns];
    const found: { chunk: Chunk; vector: Float32Array | undefined }[] = [];
    for await (const batch of tables.store.chunks.query().select(columns)) {
      throwIfAborted(signal);
      const vectors = withVectors ? batch.getChild("vector") : null;
      for (const [i, row] of (batch.toArray() as unknown as ChunkRow[]).entries()) {
        const vector = vectors?.get(i) as { toArray(): Float32Array } | null | undefined;
        found.push({ chunk: chunkOfRow(row), vector: vector?.toArray() });
      }
    }
    found.sort(({ chunk: a }, { chunk: b }) => (a.uri < b.uri ? -1 : a.uri > b.uri ? 1 : 0) || a.order - b.order);
    const { dimensions } = tables;
    const complete =
      tables.hasVectors && found.length > 0 && found.every(({ vector }) => vector?.length === dimensions);
    let vectors: Float32Array | undefined;
    if (complete) {
      vectors = new Float32Array(found.length * dimensions);
      for (const [c, { vector }] of found.entries()) vectors.set(vector!, c * dimensions);
    }
    return { chunks: found.map(({ chunk }) => chunk), vectors, dimensions: complete ? dimensions : 0 };
  });
}

/** Equal as long as the same bytes of the same files are indexed in the same way. */
export async function indexVersion(tables: ReadableTables): Promise<string> {
  const { format, parser, chunker, embeddingModel = "none" } = tables.settings;
  const lines: string[] = [];
  await onTables("Reading the index", async () => {
    const wanted = ["uri", "sha256", "chunks", "embedded"];
    for await (const batch of tables.store.files.query().where("chunks > 0").select(wanted)) {
      for (const { uri, sha256, chunks, embedded } of batch.toArray() as unknown as FileRow[]) {
        lines.push(`${uri}\0${sha256}\0${chunks}\0${embedded && tables.hasVectors}`);
      }
    }
  });
  const hash = createHash("sha256").update(`${format} ${parser} ${chunker} ${embeddingModel}\n`);
  return hash.update(lines.sort().join("\n")).digest("hex").slice(0, 32);
}
