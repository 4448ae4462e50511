import { describe, expect, it } from "vitest";
import { PlainSequence, type PlainText, plainShape } from "./policy.case.js";
import { holdsAsPolicy } from "./policy-suite.case.js";
import { snapkv } from "./snapkv.js";

holdsAsPolicy("snapkv", {
  make: (options) => snapkv(options as never),
  newest: (budget) => Math.min(32, Math.floor(budget / 2)),
  sinks: 0,
  tooSmall: -2,
  observes: true,
});

describe("snapkv", () => {
  it("keeps what the last queries look at, with its neighbours, and lets generated entries slide past", () => {
    const shape = plainShape({ layers: 1, kvHeads: 1, queryHeads: 1 });
    // Everybody looked at 3, but of late only 20 counts.
    const weights: PlainText["weights"] = ({ query }, positions) =>
      positions.map((position) => (position === (query < 36 ? Math.min(3, query) : 20) ? 1 : 0));
    const sequence = new PlainSequence(snapkv({ budget: 9, window: 4 }), {
      shape,
      promptTokens: 40,
      weights,
    }).prefill();
    expect(sequence.positions()).toEqual([18, 19, 20, 21, 22, 36, 37, 38, 39]);
    expect(sequence.step(6).positions()).toEqual([18, 19, 20, 21, 22, 42, 43, 44, 45]);
  });

  it("keeps the later of what is scored alike", () => {
    const shape = plainShape({ layers: 1 });
    const weights: PlainText["weights"] = ({ query }, positions) =>
      positions.map((position) => (position === query ? 1 : 0));
    const sequence = new PlainSequence(snapkv({ budget: 10, window: 4 }), {
      shape,
      promptTokens: 40,
      weights,
    }).prefill();
    expect(sequence.positions()).toEqual([30, 31, 32, 33, 34, 35, 36, 37, 38, 39]);
  });

  it.each([{ window: 0 }, { window: 1.5 }, { kernel: 4 }, { kernel: -1 }])("refuses %j", (options) => {
    expect(() => snapkv(options)).toThrow(/snapkv/);
  });
});
