import type { Chunk } from "../corpus/document.js";
import { utf8Length, wholeIndex } from "../corpus/lines.js";
import { neighbours } from "./map-reduce.js";

/** Cuts what is to be read into parts that fit a model's window: whole chunks packed together, chunks that are too long cut at
 *  blank lines, lines, sentences or words. Nothing is left out and nothing is read twice. */

export type ReadChunk = Pick<Chunk, "uri" | "text" | "startByte" | "endByte" | "startLine" | "endLine">;

export interface ReadPart {
  readonly chunks: readonly ReadChunk[];
  readonly tokens: number;
}

type CountTokens = (text: string) => number;

/** Parts of at most `most` tokens each, as few as fit, of about equal size. */
export function packParts(chunks: Iterable<ReadChunk>, most: number, countTokens: CountTokens): ReadPart[] {
  const sized = [...chunks]
    .flatMap((chunk) => fitChunk(chunk, most, countTokens))
    .map((chunk) => ({ chunk, text: countTokens(chunk.text), name: nameTokens(chunk, countTokens) }));
  const tight = pack(sized, most);
  // With the same number of parts, equal ones are better than full ones and a remainder.
  const total = tight.reduce((sum, { tokens }) => sum + tokens, 0);
  const even = pack(sized, Math.min(most, Math.ceil((total / Math.max(1, tight.length)) * 1.05)));
  return even.length === tight.length ? even : tight;
}

/** A part as the model reads it: every document under its name. */
export function partText({ chunks }: ReadPart): string {
  let text = "";
  chunks.forEach((chunk, i) => {
    if (chunks[i - 1]?.uri !== chunk.uri) text += `${text === "" ? "" : "\n\n"}=== ${chunk.uri} ===\n`;
    text += chunk.text;
  });
  return text;
}

/** Two parts out of one that turned out too long; undefined when there is nothing left to halve. */
export function halvePart(part: ReadPart, countTokens: CountTokens): [ReadPart, ReadPart] | undefined {
  const [only] = part.chunks;
  const halves = part.chunks.length > 1 ? neighbours(part.chunks, Math.ceil(part.chunks.length / 2)) : [];
  const [first, second] =
    halves.length > 1 ? halves : only === undefined ? [] : (halveChunk(only)?.map((chunk) => [chunk]) ?? []);
  if (first === undefined || second === undefined) return;
  const size = (chunks: readonly ReadChunk[]) => chunks.reduce((sum, { text }) => sum + countTokens(text), 0);
  return [
    { chunks: first, tokens: size(first) },
    { chunks: second, tokens: size(second) },
  ];
}

function pack(sized: readonly { chunk: ReadChunk; text: number; name: number }[], most: number): ReadPart[] {
  const parts: { chunks: ReadChunk[]; tokens: number }[] = [];
  for (const { chunk, text, name } of sized) {
    const open = parts.at(-1);
    const cost = open?.chunks.at(-1)?.uri === chunk.uri ? text : text + name;
    if (open !== undefined && open.tokens + cost <= most) {
      open.chunks.push(chunk);
      open.tokens += cost;
    } else parts.push({ chunks: [chunk], tokens: text + name });
  }
  return parts;
}

function nameTokens(chunk: ReadChunk, countTokens: CountTokens): number {
  return countTokens(`\n\n=== ${chunk.uri} ===\n`);
}

function fitChunk(chunk: ReadChunk, most: number, countTokens: CountTokens): ReadChunk[] {
  if (countTokens(chunk.text) + nameTokens(chunk, countTokens) <= most) return [chunk];
  return halveChunk(chunk)?.flatMap((half) => fitChunk(half, most, countTokens)) ?? [chunk];
}

function halveChunk(chunk: ReadChunk): [ReadChunk, ReadChunk] | undefined {
  const at = middle(chunk.text);
  if (at <= 0 || at >= chunk.text.length) return;
  const [before, after] = [chunk.text.slice(0, at), chunk.text.slice(at)];
  const byte = chunk.startByte + utf8Length(before);
  const breaks = before.split("\n").length - 1;
  const line = chunk.startLine + breaks;
  return [
    {
      ...chunk,
      text: before,
      endByte: byte,
      endLine: Math.max(chunk.startLine, before.endsWith("\n") ? line - 1 : line),
    },
    { ...chunk, text: after, startByte: byte, startLine: line },
  ];
}

/** The place nearest the middle where a text is best cut, looking at its middle half. */
function middle(text: string): number {
  const centre = text.length / 2;
  for (const pattern of [/\n\s*\n/g, /\n/g, /[.!?…]\s+/g, /[。！？]/g, /\s+/g]) {
    let best = -1;
    for (const match of text.matchAll(pattern)) {
      const end = match.index + match[0].length;
      if (Math.abs(end - centre) <= centre / 2 && Math.abs(end - centre) < Math.abs(best - centre)) best = end;
    }
    if (best > 0) return best;
  }
  return wholeIndex(text, Math.floor(centre));
}
