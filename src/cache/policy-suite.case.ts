import { describe, expect, it } from "vitest";
import type { QuireError } from "../errors.js";
import { PlainSequence, type PlainText, plainShape } from "./policy.case.js";
import type { CachePolicy } from "./policy.js";

/** What every cache policy must do, whatever it observes. */

export interface SuiteOptions {
  /** The policy with a budget and, where wanted, more. */
  make(options: Record<string, number | string | boolean>): CachePolicy;
  /** Entries that may be held after the prompt and after a step; default exactly the budget. */
  readonly after?: (layerCounts: readonly number[], budget: number, step: number) => boolean;
  /** Newest entries that must be there, given the budget. */
  newest(budget: number): number;
  readonly sinks: number;
  /** Too small a number of entries for this policy. */
  readonly tooSmall: number;
  /** Acts between slices of the prompt. */
  readonly actsOnSlices?: boolean;
  /** Decides by what it observes. */
  readonly observes: boolean;
  /** Whether entries are dropped; else mass adds up. */
  readonly drops?: boolean;
  /** Keeps the prompt whole at its end. */
  readonly late?: boolean;
}

const promptTokens = 60;
const text = (change: Partial<PlainText> = {}): PlainText => ({
  shape: plainShape(),
  promptTokens,
  maxNewTokens: 40,
  ...change,
});

export function holdsAsPolicy(name: string, options: SuiteOptions): void {
  const { make, newest, sinks } = options;
  const start = (policyOptions: Record<string, number | string | boolean>, change?: Partial<PlainText>) =>
    new PlainSequence(make(policyOptions), text(change));
  const holds = options.after ?? ((counts, budget) => counts.every((count) => count === budget));

  describe(`${name}, as every policy`, () => {
    it.each([14, 20, 33])("holds the budget %i after the prompt and every step", (budget) => {
      const sequence = start({ budget }).prefill();
      for (let step = 0; step <= 40; step++) {
        if (step > 0) sequence.step();
        if (step > 0 || !options.late) expect(holds(sequence.counts(), budget, step), `step ${step}`).toBe(true);
        for (const entries of sequence.everyHead()) {
          const positions = entries.map(({ position }) => position);
          expect(positions).toEqual([...new Set(positions)].sort((a, b) => a - b));
          const last = Array.from({ length: newest(budget) }, (_, i) => sequence.tokens - newest(budget) + i);
          expect(positions).toEqual(expect.arrayContaining(last));
          expect(positions.slice(0, sinks)).toEqual(Array.from({ length: sinks }, (_, i) => i));
          if (options.drops === false)
            expect(entries.reduce((sum, { mass }) => sum + mass, 0)).toBeCloseTo(sequence.tokens, 3);
        }
      }
    });

    it("repeats exactly", () => {
      const once = start({ budget: 20 }).prefill().step(30);
      const again = start({ budget: 20 }).prefill().step(30);
      expect(again.entries).toEqual(once.entries);
    });

    it("leaves memory alone that fits, and does nothing at a budget of 1", () => {
      expect(start({ budget: 100 }).prefill().step(40).edits).toEqual([]);
      expect(start({ budget: 1 }).prefill().step(70).edits).toEqual([]);
      expect(start({ budget: 60 }, { promptTokens: 30 }).prefill().step(30).edits).toEqual([]);
    });

    it("serves short prompts under a share", () => {
      for (const length of [1, 2, 3, 5, 9]) {
        const sequence = start({ budget: 0.2 }, { promptTokens: length, maxNewTokens: 8 }).prefill().step(8);
        for (const entries of sequence.everyHead()) expect(entries.at(-1)?.position).toBe(length + 7);
      }
    });

    if (!options.actsOnSlices) {
      it("does the same when the prompt comes in slices", () => {
        const whole = start({ budget: 20 }).prefill().step(20);
        for (const slice of [7, 16, 59]) {
          const sliced = start({ budget: 20 }).prefill(slice).step(20);
          expect(sliced.everyHead().map((head) => head.map(({ position }) => position))).toEqual(
            whole.everyHead().map((head) => head.map(({ position }) => position)),
          );
        }
      });
    }

    it("clones that go their own way leave the original alone", () => {
      const other: PlainText = text({ weights: (_, positions) => positions.map((_, i) => (i === 7 ? 1 : 0)) });
      const original = start({ budget: 20 }).prefill().step(9);
      original.clone(other).step(30);
      original.step(30);
      expect(original.entries).toEqual(start({ budget: 20 }).prefill().step(39).entries);
    });

    it("touches only managed layers", () => {
      const shape = plainShape({ layers: 3, managedLayers: [1] });
      const sequence = start({ budget: 20 }, { shape }).prefill().step(40);
      const [first, managed, last] = sequence.counts();
      expect([first, last]).toEqual([100, 100]);
      expect(managed).toBeLessThan(100);
    });

    if (options.observes) {
      it("refuses attention that is not a number", () => {
        const weights: PlainText["weights"] = (_, positions) => positions.map(() => Number.NaN);
        expect(() => start({ budget: 20 }, { weights }).prefill().step(40)).toThrow(/not a number|sum to 1/);
      });
    }

    it.each([
      [{ budget: 0 }],
      [{ budget: -1 }],
      [{ budget: 1.5 }],
      [{ budget: Number.NaN }],
      [{ budget: Number.POSITIVE_INFINITY }],
      [{ budget: "much" }],
      [{ bugdet: 20 }],
      [{ budget: options.tooSmall }],
    ])("refuses %j before anything runs", (bad: Record<string, number | string>) => {
      let error: unknown;
      try {
        make(bad).create(plainShape());
      } catch (thrown) {
        error = thrown;
      }
      expect((error as QuireError | undefined)?.code).toBe("bad-option");
    });
  });
}
