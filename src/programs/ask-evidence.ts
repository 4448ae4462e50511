import type { Evidence } from "../corpus/select/selector.js";
import type { Passage } from "./support.js";

/** What `ask` shows as evidence. Every quote is cut from the passage by its bytes and compared before it is shown, so a quote that
 *  is not the document's text at that place cannot come out. */

export interface Quote {
  readonly startByte: number;
  readonly endByte: number;
  readonly startLine: number;
  readonly endLine: number;
  readonly quote: string;
}

export interface AnswerEvidence extends Quote {
  /** The number it is cited by. */
  readonly n: number;
  readonly file: string;
  /** The selector's, comparable within one answer only. */
  readonly score: number;
  readonly reason: string;
  readonly cited: boolean;
  /** The whole passage that the quote is from. */
  readonly passage: Omit<Quote, "quote">;
}

export interface AnswerCitation extends Quote {
  readonly n: number;
  readonly file: string;
  /** Where its [n] stands in the answer (UTF-16). */
  readonly at: number;
  readonly sentence: string;
  /** Share of the sentence's words, by weight, that stand in the quote. */
  readonly support: number;
  /** Whether the model wrote it or it was found for what the model wrote. */
  readonly by: "model" | "attribution";
}

export type ReadRange = (
  range: Pick<Evidence["chunk"], "documentId" | "uri" | "startByte" | "endByte">,
) => Promise<string | undefined> | string | undefined;

/** Evidence that can be quoted and is still what the document says, and how much no longer is. Without a reader the passages are
 *  taken as they are. */
export async function unchanged(
  evidence: readonly Evidence[],
  readRange: ReadRange | undefined,
): Promise<{ evidence: Evidence[]; stale: number }> {
  const quotable = evidence.filter(({ chunk: { text } }) => text.trim() !== "" && !/\p{Surrogate}/u.test(text));
  if (readRange === undefined) return { evidence: quotable, stale: 0 };
  const texts = await Promise.all(quotable.map(({ chunk }) => readRange(chunk)));
  const kept = quotable.filter(({ chunk }, i) => texts[i] === chunk.text);
  return { evidence: kept, stale: quotable.length - kept.length };
}

/** Sentences [first, last] of a passage as a quote; undefined where bytes and text do not agree. */
export function quoteSentences(passage: Passage, first: number, last: number): Quote | undefined {
  const start = passage.sentences[first]?.start;
  const end = passage.sentences[last]?.end;
  return start === undefined || end === undefined ? undefined : quoteAt(passage, start, end);
}

export function quotePassage(passage: Passage): Quote | undefined {
  const { text } = passage.evidence.chunk;
  const start = text.length - text.trimStart().length;
  return quoteAt(passage, start, Math.max(start, text.trimEnd().length));
}

function quoteAt({ evidence: { chunk }, positions }: Passage, start: number, end: number): Quote | undefined {
  const quote = chunk.text.slice(start, end);
  const startByte = positions.byteOfIndex(start);
  const endByte = positions.byteOfIndex(end);
  const decoded = Buffer.from(chunk.text, "utf8").subarray(startByte, endByte).toString("utf8");
  if (decoded !== quote || quote === "") return;
  const { startLine, endLine } = positions.linesOfBytes(startByte, endByte);
  return {
    startByte: chunk.startByte + startByte,
    endByte: chunk.startByte + endByte,
    startLine: chunk.startLine + startLine - 1,
    endLine: chunk.startLine + endLine - 1,
    quote,
  };
}
