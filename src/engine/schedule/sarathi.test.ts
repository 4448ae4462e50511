import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PassCosts, type PassLoad } from "./pass-costs.js";
import type { Planner, SequenceDemand } from "./planner.js";
import { prefillOnly } from "./prefill-only.js";
import { requestLevel } from "./request-level.js";
import { sarathi } from "./sarathi.js";
import { gaps, type VirtualRequest, type VirtualRun, virtualRun } from "./virtual-engine.case.js";
import { wholePrefill } from "./whole-prefill.js";

const planner = (budget: number, maxSequences = 8, cap = 0): Planner =>
  sarathi({ budget, cap }).planner({ maxSequences });

const demand = (id: number, rows: number, rest: Partial<SequenceDemand> = {}): SequenceDemand => ({
  id,
  rows,
  decoding: rows === 1,
  whole: false,
  held: 0,
  ...rest,
});

/** "A1 B1 C6" of each pass. */
function written({ passes }: VirtualRun): string[] {
  return passes.map(({ shares }) => shares.map(({ id, rows }) => `${"ABCDEFGH"[id]}${rows}`).join(" "));
}

describe("the worked example", () => {
  it("gives C what A and B leave of 8 rows, and lets it decode when its 15 are in", () => {
    const run = virtualRun(
      planner(8),
      [
        { promptRows: 1, outputTokens: 6 },
        { promptRows: 1, outputTokens: 6 },
        { promptRows: 15, outputTokens: 3, arrivesMs: 1 },
      ],
      { maxSequences: 8 },
    );
    expect(written(run)).toEqual(["A1 B1", "A1 B1 C6", "A1 B1 C6", "A1 B1 C3", "A1 B1 C1", "A1 B1 C1"]);
  });

  it("gives a lone prompt of 15 rows 8, then 7", () => {
    const run = virtualRun(planner(8), [{ promptRows: 15, outputTokens: 2 }], { maxSequences: 8 });
    expect(written(run)).toEqual(["A8", "A7", "A1"]);
    expect(run.tokensMs).toEqual([[15, 16]]);
  });
});

describe("what cannot be cut, what drafts, and what is capped", () => {
  const pass = { waiting: [], seats: 0, admit: () => undefined };

  it("runs all rows of a draft, also beyond the budget, before any slice", () => {
    const running = [demand(1, 100), demand(2, 5, { decoding: true }), demand(3, 6, { decoding: true })];
    expect(planner(8).plan({ ...pass, running })).toEqual([
      { id: 2, rows: 5 },
      { id: 3, rows: 6 },
    ]);
    expect(planner(16).plan({ ...pass, running })).toContainEqual({ id: 1, rows: 5 });
  });

  it("runs what is whole as a whole", () => {
    const running = [demand(1, 1), demand(2, 40, { whole: true })];
    expect(planner(8).plan({ ...pass, running })).toEqual([
      { id: 1, rows: 1 },
      { id: 2, rows: 40 },
    ]);
  });

  it("cuts slices to full tiles where they have several, and leaves shorter ones as they are", () => {
    const plan = (budget: number, rows: number) =>
      planner(budget)
        .plan({ ...pass, running: [demand(1, 1), demand(2, rows)] })
        .at(-1)?.rows;
    expect(plan(72, 500)).toBe(64);
    expect(plan(200, 500)).toBe(192);
    expect(plan(60, 500)).toBe(59);
    expect(plan(200, 150)).toBe(150);
  });

  it("leaves room for a short prompt beside a capped long one", () => {
    const running = [demand(1, 500), demand(2, 10)];
    expect(planner(32, 8, 16).plan({ ...pass, running })).toEqual([
      { id: 1, rows: 16 },
      { id: 2, rows: 10 },
    ]);
  });

  it("admits nobody behind one for whom memory has no room", () => {
    const waiting = [demand(1, 4), demand(2, 4), demand(3, 4)];
    const admit = (id: number) => (id === 2 ? undefined : waiting[id - 1]);
    expect(planner(64).plan({ running: [], waiting, seats: 8, admit })).toEqual([{ id: 1, rows: 4 }]);
  });

  it("counts only what a shared prefix leaves over", () => {
    const waiting = [demand(1, 100), demand(2, 100)];
    const shares = planner(16).plan({ running: [], waiting, seats: 8, admit: (id) => demand(id, 3, { held: 97 }) });
    expect(shares).toEqual([
      { id: 1, rows: 3 },
      { id: 2, rows: 3 },
    ]);
  });
});

describe("options", () => {
  it("refuses a budget that is no whole number of rows, or less than the sequences, naming both", () => {
    expect(() => sarathi({ budget: 0 })).toThrow(/budget/);
    expect(() => sarathi({ budget: 2.5 })).toThrow(/budget/);
    expect(() => planner(4, 8)).toThrow(/4 rows.*8 sequences/);
    expect(() => planner(1, 1)).not.toThrow();
    expect(() => sarathi({ "tbt-target": 0 })).toThrow(/tbt-target/);
    expect(() => sarathi({ "tbt-target": 50 }).planner({ maxSequences: 8 })).toThrow(/costs/);
  });

  it("says whether it needs measured costs", () => {
    expect(sarathi().needsCosts).toBe(false);
    expect(sarathi({ "tbt-target": 50 }).needsCosts).toBe(true);
  });
});

const request = fc.record({
  promptRows: fc.integer({ min: 1, max: 90 }),
  outputTokens: fc.integer({ min: 1, max: 12 }),
  arrivesMs: fc.integer({ min: 0, max: 400 }),
  user: fc.constantFrom("ann", "bob", "cy"),
});
const requests = fc.array(request, { minLength: 1, maxLength: 14 });

describe("in virtual time", () => {
  const baselines = [wholePrefill(), prefillOnly({ budget: 16 }), requestLevel(), sarathi({ budget: 16, cap: 5 })];

  it.each(baselines)("$label: every request gets all its tokens, in seats that exist", (part) => {
    fc.assert(
      fc.property(requests, fc.integer({ min: 1, max: 5 }), (list, maxSequences) => {
        const { passes, tokensMs } = virtualRun(part.planner({ maxSequences }), list, { maxSequences });
        expect(tokensMs.map((times) => times.length)).toEqual(list.map(({ outputTokens }) => outputTokens));
        for (const { shares } of passes) expect(new Set(shares.map(({ id }) => id)).size).toBe(shares.length);
        for (const { shares } of passes) expect(shares.length).toBeLessThanOrEqual(maxSequences);
        const rows = passes.flatMap(({ shares }) => shares).reduce((sum, share) => sum + share.rows, 0);
        expect(rows).toBe(list.reduce((sum, { promptRows, outputTokens }) => sum + promptRows + outputTokens - 1, 0));
      }),
    );
  });

  it("sarathi never leaves a decode out, and slices keep to what decodes leave of the budget", () => {
    fc.assert(
      fc.property(
        requests,
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 0, max: 60 }),
        (list, maxSequences, more) => {
          const budget = maxSequences + more;
          const { passes, tokensMs } = virtualRun(planner(budget, maxSequences), list, { maxSequences });
          for (const { shares, decoding } of passes) {
            const decodes = shares.filter((share) => share.decoding);
            expect(decodes.map(({ id }) => id).sort()).toEqual([...decoding].sort());
            const sliced = shares.filter((share) => !share.decoding).reduce((sum, { rows }) => sum + rows, 0);
            expect(sliced).toBeLessThanOrEqual(Math.max(0, budget - decodes.length));
          }
          // So nobody who decodes waits longer than one pass of the budget: a row costs 1 ms here.
          expect(Math.max(0, ...gaps(tokensMs))).toBeLessThanOrEqual(budget);
        },
      ),
    );
  });

  it("first tokens of equal prompts leave in the order of arrival", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 4, max: 70 }),
        (rows, count, budget) => {
          const list: VirtualRequest[] = Array.from({ length: count }, () => ({ promptRows: rows, outputTokens: 3 }));
          const { tokensMs } = virtualRun(planner(budget, 4), list, { maxSequences: 4 });
          const firsts = tokensMs.map(([first]) => first as number);
          expect([...firsts].sort((a, b) => a - b)).toEqual(firsts);
        },
      ),
    );
  });

  it("nobody starves: a prompt's slices all run within the passes that the rows before it need", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 16, max: 64 }),
        (prompts, budget) => {
          const list = prompts.map((promptRows) => ({ promptRows, outputTokens: 4 }));
          const { passes } = virtualRun(planner(budget, 8), list, { maxSequences: 8 });
          for (const [id] of prompts.entries()) {
            const before = prompts.slice(0, id + 1).reduce((sum, rows) => sum + rows, 0);
            const lastSlice = passes.findLastIndex(({ shares }) =>
              shares.some((share) => share.id === id && !share.decoding),
            );
            // Decodes take at most 7 rows of each pass from the slices.
            expect(lastSlice + 1).toBeLessThanOrEqual(Math.ceil(before / (budget - 7)));
          }
        },
      ),
    );
  });

  it("runs the same schedule twice", () => {
    fc.assert(
      fc.property(requests, (list) => {
        const once = () => virtualRun(planner(12), list, { maxSequences: 8 });
        expect(once()).toEqual(once());
      }),
    );
  });

  it("an unlimited budget and one request is plain prefill and decode; a budget of 1 still ends", () => {
    const one = [{ promptRows: 30, outputTokens: 3 }];
    expect(written(virtualRun(planner(1e9), one, { maxSequences: 8 }))).toEqual(["A30", "A1", "A1"]);
    expect(virtualRun(planner(1, 1), one, { maxSequences: 1 }).passes).toHaveLength(32);
  });
});

describe("beside the baselines, in virtual time", () => {
  // Weights are read once a pass, then each row costs the same: the form that processors have.
  const cost = ({ rows }: { rows: number }) => Math.max(8, rows);
  const chats: VirtualRequest[] = Array.from({ length: 6 }, (_, i) => ({
    promptRows: 64,
    outputTokens: 128,
    arrivesMs: 100 * i,
  }));
  const documents: VirtualRequest[] = [900, 1600].map((arrivesMs) => ({
    promptRows: 2048,
    outputTokens: 16,
    arrivesMs,
  }));
  const list = [...chats, ...documents];
  const worst = (run: VirtualRun) => Math.max(...gaps(run.tokensMs.slice(0, 6)));
  const ended = (run: VirtualRun) => Math.max(...run.tokensMs.flat());

  it("readers wait for a slice instead of a document, and the whole takes no longer", () => {
    const sliced = virtualRun(planner(64), list, { maxSequences: 8, cost });
    const whole = virtualRun(wholePrefill().planner({ maxSequences: 8 }), list, { maxSequences: 8, cost });
    expect(worst(sliced)).toBe(64);
    expect(worst(whole)).toBeGreaterThanOrEqual(2048);
    expect(ended(sliced)).toBeLessThan(ended(whole));
  });

  it("decodes that ride along save their own passes", () => {
    const mixed = virtualRun(planner(64), list, { maxSequences: 8, cost });
    const apart = virtualRun(prefillOnly({ budget: 64 }).planner({ maxSequences: 8 }), list, { maxSequences: 8, cost });
    expect(ended(mixed)).toBeLessThan(ended(apart));
    expect(mixed.passes.length).toBeLessThan(apart.passes.length);
  });

  it("groups that run to their end make those wait who come later", () => {
    const groups = virtualRun(requestLevel().planner({ maxSequences: 8 }), list, { maxSequences: 8, cost });
    const sliced = virtualRun(planner(64), list, { maxSequences: 8, cost });
    const firstToken = (run: VirtualRun) => (run.tokensMs[5]?.[0] as number) - 500;
    expect(firstToken(groups)).toBeGreaterThan(3 * firstToken(sliced));
  });
});

describe("a target instead of a budget", () => {
  const points = [1, 8, 16, 32, 64, 128, 256].map((rows) => ({ rows, ms: Math.max(10, rows) }));
  const attention = 1e-3;

  it("keeps every pass within the target, however long the memory gets", () => {
    const costs = new PassCosts(points, { ms: attention, tiledMs: attention });
    const timed = sarathi({ "tbt-target": 50 }).planner({ maxSequences: 4, costs });
    const cost = ({ rows, keys, tiledKeys }: PassLoad) => Math.max(10, rows) + attention * (keys + tiledKeys);
    const chats = [1, 2, 3].map(() => ({ promptRows: 20, outputTokens: 150 }));
    const run = virtualRun(timed, [...chats, { promptRows: 3000, outputTokens: 2, arrivesMs: 100 }], {
      maxSequences: 4,
      cost,
    });
    expect(Math.max(...gaps(run.tokensMs.slice(0, 3)))).toBeLessThanOrEqual(50);
    const slices = run.passes.flatMap(({ shares }) => shares.filter(({ id }) => id === 3).map(({ rows }) => rows));
    expect(slices[0]).toBe(40);
    // At 1,000 entries a row costs twice as much.
    expect(Math.min(...slices.slice(0, -3))).toBeLessThan(24);
  });

  it("moves a prompt by a tile a pass where decoding alone misses the target", () => {
    const slow = new PassCosts([
      { rows: 1, ms: 100 },
      { rows: 64, ms: 200 },
    ]);
    const timed = sarathi({ "tbt-target": 50 }).planner({ maxSequences: 4, costs: slow });
    const shares = timed.plan({
      running: [demand(1, 1), demand(2, 100)],
      waiting: [],
      seats: 2,
      admit: () => undefined,
    });
    expect(shares).toEqual([
      { id: 1, rows: 1 },
      { id: 2, rows: 8 },
    ]);
  });
});
