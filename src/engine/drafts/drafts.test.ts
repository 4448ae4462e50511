import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { full } from "../../cache/full.js";
import { h2o } from "../../cache/h2o.js";
import { window } from "../../cache/window.js";
import { autoregressive } from "../../decode/autoregressive.js";
import { chain } from "../../decode/chain.js";
import type { DecodeContext, Decoder } from "../../decode/decoder.js";
import { rsd } from "../../decode/rsd.js";
import { createSampler } from "../../decode/sample/sampler.js";
import { specinfer } from "../../decode/specinfer.js";
import { spectr } from "../../decode/spectr.js";
import { topKTree } from "../../decode/top-k-tree.js";
import { tinyShape, writeTinyModel } from "../../models/tiny-models.case.js";
import { byteTokenizer } from "../../text/grammar/byte-tokenizer.case.js";
import { grammarFor } from "../../text/grammar/grammar.js";
import { Engine } from "../engine.js";
import type { EngineOptions } from "../engine-options.js";
import { type LoadedModel, loadModel } from "../model.js";
import type { Sequence } from "../sequence.js";
import { writeTinyDraft } from "./tiny-draft.case.js";

const tokenizer = byteTokenizer();
const prompt = tokenizer.encode("a text that comes again, a text that comes again, a text that");

let model: LoadedModel;
let tinyPath: string;
beforeAll(async () => {
  process.env["QUIRE_CACHE"] = await mkdtemp(path.join(tmpdir(), "quire-cache-"));
  const { path: file } = await writeTinyModel(tinyShape("llama", tokenizer.vocabSize), 3);
  model = await loadModel(file, { device: "cpu", threads: 1 });
  const { hiddenSize, vocabSize } = model.config;
  tinyPath = await writeTinyDraft({
    ...{ vocabSize, targetHidden: hiddenSize, targetTokenizer: tokenizer.hash },
    ...{ hiddenSize: 16, numLayers: 1, numHeads: 2, numKvHeads: 2, headDim: 8, intermediateSize: 32 },
    ...{ maxPositions: 2048, epsilon: 1e-5, theta: 10_000 },
    proposed: Int32Array.from({ length: 200 }, (_, i) => i + 20),
  });
});
afterAll(() => model.close());

const drafts = () => ["lookup", "ngram", "exit:1", "low-bit:q4_0", `tiny:${tinyPath}`];
const decoders = (draft: string): Decoder[] => [
  chain({ draft, depth: 3 }),
  rsd({ draft, shape: "beam", width: 3, depth: 3 }),
  rsd({ draft, shape: "constant", branches: "2-2-1" }),
  specinfer({ draft }),
  spectr({ draft }),
  topKTree({ draft }),
];

interface Ask {
  readonly decoder?: Decoder;
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly schema?: unknown;
  readonly prompt?: Int32Array;
  readonly signal?: AbortSignal;
}

const open = (options: EngineOptions = {}) =>
  new Engine(model, tokenizer, { cacheType: "f32", prefixSharing: false, ...options });

async function begin(engine: Engine, request: Ask): Promise<Sequence> {
  const { decoder = autoregressive(), temperature = 0, schema, maxTokens = 24, ...rest } = request;
  if (decoder.draft !== undefined) await engine.drafts.open(decoder.draft);
  const mask = schema === undefined ? undefined : grammarFor({ schema }, tokenizer).create();
  const sampler = createSampler({ temperature, seed: 5 }, { mask });
  return engine.start({
    prompt,
    policy: full(),
    decoder,
    sampler,
    maxTokens,
    ignoreEnd: schema === undefined,
    ...rest,
  });
}

async function tokensOf(sequence: Sequence): Promise<number[]> {
  const tokens: number[] = [];
  for await (const piece of sequence.pieces) if (piece.token >= 0) tokens.push(piece.token);
  return tokens;
}

const ask = async (engine: Engine, request: Ask = {}) => tokensOf(await begin(engine, request));

describe("drafts in the engine", () => {
  it("leave the greedy text as it is, with every decoder, and give all memory back", async () => {
    const engine = open();
    const plain = await ask(engine);
    expect(plain).toHaveLength(24);
    for (const draft of drafts()) {
      for (const decoder of decoders(draft)) {
        const sequence = await begin(engine, { decoder });
        expect(await tokensOf(sequence), decoder.label).toEqual(plain);
        const { drafted = 0, accepted = 0, draftCalls = 0 } = sequence.stats.decode;
        if (decoder.name !== "chain") expect(drafted, decoder.label).toBeGreaterThan(0);
        expect(draftCalls > 0, decoder.label).toBe(decoder.draft !== undefined);
        // Only this one knows the target well.
        if (draft.startsWith("low-bit")) expect(accepted, decoder.label).toBeGreaterThan(10);
        expect(engine.memory.stores, decoder.label).toBe(0);
      }
    }
    await engine.close();
  });

  it("run beside each other in one engine, whatever their decoders, also where memory is short", async () => {
    const alone = open();
    const expected = await ask(alone, { maxTokens: 40 });
    await alone.close();
    const together = [autoregressive(), ...drafts().flatMap((draft) => decoders(draft).slice(0, 2))];
    for (const options of [{}, { maxSequences: 3 }, { cacheMemoryBytes: alone.memory.bytesFor(1400) }]) {
      const engine = open(options);
      const running = await Promise.all(together.map((decoder) => begin(engine, { decoder, maxTokens: 40 })));
      const texts = await Promise.all(running.map(tokensOf));
      for (const [i, text] of texts.entries()) expect(text, together[i]?.label).toEqual(expected);
      expect(engine.memory.stores).toBe(0);
      await engine.close();
    }
  });

  it("are given up between rounds and go on where they were", async () => {
    const alone = open();
    const asked = { prompt: prompt.subarray(0, 40), maxTokens: 560 };
    const expected = await ask(alone, asked);
    await alone.close();
    const engine = open({ cacheMemoryBytes: alone.memory.bytesFor(3500) });
    const growing = await begin(engine, { prompt: prompt.subarray(0, 50), maxTokens: 900 });
    const drafting: Sequence[] = [];
    // One of them, at least, is between two rounds when the first needs more room.
    for (const depth of [1, 2, 3])
      drafting.push(await begin(engine, { ...asked, decoder: chain({ draft: "low-bit:q4_0", depth, adapt: false }) }));
    const [, ...texts] = await Promise.all([growing, ...drafting].map(tokensOf));
    for (const text of texts) expect(text).toEqual(expected);
    expect(drafting.reduce((sum, { stats }) => sum + stats.preemptions, 0)).toBeGreaterThan(0);
    expect(engine.memory.stores).toBe(0);
    await engine.close();
  });

  it("obey a grammar as the target does", async () => {
    const schema = { type: "object", properties: { a: { enum: ["yes", "no"] } }, required: ["a"] };
    const engine = open();
    const plain = await ask(engine, { schema, maxTokens: 60 });
    expect(tokenizer.decode(plain)).toMatch(/"a":\s*"(yes|no)"/);
    for (const draft of drafts()) {
      for (const decoder of decoders(draft))
        expect(await ask(engine, { schema, decoder, maxTokens: 60 }), decoder.label).toEqual(plain);
      const drawn = await ask(engine, { schema, decoder: decoders(draft)[1], maxTokens: 200, temperature: 1 });
      expect(tokenizer.decode(drawn), draft).toMatch(/"a":\s*"(yes|no)"/);
    }
    await engine.close();
  });

  it("may be stopped in the midst of a round", async () => {
    const engine = open();
    const expected = await ask(engine);
    for (const draft of ["exit:1", "low-bit:q4_0"]) {
      for (const rounds of [1, 2, 5]) {
        const stop = new AbortController();
        let calls = 0;
        const inner = rsd({ draft, shape: "beam", width: 2, depth: 3 });
        const decoder: Decoder = {
          ...inner,
          *decode(context: DecodeContext) {
            const steps = inner.decode(context);
            for (let next = steps.next(); ; ) {
              if (next.done === true) return;
              if (next.value.by === "draft" && ++calls > 2 * rounds) stop.abort();
              next = steps.next(yield next.value);
            }
          },
        };
        const sequence = await begin(engine, { decoder, signal: stop.signal, maxTokens: 60 });
        await expect(tokensOf(sequence)).rejects.toMatchObject({ code: "cancelled" });
        expect(engine.memory.stores).toBe(0);
      }
    }
    // What the stopped ones held is used again and holds nothing of theirs.
    expect(await ask(engine)).toEqual(expected);
    await engine.close();
  });

  it("count in the limit of all caches", async () => {
    const engine = open();
    const decoder = chain({ draft: "low-bit:q4_0" });
    const sequence = await begin(engine, { decoder, maxTokens: 8 });
    let most = 0;
    for await (const _ of sequence.pieces) most = Math.max(most, engine.memory.heldBytes);
    const own = engine.memory.bytesFor(prompt.length + 9);
    expect(most).toBeGreaterThanOrEqual(2 * own);
    await engine.close();
    const tight = open({ cacheMemoryBytes: engine.memory.bytesFor(200) });
    await tight.drafts.open("low-bit:q4_0");
    await expect(begin(tight, { decoder, maxTokens: 100 })).rejects.toMatchObject({ code: "budget-exceeded" });
    await tight.close();
  });
});

describe("drafts that cannot be had", () => {
  it("are refused by name and reason", async () => {
    const engine = open();
    const missing = path.join(tmpdir(), "no-such-draft.gguf");
    const wrong = path.join(path.dirname(tinyPath), "wrong.gguf");
    await writeFile(wrong, "not a model");
    const { hiddenSize, vocabSize } = model.config;
    const head = { hiddenSize: 16, numLayers: 1, numHeads: 2, numKvHeads: 2, headDim: 8, intermediateSize: 32 };
    const rest = { maxPositions: 64, epsilon: 1e-5, theta: 10_000, proposed: Int32Array.of(1, 2) };
    const base = { ...head, ...rest, vocabSize, targetHidden: hiddenSize, targetTokenizer: tokenizer.hash };
    const stranger = await writeTinyDraft({ ...base, targetTokenizer: "another" });
    const larger = await writeTinyDraft({ ...base, targetHidden: 64 });
    const short = await writeTinyDraft(base);
    const refused: [string, string][] = [
      ["exit:2", "bad-option"],
      ["exit:x", "bad-option"],
      ["low-bit:q9", "bad-option"],
      [`tiny:${missing}`, "not-found"],
      [`tiny:${wrong}`, "bad-file"],
      [`tiny:${model.path}`, "bad-file"],
      [`tiny:${stranger}`, "bad-option"],
      [`tiny:${larger}`, "bad-option"],
      ["model:no-such-model", "not-found"],
      ["ext:2", "bad-option"],
    ];
    for (const [name, code] of refused) await expect(engine.drafts.open(name), name).rejects.toMatchObject({ code });
    expect(engine.drafts.list).toEqual([]);
    await engine.drafts.open(`tiny:${short}`);
    await expect(begin(engine, { decoder: chain({ draft: `tiny:${short}` }), maxTokens: 60 })).rejects.toMatchObject({
      code: "context-overflow",
    });
    const unopened = { prompt, policy: full(), sampler: createSampler(), maxTokens: 4 };
    expect(() => engine.start({ ...unopened, decoder: chain({ draft: "exit:1" }) })).toThrow(/was not loaded/);
    for (const policy of [window({ budget: 64 }), h2o({ budget: 0.5 })])
      expect(() => engine.start({ ...unopened, policy, decoder: rsd({}) })).toThrow(
        new RegExp(`rsd takes rows back, the cache policy ${policy.name}`),
      );
    await engine.close();
    await expect(engine.drafts.open("exit:1")).rejects.toMatchObject({ code: "bad-input" });
  });

  it("may be tried again", async () => {
    const engine = open();
    const stop = new AbortController();
    stop.abort();
    await expect(engine.drafts.open("low-bit:q5_0", { signal: stop.signal })).rejects.toMatchObject({
      code: "cancelled",
    });
    await expect(engine.drafts.open("low-bit:q5_0")).resolves.toMatchObject({ name: "low-bit:q5_0" });
    await engine.close();
  });
});
