import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chelsea } from "./chelsea.js";
import { noise, PlainSequence, type PlainText, plainShape } from "./policy.case.js";
import { holdsAsPolicy } from "./policy-suite.case.js";
import { matchDown, proposals } from "./record/soft-matching.js";

const chunk = 8;

holdsAsPolicy("chelsea", {
  make: (options) => chelsea({ chunk, ...options } as never),
  after: (counts, budget, step) =>
    counts.every((count) => (step === 0 ? count === budget : count >= budget && count <= budget + chunk)),
  newest: (budget) => Math.min(64, Math.floor(budget / 2)),
  sinks: 4,
  tooSmall: 8,
  observes: false,
  drops: false,
});

const workedKeys = [1, 0, 0.9, 0.1, 0, 1, 0.8, 0.6, 0.6, 0.8, 0, 1];
const matched = (target: number, change: object = {}) =>
  matchDown(Float32Array.from(workedKeys), new Float32Array(6).fill(1), 2, {
    target,
    sinks: 0,
    recent: 0,
    chunk: 6,
    threshold: -1,
    scope: "global",
    ...change,
  });

describe("soft matching", () => {
  it("does the worked example", () => {
    const found = proposals(Float32Array.from(workedKeys), 2, [0, 1, 2, 3, 4, 5], 6);
    expect(found.map(({ source, target }) => [source, target])).toEqual([
      [0, 1],
      [2, 5],
      [4, 3],
    ]);
    expect(found.map(({ similarity }) => similarity.toFixed(4))).toEqual(["0.9939", "1.0000", "0.9600"]);
    const two = matched(4);
    expect(two.living).toEqual([1, 3, 4, 5]);
    expect(two.groups.map((group) => Array.from(group))).toEqual([
      [1, 0],
      [5, 2],
    ]);
    const three = matched(3);
    expect(three.living).toEqual([1, 3, 5]);
    expect(three.groups.map((group) => Array.from(group))).toEqual([
      [1, 0],
      [3, 4],
      [5, 2],
    ]);
  });

  it("goes on in rounds when more than half has to go", () => {
    const { living, groups } = matched(1);
    expect(living).toHaveLength(1);
    expect(groups).toHaveLength(1);
    expect([...(groups[0] as Int32Array)].sort()).toEqual([0, 1, 2, 3, 4, 5]);
    expect(groups[0]?.[0]).toBe(living[0]);
  });

  it("stops at the threshold", () => {
    expect(matched(3, { threshold: 0.99 }).living).toEqual([1, 3, 4, 5]);
    expect(matched(3, { threshold: 1 }).living.length).toBeGreaterThanOrEqual(5);
  });

  it("keeps similarity 0 for keys without length", () => {
    const [only] = proposals(new Float32Array(4), 2, [0, 1], 2);
    expect(only).toEqual({ source: 0, target: 1, similarity: 0 });
  });

  it("has groups that are apart, end at the target, respect the ends and stay in their chunk", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 0, max: 4 }),
        fc.constantFrom(2, 4, 16),
        fc.constantFrom("global" as const, "perChunk" as const),
        (count, target, ends, size, scope) => {
          const keys = Float32Array.from(noise(count * 3, count, target));
          const options = { target, sinks: ends, recent: ends, chunk: size, threshold: -1, scope };
          const { groups, living } = matchDown(keys, new Float32Array(count).fill(1), 3, options);
          const joined = groups.flatMap((group) => Array.from(group));
          expect(new Set(joined).size).toBe(joined.length);
          expect(living.length + joined.length - groups.length).toBe(count);
          expect(living.length).toBe(
            Math.min(count, Math.max(target, Math.min(count, 2 * ends + Math.min(1, Math.max(0, count - 2 * ends))))),
          );
          for (const index of joined) {
            expect(index).toBeGreaterThanOrEqual(ends);
            expect(index).toBeLessThan(count - ends);
          }
          if (target >= count - Math.floor((count - 2 * ends) / 4)) {
            // One round: nobody crosses a border.
            for (const group of groups) {
              const chunks = Array.from(group, (index) => Math.floor((index - ends) / size));
              expect(new Set(chunks).size).toBe(1);
            }
          }
        },
      ),
    );
  });

  it("weighs by what entries stand for", () => {
    const keys = Float32Array.of(0, 0, 1, 0, 4, 0);
    const mass = Float32Array.of(3, 1, 1);
    // In the second round 1 (now 0.25) stands for four tokens.
    const { groups, living } = matchDown(keys, mass, 2, {
      target: 1,
      sinks: 0,
      recent: 0,
      chunk: 4,
      threshold: -1,
      scope: "global",
    });
    expect(living).toEqual([1]);
    expect(groups.map((group) => Array.from(group))).toEqual([[1, 0, 2]].map((group) => expect.arrayContaining(group)));
  });
});

describe("chelsea", () => {
  const one = plainShape({ layers: 1, kvHeads: 1, queryHeads: 1, headDim: 2 });

  it("merges the worked example in the memory", () => {
    const text: PlainText = {
      shape: one,
      promptTokens: 8,
      // Worked keys between a first token and a newest one that stay.
      key: (_, __, position) =>
        position === 0 || position === 7 ? [9, 9] : workedKeys.slice(2 * position - 2, 2 * position),
    };
    const sequence = new PlainSequence(chelsea({ budget: 6, chunk: 6, sinks: 1, window: 1 }), text).prefill();
    const entries = sequence.entries[0]?.[0] ?? [];
    expect(entries.map(({ position, mass }) => [position, mass])).toEqual([
      [0, 1],
      [2, 2],
      [4, 1],
      [5, 1],
      [6, 2],
      [7, 1],
    ]);
    expect(entries[1]?.key[0]).toBeCloseTo(0.95, 6);
    expect(entries[1]?.key[1]).toBeCloseTo(0.05, 6);
    expect(entries[4]?.key).toEqual([0, 1]);
    expect(sequence.run.stats?.()).toMatchObject({ cuts: 1, joins: 2, largestCluster: 2 });
  });

  it("merges duplicates for free, with the count in the attention", () => {
    const keys = [
      [1, 0],
      [0.3, 0.7],
      [0.3, 0.7],
      [-0.5, 0.2],
    ];
    const values = [
      [1, 0],
      [0, 1],
      [-0.5, 2],
      [0.5, 0.5],
    ];
    const attend = (entries: { key: number[]; value: number[]; mass: number }[], counted: boolean) => {
      const powers = entries.map(
        ({ key, mass }) => (counted ? mass : 1) * Math.exp((key[0] as number) * 0.4 + (key[1] as number) * 1.1),
      );
      const total = powers.reduce((sum, power) => sum + power, 0);
      return [0, 1].map((d) =>
        entries.reduce((sum, { value }, i) => sum + ((powers[i] as number) / total) * (value[d] as number), 0),
      );
    };
    const text: PlainText = {
      shape: one,
      promptTokens: 4,
      key: (_, __, position) => keys[position] as number[],
      value: (_, __, position) => values[position] as number[],
    };
    const before = attend(
      keys.map((key, i) => ({ key, value: values[i] as number[], mass: 1 })),
      true,
    );
    const sequence = new PlainSequence(chelsea({ budget: 3, chunk: 2, sinks: 1, window: 1 }), text).prefill();
    const merged = sequence.entries[0]?.[0] ?? [];
    expect(merged).toHaveLength(3);
    const after = attend(merged, true);
    for (const d of [0, 1]) expect(after[d]).toBeCloseTo(before[d] as number, 10);
    expect(Math.abs((attend(merged, false)[0] as number) - (before[0] as number))).toBeGreaterThan(0.01);
  });

  it("conserves the sums of keys and values, and leaves the ends as they are", () => {
    const shape = plainShape();
    const whole = new PlainSequence(chelsea({ budget: 1 }), { shape, promptTokens: 80 }).prefill();
    const cut = new PlainSequence(chelsea({ budget: 24, chunk: 8 }), { shape, promptTokens: 80 }).prefill();
    const total = (entries: { mass: number; key: number[]; value: number[] }[], of: "key" | "value", d: number) =>
      entries.reduce((sum, entry) => sum + entry.mass * (entry[of][d] as number), 0);
    for (const [index, entries] of cut.everyHead().entries()) {
      const before = whole.everyHead()[index] ?? [];
      for (const of of ["key", "value"] as const) {
        for (let d = 0; d < 4; d++) expect(total(entries, of, d)).toBeCloseTo(total(before, of, d), 6);
      }
      expect(entries.slice(0, 4)).toEqual(before.slice(0, 4));
      expect(entries.slice(-12)).toEqual(before.slice(-12));
    }
  });

  it("with a threshold keeps the heads of a layer equally long", () => {
    const shape = plainShape();
    const sequence = new PlainSequence(chelsea({ budget: 24, chunk: 8, threshold: 0.7 }), { shape, promptTokens: 80 });
    const [count] = sequence.prefill().counts();
    expect(count).toBeGreaterThan(24);
    expect(count).toBeLessThan(80);
    const evicting = chelsea({ budget: 24, chunk: 8, threshold: 0.7, overflow: "evict" });
    const exact = new PlainSequence(evicting, { shape, promptTokens: 80 }).prefill();
    expect(exact.counts()).toEqual([24, 24]);
    expect(exact.positions().slice(0, 4)).toEqual([0, 1, 2, 3]);
  });

  it("can drop what it would have merged", () => {
    const shape = plainShape();
    const merging = new PlainSequence(chelsea({ budget: 24, chunk: 8 }), { shape, promptTokens: 80 }).prefill();
    const dropping = new PlainSequence(chelsea({ budget: 24, chunk: 8, onMatch: "drop" }), {
      shape,
      promptTokens: 80,
    }).prefill();
    expect(dropping.positions(1, 1)).toEqual(merging.positions(1, 1));
    for (const entries of dropping.everyHead()) for (const { mass } of entries) expect(mass).toBe(1);
  });

  it.each([{ chunk: 1 }, { chunk: 7 }, { threshold: 1.5 }, { threshold: Number.NaN }, { sinks: -1 }, { window: 0 }])(
    "refuses %j",
    (options) => {
      expect(() => chelsea(options)).toThrow(/chelsea/);
    },
  );
});
