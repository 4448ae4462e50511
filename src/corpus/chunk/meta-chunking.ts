/** Meta-Chunking: a language model finds where one thought ends, by its surprise or by being asked.
 *  Paper    Zhao et al. 2024, "Meta-Chunking: Learning Efficient Text Segmentation via Logical Perception", arXiv 2410.12788 (v3).
 *           Page: docs/methods/meta-chunking.md
 *  Takes    a document's text; log-probabilities of its tokens (by=perplexity), or the probabilities of two answers (by=margin)
 *  Does     perplexity: a sentence less surprising than both neighbours, by `theta` nats on one side, ends a chunk. margin: a
 *           sentence joins the chunk if "keep" is likelier than "split" by more than the mean of the last `history` times. Then
 *           chunks are joined up to `tokens`
 *  Gives    chunks near `tokens` tokens; one thought longer than twice that is cut at its sentence ends (`split`: longer than once)
 *  Cost     perplexity: one reading of a text up to `window` tokens, two of a longer one, no generation; O(window) memory beside
 *           the text. margin: one prompt a sentence, of about three times chunk and sentence
 *  Differs  the text is tokenised whole and nothing of it is dropped or shortened; long texts are read in windows of their own
 *           instead of a cache that forgets; a chunk never grows without limit; overlap, rewriting and summaries are not part of it
 *  Not      sentence (packs without a model), semantic (similarity of neighbours), code-chunking (for source files)
 *  Errors   unsupported without a model that gives probabilities, and for by=margin with a base model; bad-option for options out of
 *           range; cancelled, with the chunks so far given out */

import { z } from "zod";
import { leastWindow } from "../../text/text-scoring.js";
import type { Document } from "../document.js";
import { textPositions } from "../lines.js";
import { chunksFromRanges } from "./build-chunk.js";
import { type ChunkContext, chunker, chunkerName, mustScore } from "./chunker.js";
import { cutByMargin } from "./margin.js";
import { mergeGroups } from "./merge-groups.js";
import { type Sentence, sentences } from "./sentence-spans.js";
import { cutAtMinima, scoreSentences } from "./surprise.js";

const options = z.object({
  by: z.enum(["perplexity", "margin"]).default("perplexity").describe("perplexity or margin"),
  theta: z
    .number()
    .min(0)
    .optional()
    .describe("perplexity: least depth of a minimum in nats, 0 or more; 0 where chunks are merged, else 0.5"),
  merge: z.boolean().default(true).describe("join neighbours up to `tokens`; true or false"),
  tokens: z.int().min(1).max(1_000_000).default(256).describe("tokens of a merged chunk, 1 to 1,000,000"),
  split: z.boolean().default(false).describe("cut whatever is above `tokens` at its sentence ends; true or false"),
  window: z.int().min(leastWindow).optional().describe(`perplexity: tokens read at once, ${leastWindow} or more`),
  history: z
    .int()
    .min(1)
    .max(1000)
    .default(5)
    .describe("margin: margins that the threshold is the mean of, 1 to 1,000"),
  mode: z
    .enum(["auto", "chunk", "pair"])
    .default("auto")
    .describe("margin: compare with the chunk so far, or only with its last sentence; auto is pair below 1B weights"),
});

type Options = z.output<typeof options>;

export const metaChunking = chunker({
  name: "meta-chunking",
  title: "A language model finds the cuts from its surprise",
  arxiv: "2410.12788",
  options,
  asksModel: () => true,
  create: (chosen, label) =>
    async function* (document, context) {
      const { merge, tokens, split } = chosen;
      const model = mustScore(context, "meta-chunking");
      const groups = groupsOf(document, context, chosen);
      const sizes = { target: merge ? tokens : 0, most: split ? tokens : 2 * tokens, piece: tokens };
      const ranges = mergeGroups(groups, sizes);
      yield* chunksFromRanges(document, chunkerName({ label, asksModel: true }, model), ranges, context.signal);
    },
});

async function* groupsOf(
  { text }: Document,
  context: ChunkContext,
  { by, theta, merge, window, history, mode }: Options,
): AsyncGenerator<Sentence[]> {
  const { countTokens, signal } = context;
  const model = mustScore(context, "meta-chunking");
  const all = sentences(text, countTokens);
  const first = all.next();
  const second = all.next();
  if (first.done === true) return;
  if (second.done === true) {
    yield [first.value];
    return;
  }
  const again = startingWith([first.value, second.value], all);
  if (by === "margin") {
    const pair = (model.parameters ?? Number.POSITIVE_INFINITY) < 1e9;
    const chosen = mode === "auto" ? (pair ? "pair" : "chunk") : mode;
    yield* cutByMargin(text, again, model, context, { mode: chosen, history });
    return;
  }
  const parts = model.scoring.tokenLogProbs(text, { window, signal });
  yield* cutAtMinima(scoreSentences(again, parts, textPositions(text)), theta ?? (merge ? 0 : 0.5));
}

function* startingWith<Item>(first: readonly Item[], rest: Iterable<Item>): Generator<Item> {
  yield* first;
  yield* rest;
}
