import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cake } from "./cake.js";
import { noise, PlainSequence, type PlainText, plainShape } from "./policy.case.js";
import { holdsAsPolicy } from "./policy-suite.case.js";
import { allocate, cascade, liftPoorest } from "./record/layer-budgets.js";
import { preference, spreadOf } from "./record/layer-preference.js";
import { snapkv } from "./snapkv.js";

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

holdsAsPolicy("cake", {
  make: (options) => cake(options as never),
  // Layers differ; the total holds, but for an entry a layer that rounding may lose.
  after: (counts, budget) => {
    const total = budget * counts.length;
    return sum(counts) <= total && sum(counts) >= total - counts.length;
  },
  newest: (budget) => Math.min(32, Math.floor(budget / 2)),
  sinks: 0,
  tooSmall: -2,
  observes: true,
});

const stages = (preferences: number[], total: number, cap: number) =>
  preferences.map((_, last) => allocate(preferences.slice(0, last + 1), total, cap));

describe("layer budgets", () => {
  it("do the first worked example", () => {
    expect(stages([4, 2, 1, 1], 128, 92)).toEqual([[92], [86, 42], [74, 36, 18], [64, 32, 16, 16]]);
    expect(cascade([4, 2, 1, 1], 128, 92)).toEqual([64, 32, 16, 16]);
  });

  it("do the second, where the cap bites", () => {
    const expected = [[60], [60, 60], [60, 36, 24], [60, 28, 16, 16], [60, 25, 14, 13, 8]];
    expect(stages([7, 2, 1, 1, 0.5], 120, 60)).toEqual(expected);
    expect(cascade([7, 2, 1, 1, 0.5], 120, 60)).toEqual(expected[4]);
  });

  const layers = fc.array(fc.double({ min: 0.001, max: 100, noNaN: true }), { minLength: 1, maxLength: 30 });
  const sizes = fc.tuple(fc.integer({ min: 0, max: 3000 }), fc.integer({ min: 1, max: 500 }));

  it("add up to the total wherever it fits, and go over no cap", () => {
    fc.assert(
      fc.property(layers, sizes, (preferences, [total, cap]) => {
        const budgets = allocate(preferences, total, cap);
        expect(sum(budgets)).toBe(Math.min(total, cap * preferences.length));
        for (const budget of budgets) expect(budget).toBeLessThanOrEqual(cap);
        for (const budget of budgets) expect(budget).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it("do not depend on the scale of preferences", () => {
    fc.assert(
      fc.property(layers, sizes, (preferences, [total, cap]) => {
        expect(
          cascade(
            preferences.map((one) => one * 8),
            total,
            cap,
          ),
        ).toEqual(cascade(preferences, total, cap));
      }),
    );
  });

  it("lose at most an entry a layer to the cascade's rounding, where no cap bites", () => {
    fc.assert(
      fc.property(layers, sizes, (preferences, [total]) => {
        const lost = total - sum(cascade(preferences, total, total));
        expect(lost).toBeGreaterThanOrEqual(0);
        expect(lost).toBeLessThanOrEqual(preferences.length);
      }),
    );
  });

  it("never go over the total in the cascade, whatever the cap", () => {
    fc.assert(
      fc.property(layers, sizes, (preferences, [total, cap]) => {
        const budgets = cascade(preferences, total, cap);
        expect(sum(budgets)).toBeLessThanOrEqual(Math.min(total, cap * preferences.length));
        for (const budget of budgets) expect(budget).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it("are equal when nobody has a preference, or one is endless", () => {
    expect(allocate([0, 0, 0], 30, 50)).toEqual([10, 10, 10]);
    expect(allocate([1, Number.POSITIVE_INFINITY, 1], 31, 50)).toEqual([11, 10, 10]);
  });

  it("can be lifted at the expense of the richest", () => {
    const budgets = [0, 20, 3, 17];
    liftPoorest(budgets, 5);
    expect(sum(budgets)).toBe(40);
    expect(Math.min(...budgets)).toBe(5);
    const poor = [1, 2];
    liftPoorest(poor, 5);
    expect(sum(poor)).toBe(3);
  });
});

describe("layer preference", () => {
  it("agrees with sums written out", () => {
    const [held, rowCount, newest, entries] = [9, 5, 3, 6];
    const rows = Float32Array.from({ length: 2 * rowCount * held }, (_, i) => Math.abs(noise(1, i)[0] as number));
    let entropy = 0;
    let shift = 0;
    for (let g = 0; g < 2; g++) {
      for (let e = 0; e < entries; e++) {
        const column = [2, 3, 4].map((row) => rows[(g * rowCount + row) * held + e] as number);
        for (const a of column) entropy -= a * Math.log(a + 1e-10);
        const mean = sum(column) / 3;
        shift += sum(column.map((a) => (a - mean) ** 2)) / 2;
      }
    }
    const spread = spreadOf(rows, { rowCount, held, newest, entries });
    expect(spread.entropy).toBeCloseTo(entropy, 6);
    expect(spread.shift).toBeCloseTo(shift, 6);
    expect(preference(spread, 2, 0.5)).toBeCloseTo(entropy ** 0.5 * shift ** 2, 6);
  });

  it("is nothing where all rows are equal", () => {
    const rows = Float32Array.from({ length: 32 * 10 }, (_, i) => 0.1 + (i % 10) / 77);
    const spread = spreadOf(rows, { rowCount: 32, held: 10, newest: 32, entries: 8 });
    expect(spread.shift).toBe(0);
    expect(preference(spread, 1, 1)).toBe(0);
  });
});

describe("cake", () => {
  const shape = plainShape({ layers: 4 });
  const text: PlainText = { shape, promptTokens: 90 };

  it("with equal layers and no variance keeps what snapkv keeps", () => {
    const ours = new PlainSequence(cake({ budget: 30, window: 8, gamma: 0, layers: "uniform" }), text).prefill();
    const theirs = new PlainSequence(snapkv({ budget: 30, window: 8 }), text).prefill();
    expect(ours.everyHead()).toEqual(theirs.everyHead());
  });

  it("gives more to layers that look around, within the same total", () => {
    // Layer 0 always looks at one entry; layer 1 at another half of the text with every query.
    const weights: PlainText["weights"] = ({ layer, query }, positions) => {
      const own = positions.map((p) => (layer === 0 ? Number(p === 0) : Number(p % 2 === query % 2)) + 1e-9);
      return own.map((weight) => weight / sum(own));
    };
    const two = plainShape({ layers: 2 });
    const policy = cake({ budget: 30, window: 8 });
    const sequence = new PlainSequence(policy, { shape: two, promptTokens: 90, weights }).prefill();
    expect(sequence.counts()).toEqual([8, 52]);
    expect(sequence.step(5).counts()).toEqual([8, 52]);
    expect(sequence.run.stats?.()).toEqual({ layer0: 8, layer1: 52 });
    const lifted = new PlainSequence(cake({ budget: 30, window: 8, minLayer: 10 }), {
      shape: two,
      promptTokens: 90,
      weights,
    });
    expect(lifted.prefill().counts()).toEqual([18, 42]);
  });

  it("keeps, with and without cascade, nested sets of the same entries", () => {
    const kept = (cascading: boolean) => new PlainSequence(cake({ budget: 20, window: 8, cascading }), text).prefill();
    const [on, off] = [kept(true), kept(false)];
    expect(sum(off.counts())).toBe(80);
    for (let layer = 0; layer < 4; layer++) {
      const all = off.positions(layer);
      for (const position of on.positions(layer)) expect(all).toContain(position);
    }
  });

  it("keeps the prompt whole between the budget and the budget and a window; the first step cuts", () => {
    const policy = cake({ budget: 30, window: 8 });
    const sequence = new PlainSequence(policy, { shape, promptTokens: 36 }).prefill();
    expect(sequence.counts()).toEqual([36, 36, 36, 36]);
    expect(sequence.step().counts()).toEqual([30, 30, 30, 30]);
  });

  it("then keeps what the newest query looks at", () => {
    const one = plainShape({ layers: 1, kvHeads: 1, queryHeads: 1 });
    const weights: PlainText["weights"] = ({ query }, positions) => {
      const own = positions.map((p) => (p === query % 20 ? 1 : 0.001));
      return own.map((weight) => weight / sum(own));
    };
    const policy = cake({ budget: 20, window: 4, kernel: 1, gamma: 0 });
    const sequence = new PlainSequence(policy, { shape: one, promptTokens: 20, weights }).prefill();
    // The query at 20 looks at 0, and everything else alike: the oldest of those goes.
    expect(sequence.step().positions().slice(0, 3)).toEqual([0, 2, 3]);
  });

  it("with a wide flat pyramid gives the first layer most and the last its window only", () => {
    const policy = cake({ budget: 20, window: 8, layers: "pyramid" });
    expect(new PlainSequence(policy, text).prefill().counts()).toEqual([32, 24, 16, 8]);
  });

  it.each([{ tauEntropy: 0 }, { tauShift: -1 }, { gamma: -1 }, { kernel: 2 }, { minLayer: -1 }, { window: 0 }])(
    "refuses %j",
    (options) => {
      expect(() => cake(options)).toThrow(/cake/);
    },
  );
});
