import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { full } from "../cache/full.js";
import type { CachePolicy } from "../cache/policy.js";
import { snapkv } from "../cache/snapkv.js";
import { KeyValueStore } from "../cache/store/key-values.js";
import { window } from "../cache/window.js";
import { autoregressive } from "../decode/autoregressive.js";
import type { Decoder } from "../decode/decoder.js";
import { independent } from "../decode/independent.js";
import { createSampler } from "../decode/sample/sampler.js";
import type { SamplerOptions } from "../decode/sample/sampler-options.js";
import { treepo } from "../decode/treepo.js";
import { plainLogits, type TinyModel, tinyShape, writeTinyModel } from "../models/tiny-models.case.js";
import { byteTokenizer } from "../text/grammar/byte-tokenizer.case.js";
import { grammarFor } from "../text/grammar/grammar.js";
import type { TokenMask } from "../text/tokenizer.js";
import { BranchMemory } from "./branch-memory.js";
import { Engine } from "./engine.js";
import type { EngineOptions } from "./engine-options.js";
import { ForwardPass } from "./forward.js";
import { type LoadedModel, loadModel } from "./model.js";
import type { Sequence } from "./sequence.js";
import type { HeldMemory } from "./sequence-options.js";

/** Decoders that branch, in the engine: every answer is what it would be alone. */

const tokenizer = byteTokenizer();
const text = "a beginning that all answers share, long enough for more than one block: ";

interface Ask {
  decoder: Decoder;
  prompt?: string;
  maxTokens?: number;
  seed?: number;
  sampling?: SamplerOptions;
  mask?: TokenMask;
  policy?: CachePolicy;
  signal?: AbortSignal;
  ignoreEnd?: boolean;
  stop?: string[];
}

interface Watched extends Decoder {
  memory?: BranchMemory;
}

/** The same decoder, with its branches kept to be looked at. */
function watched(decoder: Decoder): Watched {
  const made: Watched = {
    ...decoder,
    decode(context) {
      made.memory = context.memory.branches as BranchMemory;
      return decoder.decode(context);
    },
  };
  return made;
}

async function ask(engine: Engine, request: Ask) {
  const { decoder, prompt = text, maxTokens = 24, seed = 1, sampling, mask, policy = full() } = request;
  const sequence = engine.start({
    prompt: tokenizer.encode(prompt),
    decoder,
    policy,
    sampler: createSampler({ temperature: 1, seed, ...sampling }, { mask }),
    maxTokens,
    ...{ signal: request.signal, ignoreEnd: request.ignoreEnd ?? true, stop: request.stop },
  });
  const answers: { tokens: number[]; logProbs: number[]; text: string }[] = [];
  try {
    for await (const { channel = 0, token, logProb, text } of sequence.pieces) {
      answers[channel] ??= { tokens: [], logProbs: [], text: "" };
      if (token >= 0) {
        answers[channel].tokens.push(token);
        answers[channel].logProbs.push(logProb);
      }
      answers[channel].text += text;
    }
  } finally {
    await engine.settle(sequence);
  }
  return { answers, results: sequence.results, stats: sequence.stats };
}

describe.each(["llama", "qwen2", "qwen3", "gemma3"] as const)("%s", (architecture) => {
  let tiny: TinyModel;
  let model: LoadedModel;
  beforeAll(async () => {
    tiny = await writeTinyModel(tinyShape(architecture, tokenizer.vocabSize), 3);
    model = await loadModel(tiny.path, { device: "cpu", threads: 1 });
  });
  afterAll(() => model.close());
  const open = (options: EngineOptions = {}) => new Engine(model, tokenizer, { cacheType: "f32", ...options });

  it("gives answers the probabilities that they have as texts of their own", async () => {
    const engine = open();
    const decoder = watched(treepo({ width: 6, segment: 5, branch: 2 }));
    const { answers, stats } = await ask(engine, { decoder, maxTokens: 18 });
    expect(answers).toHaveLength(6);
    const prompt = Array.from(tokenizer.encode(text));
    const tolerance = architecture === "gemma3" ? 5e-3 : 1e-4;
    for (const { tokens, logProbs } of answers) {
      const logits = plainLogits(tiny, [...prompt, ...tokens]);
      for (const [i, token] of tokens.entries()) {
        const row = logits[prompt.length + i - 1] as number[];
        const most = Math.max(...row);
        const total = row.reduce((sum, logit) => sum + Math.exp(logit - most), 0);
        const expected = (row[token] as number) - most - Math.log(total);
        expect(Math.abs((logProbs[i] as number) - expected)).toBeLessThan(tolerance);
      }
    }
    const { memory } = decoder;
    expect([memory?.live, memory?.references, memory?.entries]).toEqual([0, 0, 0]);
    const { rows = 0, peakEntries = 0, drawnTokens = 0, answerTokens = 0 } = stats.decode;
    expect(peakEntries).toBeLessThanOrEqual(prompt.length + drawnTokens);
    expect(rows).toBeLessThanOrEqual(drawnTokens);
    expect(drawnTokens).toBeLessThan(answerTokens);
    expect(stats.rows).toBe(prompt.length + rows);
    await engine.close();
  });

  it("of one answer equals plain sampling, token for token", async () => {
    const engine = open();
    for (const seed of [1, 2, 3]) {
      const plain = await ask(engine, { decoder: autoregressive(), seed });
      for (const decoder of [treepo({ width: 1, branch: 1, segment: 4 }), independent({ width: 1 })])
        expect((await ask(engine, { decoder, seed })).answers).toEqual(plain.answers);
    }
    await engine.close();
  });

  it("gives every request the answers that it gets alone, whatever runs beside it", async () => {
    const requests: Ask[] = [
      { decoder: treepo({ width: 5, segment: 4 }), seed: 7 },
      { decoder: autoregressive(), seed: 8, prompt: `${text}and more` },
      { decoder: independent({ width: 3 }), seed: 9, prompt: "short" },
      { decoder: treepo({ width: 8, segment: 3, branch: 3 }), seed: 10, maxTokens: 40 },
    ];
    const alone = open({ prefixSharing: false });
    const expected = [];
    for (const request of requests) expected.push((await ask(alone, request)).answers.map(({ tokens }) => tokens));
    await alone.close();
    const together = open();
    // Twice: the second time their beginnings are known.
    for (let round = 0; round < 2; round++) {
      const got = await Promise.all(requests.map((request) => ask(together, request)));
      expect(got.map(({ answers }) => answers.map(({ tokens }) => tokens))).toEqual(expected);
      if (round === 1) expect(got.every(({ stats }, i) => stats.cachedTokens > 0 || i === 2)).toBe(true);
    }
    expect(together.memory.stores).toBe(0);
    await together.close();
  });
});

describe("llama, further", () => {
  let model: LoadedModel;
  beforeAll(async () => {
    const tiny = await writeTinyModel(tinyShape("llama", tokenizer.vocabSize), 3);
    model = await loadModel(tiny.path, { device: "cpu", threads: 1 });
  });
  afterAll(() => model.close());
  const open = (options: EngineOptions = {}) => new Engine(model, tokenizer, { cacheType: "f32", ...options });

  it("gives rows over shared blocks the very bits of rows over copies", async () => {
    const pass = new ForwardPass(model);
    const layers = Array.from({ length: 2 }, () => ({ kvHeads: 2, headDim: 8 }));
    const shape = { layers, type: "f32" } as const;
    const prompt = Int32Array.from(tokenizer.encode(text));
    const read = async (store: KeyValueStore) => {
      const slots = store.reserve(prompt.length);
      await pass.run([{ store, tokens: prompt, positions: slots.positions, slots, wanted: Int32Array.of(0) }]);
    };
    const shared = new KeyValueStore(model.device, shape, 512);
    const copies = [0, 1, 2].map(() => new KeyValueStore(model.device, shape, 512));
    for (const store of [shared, ...copies]) await read(store);
    const memory = new BranchMemory(() => shared);
    const of = Int32Array.of(0, ...memory.fork(0, 2));
    for (let step = 0; step < 30; step++) {
      const tokens = of.map((_, row) => (step * 31 + row * 7 + 5) % tokenizer.vocabSize);
      const positions = memory.positions(of);
      const slots = shared.reserve(3, positions);
      memory.append(of, slots.shared[0] as Int32Array);
      const wanted = Int32Array.of(0, 1, 2);
      const sees = { kind: "branches", of } as const;
      const segment = { store: shared, tokens, positions, slots, wanted, sees, branches: { memory, of } };
      const tree = await pass.run([segment]);
      const got = [0, 1, 2].map((row) => tree.logits(0, row).slice());
      const apart = await pass.run(
        copies.map((store, row) => {
          const own = store.reserve(1);
          const token = tokens.subarray(row, row + 1);
          return { store, tokens: token, positions: own.positions, slots: own, wanted: Int32Array.of(0) };
        }),
      );
      for (const row of [0, 1, 2]) expect(got[row]).toEqual(apart.logits(row, 0).slice());
    }
    pass.close();
    for (const store of [shared, ...copies]) store.close();
  });

  it("follows grammar and penalties in each branch", async () => {
    const engine = open();
    const mask = grammarFor({ gbnf: 'root ::= ([ab] [0-9])+ "."' }, tokenizer).create();
    const sampling = { frequencyPenalty: 2 };
    const decoder = treepo({ width: 8, segment: 3, branch: 2 });
    const { answers, results } = await ask(engine, { decoder, mask, sampling, ignoreEnd: false, maxTokens: 12 });
    expect(answers.length).toBe(8);
    for (const [i, { text }] of answers.entries())
      expect(text).toMatch(results[i]?.notes.reason === "length" ? /^([ab][0-9])*[ab]?$/ : /^([ab][0-9])+\.$/);
    expect(new Set(answers.map(({ text }) => text)).size).toBeGreaterThan(4);
    mask.close();
    await engine.close();
  });

  it("ends an answer at a stop string, and the others go on", async () => {
    const engine = open();
    const decoder = independent({ width: 8 });
    const plain = await ask(engine, { decoder });
    const stop = plain.answers[2]?.text.slice(4, 6) as string;
    const { answers, results } = await ask(engine, { decoder, stop: [stop] });
    for (const [i, { text }] of answers.entries()) {
      const whole = plain.answers[i]?.text as string;
      const at = whole.indexOf(stop);
      expect(text).toBe(at < 0 ? whole : whole.slice(0, at));
      expect(results[i]?.notes.reason).toBe(at < 0 ? "length" : "stop");
    }
    await engine.close();
  });

  it("stops in the middle and leaves nothing behind", async () => {
    const engine = open();
    const controller = new AbortController();
    const decoder = treepo({ width: 8, segment: 4 });
    const sequence = engine.start({
      prompt: tokenizer.encode(text),
      ...{ decoder, policy: full(), sampler: createSampler({ temperature: 1 }), maxTokens: 400 },
      ...{ ignoreEnd: true, signal: controller.signal },
    });
    let pieces = 0;
    await expect(
      (async () => {
        for await (const _ of sequence.pieces) if (++pieces === 40) controller.abort();
      })(),
    ).rejects.toMatchObject({ code: "cancelled" });
    await engine.settle(sequence);
    expect(engine.memory.stores).toBe(0);
    expect((await ask(engine, { decoder })).answers).toHaveLength(8);
    await engine.close();
  });

  it("is promised its memory, so that nobody takes it away", async () => {
    const roomy = open();
    const expected = (await ask(roomy, { decoder: treepo({ width: 4, segment: 8 }), seed: 3, maxTokens: 96 })).answers;
    const bytes = roomy.memory.bytesFor(text.length + 4 * 96 + 1);
    await roomy.close();
    const tight = open({ cacheMemoryBytes: bytes + 64, prefixSharing: false });
    const decoder = treepo({ width: 4, segment: 8 });
    const plain = (seed: number) => ask(tight, { decoder: autoregressive(), seed, maxTokens: 96 });
    const [tree, ...others] = await Promise.all([
      ask(tight, { decoder, seed: 3, maxTokens: 96 }),
      ...[1, 2, 3].map(plain),
    ]);
    expect(tree?.answers).toEqual(expected);
    expect(tree?.stats.preemptions).toBe(0);
    expect(others.every(({ answers }) => answers[0]?.tokens.length === 96)).toBe(true);
    await expect(ask(tight, { decoder: treepo({ width: 5, segment: 8 }), maxTokens: 96 })).rejects.toMatchObject({
      code: "budget-exceeded",
    });
    await tight.close();
  });

  it("is never the one who gives way when others need room", async () => {
    const long = { decoder: autoregressive(), prompt: "short", maxTokens: 700 };
    const tree = { decoder: treepo({ width: 4, segment: 8 }), seed: 3, maxTokens: 96 };
    const roomy = open({ prefixSharing: false });
    // Tokens: what is computed anew in other slices differs in the last digits.
    const tokensOf = ({ answers }: Awaited<ReturnType<typeof ask>>) => answers.map((answer) => answer.tokens);
    const expected = [tokensOf(await ask(roomy, long)), tokensOf(await ask(roomy, tree))];
    // The long one fits beside the tree until it has to grow, which it must while the tree, the newest, is there.
    const cacheMemoryBytes = roomy.memory.bytesFor(5 + 512) + roomy.memory.bytesFor(text.length + 4 * 96 + 1) + 64;
    await roomy.close();
    const engine = open({ cacheMemoryBytes, prefixSharing: false });
    let second: ReturnType<typeof ask> | undefined;
    let tokens = 0;
    engine.observer = {
      onToken: () => {
        if (++tokens === 480) second = ask(engine, tree);
      },
    };
    const first = await ask(engine, long);
    const other = await (second as ReturnType<typeof ask>);
    expect([tokensOf(first), tokensOf(other)]).toEqual(expected);
    expect(first.stats.preemptions).toBeGreaterThan(0);
    expect(other.stats.preemptions).toBe(0);
    await engine.close();
  });

  it("leaves no memory for a next turn, which reads its prompt anew", async () => {
    const engine = open({ prefixSharing: false });
    const start = (resume?: HeldMemory) =>
      engine.start({
        prompt: tokenizer.encode(text),
        ...{ decoder: treepo({ width: 4, segment: 5 }), policy: full() },
        ...{ sampler: createSampler({ temperature: 1, seed: 2 }), maxTokens: 12, ignoreEnd: true },
        ...{ keepMemory: true, resume },
      });
    const read = async (sequence: Sequence) => {
      const tokens: number[] = [];
      for await (const { token } of sequence.pieces) tokens.push(token);
      await engine.settle(sequence);
      return tokens;
    };
    const first = start();
    const expected = await read(first);
    expect(engine.memory.stores).toBe(0);
    const second = start(first.held());
    expect(await read(second)).toEqual(expected);
    expect(second.stats.cachedTokens).toBe(0);
    // A memory that a plain turn has left is gone on with.
    const plain = engine.start({
      prompt: tokenizer.encode(text),
      ...{ decoder: autoregressive(), policy: full(), sampler: createSampler(), maxTokens: 4, ignoreEnd: true },
      keepMemory: true,
    });
    await read(plain);
    const third = start(plain.held());
    expect(await read(third)).toEqual(expected);
    expect(third.stats.cachedTokens).toBe(tokenizer.encode(text).length - 1);
    engine.release(second);
    expect(engine.memory.stores).toBe(0);
    await engine.close();
  });

  it("refuses cache policies that edit entries, by name", async () => {
    const engine = open();
    for (const policy of [window({ budget: 64 }), snapkv()])
      await expect(ask(engine, { decoder: treepo(), policy })).rejects.toThrow(
        new RegExp(`treepo gives memory a shape of its own, the cache policy ${policy.name} edits it`),
      );
    await engine.close();
  });

  it("says what a decoder did wrongly, and lets others go on", async () => {
    const engine = open();
    const wrong = (of: number[], says = true): Decoder => ({
      ...autoregressive(),
      ...(says ? { shapesMemory: "branches" } : {}),
      *decode({ prompt }) {
        yield { tokens: prompt, want: "last" };
        yield { tokens: Int32Array.of(1), want: "all", sees: { kind: "branches", of: Int32Array.from(of) } };
      },
    });
    const good = ask(engine, { decoder: treepo({ width: 4 }) });
    await expect(ask(engine, { decoder: wrong([5]) })).rejects.toThrow(/There is no branch 5/);
    await expect(ask(engine, { decoder: wrong([0, 0]) })).rejects.toThrow(/2 branches were named for 1 rows/);
    await expect(ask(engine, { decoder: wrong([0], false) })).rejects.toThrow(/did not say it would/);
    expect((await good).answers).toHaveLength(4);
    await engine.close();
  });
});
