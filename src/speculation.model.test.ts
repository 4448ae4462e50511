import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { autoregressive } from "./decode/autoregressive.js";
import { chain } from "./decode/chain.js";
import type { DecodeContext, Decoder } from "./decode/decoder.js";
import { NgramDraft } from "./decode/draft/ngram.js";
import { rsd } from "./decode/rsd.js";
import { createSampler } from "./decode/sample/sampler.js";
import { Lottery } from "./decode/speculate/lottery.js";
import { recursiveRejection } from "./decode/speculate/rules.js";
import { chiSquare, chiSquareTail, randomOf } from "./decode/speculate/table-model.case.js";
import { DraftTree } from "./decode/speculate/tree.js";
import { topKTree } from "./decode/top-k-tree.js";
import { Quire } from "./quire.js";
import { testModel } from "./weights/test-models.js";

/** Level 3 of exactness: greedy tokens on a real model. Products of one row and of several are computed by different kernels, and
 *  with weights of four bits that moves logits; strictly, both sides compute the same number of rows. */
const source =
  "The daemon reads its settings when it starts. Settings that survive a restart are written to disk every ten seconds; all others are kept in memory only.";
const prompts = [
  `${source}\n\n${source}\n\nThe daemon reads`,
  "const a = 1;\nconst b = 2;\nconst c = 3;\nconst d =",
  "Once upon a time there was a lighthouse keeper who",
];
const maxTokens = 24;

describe("SmolLM2-135M", () => {
  let quire: Quire;
  beforeAll(async () => {
    quire = await Quire.open(await testModel("smollm2-135m-instruct"), { device: "cpu", threads: 1, cacheType: "f32" });
  });
  afterAll(() => quire.close());

  /** Every call after the prompt computes so many rows: those that were not asked for are taken back. */
  function padded({ decode, ...part }: Decoder, rows: number): Decoder {
    return {
      ...part,
      rewinds: true,
      *decode(context: DecodeContext) {
        const { memory } = context;
        let asked = 0;
        const inner = decode({
          ...context,
          memory: {
            get length() {
              return memory.length;
            },
            rewind: (length) => memory.rewind(length),
            keepRows: (_, kept) => memory.keepRows(rows, kept),
          },
        });
        let step = inner.next(undefined as never);
        let isPrompt = true;
        while (step.done !== true) {
          const request = step.value;
          if (isPrompt) {
            step = inner.next(yield request);
            isPrompt = false;
            continue;
          }
          asked = request.tokens.length;
          if (asked > rows) throw new Error(`${asked} rows are more than ${rows}.`);
          const tokens = new Int32Array(rows);
          tokens.set(request.tokens);
          const base = memory.length;
          if (request.sees?.kind === "tree") {
            const parents = new Int32Array(rows).fill(-1);
            parents.set(request.sees.parents);
            const result = yield { tokens, want: "all", sees: { kind: "tree", parents } };
            step = inner.next(result);
          } else {
            const result = yield { tokens, want: "all" };
            memory.rewind(base + asked);
            step = inner.next(result);
          }
        }
      },
    };
  }

  it("with equal rows a call, greedy tokens are those of plain decoding", { timeout: 120_000 }, async () => {
    const decoders = [
      chain({ depth: 7 }),
      rsd({ shape: "beam", width: 3, depth: 2 }),
      topKTree({ draft: "ngram", branches: "2-2" }),
    ];
    for (const prompt of prompts) {
      const options = { maxTokens, ignoreEnd: true };
      const plain = await quire.complete(prompt, { ...options, decoder: padded(autoregressive(), 8) });
      for (const decoder of decoders) {
        const ours = await quire.complete(prompt, { ...options, decoder: padded(decoder, 8) });
        expect(ours.tokens).toEqual(plain.tokens);
      }
    }
  });

  it("differs from plain decoding by one row only where two tokens are nearly as likely", {
    timeout: 120_000,
  }, async () => {
    let ties = 0;
    for (const prompt of prompts) {
      const tokens: number[] = [];
      const margins: number[] = [];
      const stream = quire.streamCompletion(prompt, { maxTokens, logprobs: 2, ignoreEnd: true });
      for await (const { token, top } of stream) {
        if (token < 0) continue;
        tokens.push(token);
        margins.push((top?.[0]?.logProb as number) - (top?.[1]?.logProb as number));
      }
      for (const decoder of [chain(), rsd({ shape: "beam" }), rsd()]) {
        const ours = await quire.complete(prompt, { maxTokens, ignoreEnd: true, decoder });
        const at = tokens.findIndex((token, i) => token !== ours.tokens[i]);
        if (at < 0) continue;
        ties++;
        expect(margins[at]).toBeLessThan(0.15);
      }
    }
    expect(ties).toBeLessThanOrEqual(3);
  });

  it("lookups take fewer passes where the text is quoted", { timeout: 60_000 }, async () => {
    for (const decoder of [chain(), rsd({ shape: "beam" })]) {
      const { stats } = await quire.complete(prompts[0] as string, { maxTokens, ignoreEnd: true, decoder });
      expect(stats.passes).toBeLessThan(10);
    }
  });

  it("one node of a tree has the model's law: 31 likeliest tokens and the rest", { timeout: 120_000 }, async () => {
    const contexts = 6;
    const draws = 800;
    const text = quire.tokenizer.encode(`${prompts.join("\n")}\n${source}`);
    const sampler = createSampler({ temperature: 1, seed: 1 });
    const tails: number[] = [];
    for (let context = 0; context < contexts; context++) {
      const prompt = text.slice(0, 12 + 11 * context);
      const logits = await logitsAfter(quire, prompt);
      const draft = new NgramDraft({ vocabSize: logits.length, corpus: text });
      draft.push(prompt);
      const tree = new DraftTree(prompt.at(-1) as number, sampler);
      const target = sampler.law(logits);
      const q = sampler.law(draft.logits(tree.root));
      const likeliest = [...sampler.likeliest(logits, 31)];
      const counts = new Array<number>(32).fill(0);
      const random = randomOf(context + 77);
      for (let i = 0; i < draws; i++) {
        const lottery = new Lottery(q);
        const drawn = Array.from({ length: 3 }, () => {
          const { rest } = lottery;
          return { token: q.tokens[lottery.draw(random())] as number, rest };
        });
        const verdict = recursiveRejection(target, q, drawn, (probability) => random() < probability);
        const token = verdict.residual?.draw(random()) ?? drawn[verdict.accepted]?.token;
        const place = likeliest.indexOf(token as number);
        counts[place < 0 ? 31 : place]!++;
      }
      const expected = likeliest.map((token) => (draws * (target.weights[token] as number)) / target.total);
      expected.push(draws - expected.reduce((sum, count) => sum + count, 0));
      // Cells of few counts are joined with the rest.
      const kept = expected.flatMap((count, place) => (count >= 5 && place < 31 ? [place] : []));
      const join = (all: number[]) => [
        ...kept.map((place) => all[place] as number),
        all.reduce((sum, count, place) => (kept.includes(place) ? sum : sum + count), 0),
      ];
      tails.push(chiSquareTail(chiSquare(join(counts), join(expected)), kept.length));
    }
    expect(Math.min(...tails)).toBeGreaterThan(1e-3 / contexts);
  });
});

async function logitsAfter(quire: Quire, prompt: Int32Array): Promise<Float32Array> {
  let logits = new Float32Array(0);
  const plain = autoregressive();
  const decoder: Decoder = {
    ...plain,
    *decode({ memory, emit, sampler }) {
      const rows = prompt.subarray(memory.length);
      const result = yield { tokens: rows, want: "last" };
      logits = result.logits(rows.length - 1).slice();
      emit(sampler.next(logits, memory.length));
    },
  };
  await quire.complete(quire.tokenizer.decode(prompt), { maxTokens: 1, decoder });
  return logits;
}
