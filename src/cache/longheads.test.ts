import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { forcedDecoder } from "../decode/forced.case.js";
import { createSampler } from "../decode/sample/sampler.js";
import { Engine } from "../engine/engine.js";
import { type LoadedModel, loadModel } from "../engine/model.js";
import { tinyShape, writeTinyModel } from "../models/tiny-models.case.js";
import { byteTokenizer } from "../text/grammar/byte-tokenizer.case.js";
import { full } from "./full.js";
import { longheads } from "./longheads.js";
import { plainShape } from "./policy.case.js";
import type { CachePolicy } from "./policy.js";

const tokenizer = byteTokenizer();
const token = (place: number): number => 1 + ((place * place * 7 + place * 31) % 200);
const text = (length: number): Int32Array => Int32Array.from({ length }, (_, place) => token(place));

describe.each(["llama", "qwen3", "gemma3"] as const)("longheads on %s", (architecture) => {
  let model: LoadedModel;
  let engine: Engine;
  beforeAll(async () => {
    const tiny = await writeTinyModel(tinyShape(architecture, tokenizer.vocabSize), 3);
    model = await loadModel(tiny.path, { device: "cpu", threads: 1 });
    const { maxPositions } = model.config;
    engine = new Engine(model, tokenizer, {
      cacheType: "f32",
      prefixSharing: false,
      contextTokens: maxPositions * 4,
    });
  });
  afterAll(async () => {
    await engine.close();
    await model.close();
  });

  /** Logits of the last row of a text of which the first tokens come at once and the others one by one. */
  async function logitsOf(policy: CachePolicy, tokens: Int32Array, atOnce: number): Promise<Float32Array[]> {
    const rows: Float32Array[] = [];
    const oneByOne = Array.from(tokens.subarray(atOnce), (token) => Int32Array.of(token));
    const forced = forcedDecoder([tokens.slice(0, atOnce), ...oneByOne], (row) => rows.push(row));
    const sequence = engine.start({
      prompt: tokens.slice(0, atOnce),
      decoder: forced,
      policy,
      sampler: createSampler({ temperature: 0 }),
      maxTokens: tokens.length - atOnce + 1,
      ignoreEnd: true,
    });
    for await (const _ of sequence.pieces);
    await engine.settle(sequence);
    if (sequence.error !== undefined) throw sequence.error;
    stats = sequence.stats.cachePolicy;
    return rows;
  }
  let stats: Record<string, number> = {};
  /** Gemma's activation comes from a table in f16. */
  const close = architecture === "gemma3" ? 1e-3 : 1e-4;
  const distance = (a: readonly Float32Array[], b: readonly Float32Array[]): number =>
    Math.max(...a.flatMap((row, step) => Array.from(row, (value, i) => Math.abs(value - (b[step]?.[i] as number)))));

  it("reads a text that fits the window in full, bit for bit", async () => {
    const tokens = text(64);
    const policy = longheads({ window: 64, chunk: 8 });
    expect(await logitsOf(policy, tokens, 40)).toEqual(await logitsOf(full(), tokens, 40));
  });

  it("reads otherwise from there on, and the same in passes of a chunk as token by token", async () => {
    const tokens = text(101);
    const policy = () => longheads({ window: 32, chunk: 8 });
    const whole = await logitsOf(policy(), tokens, 100);
    const steps = await logitsOf(policy(), tokens, 3);
    expect(distance([whole.at(-1)!], [steps.at(-1)!])).toBeLessThan(close);
    const uneven = await logitsOf(policy(), tokens, 53);
    expect(distance(uneven, steps.slice(-uneven.length))).toBeLessThan(close);
    expect(distance([whole.at(-1)!], [(await logitsOf(full(), tokens, 100)).at(-1)!])).toBeGreaterThan(close);
  });

  it("counts what it reads, and never more than the window", async () => {
    await logitsOf(longheads({ window: 32, chunk: 8 }), text(90), 60);
    const { meanEntriesRead, chunks, ...choices } = stats;
    expect(chunks).toBe(11);
    // Places 60 to 89: 24 whole entries, and from 1 to 8 of the own chunk.
    const entries = Array.from({ length: 30 }, (_, i) => 24 + ((60 + i) % 8) + 1);
    expect(meanEntriesRead).toBeCloseTo(entries.reduce((sum, one) => sum + one, 0) / 30, 6);
    for (const name of Object.keys(choices)) expect(Number(name.replace("chunk ", ""))).toBeGreaterThan(0);
    const managed = engine.memory.shape.layers.filter(({ window }) => window === undefined).length;
    const made = Object.values(choices).reduce((sum, times) => sum + times, 0);
    expect(made).toBe(30 * managed * model.config.numHeads);
  });

  it("reads beyond what the model was trained for, where the full cache is refused", async () => {
    const { maxPositions } = model.config;
    const tokens = text(maxPositions + 40);
    const [last] = await logitsOf(longheads({ window: 64, chunk: 16 }), tokens, tokens.length);
    expect(last?.every(Number.isFinite)).toBe(true);
    await expect(logitsOf(full(), tokens, tokens.length)).rejects.toThrow(/context holds/);
  });

  it("reads in its own chunks beside others in the same pass", async () => {
    const tokens = text(101);
    const sizes = [
      { window: 32, chunk: 8 },
      { window: 30, chunk: 10 },
      { window: 48, chunk: 12 },
    ];
    const alone: Float32Array[][] = [];
    for (const size of sizes) alone.push(await logitsOf(longheads(size), tokens, 60));
    const together = await Promise.all(sizes.map((size) => logitsOf(longheads(size), tokens, 60)));
    for (const [i, rows] of together.entries()) expect(distance(rows, alone[i]!)).toBeLessThan(close);
  });

  it("reads other chunks by lot than by fit", async () => {
    const tokens = text(101);
    const [best] = await logitsOf(longheads({ window: 32, chunk: 8 }), tokens, 101);
    const [random] = await logitsOf(longheads({ window: 32, chunk: 8, choose: "random" }), tokens, 101);
    expect(distance([best!], [random!])).toBeGreaterThan(close);
  });

  it("goes on in a copy of its own", async () => {
    const { numLayers: layers, numKvHeads: kvHeads, numHeads: queryHeads, headDim, maxPositions } = model.config;
    const managedLayers = engine.memory.shape.layers.flatMap(({ window }, at) => (window === undefined ? [at] : []));
    const shape = { layers, kvHeads, queryHeads, headDim, managedLayers, trainedTokens: maxPositions };
    const run = longheads({ window: 32, chunk: 8 }).create(shape);
    expect(run.mostRows?.()).toBe(8);
    const copy = run.clone();
    expect(copy.readKey?.(3)).toBe(run.readKey?.(3));
    expect(copy.readKey?.(8)).not.toBe(run.readKey?.(3));
  });
});

describe("sizes of longheads", () => {
  const create = (options: Parameters<typeof longheads>[0]) =>
    longheads(options).create(plainShape({ trainedTokens: 512 }));

  it("follow the model where they are left open", () => {
    expect(create({}).mostRows?.()).toBe(16);
    expect(create({ chunk: 32 }).mostRows?.()).toBe(32);
    expect(
      longheads()
        .create(plainShape({ trainedTokens: 32_768 }))
        .mostRows?.(),
    ).toBe(256);
  });

  it("that cannot be are refused", () => {
    expect(() => create({ window: 100, chunk: 16 })).toThrow(/whole chunks/);
    expect(() => create({ window: 32, chunk: 16 })).toThrow(/whole chunks/);
    expect(() => create({ window: 1024, chunk: 64 })).toThrow(/not trained/);
    expect(() => create({ window: 128, chunk: 16, begin: 64 })).toThrow(/from here on/);
    expect(() => create({ window: 128, chunk: 16, begin: 1024 })).toThrow(/not trained/);
    expect(() => longheads({ window: -1 })).toThrow(/window/);
  });
});
