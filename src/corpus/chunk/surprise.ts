/** How surprising each sentence is to a language model, and the cuts that follow: a chunk ends where surprise is lowest, which is
 *  where a thought is complete. Streams: a chunk comes out as soon as the sentence after it is scored. */

import type { TokenLogProbs } from "../../text/text-scoring.js";
import type { TextPositions } from "../lines.js";
import type { Sentence } from "./sentence-spans.js";

export interface ScoredSentence extends Sentence {
  /** Mean of −ln p over the sentence's tokens. */
  readonly score: number;
}

/** A token counts for the sentence that holds its last byte; a sentence without one has the score of the sentence before. */
export async function* scoreSentences(
  sentences: Iterable<Sentence>,
  parts: AsyncIterable<TokenLogProbs>,
  positions: Pick<TextPositions, "byteOfIndex">,
): AsyncGenerator<ScoredSentence> {
  const rest = sentences[Symbol.iterator]();
  let current = rest.next();
  if (current.done === true) return;
  let endByte = positions.byteOfIndex(current.value.end);
  let [sum, count, last] = [0, 0, 0];
  const close = (sentence: Sentence): ScoredSentence => {
    last = count === 0 ? last : sum / count;
    [sum, count] = [0, 0];
    return { ...sentence, score: last };
  };
  for await (const { endBytes, logProbs } of parts) {
    for (let i = 0; i < endBytes.length; i++) {
      while (endBytes[i]! > endByte) {
        const sentence = current.value as Sentence;
        current = rest.next();
        if (current.done === true) break;
        yield close(sentence);
        endByte = positions.byteOfIndex(current.value.end);
      }
      if (current.done === true) return;
      sum -= logProbs[i]!;
      count++;
    }
  }
  while (current.done !== true) {
    yield close(current.value);
    current = rest.next();
  }
}

/** Whether the middle one of three scores is a minimum that is `theta` deep on at least one side. */
export function isMinimum(before: number, score: number, after: number, theta: number): boolean {
  if (!(score < before)) return false;
  if (score === after) return before - score >= theta;
  return score < after && (before - score >= theta || after - score >= theta);
}

/** Sentences in groups, each ending with a minimum. */
export async function* cutAtMinima(
  scored: AsyncIterable<ScoredSentence>,
  theta: number,
): AsyncGenerator<ScoredSentence[]> {
  let group: ScoredSentence[] = [];
  let before: ScoredSentence | undefined;
  let current: ScoredSentence | undefined;
  for await (const next of scored) {
    if (current !== undefined) {
      group.push(current);
      if (before !== undefined && isMinimum(before.score, current.score, next.score, theta)) {
        yield group;
        group = [];
      }
    }
    [before, current] = [current, next];
  }
  if (current !== undefined) yield [...group, current];
}
