import type { Chunk } from "../../src/corpus/document.js";
import { wholeIndex } from "../../src/corpus/lines.js";
import type { Corpus } from "../../src/corpus-session.js";
import { normalise } from "../ask/evaluate.js";
import type { AskQuestion, GoldPlace } from "../ask/question.js";

/** How well questions find the places that answer them, at the same number of tokens shown, not the same number of chunks. */

export interface Found {
  /** Share of the bytes of the gold places that lie in what is shown. */
  readonly recall: number;
  readonly ndcg: number;
  /** An accepted answer stands in what is shown, as whole words. */
  readonly answer: number;
}

export interface ShownOptions {
  readonly tokens: number;
  countTokens(text: string): number;
}

export async function findFor(corpus: Corpus, question: AskQuestion, options: ShownOptions): Promise<Found> {
  const candidates = await corpus.search(question.question, { k: 30 });
  const chunks = candidates.map(({ chunk }) => chunk);
  const shown = firstTokens(chunks, options);
  const gold = await Promise.all(question.gold.map((place) => rangeOf(corpus, place)));
  const said = ` ${normalise(shown.map(({ text }) => text).join("\n"))} `;
  return {
    recall: coveredShare(gold, shown),
    ndcg: ndcgAt10(gold, chunks),
    answer: Number(question.answers.some((answer) => said.includes(` ${normalise(answer)} `))),
  };
}

interface GoldRange {
  readonly file: string;
  readonly startByte: number;
  readonly endByte: number;
}

type Shown = Pick<Chunk, "uri" | "startByte" | "endByte" | "text">;

/** Chunks by rank until the tokens are used up; the last is cut. */
export function firstTokens(chunks: readonly Chunk[], { tokens, countTokens }: ShownOptions): Shown[] {
  const shown: Shown[] = [];
  let left = tokens;
  for (const { uri, startByte, endByte, text } of chunks) {
    if (left <= 0) break;
    const size = countTokens(text);
    if (size <= left) shown.push({ uri, startByte, endByte, text });
    else {
      const part = text.slice(0, wholeIndex(text, Math.floor((text.length * left) / size)));
      shown.push({ uri, startByte, endByte: startByte + Buffer.byteLength(part), text: part });
    }
    left -= size;
  }
  return shown;
}

async function rangeOf(corpus: Corpus, { file, startByte, endByte, phrase }: GoldPlace): Promise<GoldRange> {
  if (startByte !== undefined && endByte !== undefined) return { file, startByte, endByte };
  const { text } = await corpus.index.document(file);
  const pattern = phrase.split(/\s+/).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const match = new RegExp(pattern.join("\\s+")).exec(text);
  if (match === null) return { file, startByte: 0, endByte: 0 };
  const start = Buffer.byteLength(text.slice(0, match.index));
  return { file, startByte: start, endByte: start + Buffer.byteLength(match[0]) };
}

function shared(place: GoldRange, chunk: Pick<Shown, "uri" | "startByte" | "endByte">): number {
  if (place.file !== chunk.uri) return 0;
  return Math.max(0, Math.min(place.endByte, chunk.endByte) - Math.max(place.startByte, chunk.startByte));
}

function coveredShare(gold: readonly GoldRange[], shown: readonly Shown[]): number {
  const all = gold.reduce((sum, { startByte, endByte }) => sum + endByte - startByte, 0);
  const covered = gold.reduce((sum, place) => sum + shown.reduce((own, chunk) => own + shared(place, chunk), 0), 0);
  return all === 0 ? 0 : covered / all;
}

/** A chunk is relevant that holds half of a place or more; each place counts once. */
function ndcgAt10(gold: readonly GoldRange[], chunks: readonly Chunk[]): number {
  const left = new Set(gold);
  let gain = 0;
  for (const [rank, chunk] of chunks.slice(0, 10).entries()) {
    const hit = [...left].find(
      (place) => 2 * shared(place, chunk) >= place.endByte - place.startByte && shared(place, chunk) > 0,
    );
    if (hit === undefined) continue;
    left.delete(hit);
    gain += 1 / Math.log2(rank + 2);
  }
  const ideal = gold.slice(0, 10).reduce((sum, _, rank) => sum + 1 / Math.log2(rank + 2), 0);
  return ideal === 0 ? 0 : gain / ideal;
}
