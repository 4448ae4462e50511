import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { full } from "../cache/full.js";
import type { CachePolicy } from "../cache/policy.js";
import { window } from "../cache/window.js";
import { autoregressive } from "../decode/autoregressive.js";
import type { Decoder } from "../decode/decoder.js";
import { promptLookup } from "../decode/prompt-lookup.js";
import { createSampler } from "../decode/sample/sampler.js";
import type { MorConfig } from "../models/mor/config.js";
import { mor } from "../models/mor.js";
import { plainMor } from "../models/mor-reference.case.js";
import { type TinyFile, writeTinyFile } from "../models/tiny-file.case.js";
import { type UniversalTransformerConfig, universalTransformer } from "../models/universal-transformer.js";
import { plainUniversal } from "../models/universal-transformer-reference.case.js";
import { byteTokenizer } from "../text/grammar/byte-tokenizer.case.js";
import type { MetadataValue } from "../weights/weight-file.js";
import { Engine } from "./engine.js";
import { type LoadedModel, loadModel } from "./model.js";
import { sarathi } from "./schedule/sarathi.js";

/** Models whose tokens go to different depths, in the whole engine: many sequences, slices, rewinding, one after the other. */

const tokenizer = byteTokenizer();
const base: Record<string, MetadataValue> = {
  vocab_size: tokenizer.vocabSize,
  embedding_length: 16,
  "attention.head_count": 2,
  feed_forward_length: 24,
  context_length: 512,
};
const texts = ["the quick brown fox", "a", "repeat repeat repeat repeat", "0123456789".repeat(9)];

interface Case {
  readonly name: string;
  open(): Promise<{
    path: string;
    greedy(tokens: number[], count: number): number[];
    steps(tokens: number[]): number[];
  }>;
}

const cases: Case[] = [
  {
    name: "universal transformer that freezes",
    open: async () => {
      const fields = { ...base, steps: 4, "halting.halted": "freeze", "halting.epsilon": 0.05 };
      const file: TinyFile<UniversalTransformerConfig> = await writeTinyFile(universalTransformer, fields, {
        seed: 7,
        change: (name, values) => {
          if (name === "halt.bias") values[0] = -0.5;
          if (name === "halt.weight") for (const [i, value] of values.entries()) values[i] = 3 * value;
        },
      });
      const plain = (tokens: number[]) => plainUniversal(file.config, file.tensors, tokens);
      return {
        path: file.path,
        greedy: (tokens, count) => continued(tokens, count, (all) => plain(all).logits),
        steps: (tokens) => plain(tokens).steps,
      };
    },
  },
  {
    name: "mixture of recursions",
    open: async () => {
      const fields = {
        ...base,
        ...{ block_count: 5, recursions: 3, "router.alpha": 0.5, "attention.layer_norm_rms_epsilon": 1e-5 },
      };
      const file: TinyFile<MorConfig> = await writeTinyFile(mor, fields, { seed: 7 });
      const plain = (tokens: number[]) => plainMor(file.config, file.tensors, tokens, "above zero");
      return {
        path: file.path,
        greedy: (tokens, count) => continued(tokens, count, (all) => plain(all).logits),
        steps: (tokens) => {
          const { entered } = plain(tokens);
          return tokens.map((_, at) => entered.filter((rows) => rows.includes(at)).length);
        },
      };
    },
  },
];

function continued(tokens: number[], count: number, logitsOf: (tokens: number[]) => number[][]): number[] {
  const all = [...tokens];
  for (let i = 0; i < count; i++) {
    const last = logitsOf(all).at(-1) as number[];
    all.push(last.indexOf(Math.max(...last)));
  }
  return all.slice(tokens.length);
}

describe.each(cases)("$name", ({ open }) => {
  let opened: Awaited<ReturnType<Case["open"]>>;
  let model: LoadedModel;
  beforeAll(async () => {
    opened = await open();
    model = await loadModel(opened.path, { device: "cpu", threads: 1 });
  });
  afterAll(() => model.close());

  const engineOf = (budget: number, cacheMemoryBytes?: number) =>
    new Engine(model, tokenizer, { cacheType: "f32", schedule: sarathi({ budget }), cacheMemoryBytes });

  async function ask(engine: Engine, text: string, more: { decoder?: Decoder; policy?: CachePolicy } = {}) {
    const sequence = engine.start({
      prompt: tokenizer.encode(text),
      ...{ decoder: autoregressive(), policy: full(), sampler: createSampler({ temperature: 0 }), ...more },
      ...{ maxTokens: 8, ignoreEnd: true },
    });
    const tokens: number[] = [];
    try {
      for await (const piece of sequence.pieces) if (piece.token >= 0) tokens.push(piece.token);
    } finally {
      await engine.settle(sequence);
      engine.release(sequence);
    }
    return { tokens, stats: sequence.stats };
  }

  it("says what the plain computation says, alone and together, in small and large slices", async () => {
    const expected = texts.map((text) => opened.greedy(Array.from(tokenizer.encode(text)), 8));
    for (const budget of [16, 512]) {
      const engine = engineOf(budget);
      const together = await Promise.all(texts.map((text) => ask(engine, text)));
      expect(together.map(({ tokens }) => tokens)).toEqual(expected);
      // And again, with what the engine may have kept of the first time.
      expect((await ask(engine, texts[3] ?? "")).tokens).toEqual(expected[3]);
      await engine.close();
    }
  });

  it("counts how deep tokens went", async () => {
    const engine = engineOf(512);
    const { tokens, stats } = await ask(engine, texts[0] ?? "");
    const all = [...tokenizer.encode(texts[0] ?? ""), ...tokens.slice(0, -1)];
    const counts = new Array<number>(4).fill(0);
    for (const depth of opened.steps(all)) counts[depth - 1] = (counts[depth - 1] ?? 0) + 1;
    while (counts.at(-1) === 0) counts.pop();
    expect(stats.depths).toEqual(counts);
    expect(counts.filter((count) => count > 0).length).toBeGreaterThan(1);
    await engine.close();
  });

  it("takes rows back: drafts copied from the text change nothing", async () => {
    const engine = engineOf(512);
    const text = texts[2] ?? "";
    const drafted = await ask(engine, text, { decoder: promptLookup({ ngram: 1 }) });
    expect(drafted.stats.decode["drafted"]).toBeGreaterThan(0);
    expect(drafted.tokens).toEqual(opened.greedy(Array.from(tokenizer.encode(text)), 8));
    await engine.close();
  });

  it("refuses cache policies, and rows that are no line of text", async () => {
    const engine = engineOf(512);
    await expect(ask(engine, "abc", { policy: window({ budget: 4 }) })).rejects.toThrow(/decides what it holds/);
    const tree: Decoder = {
      ...autoregressive(),
      *decode({ prompt }) {
        yield { tokens: prompt, want: "last", sees: { kind: "block" } };
      },
    };
    await expect(ask(engine, "abc", { decoder: tree })).rejects.toThrow(/one line of text at a time/);
    expect((await ask(engine, "a")).tokens.length).toBe(8);
    await engine.close();
  });
});
