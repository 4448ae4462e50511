import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { forcedDecoder, promptAndSteps } from "../decode/forced.case.js";
import { createSampler } from "../decode/sample/sampler.js";
import { Engine } from "../engine/engine.js";
import { type LoadedModel, loadModel } from "../engine/model.js";
import { tinyShape, writeTinyModel } from "../models/tiny-models.case.js";
import { byteTokenizer } from "../text/grammar/byte-tokenizer.case.js";
import { chunkllm } from "./chunkllm.js";
import { full } from "./full.js";
import { noise } from "./policy.case.js";
import { type CachePolicy, cachePolicy, type PolicyRun } from "./policy.js";
import { type AdapterShape, saveChunkAdapters } from "./reading/chunk-adapters.js";
import { ChunkReader } from "./reading/chunk-reader.js";

const promptTokens = 90;
const steps = 30;
const [longest, local, budget] = [8, 10, 40];

/** Positions read without adapters: chunks of 8, the first, the newest that fit, the newest text; chosen when a chunk ends. */
function plainPositions(tokens: number): Set<number> {
  const lastChoice = Math.max(promptTokens, Math.floor((tokens - 1) / longest) * longest);
  const localThen = Math.min(Math.floor(lastChoice / longest) * longest, lastChoice - local);
  let room = budget - longest - (lastChoice - localThen);
  const read = new Set<number>(Array.from({ length: longest }, (_, i) => i));
  for (let chunk = Math.ceil(localThen / longest) - 1; chunk > 0; chunk--) {
    const size = Math.min((chunk + 1) * longest, localThen) - chunk * longest;
    if (size > room) continue;
    room -= size;
    for (let i = 0; i < longest; i++) read.add(chunk * longest + i);
  }
  const localNow = Math.min(Math.floor((tokens - 1) / longest) * longest, tokens - local);
  for (const position of [...read]) if (position >= localNow) read.delete(position);
  for (let position = localNow; position < tokens; position++) read.add(position);
  return read;
}

/** The full cache with everything masked that is not read. */
const masked = cachePolicy({
  name: "masked",
  title: "Masks what is not read",
  options: z.object({}),
  create: () => {
    const run: PolicyRun = {
      clone: () => run,
      read: (reading) => {
        const { queries, keys, values, scale, layer } = reading;
        if (queries.size(1) !== 1) return undefined;
        const mask = reading.input("own", "f32", reading.mask.shape, (into, pass) => {
          into.fill(Number.NEGATIVE_INFINITY as never);
          const wanted = plainPositions((pass.positions[0] as number) + 1);
          const { slots, positions } = pass.slots(layer, 0);
          for (const [i, slot] of slots.entries()) if (wanted.has(positions[i] as number)) into[slot] = 0;
        });
        return queries
          .flashAttention(keys, values, { mask: mask.cast("f16"), scale })
          .reshape(1, queries.size(0) * queries.size(2));
      },
    };
    return run;
  },
});

describe.each(["llama", "qwen3", "gemma3"] as const)("chunkllm on %s", (architecture) => {
  const tokenizer = byteTokenizer();
  let model: LoadedModel;
  let engine: Engine;
  let adapters: AdapterShape;
  let file: string;
  beforeAll(async () => {
    const tiny = await writeTinyModel(tinyShape(architecture, tokenizer.vocabSize), 3);
    model = await loadModel(tiny.path, { device: "cpu", threads: 1 });
    engine = new Engine(model, tokenizer, { cacheType: "f32", prefixSharing: false });
    const { numLayers, numHeads, numKvHeads, headDim } = model.config;
    adapters = {
      model: architecture,
      layers: numLayers,
      queryHeads: numHeads,
      kvHeads: numKvHeads,
      headDim,
      hiddenSize: tiny.shape.hidden,
      width: 4,
    };
    file = path.join(await mkdtemp(path.join(tmpdir(), "quire-chunkllm-")), "adapters.safetensors");
    await save(adapters);
  });
  afterAll(async () => {
    await engine.close();
    await model.close();
  });

  async function save(shape: AdapterShape, to = file) {
    const { layers, queryHeads, kvHeads, headDim, hiddenSize, width } = shape;
    const numbers = (length: number, ...seed: number[]) => Float32Array.from(noise(length, ...seed));
    await saveChunkAdapters(to, {
      shape,
      queries: Array.from({ length: layers }, (_, layer) => numbers(width * queryHeads * headDim, 1, layer)),
      keys: Array.from({ length: layers }, (_, layer) => numbers(width * kvHeads * headDim, 2, layer)),
      boundary: numbers(hiddenSize, 3),
      bias: -4,
    });
  }

  const prompt = Int32Array.from({ length: promptTokens }, (_, i) => 1 + ((i * i * 7 + i * 31) % 200));

  async function logitsOf(policy: CachePolicy): Promise<Float32Array[]> {
    const rows: Float32Array[] = [];
    const forced = forcedDecoder(promptAndSteps(prompt, steps), (row) => rows.push(row));
    const sequence = engine.start({
      prompt,
      decoder: forced,
      policy,
      sampler: createSampler({ temperature: 0 }),
      maxTokens: steps + 5,
      ignoreEnd: true,
    });
    for await (const _ of sequence.pieces);
    if (sequence.error !== undefined) throw sequence.error;
    return rows;
  }

  const distance = (a: readonly Float32Array[], b: readonly Float32Array[]) =>
    Math.max(...a.flatMap((row, step) => Array.from(row, (value, i) => Math.abs(value - (b[step]?.[i] as number)))));

  it("reading everything is the full cache, bit for bit", async () => {
    const whole = await logitsOf(full());
    for (const options of [{ budget: 1 }, { budget: 500 }, { budget: 500, adapters: "file" }])
      expect(
        await logitsOf(chunkllm({ longest, local, ...options, ...("adapters" in options ? { adapters: file } : {}) })),
      ).toEqual(whole);
  });

  it("without adapters reads the first chunk and the newest, as a mask on the full cache would", async () => {
    const read = await logitsOf(chunkllm({ budget, longest, local }));
    expect(distance(read, await logitsOf(masked()))).toBeLessThan(2e-3);
    expect(distance(read, await logitsOf(full()))).toBeGreaterThan(1e-2);
  });

  it("with adapters reads what they pick, and writes finite text", async () => {
    const policies = [{}, { scope: "vote" as const }, { refresh: "everyToken" as const }];
    for (const options of policies) {
      const rows = await logitsOf(chunkllm({ budget, longest, local, adapters: file, ...options }));
      for (const row of rows) expect(row.every(Number.isFinite)).toBe(true);
      expect(distance(rows, await logitsOf(chunkllm({ budget, longest, local })))).toBeGreaterThan(1e-3);
    }
  });

  it("refuses adapters of another model", async () => {
    const other = file.replace("adapters", "other");
    await save({ ...adapters, kvHeads: 1 }, other);
    await expect(logitsOf(chunkllm({ budget, longest, local, adapters: other }))).rejects.toMatchObject({
      code: "bad-option",
    });
    await save({ ...adapters, hiddenSize: 5 }, other);
    await expect(logitsOf(chunkllm({ budget, longest, local, adapters: other }))).rejects.toMatchObject({
      code: "bad-option",
    });
  });
});

describe("chunk reader", () => {
  const open = (change: Partial<ConstructorParameters<typeof ChunkReader>[0]> = {}) =>
    new ChunkReader({ layers: 2, width: 1, local: 4, longest: 5, refresh: "boundary", scope: "perLayer", ...change });
  /** Layer 0 has keys 0, 1, 2, ... by chunk, layer 1 the opposite. */
  const fill = (reader: ChunkReader, tokens: number) =>
    reader.take(
      tokens,
      [0, 1].map((layer) =>
        Float32Array.from({ length: tokens }, (_, i) => (layer === 0 ? 1 : -1) * Math.floor(i / 5)),
      ),
      () => false,
    );
  const one = Float32Array.of(1);

  it("takes the chunks whose keys fit the query best, each layer for itself", () => {
    const reader = open();
    fill(reader, 50);
    reader.limit = 20;
    reader.select([one, one]);
    // 20 less the first chunk and 4 newest tokens; chunk 9 has one token besides those.
    expect(reader.chosen).toEqual([
      [7, 8, 9],
      [1, 2, 9],
    ]);
    expect(reader.positions(1, 50)).toEqual([...Array(15).keys(), 45, 46, 47, 48, 49]);
    for (const layer of [0, 1]) expect(reader.positions(layer, 50).length).toBeLessThanOrEqual(20);
    expect(reader.padded(50)).toBe(64);
  });

  it("keeps its choice until a chunk ends, and the text it grows by", () => {
    const reader = open();
    fill(reader, 50);
    reader.limit = 20;
    reader.select([one, one]);
    const { chosen } = reader;
    for (let i = 0; i < 4; i++) {
      expect(reader.isDue(reader.take(1, [one, one], () => false))).toBe(false);
      expect(reader.chosen).toBe(chosen);
      expect(reader.positions(1, 51 + i).at(-1)).toBe(50 + i);
    }
    expect(reader.isDue(reader.take(1, [one, one], () => true))).toBe(true);
    expect(open({ refresh: "everyToken" }).isDue(false)).toBe(true);
  });

  it("with the same query chooses the same at every token", () => {
    const reader = open();
    fill(reader, 50);
    reader.limit = 20;
    reader.select([one, one]);
    const first = reader.chosen;
    reader.select([one, one]);
    expect(reader.chosen).toEqual(first);
  });

  it("by vote gives every layer the same", () => {
    const reader = open({ scope: "vote" });
    fill(reader, 50);
    reader.limit = 20;
    reader.select([one, one]);
    expect(reader.chosen[0]).toEqual(reader.chosen[1]);
  });

  it("clones that go on alone", () => {
    const reader = open();
    fill(reader, 50);
    reader.limit = 20;
    const copy = reader.clone();
    fill(copy, 20);
    expect([reader.chunks.tokens, copy.chunks.tokens, copy.limit]).toEqual([50, 70, 20]);
  });

  it.each([{ budget: 0 }, { budget: 1.5 }, { alpha: 0 }, { alpha: 1 }, { local: 0 }, { longest: 0 }, { scope: "all" }])(
    "refuses %j",
    (options) => {
      expect(() => chunkllm(options as never)).toThrow(/chunkllm/);
    },
  );

  it("refuses a budget that does not hold what is always read", () => {
    const shape = { layers: 2, kvHeads: 2, queryHeads: 4, headDim: 8, managedLayers: [0, 1], trainedTokens: 512 };
    expect(() => chunkllm({ budget: 192 }).create(shape)).toThrow(/too small/);
    expect(() => chunkllm({ budget: 193 }).create(shape)).not.toThrow();
    expect(() => chunkllm({ adapters: "/nowhere.safetensors" }).create(shape)).toThrow(/cannot be read/);
  });
});
