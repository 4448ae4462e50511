/** The suite that every chunker must pass: nothing lost, nothing doubled, limits held, same input same output, right lines. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Chunk, Document } from "../document.js";
import { parseDocument } from "../parse/parse.js";
import { chunkId } from "./build-chunk.js";
import { type ChunkContext, type Chunker, chunkerName } from "./chunker.js";

export interface ChunkerCase {
  /** Ready parts that are all held to the suite, smallest limits included. */
  readonly chunkers: readonly Chunker[];
  /** Most tokens of one chunk of that part, by `countTokens`; undefined where it has no limit. */
  limit?(part: Chunker): number | undefined;
  /** What the chunker needs besides `countTokens`. */
  readonly context?: Partial<ChunkContext>;
  /** Random documents a part. Default 150. */
  readonly runs?: number;
}

/** Words and punctuation, and long words at four characters a token: not additive, like real tokenizers. */
export function countWordPieces(text: string): number {
  let tokens = 0;
  for (const [piece] of text.matchAll(/[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]|\n/gu)) tokens += Math.ceil(piece.length / 4);
  return tokens;
}

const pieces = fc.constantFrom(
  "word ",
  "Longer sentence, with commas. ",
  "Dr. No said 3.14? Yes! ",
  "# Heading\n\n",
  "\n## Under\n",
  "\n\n",
  "\r\n",
  "\n",
  "- item\n",
  "    indented\n",
  "```\ncode();\n\n# no\n```\n",
  "| a | b |\n",
  "中文句子。また文。",
  "😀👩‍👩‍👧",
  "é",
  "\t ",
  "x".repeat(90),
  '{"a": [1, 2]}\n',
  "def f(x):\n    return x\n",
  "Ann: hello\n",
);
const anyText = fc.array(pieces, { maxLength: 80 }).map((parts) => parts.join(""));
const anyName = fc.constantFrom("a.md", "a.txt", "a.rst", "a.py", "a.jsonl", "a.csv");

export async function collect(chunks: AsyncIterable<Chunk>): Promise<Chunk[]> {
  const all: Chunk[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return all;
}

export function describeChunker(name: string, { chunkers, limit, context = {}, runs = 150 }: ChunkerCase): void {
  const chunkContext: ChunkContext = { countTokens: countWordPieces, ...context };

  const holds = (document: Document, chunks: readonly Chunk[], most: number | undefined, part: Chunker): void => {
    expect(chunks.map((chunk) => chunk.text).join("")).toBe(document.text);
    const bytes = Buffer.from(document.text);
    let at = 0;
    for (const [i, chunk] of chunks.entries()) {
      expect(chunk.startByte).toBe(at);
      expect(chunk.endByte).toBeGreaterThan(chunk.startByte);
      expect(bytes.subarray(chunk.startByte, chunk.endByte).toString()).toBe(chunk.text);
      expect(chunk).toMatchObject({ documentId: document.id, uri: document.uri, order: i });
      expect(chunk.id).toBe(
        chunkId(document.id, chunk.startByte, chunk.endByte, chunkerName(part, chunkContext.model)),
      );
      expect(chunk.startLine).toBe(1 + newlines(bytes.subarray(0, chunk.startByte)));
      expect(chunk.endLine).toBe(1 + newlines(bytes.subarray(0, chunk.endByte - 1)));
      if (most !== undefined && [...chunk.text].length > 1) {
        expect(chunkContext.countTokens(chunk.text)).toBeLessThanOrEqual(most);
      }
      at = chunk.endByte;
    }
    expect(at).toBe(bytes.length);
  };

  describe(`${name}: what holds for every chunker`, () => {
    for (const part of chunkers) {
      test(`${part.label}: joined chunks are the text, in order, within the limit, with the right lines`, async () => {
        await fc.assert(
          fc.asyncProperty(anyText, anyName, async (text, uri) => {
            const document = await parseDocument({ uri, bytes: Buffer.from(text) });
            const chunks = await collect(part.chunk(document, chunkContext));
            holds(document, chunks, limit?.(part), part);
            expect(await collect(part.chunk(document, chunkContext))).toEqual(chunks);
          }),
          { numRuns: runs },
        );
      });

      test(`${part.label}: an empty document has no chunks, a stopped one ends with a typed error`, async () => {
        const empty = await parseDocument({ uri: "a.txt", bytes: new Uint8Array() });
        expect(await collect(part.chunk(empty, chunkContext))).toEqual([]);
        const document = await parseDocument({ uri: "a.txt", bytes: Buffer.from("words and words. ".repeat(200)) });
        const stopped = collect(part.chunk(document, { ...chunkContext, signal: AbortSignal.abort() }));
        await expect(stopped).rejects.toMatchObject({ code: "cancelled" });
      });
    }
  });
}

function newlines(bytes: Uint8Array): number {
  let count = 0;
  for (const byte of bytes) if (byte === 10) count++;
  return count;
}
