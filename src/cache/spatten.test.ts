import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { forcedDecoder, promptAndSteps } from "../decode/forced.case.js";
import { createSampler } from "../decode/sample/sampler.js";
import { Engine } from "../engine/engine.js";
import { type LoadedModel, loadModel } from "../engine/model.js";
import { tinyShape, writeTinyModel } from "../models/tiny-models.case.js";
import { evaluate } from "../tensor/evaluate.js";
import type { Graph } from "../tensor/graph.js";
import { closeTestDevice, type Plain, place, run, testDevice } from "../tensor/reference.case.js";
import { byteTokenizer } from "../text/grammar/byte-tokenizer.case.js";
import { full } from "./full.js";
import { noise } from "./policy.case.js";
import type { CachePolicy, PolicyRun } from "./policy.js";
import { readBoth, readHigh, toBitPlanes } from "./reading/bit-planes.js";
import { bitPlanes, type CascadeResult, cascadeAttention } from "./reading/cascade-attention.js";
import { cascadeTargets } from "./reading/cascade-targets.js";
import { spatten } from "./spatten.js";

afterAll(closeTestDevice);

const [heads, kvHeads, entries, dim] = [4, 2, 12, 8];
const scale = 1 / Math.sqrt(dim);
const tensor = (shape: number[], seed: number): Plain => ({
  shape,
  data: noise(
    shape.reduce((size, one) => size * one, 1),
    seed,
  ).map((value) => Math.fround(2 * value)),
});

interface Settings {
  readonly values: number;
  readonly tokens: number;
  readonly heads: number;
  readonly highBits: number;
  readonly refineBelow: number;
}

/** The algorithm over plain numbers, in f64: one layer. */
function plainLayer(
  state: { alive: number[]; live: number[]; importance: number[]; headImportance: number[] },
  { q, k, v }: { q: number[][]; k: number[][][]; v: number[][][] },
  settings: Settings,
) {
  const group = heads / kvHeads;
  const out: number[][] = [];
  const weights: number[][] = [];
  const readBy: Set<number>[] = [];
  let refined = 0;
  const refinedKv = new Set<number>();
  for (let h = 0; h < heads; h++) {
    const kv = Math.floor(h / group);
    const rows = k[kv] as number[][];
    const read = (row: number[], all: boolean) => {
      if (settings.highBits === 0) return row;
      const planes = toBitPlanes(row, settings.highBits, 4);
      return Array.from(all ? readBoth(planes) : readHigh(planes));
    };
    const softmax = (all: boolean) => {
      const logits = rows.map((row, j) =>
        state.alive[j] ? scale * read(row, all).reduce((sum, x, d) => sum + x * (q[h]?.[d] as number), 0) : -Infinity,
      );
      const most = Math.max(...logits);
      const powers = logits.map((logit) => Math.exp(logit - most));
      const total = powers.reduce((sum, power) => sum + power, 0);
      return powers.map((power) => power / total);
    };
    let p = softmax(false);
    if (settings.highBits > 0 && Math.max(...p) < settings.refineBelow) {
      p = softmax(true);
      if (state.live[h]) {
        refined++;
        refinedKv.add(kv);
      }
    }
    weights.push(p);
    const chosen = [...p.keys()].sort((a, b) => (p[b] as number) - (p[a] as number)).slice(0, settings.values);
    readBy.push(new Set(state.live[h] ? chosen.filter((j) => state.alive[j]) : []));
    out.push(
      Array.from({ length: dim }, (_, d) =>
        state.live[h]
          ? chosen.reduce((sum, j) => {
              const row = v[kv]?.[j] as number[];
              const value = settings.highBits === 0 ? row : Array.from(readBoth(toBitPlanes(row, 8, 0)));
              return sum + (p[j] as number) * (value[d] as number);
            }, 0)
          : 0,
      ),
    );
  }
  const importance = state.importance.map((one, j) =>
    weights.reduce((sum, p, h) => sum + (state.live[h] ? (p[j] as number) : 0), one),
  );
  const headImportance = state.headImportance.map(
    (one, h) => one + (out[h] as number[]).reduce((sum, x) => sum + Math.abs(x), 0),
  );
  const newest = entries - 1;
  const tokenOrder = [...importance.keys()]
    .filter((j) => state.alive[j])
    .sort(
      (a, b) =>
        (importance[b] as number) + (b === newest ? 1e9 : 0) - (importance[a] as number) - (a === newest ? 1e9 : 0),
    );
  const headOrder = [...headImportance.keys()]
    .filter((h) => state.live[h])
    .sort((a, b) => (headImportance[b] as number) - (headImportance[a] as number));
  const valueRows = Array.from(
    { length: kvHeads },
    (_, kv) => new Set(readBy.slice(kv * group, (kv + 1) * group).flatMap((own) => [...own])).size,
  );
  return {
    out: out.flat(),
    refined,
    refinedKv: Array.from({ length: kvHeads }, (_, kv) => Number(refinedKv.has(kv))),
    valueRows,
    next: {
      importance,
      headImportance,
      alive: importance.map((_, j) => Number(tokenOrder.slice(0, settings.tokens).includes(j))),
      live: headImportance.map((_, h) => Number(headOrder.slice(0, settings.heads).includes(h))),
    },
  };
}

describe("cascade attention", () => {
  const layers = [0, 1, 2].map((layer) => ({
    q: tensor([heads, 1, dim], 10 + layer),
    k: tensor([kvHeads, entries, dim], 20 + layer),
    v: tensor([kvHeads, entries, dim], 30 + layer),
  }));
  const rows = (x: Plain, ...sizes: number[]): number[][] => {
    const [n = 1, d = 1] = sizes;
    return Array.from({ length: n }, (_, i) => Array.from({ length: d }, (_, j) => x.data[i * d + j] as number));
  };

  it.each([
    { values: 12, tokens: 12, heads: 4, highBits: 0, refineBelow: 0 },
    { values: 4, tokens: 7, heads: 4, highBits: 0, refineBelow: 0 },
    { values: 3, tokens: 6, heads: 2, highBits: 0, refineBelow: 0 },
    { values: 3, tokens: 6, heads: 3, highBits: 4, refineBelow: 0.3 },
    { values: 3, tokens: 6, heads: 3, highBits: 4, refineBelow: 0 },
    { values: 3, tokens: 6, heads: 3, highBits: 8, refineBelow: 1.1 },
  ])("is that of plain numbers over three layers: %j", async (settings) => {
    let plain = {
      alive: Array(entries).fill(1) as number[],
      live: Array(heads).fill(1) as number[],
      importance: noise(entries, 5).map((x) => x + 1),
      headImportance: noise(heads, 6).map((x) => x + 1),
    };
    const first = plain;
    const expected = layers.map(({ q, k, v }) => {
      const split = (x: Plain) => {
        const all = rows(x, kvHeads * entries, dim);
        return Array.from({ length: kvHeads }, (_, kv) => all.slice(kv * entries, (kv + 1) * entries));
      };
      const result = plainLayer(plain, { q: rows(q, heads, dim), k: split(k), v: split(v) }, settings);
      plain = result.next;
      return result;
    });
    const build = (g: Graph, upTo: number): CascadeResult => {
      const constant = (values: number[], ...shape: number[]) => g.constant(Float32Array.from(values), shape);
      const place1 = (count: number) => g.constant(Int32Array.of(count - 1), [1]);
      let before = {
        tokens: constant(first.alive, 1, entries),
        importance: constant(first.importance, 1, entries),
        headImportance: constant(first.headImportance, heads, 1, 1),
        heads: constant(first.live, heads, 1, 1),
      };
      let result: CascadeResult | undefined;
      for (const { q, k, v } of layers.slice(0, upTo + 1)) {
        result = cascadeAttention(before, {
          queries: place(g, q),
          keys: place(g, k),
          values: place(g, v),
          scale,
          newest: constant([...Array(entries - 1).fill(0), 1], 1, entries),
          valueCount: place1(settings.values),
          nextTokens: place1(settings.tokens),
          nextHeads: place1(settings.heads),
          highBits: settings.highBits,
          lowBits: settings.highBits === 0 ? 0 : 4,
          refineBelow: settings.refineBelow,
          renormalise: false,
        });
        before = result.next;
      }
      return result as CascadeResult;
    };
    for (const [layer, want] of expected.entries()) {
      const close = (got: number[], wanted: number[]) => {
        expect(got).toHaveLength(wanted.length);
        for (const [i, value] of got.entries()) expect(Math.abs(value - (wanted[i] as number))).toBeLessThan(2e-4);
      };
      const got = await evaluate(testDevice(), (g) => {
        const { attended, next, valueRows, refinedHeads } = build(g, layer);
        return [attended, next.importance, next.tokens, next.heads, valueRows, refinedHeads];
      });
      const [attended, importance, ...counts] = got.map((one) => Array.from(one as Float32Array));
      close(attended as number[], want.out);
      close(importance as number[], want.next.importance);
      expect(counts).toEqual([want.next.alive, want.next.live, want.valueRows, want.refinedKv]);
    }
  });

  it("splits rows as the plain planes do", async () => {
    const x = tensor([6, dim], 77);
    for (const [high, low] of [
      [8, 4],
      [4, 4],
      [8, 0],
    ] as const) {
      for (const part of ["high", "both"] as const) {
        const got = await run((g) => bitPlanes(place(g, x), high, low)[part]);
        const want = rows(x, 6, dim).flatMap((row) => {
          const planes = toBitPlanes(row, high, low);
          return Array.from(part === "high" ? readHigh(planes) : readBoth(planes));
        });
        for (const [i, value] of want.entries()) expect(Math.abs((got[i] as number) - value)).toBeLessThan(1e-5);
      }
    }
  });
});

describe.each(["llama", "qwen3", "gemma3"] as const)("spatten on %s", (architecture) => {
  const tokenizer = byteTokenizer();
  let model: LoadedModel;
  let engine: Engine;
  let managed = 0;
  beforeAll(async () => {
    const tiny = await writeTinyModel(tinyShape(architecture, tokenizer.vocabSize), 3);
    model = await loadModel(tiny.path, { device: "cpu", threads: 1 });
    engine = new Engine(model, tokenizer, { cacheType: "f32", prefixSharing: false });
  });
  afterAll(async () => {
    await engine.close();
    await model.close();
  });

  const prompt = Int32Array.from({ length: 70 }, (_, i) => 1 + ((i * i * 7 + i * 31) % 200));
  const steps = 12;

  async function trace(policy: CachePolicy) {
    const logits: Float32Array[] = [];
    let made: PolicyRun | undefined;
    const watched: CachePolicy = {
      ...policy,
      create: (shape) => {
        managed = shape.managedLayers.length;
        made = policy.create(shape);
        return made;
      },
    };
    const forced = forcedDecoder(promptAndSteps(prompt, steps), (row) => logits.push(row));
    const sequence = engine.start({
      prompt,
      decoder: forced,
      policy: watched,
      sampler: createSampler({ temperature: 0 }),
      maxTokens: steps + 5,
      ignoreEnd: true,
    });
    for await (const _ of sequence.pieces);
    if (sequence.error !== undefined) throw sequence.error;
    return { logits, stats: made?.stats?.() ?? {} };
  }
  const distance = (a: readonly Float32Array[], b: readonly Float32Array[]) =>
    Math.max(...a.flatMap((row, step) => Array.from(row, (value, i) => Math.abs(value - (b[step]?.[i] as number)))));
  const everything = { tokenKeep: 1, headKeep: 1, valueKeep: 1 };

  it("reading everything is the full cache, bit for bit", async () => {
    const whole = await trace(full());
    expect((await trace(spatten({ ...everything, highBits: 0 }))).logits).toEqual(whole.logits);
  });

  it("with all bits of all keys is nearly the full cache, and reads the bits it should", async () => {
    const whole = await trace(full());
    const fine = await trace(spatten({ ...everything, highBits: 8, lowBits: 8, refineBelow: 2 }));
    // Values have 8 bits.
    expect(distance(fine.logits, whole.logits)).toBeLessThan(0.15);
    expect(fine.stats["shareRefined"]).toBe(1);
    const { headDim } = model.config;
    expect(fine.stats["shareRead"]).toBeCloseTo((16 * headDim + 8 * headDim + 32) / (32 * headDim), 6);
  });

  it("adds up what every query of the prompt gave away", async () => {
    const { stats } = await trace(spatten({ ...everything, highBits: 0, valueKeep: 0.999 }));
    const rows = prompt.length + steps;
    expect(Math.abs((stats["importance"] as number) / (managed * model.config.numHeads * rows) - 1)).toBeLessThan(1e-3);
  });

  it("reads fewer tokens with every layer, and says how many bits", async () => {
    const { logits, stats } = await trace(spatten({ tokenKeep: 0.3, valueKeep: 0.3, refineBelow: 0 }));
    for (const row of logits) expect(row.every(Number.isFinite)).toBe(true);
    expect(stats["shareRefined"]).toBe(0);
    const targets = cascadeTargets(
      { layers: managed, queryHeads: 4 },
      { tokenKeep: 0.3, headKeep: 1, valueKeep: 0.3 },
      80,
    );
    const keys = targets.reduce((sum, { tokens }) => sum + tokens, 0) / (managed * 80);
    const { headDim } = model.config;
    const keyShare = (keys * (8 * headDim + 16)) / (32 * headDim);
    expect(stats["shareRead"]).toBeGreaterThan(keyShare);
    expect(stats["shareRead"]).toBeLessThan(keyShare + (0.9 * (8 * headDim + 16)) / (32 * headDim));
  });
});

describe("spatten", () => {
  it.each([
    { tokenKeep: 0 },
    { headKeep: 1.1 },
    { valueKeep: Number.NaN },
    { highBits: 1 },
    { lowBits: -1 },
    { refineBelow: -0.1 },
    { refineBelow: Number.NaN },
    { highBits: 12, lowBits: 8 },
  ])("refuses %j", (options) => {
    const shape = { layers: 2, kvHeads: 2, queryHeads: 4, headDim: 8, managedLayers: [0, 1], trainedTokens: 512 };
    expect(() => spatten(options).create(shape)).toThrow(/spatten/);
  });
});
