/** The two tables of an index: one row a chunk, one row a file. */

import { Bool, Field, FixedSizeList, Float32, Float64, Int32, Schema, Utf8 } from "apache-arrow";
import type { Chunk } from "../document.js";
import type { SkipReason } from "../walk.js";
import { subWords } from "./sub-words.js";

export interface ChunkRow {
  readonly id: string;
  readonly uri: string;
  readonly documentId: string;
  readonly ordinal: number;
  readonly startByte: number;
  readonly endByte: number;
  readonly startLine: number;
  readonly endLine: number;
  readonly header: string;
  /** What full-text search sees: header, the chunk's text, parts of names. */
  readonly searched: string;
  /** Where in `searched` the chunk's text lies, in UTF-16 units. */
  readonly textStart: number;
  readonly textLength: number;
  readonly vector?: Float32Array | null;
}

export interface FileRow {
  readonly uri: string;
  readonly sizeBytes: number;
  /** -1 where the file was so new when read that a later change could bear the same time. */
  readonly mtimeMs: number;
  readonly sha256: string;
  readonly chunks: number;
  /** Whether its chunks have vectors. */
  readonly embedded: boolean;
  /** Why it has no chunks; "" where it was read. */
  readonly problem: SkipReason | "";
  readonly detail: string;
}

const text = (name: string): Field => new Field(name, new Utf8(), false);
const whole = (name: string): Field => new Field(name, new Int32(), false);

export function chunkSchema(dimensions: number | undefined): Schema {
  const fields = [
    ...["id", "uri", "documentId"].map(text),
    ...["ordinal", "startByte", "endByte", "startLine", "endLine"].map(whole),
    ...["header", "searched"].map(text),
    ...["textStart", "textLength"].map(whole),
  ];
  if (dimensions !== undefined) {
    fields.push(new Field("vector", new FixedSizeList(dimensions, new Field("item", new Float32(), true)), true));
  }
  return new Schema(fields);
}

export function fileSchema(): Schema {
  return new Schema([
    text("uri"),
    new Field("sizeBytes", new Float64(), false),
    new Field("mtimeMs", new Float64(), false),
    text("sha256"),
    whole("chunks"),
    new Field("embedded", new Bool(), false),
    text("problem"),
    text("detail"),
  ]);
}

/** What is embedded of a chunk: its header stands above its text. */
export function textToEmbed({ header, text }: Pick<Chunk, "header" | "text">): string {
  return header === "" ? text : `${header}\n${text}`;
}

export function rowOfChunk(chunk: Chunk, vector: Float32Array | null | undefined): ChunkRow {
  const shown = textToEmbed(chunk);
  const parts = subWords(shown);
  return {
    id: chunk.id,
    uri: chunk.uri,
    documentId: chunk.documentId,
    ordinal: chunk.order,
    startByte: chunk.startByte,
    endByte: chunk.endByte,
    startLine: chunk.startLine,
    endLine: chunk.endLine,
    header: chunk.header,
    searched: parts.length === 0 ? shown : `${shown}\n${parts.join(" ")}`,
    textStart: shown.length - chunk.text.length,
    textLength: chunk.text.length,
    ...(vector === undefined ? {} : { vector }),
  };
}

export function chunkOfRow(row: ChunkRow): Chunk {
  return {
    id: row.id,
    uri: row.uri,
    documentId: row.documentId,
    order: row.ordinal,
    startByte: row.startByte,
    endByte: row.endByte,
    startLine: row.startLine,
    endLine: row.endLine,
    header: row.header,
    text: row.searched.slice(row.textStart, row.textStart + row.textLength),
  };
}

export const chunkColumns: readonly (keyof ChunkRow)[] = [
  "id",
  "uri",
  "documentId",
  "ordinal",
  "startByte",
  "endByte",
  "startLine",
  "endLine",
  "header",
  "searched",
  "textStart",
  "textLength",
];
