import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { full } from "../cache/full.js";
import { autoregressive } from "../decode/autoregressive.js";
import { chain } from "../decode/chain.js";
import type { Decoder } from "../decode/decoder.js";
import { rsd } from "../decode/rsd.js";
import { createSampler } from "../decode/sample/sampler.js";
import { specinfer } from "../decode/specinfer.js";
import { topKTree } from "../decode/top-k-tree.js";
import { tinyShape, writeTinyModel } from "../models/tiny-models.case.js";
import { byteTokenizer } from "../text/grammar/byte-tokenizer.case.js";
import { Engine } from "./engine.js";
import { type LoadedModel, loadModel } from "./model.js";

/** Trees of drafts through the real memory: what is kept of a round is what plain decoding would have there. */
describe.each(["llama", "qwen3"] as const)("%s", (architecture) => {
  const tokenizer = byteTokenizer();
  let model: LoadedModel;
  let engine: Engine;
  beforeAll(async () => {
    const tiny = await writeTinyModel(tinyShape(architecture, tokenizer.vocabSize), 3);
    model = await loadModel(tiny.path, { device: "cpu", threads: 1 });
    engine = new Engine(model, tokenizer, { cacheType: "f32", prefixSharing: false });
  });
  afterAll(async () => {
    await engine.close();
    model.close();
  });

  /** The decoder's tokens, and then the logits that one more plain row gets from its memory. */
  async function run(decoder: Decoder, text: string, { maxTokens = 30, temperature = 0 } = {}) {
    let last = new Float32Array(0);
    const sequence = engine.start({
      prompt: tokenizer.encode(text),
      decoder: {
        ...decoder,
        *decode(context) {
          let newest = 0;
          yield* decoder.decode({
            ...context,
            emit(choice) {
              newest = choice.token;
              return context.emit(choice);
            },
          });
          const result = yield { tokens: Int32Array.of(newest), want: "last" };
          last = result.logits(0).slice();
        },
      },
      policy: full(),
      sampler: createSampler({ temperature, seed: 4 }),
      maxTokens,
      ignoreEnd: true,
    });
    const tokens: number[] = [];
    try {
      for await (const piece of sequence.pieces) if (piece.token >= 0) tokens.push(piece.token);
    } finally {
      await engine.settle(sequence);
      engine.release(sequence);
    }
    return { tokens, last, stats: sequence.stats };
  }

  const text = "repeat repeat repeat repeat rep";
  it.each([
    chain(),
    rsd({ shape: "beam", width: 3, depth: 3 }),
    rsd({ shape: "constant", branches: "3-2" }),
    rsd({ draft: "ngram", shape: "beam", width: 4, depth: 2 }),
    rsd(),
    topKTree({ draft: "ngram", branches: "3-2" }),
    specinfer({ draft: "ngram" }),
  ])("$label: tokens and memory of plain decoding", async (decoder) => {
    const plain = await run(autoregressive(), text);
    const ours = await run(decoder, text);
    expect(ours.tokens).toEqual(plain.tokens);
    let worst = 0;
    for (const [i, logit] of ours.last.entries()) worst = Math.max(worst, Math.abs(logit - (plain.last[i] as number)));
    expect(worst).toBeLessThan(1e-4);
    expect(ours.stats.decode["drafted"]).toBeGreaterThan(0);
  });

  it("side by side they do not disturb each other", async () => {
    const decoders = [rsd({ draft: "ngram", shape: "beam" }), chain(), autoregressive(), topKTree({ draft: "ngram" })];
    const apart = [];
    for (const decoder of decoders) apart.push((await run(decoder, text)).tokens);
    const together = await Promise.all(decoders.map(async (decoder) => (await run(decoder, text)).tokens));
    expect(together).toEqual(apart);
  });

  it("drawn tokens are those of plain decoding where the draft is a list", async () => {
    const plain = await run(autoregressive(), text, { temperature: 1.2 });
    const ours = await run(rsd({ shape: "beam" }), text, { temperature: 1.2 });
    expect(ours.tokens).toEqual(plain.tokens);
  });
});
