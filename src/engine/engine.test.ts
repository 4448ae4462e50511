import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { full } from "../cache/full.js";
import type { CachePolicy } from "../cache/policy.js";
import { KeyValueStore } from "../cache/store/key-values.js";
import { window } from "../cache/window.js";
import { autoregressive } from "../decode/autoregressive.js";
import type { Decoder } from "../decode/decoder.js";
import { promptLookup } from "../decode/prompt-lookup.js";
import { createSampler } from "../decode/sample/sampler.js";
import { plainLogits, type TinyModel, tinyShape, writeTinyModel } from "../models/tiny-models.case.js";
import { byteTokenizer } from "../text/grammar/byte-tokenizer.case.js";
import { Engine } from "./engine.js";
import { ForwardPass } from "./forward.js";
import { type LoadedModel, loadModel } from "./model.js";
import { sarathi } from "./schedule/sarathi.js";

const architectures = ["llama", "qwen2", "qwen3", "gemma3"] as const;

describe.each(architectures)("%s", (architecture) => {
  let tiny: TinyModel;
  let model: LoadedModel;
  beforeAll(async () => {
    tiny = await writeTinyModel(tinyShape(architecture));
    model = await loadModel(tiny.path, { device: "cpu", threads: 1 });
  });
  afterAll(() => model.close());

  // GELU comes from a table of f16 numbers in ggml.
  const tolerance = architecture === "gemma3" ? 5e-3 : 2e-4;
  const tokens = Array.from({ length: 23 }, (_, i) => (i * 37 + 11) % 300);

  /** Logits of all rows, fed in slices of a size. */
  async function sliced(size: number, type: "f32" | "f16" = "f32"): Promise<Float32Array[]> {
    const layers = model.architecture.memory(model.config) as {
      kvHeads: number;
      headDim: number;
      kind: "keys-values";
    }[];
    const store = new KeyValueStore(model.device, { layers, type }, 64);
    const pass = new ForwardPass(model);
    const rows: Float32Array[] = [];
    for (let start = 0; start < tokens.length; start += size) {
      const part = Int32Array.from(tokens.slice(start, start + size));
      const positions = part.map((_, i) => start + i);
      const slots = store.reserve(part.length);
      const wanted = part.map((_, i) => i);
      const result = await pass.run([{ store, tokens: part, positions, slots, wanted }]);
      for (const row of wanted) rows.push(result.logits(0, row).slice());
    }
    pass.close();
    store.close();
    return rows;
  }

  it("gives the logits of a plain forward pass, whatever the slices", async () => {
    const expected = plainLogits(tiny, tokens);
    for (const size of [tokens.length, 7, 1]) {
      const got = await sliced(size);
      for (const [row, logits] of got.entries())
        expect(distance(logits, expected[row] as number[])).toBeLessThan(tolerance);
    }
    const half = await sliced(5, "f16");
    for (const [row, logits] of half.entries()) expect(distance(logits, expected[row] as number[])).toBeLessThan(3e-2);
  });
});

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let worst = 0;
  for (let i = 0; i < a.length; i++) worst = Math.max(worst, Math.abs((a[i] as number) - (b[i] as number)));
  return worst;
}

describe("engine", () => {
  let tiny: TinyModel;
  let model: LoadedModel;
  const tokenizer = byteTokenizer();
  beforeAll(async () => {
    tiny = await writeTinyModel(tinyShape("llama", tokenizer.vocabSize), 3);
    model = await loadModel(tiny.path, { device: "cpu", threads: 1 });
  });
  afterAll(() => model.close());

  interface Ask {
    text: string;
    decoder?: Decoder;
    policy?: CachePolicy;
    maxTokens?: number;
    signal?: AbortSignal;
  }

  async function ask(
    engine: Engine,
    { text, decoder = autoregressive(), policy = full(), maxTokens = 40, signal }: Ask,
  ) {
    const sequence = engine.start({
      prompt: tokenizer.encode(text),
      decoder,
      policy,
      sampler: createSampler(),
      maxTokens,
      ignoreEnd: true,
      signal,
    });
    const tokens: number[] = [];
    try {
      for await (const piece of sequence.pieces) if (piece.token >= 0) tokens.push(piece.token);
    } finally {
      await engine.settle(sequence);
      engine.release(sequence);
    }
    return { tokens, stats: sequence.stats, finish: sequence.finishReason };
  }

  const open = (budget = 512) =>
    new Engine(model, tokenizer, {
      cacheType: "f32",
      schedule: sarathi({ budget }),
      maxSequences: Math.min(8, budget),
      prefixSharing: false,
    });
  const texts = [
    "the quick brown fox",
    "a",
    "repeat repeat repeat repeat repeat repeat",
    "x".repeat(150),
    "0123456789".repeat(20),
  ];

  /** Greedy continuation by the plain forward pass: the independent truth. */
  function plainGreedy(text: string, count: number): number[] {
    const tokens = Array.from(tokenizer.encode(text));
    const start = tokens.length;
    for (let i = 0; i < count; i++) {
      const logits = plainLogits(tiny, tokens).at(-1) as number[];
      tokens.push(logits.indexOf(Math.max(...logits)));
    }
    return tokens.slice(start);
  }

  it("continues as the plain forward pass does", async () => {
    const engine = open();
    for (const text of ["the quick brown fox", "a"]) {
      expect((await ask(engine, { text, maxTokens: 16 })).tokens).toEqual(plainGreedy(text, 16));
    }
    await engine.close();
  });

  it("gives each sequence the same tokens alone, together, and for any budget", async () => {
    const alone = open();
    const expected: number[][] = [];
    for (const text of texts) expected.push((await ask(alone, { text })).tokens);
    await alone.close();
    for (const budget of [1, 7, 64, 512]) {
      const engine = open(budget);
      const together = await Promise.all(texts.map((text) => ask(engine, { text })));
      expect(together.map(({ tokens }) => tokens)).toEqual(expected);
      expect(engine.live).toBe(0);
      await engine.close();
    }
  });

  it("uses memory and graphs of an earlier sequence again", async () => {
    const engine = open();
    const first = await ask(engine, { text: "the quick brown fox" });
    const built = engine.pass.stats.graphsBuilt;
    const second = await ask(engine, { text: "a slow brown badger" });
    expect(engine.pass.stats.graphsBuilt).toBe(built);
    await engine.close();
    const fresh = open();
    expect((await ask(fresh, { text: "a slow brown badger" })).tokens).toEqual(second.tokens);
    expect((await ask(fresh, { text: "the quick brown fox" })).tokens).toEqual(first.tokens);
    await fresh.close();
  });

  it("speculates without changing a token", async () => {
    const engine = open();
    for (const text of texts) {
      const plain = await ask(engine, { text, maxTokens: 80 });
      const drafted = await ask(engine, { text, maxTokens: 80, decoder: promptLookup({ draft: 6, ngram: 2 }) });
      expect(drafted.tokens).toEqual(plain.tokens);
      expect(drafted.stats.cacheEntries).toBe(plain.stats.cacheEntries);
    }
    await engine.close();
  });

  it("keeps a window of the stated size, and everything when the budget is large", async () => {
    const engine = open();
    const text = "0123456789".repeat(20);
    const whole = await ask(engine, { text });
    expect((await ask(engine, { text, policy: window({ budget: 1000 }) })).tokens).toEqual(whole.tokens);
    const small = await ask(engine, { text, policy: window({ budget: 32 }), maxTokens: 20 });
    expect(small.stats.cacheEntries).toBe(32);
    expect(small.stats.cacheBytes).toBeLessThan(whole.stats.cacheBytes);
    await engine.close();
  });

  it("stops at the limit of the context and refuses what cannot fit", async () => {
    const engine = new Engine(model, tokenizer, { contextTokens: 32 });
    const { tokens, finish } = await ask(engine, { text: "x".repeat(30), maxTokens: 100 });
    expect(tokens).toHaveLength(2);
    expect(finish).toBe("length");
    await expect(ask(engine, { text: "x".repeat(32) })).rejects.toMatchObject({ code: "context-overflow", got: 32 });
    await expect(ask(engine, { text: "" })).rejects.toMatchObject({ code: "bad-input" });
    await expect(ask(engine, { text: "x", maxTokens: 0 })).rejects.toMatchObject({ code: "bad-option" });
    await expect(
      ask(engine, { text: "x", decoder: promptLookup(), policy: window({ budget: 8 }) }),
    ).rejects.toMatchObject({
      code: "bad-option",
    });
    expect(() => new Engine(model, tokenizer, { contextTokens: 1e9 })).toThrow(/context/);
    await engine.close();
  });

  it("stops one sequence on request and lets the others go on", async () => {
    const engine = open();
    const stop = new AbortController();
    const others = ask(engine, { text: "the quick brown fox", maxTokens: 60 });
    const stopped = ask(engine, { text: "a", maxTokens: 2000, signal: stop.signal });
    setTimeout(() => stop.abort(), 20);
    await expect(stopped).rejects.toMatchObject({ code: "cancelled" });
    expect((await others).tokens).toHaveLength(60);
    expect(engine.live).toBe(0);
    await engine.close();
  });

  it("survives a reader that leaves, and being closed in its midst", async () => {
    const engine = open();
    const request = { decoder: autoregressive(), policy: full(), maxTokens: 500, ignoreEnd: true };
    const left = engine.start({ ...request, prompt: tokenizer.encode("leave"), sampler: createSampler() });
    for await (const _ of left.pieces) break;
    await engine.settle(left);
    engine.release(left);
    expect(engine.live).toBe(0);
    const open2 = engine.start({ ...request, prompt: tokenizer.encode("close"), sampler: createSampler() });
    await engine.close();
    await expect(
      (async () => {
        for await (const _ of open2.pieces);
      })(),
    ).rejects.toMatchObject({ code: "cancelled" });
  });

  it("uses the memory of an earlier turn", async () => {
    const engine = open();
    const base = { decoder: autoregressive(), policy: full(), maxTokens: 10, ignoreEnd: true };
    const prompt = tokenizer.encode("a long beginning that both turns share, ");
    const first = engine.start({ ...base, prompt, sampler: createSampler(), keepMemory: true });
    const tokens: number[] = [];
    for await (const piece of first.pieces) if (piece.token >= 0) tokens.push(piece.token);
    await engine.settle(first);
    const longer = Int32Array.from([...prompt, ...tokens.slice(0, 5), ...tokenizer.encode("and then")]);
    const second = engine.start({ ...base, prompt: longer, sampler: createSampler(), resume: first.held() });
    const resumed: number[] = [];
    for await (const piece of second.pieces) if (piece.token >= 0) resumed.push(piece.token);
    await engine.settle(second);
    engine.release(second);
    expect(second.stats.cachedTokens).toBe(prompt.length + 5);
    const fresh = engine.start({ ...base, prompt: longer, sampler: createSampler() });
    const expected: number[] = [];
    for await (const piece of fresh.pieces) if (piece.token >= 0) expected.push(piece.token);
    expect(resumed).toEqual(expected);
    await engine.close();
  });
});
