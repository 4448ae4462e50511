import { describe, expect, it } from "vitest";
import type { TokenMask } from "../text/tokenizer.js";
import { autoregressive } from "./autoregressive.js";
import { chain } from "./chain.js";
import { rsd } from "./rsd.js";
import { createSampler } from "./sample/sampler.js";
import { probabilities, randomTable, runTable, type TableModel } from "./speculate/table-model.case.js";

/** What the parts do is tested beside them: `speculate/rules.test.ts` has the worked numbers, `grow.test.ts` the beams,
 *  `exactness.test.ts` the law of what comes out, `speculate.test.ts` equality with plain decoding. Here: the method as it is used. */

const vocabSize = 5;
const target = randomTable(vocabSize, 41, 3);
const draft = randomTable(vocabSize, 42, 3);
const prompt = [1, 2];
const shapes = [
  rsd({ draft: "model:TABLE", shape: "beam", width: 3, depth: 3 }),
  rsd({ draft: "model:TABLE", shape: "constant", branches: "3-2" }),
  rsd({ draft: "model:TABLE" }),
  rsd({ draft: "ngram", shape: "beam" }),
];

/** A grammar: no token follows itself or its double. */
function noNeighbours(last = 0): TokenMask {
  let newest = last;
  return {
    apply(logits) {
      logits[newest] = Number.NEGATIVE_INFINITY;
      logits[(2 * newest) % vocabSize] = Number.NEGATIVE_INFINITY;
    },
    accept(token) {
      if (token === newest || token === (2 * newest) % vocabSize) throw new Error(`${token} after ${newest}`);
      newest = token;
    },
    clone: () => noNeighbours(newest),
    close() {},
  };
}

describe("rsd", () => {
  it("accepts one of three draws with probability 1 where the draft has three tokens, and two of them with 283/350", () => {
    const t: TableModel = () => [0.5, 0.3, 0.2].map(Math.log);
    const q: TableModel = () => [0.2, 0.5, 0.3].map(Math.log);
    const rate = (branches: string): number => {
      const { decode } = rsd({ draft: "model:TABLE", shape: "constant", branches });
      const sampler = createSampler({ temperature: 1, seed: 2 });
      let [accepted, tested] = [0, 0];
      for (let stream = 0; stream < 400; stream++) {
        const run = runTable(decode, {
          prompt: [0],
          target: t,
          draft: q,
          maxTokens: 60,
          sampler: sampler.fork(stream),
        });
        accepted += run.stats["acceptedAtDepth1"] ?? 0;
        tested += run.stats["testedAtDepth1"] as number;
      }
      expect(tested).toBeGreaterThan(10_000);
      return accepted / tested;
    };
    expect(rate("3")).toBe(1);
    expect(Math.abs(rate("2") - 283 / 350)).toBeLessThan(0.012);
    expect(Math.abs(rate("1") - 0.7)).toBeLessThan(0.012);
  });

  it.each(shapes)("$label keeps to a grammar and to penalties, node by node", ({ decode }) => {
    for (const temperature of [0, 1]) {
      const sampler = () => createSampler({ temperature, seed: 6, frequencyPenalty: 0.4 }, { mask: noNeighbours(2) });
      const run = runTable(decode, { prompt, target, draft, maxTokens: 60, sampler: sampler() });
      for (const [i, token] of run.tokens.entries()) {
        const before = i === 0 ? 2 : (run.tokens[i - 1] as number);
        expect([before, (2 * before) % vocabSize]).not.toContain(token);
      }
      if (temperature > 0) continue;
      const plain = runTable(autoregressive().decode, { prompt, target, maxTokens: 60, sampler: sampler() });
      expect(run.tokens).toEqual(plain.tokens);
    }
  });

  it("reports probabilities under the model, also of accepted drafts", () => {
    const run = runTable((shapes[0] as (typeof shapes)[0]).decode, {
      ...{ prompt, target, draft, maxTokens: 40 },
      sampling: { temperature: 0.8, seed: 3, logprobs: 1 },
    });
    const text = [...prompt];
    for (const { token, logProb, top } of run.choices) {
      expect(logProb).toBeCloseTo(Math.log(probabilities(target(text), 0.8)[token] as number), 4);
      expect(top?.length).toBeGreaterThan(0);
      text.push(token);
    }
  });

  it("draws the same text for the same seed, another for another", () => {
    const { decode } = shapes[0] as (typeof shapes)[0];
    const tokens = (seed: number) =>
      runTable(decode, { prompt, target, draft, maxTokens: 40, sampling: { temperature: 1, seed } }).tokens;
    expect(tokens(1)).toEqual(tokens(1));
    expect(tokens(1)).not.toEqual(tokens(2));
  });

  it("gives more tokens a call the wider it is", () => {
    const perCall = (decoder: ReturnType<typeof rsd>) => {
      const options = { prompt, target, draft, maxTokens: 400, sampling: { temperature: 1, seed: 8 } };
      return runTable(decoder.decode, options).stats["tokensPerCall"] as number;
    };
    const line = perCall(chain({ draft: "model:TABLE", depth: 3, adapt: false }));
    const two = perCall(rsd({ draft: "model:TABLE", shape: "beam", width: 2, depth: 3 }));
    const four = perCall(rsd({ draft: "model:TABLE", shape: "beam", width: 4, depth: 3 }));
    expect(two).toBeGreaterThan(line);
    expect(four).toBeGreaterThan(two);
  });
});
