import { describe, expect, it } from "vitest";
import { lazyEviction } from "./lazy-eviction.js";
import { PlainSequence, type PlainText, plainShape } from "./policy.case.js";
import { holdsAsPolicy } from "./policy-suite.case.js";
import { RecurrenceRecord, recurrenceScore } from "./record/recurrence.js";

const window = 5;

holdsAsPolicy("lazy-eviction", {
  make: (options) => lazyEviction({ window, ...options } as never),
  after: (counts, budget, step) =>
    counts.every((count) => (step < window ? count === 60 + step : count === budget + (step % window))),
  newest: () => window,
  sinks: 0,
  tooSmall: window,
  observes: true,
  late: true,
});

const one = plainShape({ layers: 1, kvHeads: 1, queryHeads: 2 });

describe("recurrence", () => {
  it("keeps the record by hand", () => {
    const record = new RecurrenceRecord();
    record.extend(1, 0);
    const seen: number[] = [];
    for (let step = 1; step <= 20; step++) {
      record.track(Float32Array.of([2, 3, 7, 20].includes(step) ? 0.3 : 0.29), 0.3, step);
      if ([2, 3, 7, 20].includes(step)) seen.push(record.longest[0] as number);
    }
    expect(seen).toEqual([2, 2, 4, 13]);
    expect(record.lastUse[0]).toBe(20);
  });

  it.each([
    [0, 1, 1.5379],
    [3, 1, 1.036],
    [0, 10, 0.5381],
    [10, 10, 0.2387],
    [40, 10, 0.0136],
    [40, 40, 0.2384],
    [120, 100, 0.1995],
    [5, 0, 0],
  ])("scores silence %i after a longest interval of %i with %f", (silence, longest, score) => {
    expect(Math.abs(recurrenceScore(silence, longest) - score)).toBeLessThan(1e-4);
  });

  it("knows the paper's form, without the 1", () => {
    expect(recurrenceScore(0, 1, "paper")).toBeCloseTo(2, 4);
    expect(recurrenceScore(10, 10, "paper")).toBeCloseTo(2 / (1 + Math.E), 3);
  });

  it("grows, shrinks and is copied", () => {
    const record = new RecurrenceRecord();
    record.extend(100, 3);
    record.track(
      Float32Array.from({ length: 100 }, (_, i) => i),
      99,
      5,
    );
    const copy = record.clone();
    record.keep(Int32Array.of(4, 99));
    expect([record.length, record.lastUse[0], record.lastUse[1], record.longest[1]]).toEqual([2, 3, 5, 2]);
    expect([copy.length, copy.lastUse[99]]).toEqual([100, 5]);
  });
});

describe("lazy-eviction", () => {
  it("spares what is due to return, where sums see no difference", () => {
    // Both collect 0.8 and were last used 40 steps ago: position 0 after a silence of 40, position 1 never after more than 10.
    const weights: PlainText["weights"] = ({ query }, positions) => {
      const step = query - 9;
      return positions.map((position) => {
        if (position === 0) return step === 40 ? 0.8 : 0;
        if (position === 1) return step > 0 && step <= 40 && step % 10 === 0 ? 0.2 : 0;
        return 0.01;
      });
    };
    const text: PlainText = { shape: one, promptTokens: 10, weights };
    const sequence = new PlainSequence(lazyEviction({ budget: 81, window: 80, alpha: 0.1 }), text).prefill().step(80);
    expect(sequence.positions().slice(0, 2)).toEqual([0, 10]);
  });

  it("never cuts a text shorter than the window", () => {
    const sequence = new PlainSequence(lazyEviction({ budget: 41, window: 40 }), { shape: one, promptTokens: 60 });
    expect(sequence.prefill().step(39).edits).toEqual([]);
    expect(sequence.step().counts()).toEqual([41]);
  });

  it.each([0, 1.1])("with alpha %f is a sliding window, cut now and then", (alpha) => {
    const policy = lazyEviction({ budget: 12, window: 4, alpha });
    const sequence = new PlainSequence(policy, { shape: one, promptTokens: 30 }).prefill();
    for (let round = 0; round < 5; round++) {
      sequence.step(4);
      expect(sequence.positions()).toEqual(Array.from({ length: 12 }, (_, i) => sequence.tokens - 12 + i));
    }
  });

  it("takes the most of the query heads of a group", () => {
    const weights: PlainText["weights"] = ({ queryHead, query }, positions) =>
      positions.map((position) => (position === (queryHead === 0 ? 2 : query) ? 1 : 0));
    const kept = (heads: "max" | "mean", alpha: number) =>
      new PlainSequence(lazyEviction({ budget: 6, window: 4, alpha, heads }), { shape: one, promptTokens: 10, weights })
        .prefill()
        .step(8)
        .positions();
    expect(kept("max", 0.6)).toContain(2);
    expect(kept("mean", 0.6)).not.toContain(2);
  });

  it("takes a share of prompt and answer together", () => {
    const policy = lazyEviction({ budget: 0.5, window: 4 });
    const sequence = new PlainSequence(policy, { shape: one, promptTokens: 30, maxNewTokens: 10 }).prefill().step(4);
    expect(sequence.counts()).toEqual([20]);
    expect(sequence.run.stats?.()).toMatchObject({ evictions: 1, mostEntries: 34 });
  });

  it.each([{ window: 0 }, { window: 2.5 }, { alpha: -1 }, { alpha: Number.NaN }, { alpha: "often" }, { h1: "x" }])(
    "refuses %j",
    (options) => {
      expect(() => lazyEviction(options as never)).toThrow(/lazy-eviction/);
    },
  );
});
