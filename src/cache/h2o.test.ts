import { describe, expect, it } from "vitest";
import { h2o, perQuery } from "./h2o.js";
import { PlainSequence, type PlainText, plainShape } from "./policy.case.js";
import { holdsAsPolicy } from "./policy-suite.case.js";
import { DecayedSums } from "./record/decayed-sums.js";

holdsAsPolicy("h2o", {
  make: (options) => h2o(options as never),
  newest: (budget) => budget - Math.floor(budget / 2),
  sinks: 0,
  tooSmall: -3,
  observes: true,
});

const one = plainShape({ layers: 1, kvHeads: 1, queryHeads: 1 });

/** The worked example: rows of the prompt, then of the steps over what is held. */
const rows = [[1], [0.6, 0.4], [0.5, 0.1, 0.4], [0.3, 0.1, 0.4, 0.2], [0.1, 0.6, 0.1, 0.2], [0.2, 0.1, 0.5, 0.2]];
const worked: PlainText = {
  shape: one,
  promptTokens: 4,
  weights: ({ query }) => rows[query] as number[],
};

const uniform: PlainText["weights"] = (_, positions) => positions.map(() => 1 / positions.length);

describe("h2o", () => {
  it("does the worked example", () => {
    const sequence = new PlainSequence(h2o({ budget: 3, heavy: 0.34 }), worked).prefill();
    expect(sequence.positions()).toEqual([0, 2, 3]);
    sequence.step();
    expect(sequence.positions()).toEqual([0, 3, 4]);
    expect(sequence.entries[0]?.[0]?.map(({ columnSum }) => columnSum.toFixed(1))).toEqual(["2.5", "0.3", "0.2"]);
    sequence.step();
    expect(sequence.positions()).toEqual([0, 4, 5]);
    expect(sequence.run.stats?.()).toMatchObject({ drops: 3, firstFourHeld: 2 });
  });

  it("without heavy hitters is a window without sinks", () => {
    const sequence = new PlainSequence(h2o({ budget: 8, heavy: 0 }), {
      shape: plainShape(),
      promptTokens: 30,
    }).prefill();
    for (let step = 0; step < 20; step++) {
      expect(sequence.positions()).toEqual(Array.from({ length: 8 }, (_, i) => sequence.tokens - 8 + i));
      sequence.step();
    }
  });

  it("without newest entries keeps pure heavy hitters", () => {
    const sequence = new PlainSequence(h2o({ budget: 4, heavy: 1 }), { shape: one, promptTokens: 8, weights: uniform });
    expect(sequence.prefill().positions()).toEqual([0, 1, 2, 3]);
    expect(sequence.step(5).positions()).toEqual([0, 1, 2, 3]);
  });

  it("averages over the heads of a group", () => {
    const shape = plainShape({ layers: 1, kvHeads: 1, queryHeads: 2 });
    const weights: PlainText["weights"] = ({ queryHead, query }, positions) =>
      positions.map((position) => (position === Math.min(query, queryHead === 0 ? 1 : 3) ? 1 : 0));
    const sequence = new PlainSequence(h2o({ budget: 4, heavy: 0.5 }), { shape, promptTokens: 12, weights }).prefill();
    expect(sequence.positions()).toEqual([1, 3, 10, 11]);
  });

  it("cuts only when due", () => {
    const sequence = new PlainSequence(h2o({ budget: 10, every: 4 }), {
      shape: plainShape(),
      promptTokens: 20,
    }).prefill();
    const counts = Array.from({ length: 8 }, () => sequence.step().counts()[0]);
    expect(counts).toEqual([11, 12, 13, 10, 11, 12, 13, 10]);
  });

  it("per query, the advantage of age shrinks from 21.7 times to 2.7 times", () => {
    const sums = Float32Array.from({ length: 8 }, (_, j) => {
      let sum = 0;
      for (let i = j; i < 8; i++) sum += 1 / (i + 1);
      return sum;
    });
    expect(Array.from(sums, (sum) => sum.toFixed(3))).toEqual(
      "2.718 1.718 1.218 0.885 0.635 0.435 0.268 0.125".split(" "),
    );
    expect((sums[0] as number) / (sums[7] as number)).toBeCloseTo(21.7, 1);
    perQuery(
      sums,
      Int32Array.from({ length: 8 }, (_, i) => i),
      8,
    );
    expect(sums[0]?.toFixed(3)).toBe("0.340");
    expect((sums[0] as number) / (sums[7] as number)).toBeCloseTo(2.7, 1);
  });

  it("forgets with decay", () => {
    const sums = new DecayedSums(0.5);
    sums.update(0, Int32Array.of(0, 1, 2), Float32Array.of(4, 2, 1));
    // Position 1 was dropped, 3 is new; the shares of the step are 1, 0 and 0.5.
    const faded = sums.clone().update(0, Int32Array.of(0, 2, 3), Float32Array.of(5, 1, 0.5));
    expect(Array.from(faded)).toEqual([3, 0.5, 0.5]);
  });

  it("gives up, with decay, what nobody looks at any more", () => {
    const weights: PlainText["weights"] = ({ query }, positions) =>
      positions.map((position) => (position === (query < 12 ? 0 : 12) ? 1 : 0));
    const kept = (decay: number) =>
      new PlainSequence(h2o({ budget: 5, heavy: 0.2, decay }), { shape: one, promptTokens: 12, weights })
        .prefill()
        .step(5)
        .positions();
    expect(kept(1)).toEqual([0, 13, 14, 15, 16]);
    expect(kept(0.5)).toEqual([12, 13, 14, 15, 16]);
  });

  it("refuses attention that does not sum to 1", () => {
    const weights: PlainText["weights"] = (_, positions) => positions.map(() => 0.9 / positions.length);
    expect(() => new PlainSequence(h2o(), { shape: one, promptTokens: 20, weights }).prefill()).toThrow(
      /do not sum to 1/,
    );
  });

  it.each([{ heavy: 1.1 }, { heavy: -0.1 }, { heavy: Number.NaN }, { every: 0 }, { decay: 0 }, { score: "max" }])(
    "refuses %j",
    (options) => {
      expect(() => h2o(options as never)).toThrow(/h2o/);
    },
  );
});
