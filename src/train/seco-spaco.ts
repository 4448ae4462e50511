import { z } from "zod";
import { RandomStream } from "../tensor/random.js";
import { ChunkedGradients } from "./chunked/gradients.js";
import { chooseChunks, everyChunk, samplings } from "./chunked/sampling.js";
import { trainer } from "./trainer.js";
import { totalWeight } from "./training-step.js";

/** SeCO and SpaCO: train on long sequences chunk by chunk, exactly or with backward passes through a few chunks only.
 *  Paper    Training Long-Context LLMs Efficiently via Chunk-wise Optimization, arXiv 2505.16710. Page: docs/methods/seco-spaco.md
 *  Takes    token batches [S, n] and a model over keys and values; all of its weights are learnt, or adapters beside them
 *  Does     reads all chunks without keeping anything but keys and values f32 [K, n, D] a layer; then, the last chunk first, builds
 *           each once more, runs it backwards from its own loss and from what later chunks left for its keys and values, and adds
 *           what it finds to the parameters' gradients and to those of earlier keys and values. With a budget only a sample of the
 *           chunks is learnt from, and what survives is enlarged so that the gradient is right on average
 *  Cost     memory of one chunk's graph, whatever n, beside 16·K·D bytes a token and layer; 4/3 of the products of a plain step and
 *           the scores of attention computed once more. With a budget of t of k chunks: one forward and t/k of the rest
 *  Differs  from the paper's sampling: `bernoulli` (default) and `fixed` are unbiased where the published factors are not; the scores
 *           of a chunk over a long past are computed by blocks of rows, so that they too do not grow with n
 *  Not      recompute (keeps whole sequences, computes layers again), sarathi (the same cut of a prompt, for serving)
 *  Errors   bad-option for chunk, budget and hop-cap out of range; unsupported for capped scores and other first positions; diverged
 *           with the chunk's number where its loss is not finite, the parameters untouched */
export const secoSpaco = trainer({
  name: "seco-spaco",
  title: "Train on long sequences chunk by chunk, with the memory of one chunk",
  arxiv: "2505.16710",
  options: z.object({
    chunk: z.int().min(1).max(65_536).default(256).describe("Tokens of a chunk: as many as memory allows."),
    budget: z
      .int()
      .min(1)
      .optional()
      .describe("Chunks of a sequence that are learnt from (SpaCO); default all of them (SeCO)."),
    sampling: z
      .enum(samplings)
      .default("bernoulli")
      .describe("How a budget chooses: bernoulli and fixed are right on average, paper as published, answer-half."),
    "hop-cap": z
      .number()
      .min(1)
      .optional()
      .describe("Limit of the factor by which a step back into an earlier chunk is enlarged; the paper advises 2."),
  }),
  create: ({ chunk, budget, sampling, "hop-cap": hopCap = Number.POSITIVE_INFINITY }, model, seed) => {
    let step = 0;
    let sequence = 0;
    const chunked = new ChunkedGradients(model, {
      chunkSize: chunk,
      choose: ({ chunks, answers }) => {
        if (budget === undefined) return everyChunk(chunks);
        const random = new RandomStream(seed, `chunks of step ${step}, sequence ${sequence++}`);
        return chooseChunks(chunks, { budget, sampling, hopCap, answers }, random);
      },
    });
    return {
      gradients: async (batch, moment) => {
        step = moment.step;
        sequence = 0;
        const { loss, gradients, ...figures } = await chunked.run(batch, totalWeight(batch), moment.signal);
        return { loss, gradients, figures };
      },
      evaluate: (batch, signal) => chunked.evaluate(batch, totalWeight(batch), signal),
      close: () => chunked.close(),
    };
  },
});
