/** Semantic: cut between neighbouring sentences that are least alike.
 *  Takes    the document's text; sentence embeddings of the index's embedding model
 *  Does     of the gaps between sentences, cuts those with the lowest cosine, as many as give chunks of `tokens` tokens on average;
 *           what is longer than that is cut at its sentence ends
 *  Gives    chunks of at most `tokens` tokens; only a sentence may be longer
 *  Cost     one embedding a sentence; gaps are ranked among 2,000 sentences at a time, so memory does not grow with the text
 *  Not      meta-chunking (asks a language model); it is what that is compared with
 *  Errors   unsupported without an embedding model */

import { z } from "zod";
import { QuireError, throwIfAborted } from "../../errors.js";
import { chunksFromRanges } from "./build-chunk.js";
import { chunker } from "./chunker.js";
import { mergeGroups } from "./merge-groups.js";
import { chunkTokens } from "./options.js";
import { type Sentence, sentences } from "./sentence-spans.js";

const sentencesAtOnce = 2000;

type Embed = (texts: readonly string[], signal?: AbortSignal) => Promise<Float32Array[]>;

export const semantic = chunker({
  name: "semantic",
  title: "cut where neighbouring sentences are least alike",
  options: z.object({ tokens: chunkTokens }),
  embeds: true,
  create: ({ tokens }, label) =>
    async function* (document, { countTokens, embed, signal }) {
      if (embed === undefined) {
        throw new QuireError("unsupported", "semantic needs an embedding model.", {
          got: "no embedding model",
          expected: "an embedder of sentences",
          fix: "Choose one (--embedder), or a chunker that needs none, such as recursive.",
        });
      }
      const groups = groupsOf(document.text, sentences(document.text, countTokens), tokens, embed, signal);
      const sizes = { target: 0, most: tokens, piece: tokens };
      yield* chunksFromRanges(document, label, mergeGroups(groups, sizes), signal);
    },
});

async function* groupsOf(
  text: string,
  all: Iterable<Sentence>,
  tokens: number,
  embed: Embed,
  signal: AbortSignal | undefined,
): AsyncGenerator<Sentence[]> {
  let block: Sentence[] = [];
  const cut = async function* (): AsyncGenerator<Sentence[]> {
    throwIfAborted(signal);
    const vectors = await embed(
      block.map(({ start, end }) => text.slice(start, end)),
      signal,
    );
    const starts = leastAlike(block, vectors, tokens);
    for (const [i, start] of starts.entries()) yield block.slice(start, starts[i + 1]);
    block = [];
  };
  for (const sentence of all) {
    block.push(sentence);
    if (block.length === sentencesAtOnce) yield* cut();
  }
  // One sentence alone needs no comparison.
  if (block.length === 1) yield block;
  else if (block.length > 1) yield* cut();
}

/** First sentence of each group. */
export function leastAlike(block: readonly Sentence[], vectors: readonly Float32Array[], tokens: number): number[] {
  const total = block.reduce((sum, sentence) => sum + sentence.tokens, 0);
  const cuts = Math.min(block.length - 1, Math.max(0, Math.round(total / tokens) - 1));
  const gaps = block.slice(1).map((_, i) => ({ at: i + 1, likeness: cosine(vectors[i]!, vectors[i + 1]!) }));
  gaps.sort((a, b) => a.likeness - b.likeness || a.at - b.at);
  return [0, ...gaps.slice(0, cuts).map(({ at }) => at)].sort((a, b) => a - b);
}

function cosine(a: Float32Array, b: Float32Array): number {
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!;
    aa += a[i]! ** 2;
    bb += b[i]! ** 2;
  }
  return aa === 0 || bb === 0 ? 0 : dot / Math.sqrt(aa * bb);
}
