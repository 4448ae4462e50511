import { couldAnswer, type ParsedQuestion, withoutNames } from "./ask-question.js";
import type { Passage, Weigh } from "./support.js";

/** Ranks the sentences of passages by how likely each holds the answer: shared words, likeness of meaning with the names taken out
 *  (where embeddings are at hand), the right names near by, and the right kind of thing in it. */

export type Embed = (texts: readonly string[], signal?: AbortSignal) => Promise<Float32Array[]>;

export interface RankedSentence {
  readonly passage: number;
  readonly sentence: number;
  readonly text: string;
  /** Higher is better; from about 0 to 2.5, comparable between questions. */
  readonly score: number;
  /** Share of the question's own words that stand in it, by weight. */
  readonly overlap: number;
  /** Share of the question's names that stand in it. */
  readonly named: number;
}

/** Passages that have less of the question's names than this (by weight) speak of something else. */
const nameShareNeeded = 0.6;
const wrongKindPenalty = 0.35;
/** What a sentence gains by holding all the names itself. */
export const nameInSentence = 0.3;

/** How much of the question's names each passage has, 0 to 1; 1 where the question names nothing. */
export function nameShares(question: ParsedQuestion, passages: readonly Passage[], weigh: Weigh): number[] {
  let all = 0;
  for (const stem of question.names) all += weigh(stem);
  return passages.map((passage) => {
    if (all === 0) return 1;
    let got = 0;
    for (const stem of question.names) {
      if (passage.about.has(stem) || passage.sentences.some(({ words }) => words.has(stem))) got += weigh(stem);
    }
    return got / all;
  });
}

/** Best first. Empty where no passage has the names the question asks about. */
export async function rankSentences(
  question: ParsedQuestion,
  passages: readonly Passage[],
  weigh: Weigh,
  embed?: Embed,
  signal?: AbortSignal,
): Promise<RankedSentence[]> {
  const shares = nameShares(question, passages, weigh);
  const candidates = passages.flatMap((passage, index) =>
    (shares[index] ?? 0) < nameShareNeeded
      ? []
      : passage.sentences.flatMap((span, sentence) => {
          const text = passage.evidence.chunk.text.slice(span.start, span.end);
          return isHeading(text) ? [] : [{ passage: index, sentence, text, words: span.words }];
        }),
  );
  if (candidates.length === 0) return [];
  const likeness = await likenesses(question, candidates, embed, signal);
  let matter = 0;
  for (const stem of question.matter) matter += weigh(stem);
  return candidates
    .map(({ words, ...candidate }, i) => {
      let got = 0;
      for (const stem of question.matter) if (words.has(stem)) got += weigh(stem);
      const overlap = matter === 0 ? 0 : got / matter;
      const named = [...question.names].filter((stem) => words.has(stem)).length / Math.max(1, question.names.size);
      const kind = couldAnswer(question, candidate.text) ? 0 : wrongKindPenalty;
      const score =
        overlap + (likeness?.[i] ?? 0) + nameInSentence * named + (shares[candidate.passage] ?? 0) - 1 - kind;
      return { ...candidate, score, overlap, named };
    })
    .sort((a, b) => b.score - a.score || a.passage - b.passage || a.sentence - b.sentence);
}

async function likenesses(
  question: ParsedQuestion,
  candidates: readonly { text: string }[],
  embed: Embed | undefined,
  signal: AbortSignal | undefined,
): Promise<number[] | undefined> {
  if (embed === undefined) return;
  const masked = [question.text, ...candidates.map(({ text }) => text)].map((text) =>
    withoutNames(text, question.names),
  );
  const [asked, ...vectors] = await embed(masked, signal);
  return vectors.map((vector) => dot(asked ?? vector, vector));
}

export function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}

function isHeading(text: string): boolean {
  return /^\s*#{1,6}\s/.test(text) || /^[^\n]*\n(=+|-+)$/.test(text) || /^(=+|-+|`{3,}.*|~{3,}.*)$/.test(text);
}
