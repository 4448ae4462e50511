import { describe, expect, it } from "vitest";
import { PlainSequence, plainShape } from "./policy.case.js";
import { holdsAsPolicy } from "./policy-suite.case.js";
import { random } from "./random.js";

holdsAsPolicy("random", {
  make: (options) => random(options as never),
  newest: (budget) => Math.min(32, Math.floor(budget / 2)),
  sinks: 4,
  tooSmall: 8,
  observes: false,
});

describe("random", () => {
  const chosen = (seed: number) =>
    new PlainSequence(random({ budget: 40, window: 8, seed }), { shape: plainShape(), promptTokens: 400 }).prefill();

  it("chooses anew for every seed, layer and head", () => {
    const choices = [
      chosen(1).positions(0, 0),
      chosen(1).positions(0, 1),
      chosen(1).positions(1, 0),
      chosen(2).positions(0, 0),
    ];
    expect(new Set(choices.map(String)).size).toBe(4);
  });

  it("chooses evenly", () => {
    const counts = [0, 0, 0, 0];
    for (let seed = 0; seed < 100; seed++) {
      for (const position of chosen(seed).positions().slice(4, 32)) {
        const quarter = Math.floor(((position - 4) / 388) * 4);
        counts[quarter] = (counts[quarter] as number) + 1;
      }
    }
    // 700 expected in each; six standard deviations.
    for (const count of counts) expect(Math.abs(count - 700)).toBeLessThan(6 * Math.sqrt(2800 * 0.25 * 0.75));
  });
});
