/** Margin sampling: a model is asked, sentence by sentence, whether the next one belongs to what was gathered so far, and the
 *  difference of the two answers' probabilities is compared with what it was of late. */

import { QuireError, throwIfAborted } from "../../errors.js";
import type { TextScoring } from "../../text/text-scoring.js";
import type { ChunkContext, ChunkModel } from "./chunker.js";
import type { Sentence } from "./sentence-spans.js";

export interface MarginOptions {
  /** Against all of the chunk so far, or against its last sentence only. */
  readonly mode: "chunk" | "pair";
  /** Margins that the threshold is the mean of. */
  readonly history: number;
}

type ScoringModel = ChunkModel & { readonly scoring: TextScoring };

/** Pairs do not depend on each other, so several are asked at once. */
const pairsAtOnce = 8;
const answers = ["1", "2"] as const;
/** Tokens that a chat template puts around a prompt, and the answer. */
const frameTokens = 64;

export async function* cutByMargin(
  text: string,
  sentences: Iterable<Sentence>,
  model: ScoringModel,
  context: Pick<ChunkContext, "countTokens" | "signal">,
  { mode, history }: MarginOptions,
): AsyncGenerator<Sentence[]> {
  const { signal, countTokens } = context;
  mustBeTokens(model, countTokens);
  const of = ({ start, end }: Pick<Sentence, "start" | "end">): string => text.slice(start, end);
  const ask = async (first: string, second: string): Promise<number | undefined> => {
    throwIfAborted(signal);
    const prompt = marginPrompt(first, second);
    if (countTokens(prompt) + frameTokens > model.contextTokens) return undefined;
    const [split = 0, keep = 0] = await model.scoring.choose(prompt, answers, signal);
    return keep - split;
  };
  const joins = threshold(history);
  let group: Sentence[] = [];
  const batch: Sentence[] = [];
  let before: Sentence | undefined;

  const place = function* (sentence: Sentence, margin: number | undefined): Generator<Sentence[]> {
    if (group.length > 0 && !joins(margin)) {
      yield group;
      group = [];
    }
    group.push(sentence);
  };
  const flush = async function* (): AsyncGenerator<Sentence[]> {
    const firsts = [before, ...batch];
    const margins = await Promise.all(
      batch.map((sentence, i) => (firsts[i] === undefined ? undefined : ask(of(firsts[i]), of(sentence)))),
    );
    for (const [i, sentence] of batch.entries()) yield* place(sentence, margins[i]);
    before = batch.at(-1) ?? before;
    batch.length = 0;
  };

  for (const sentence of sentences) {
    if (mode === "pair") {
      batch.push(sentence);
      if (batch.length === pairsAtOnce) yield* flush();
      continue;
    }
    const [first] = group;
    const margin = first === undefined ? undefined : await ask(of({ ...first, end: group.at(-1)!.end }), of(sentence));
    yield* place(sentence, margin);
  }
  yield* flush();
  if (group.length > 0) yield group;
}

/** Decides one margin after the other. The threshold is 0 until there are enough margins, then their mean; ties cut. What was not
 *  asked, because it was too long, cuts and is not remembered. */
export function threshold(history: number): (margin: number | undefined) => boolean {
  const margins: number[] = [];
  let theta = 0;
  return (margin) => {
    if (margin === undefined) return false;
    const joins = margin > theta;
    margins.push(margin);
    if (margins.length > history) margins.shift();
    if (margins.length === history) theta = margins.reduce((sum, value) => sum + value, 0) / history;
    return joins;
  };
}

export function marginPrompt(first: string, second: string): string {
  const [a, b] = [first.trim(), second.trim()];
  return `This is a text chunking task. Judge by logical structure and content whether two pieces of a text belong together.

Option 1: split the text into two chunks.
Chunk: "${a}"
Chunk: "${b}"

Option 2: keep the text as one chunk.
Chunk: "${a} ${b}"

Which option is right? Answer with 1 or 2 only.`;
}

function mustBeTokens(model: ChunkModel, countTokens: (text: string) => number): void {
  const long = answers.filter((answer) => countTokens(answer) !== 1);
  if (long.length === 0) return;
  throw new QuireError("unsupported", `${model.id} writes the answers 1 and 2 with several tokens.`, {
    got: long,
    expected: "answers of one token",
    fix: "Use meta-chunking:by=perplexity, which asks nothing.",
  });
}
