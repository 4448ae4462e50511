import { describe, expect, it } from "vitest";
import { PlainSequence, plainShape } from "./policy.case.js";
import { holdsAsPolicy } from "./policy-suite.case.js";
import { window } from "./window.js";

holdsAsPolicy("window", {
  make: (options) => window(options as never),
  newest: (budget) => budget - 4,
  sinks: 4,
  tooSmall: 4,
  actsOnSlices: true,
  observes: false,
});

describe("window", () => {
  it("holds no more than the budget and a slice while a prompt is read", () => {
    const sequence = new PlainSequence(window({ budget: 10 }), { shape: plainShape(), promptTokens: 60 }).prefill(8);
    expect(sequence.edits).toHaveLength(7);
    expect(sequence.positions()).toEqual([0, 1, 2, 3, 54, 55, 56, 57, 58, 59]);
  });

  it("reads the prompt whole first, if told so", () => {
    const text = { shape: plainShape(), promptTokens: 60 };
    const sequence = new PlainSequence(window({ budget: 0.5, slices: false }), text).prefill(8);
    expect(sequence.edits).toHaveLength(1);
    expect(sequence.counts()).toEqual([30, 30]);
  });
});
