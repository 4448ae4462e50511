import { describe, expect, it } from "vitest";
import { isQuireError } from "../errors.js";
import { type PlanInput, planRelease, sensitivityOf } from "./continual-plan.js";
import { DiscreteNoise } from "./discrete-noise.js";
import {
  dpContinual,
  epsilonOf,
  type PrivacyBudget,
  PrivacyLedger,
  rhoOf,
  seededBytes,
  type UsageEvent,
} from "./dp-continual.js";
import { IntervalRelease } from "./interval-release.js";

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return isQuireError(error) ? error.code : `untyped: ${String(error)}`;
  }
  return "no error";
}

const names = (count: number) => Array.from({ length: count }, (_, i) => `n${i}`);

const plain: PlanInput = {
  epsilon: 1,
  delta: 1e-6,
  horizon: 1024,
  labels: 8,
  publish: "counts",
  k: 3,
  mechanism: "auto",
  reuseChildren: false,
  unit: "event",
  labelsPerEvent: 1,
  maxPerEvent: 1,
  eventsPerTick: 1,
  neighbours: "remove",
};

describe("accounting", () => {
  it("turns epsilon and delta into rho and back", () => {
    expect(rhoOf({ epsilon: 1, delta: 1e-6 })).toBeCloseTo(0.01747, 5);
    for (const budget of [
      { epsilon: 0.1, delta: 1e-9 },
      { epsilon: 4, delta: 1e-3 },
    ] satisfies PrivacyBudget[]) {
      expect(epsilonOf(rhoOf(budget), budget.delta)).toBeCloseTo(budget.epsilon, 10);
    }
  });

  it("bounds by enumeration what one event or user can move", () => {
    // Every pair of neighbouring rows over 3 labels with caps, as the setting allows them.
    const rows = (labels: number, cap: number) => {
      const all: number[][] = [];
      for (let a = 0; a <= cap; a++)
        for (let b = 0; b <= cap; b++)
          for (let c = 0; c <= cap; c++) {
            if ([a, b, c].filter((x) => x > 0).length <= labels) all.push([a, b, c]);
          }
      return all;
    };
    for (const labelsPerEvent of [1, 2, 3])
      for (const maxPerEvent of [1, 3])
        for (const neighbours of ["remove", "swap"] as const) {
          const promised = sensitivityOf({ ...plain, labels: 3, labelsPerEvent, maxPerEvent, neighbours });
          let [sum, length, single] = [0, 0, 0];
          for (const one of rows(labelsPerEvent, maxPerEvent))
            for (const other of neighbours === "swap" ? rows(labelsPerEvent, maxPerEvent) : [[0, 0, 0]]) {
              const moved = one.map((x, i) => Math.abs(x - other[i]!));
              sum = Math.max(
                sum,
                moved.reduce((x, y) => x + y),
              );
              length = Math.max(length, Math.hypot(...moved));
              single = Math.max(single, ...moved);
            }
          expect(sum).toBeLessThanOrEqual(promised.sum);
          expect(length).toBeLessThanOrEqual(promised.length + 1e-12);
          expect(single).toBeLessThanOrEqual(promised.single);
          if (neighbours === "remove")
            expect([sum, length, single]).toEqual([promised.sum, expect.closeTo(promised.length, 12), promised.single]);
        }
    const user = sensitivityOf({ ...plain, unit: "user", maxPerUser: 5 });
    expect(user).toEqual({ sum: 5, length: 5, single: 5 });
    const many = sensitivityOf({ ...plain, labels: 64, labelsPerEvent: 64 });
    expect([many.sum, many.length, many.single]).toEqual([64, 8, 1]);
  });

  it("keeps a ledger that refuses beyond the total and never books a window twice", () => {
    const ledger = new PrivacyLedger({ epsilon: 2, delta: 1e-6 });
    let windows = 0;
    while (
      codeOf(() => ledger.spend({ name: `day ${windows}`, epsilon: 0.5, delta: 1e-6, at: windows })) === "no error"
    )
      windows++;
    // rho adds: as many windows as rho of one fits into rho of all; more than the 4 that adding epsilon would give.
    expect(windows).toBe(Math.floor(rhoOf({ epsilon: 2, delta: 1e-6 }) / rhoOf({ epsilon: 0.5, delta: 1e-6 })));
    expect(windows).toBeGreaterThan(4);
    expect(ledger.spent().epsilon).toBeLessThanOrEqual(2);
    expect(codeOf(() => ledger.spend({ name: "day 0", epsilon: 0.1, delta: 0, at: 99 }))).toBe("budget-exceeded");
    const copy = new PrivacyLedger(ledger.total, JSON.parse(JSON.stringify(ledger)).entries);
    expect(codeOf(() => copy.spend({ name: "late", epsilon: 0.5, delta: 1e-6, at: 100 }))).toBe("budget-exceeded");
    expect(
      codeOf(() => new PrivacyLedger({ epsilon: 9, delta: 0 }, [{ name: "x", epsilon: Number.NaN, delta: 0, at: 1 }])),
    ).toBe("bad-option");
    const pure = new PrivacyLedger({ epsilon: 1, delta: 0 });
    pure.spend({ name: "a", epsilon: 0.6, delta: 0, at: 5 });
    expect(codeOf(() => pure.spend({ name: "b", epsilon: 0.1, delta: 0, at: 4 }))).toBe("bad-input");
    expect(codeOf(() => pure.spend({ name: "b", epsilon: 0.1, delta: 1e-9, at: 6 }))).toBe("budget-exceeded");
    expect(codeOf(() => pure.spend({ name: "c", epsilon: 0.5, delta: 0, at: 6 }))).toBe("budget-exceeded");
    pure.spend({ name: "d", epsilon: 0.4, delta: 0, at: 6 });
  });
});

describe("plan", () => {
  it("takes the formulas of the method", () => {
    const tree = planRelease({ ...plain, mechanism: "tree" });
    expect(tree.noise).toEqual({ kind: "gaussian", size: expect.closeTo(11 / (2 * rhoOf(plain)), 6) });
    expect(planRelease({ ...plain, mechanism: "tree", delta: 0 }).noise).toEqual({ kind: "laplace", size: 11 });
    const max = planRelease({ ...plain, publish: "max", mechanism: "recompute", labelsPerEvent: 8 });
    expect(max.interval).toBe(Math.ceil((1024 / (2 * rhoOf(plain))) ** (1 / 3)));
    expect(max.noise.size).toBeCloseTo(max.releases / (2 * rhoOf(plain)), 6);
    const pure = planRelease({ ...plain, publish: "max", mechanism: "recompute", delta: 0 });
    expect(pure.interval).toBe(32);
    expect(pure.noise.size).toBe(32);
  });

  it("chooses trees for one-hot counts, recompute for the maximum of full rows, nothing where all drown", () => {
    expect(planRelease({ ...plain, horizon: 65_536, labels: 500 }).mechanism).toBe("tree");
    expect(planRelease({ ...plain, labels: 1 }).mechanism).toBe("sqrt");
    const full = { ...plain, horizon: 32_832, labels: 256, labelsPerEvent: 256, publish: "max" } as const;
    expect(planRelease(full).mechanism).toBe("recompute");
    expect(planRelease({ ...plain, horizon: 8, epsilon: 0.01 }).mechanism).toBe("nothing");
    const { bounds, bound } = planRelease(full);
    expect(bound).toBe(Math.min(...Object.values(bounds)));
  });

  it("grows as T^(1/3) for recompute and polylog for trees", () => {
    const bound = (mechanism: "recompute" | "tree", horizon: number) =>
      planRelease({ ...plain, horizon, mechanism, publish: "max" }).bound;
    expect(bound("recompute", 2 ** 21) / bound("recompute", 2 ** 15)).toBeGreaterThan(3.9);
    expect(bound("recompute", 2 ** 21) / bound("recompute", 2 ** 15)).toBeLessThan(5.5);
    expect(bound("tree", 2 ** 21) / bound("tree", 2 ** 15)).toBeLessThan(1.7);
  });
});

describe("counters", () => {
  it.each([
    ["tree", 1e-6, false],
    ["tree", 1e-6, true],
    ["tree", 0, false],
    ["sqrt", 1e-6, false],
    ["recompute", 1e-6, false],
    ["recompute", 0, false],
  ] as const)(
    "%s with delta %s (reuseChildren %s) stays within its bound 2 times of 3 and its stated error 19 of 20",
    (mechanism, delta, reuseChildren) => {
      let within = 0;
      let near = 0;
      let shown = 0;
      const runs = 40;
      for (let run = 0; run < runs; run++) {
        const counters = dpContinual({ mechanism, delta, horizon: 256, reuseChildren, monotone: false }).build({
          labels: names(4),
          bytes: seededBytes(run),
        });
        const truth = [0, 0, 0, 0];
        const past: number[][] = [[0, 0, 0, 0]];
        let worst = 0;
        for (let t = 1; t <= 256; t++) {
          const label = ((t * 7 + run) % 5) % 4;
          counters.observe({ label: `n${label}` });
          truth[label]!++;
          past.push([...truth]);
          counters.tick();
          for (const [j, { value, error95, asOf }] of counters.counts().entries()) {
            worst = Math.max(worst, Math.abs(value - truth[j]!));
            if (t % 32 !== 0) continue;
            shown++;
            if (Math.abs(value - past[asOf]![j]!) <= error95) near++;
          }
        }
        if (worst <= counters.plan.bound) within++;
      }
      expect(within / runs).toBeGreaterThanOrEqual(2 / 3);
      expect(near / shown).toBeGreaterThan(0.92);
      expect(near / shown).toBeLessThan(0.99);
    },
  );

  it("finds the top labels by tree and by choice, and the maximum", () => {
    const feed = (options: object, read: (counters: ReturnType<ReturnType<typeof dpContinual>["build"]>) => void) => {
      const counters = dpContinual({ horizon: 4096, epsilon: 4, k: 2, ...options }).build({
        labels: names(5),
        bytes: seededBytes(3),
      });
      for (let t = 1; t <= 4000; t++) {
        counters.observe({ label: t % 2 === 0 ? "n3" : t % 3 === 0 ? "n1" : "n0" });
        counters.tick();
      }
      read(counters);
    };
    feed({ mechanism: "tree" }, (counters) => {
      expect(counters.top().map(({ label }) => label)).toEqual(["n3", "n0"]);
      expect(Math.abs(counters.max().value - 2000)).toBeLessThan(counters.plan.bound);
      expect(counters.max().label).toBe("n3");
    });
    feed({ mechanism: "recompute", publish: "top" }, (counters) => {
      expect(counters.top().map(({ label }) => label)).toEqual(["n3", "n0"]);
      expect(codeOf(() => counters.counts())).toBe("unsupported");
      expect(codeOf(() => counters.max())).toBe("unsupported");
    });
    feed({ mechanism: "recompute", publish: "max" }, (counters) => {
      expect(Math.abs(counters.max().value - 2000)).toBeLessThan(counters.plan.bound);
      expect(codeOf(() => counters.top())).toBe("unsupported");
    });
    feed({ mechanism: "nothing" }, (counters) => expect(counters.values()).toEqual(new Float64Array(5)));
  });

  it("holds a release until the next interval", () => {
    const release = new IntervalRelease(2, 4, "counts", 1, {
      draw: () => 0,
      choices: new DiscreteNoise(seededBytes(1)),
      rate: undefined,
    });
    const seen: number[] = [];
    for (let t = 1; t <= 9; t++) {
      release.add(0, 1);
      release.close();
      seen.push(release.values[0]!);
    }
    expect(seen).toEqual([0, 0, 0, 4, 4, 4, 4, 8, 8]);
  });

  it("shows the same twice, never falls, never below zero", () => {
    const counters = dpContinual({ horizon: 300, mechanism: "tree" }).build({
      labels: names(3),
      bytes: seededBytes(9),
    });
    let before: Float64Array = new Float64Array(3);
    for (let t = 1; t <= 300; t++) {
      counters.observe({ label: "n1" });
      counters.tick();
      const now = counters.values();
      expect(counters.values()).toEqual(now);
      expect(now.every((value, j) => value >= before[j]!)).toBe(true);
      before = now;
    }
  });

  it.each(["tree", "sqrt", "recompute"] as const)(
    "%s goes on from its state as if nothing had happened",
    (mechanism) => {
      const setting = { horizon: 200, mechanism, epsilon: 2, unit: "user", maxPerUser: 3 } as const;
      const labels = names(2);
      const event = (t: number): UsageEvent => ({ label: `n${t % 2}`, user: `u${t % 40}` });
      let saved = "";
      const counters = dpContinual(setting).build({
        labels,
        bytes: seededBytes(5),
        persist: (state) => {
          saved = state;
        },
      });
      for (let t = 0; t < 90; t++) {
        counters.observe(event(t));
        counters.tick();
        counters.values();
      }
      const resumed = dpContinual(setting).build({ labels, resume: saved });
      expect(resumed.ticks).toBe(90);
      expect(resumed.values()).toEqual(counters.values());
      expect(resumed.diagnostics()).toEqual(counters.diagnostics());
      for (let t = 90; t < 130; t++)
        for (const one of [resumed, counters]) {
          one.observe(event(t));
          one.tick();
        }
      // 40 users with a cap of 3: everything after the 120th event was cut off, in both.
      expect(resumed.diagnostics()).toEqual({ events: 10, amounts: 0, labels: 0 });
      expect(counters.diagnostics()).toEqual(resumed.diagnostics());
    },
  );

  it("shows nothing that was not stored first, and books its window once", () => {
    const ledger = new PrivacyLedger({ epsilon: 1, delta: 1e-6 });
    let full = false;
    let stored = "";
    const persist = (state: string) => {
      if (full) throw new Error("disk full");
      stored = state;
    };
    const method = dpContinual({ horizon: 100, mechanism: "tree" });
    const counters = method.build({ labels: ["a"], window: "w1", ledger, persist });
    counters.observe({ label: "a" });
    counters.tick();
    full = true;
    expect(() => counters.values()).toThrowError("disk full");
    expect(() => counters.values()).toThrowError("disk full");
    full = false;
    const shown = counters.values();
    expect(method.build({ labels: ["a"], window: "w1", ledger, resume: stored }).values()).toEqual(shown);
    expect(ledger.entries).toHaveLength(1);
    expect(codeOf(() => method.build({ labels: ["a"], window: "w1", ledger }))).toBe("budget-exceeded");
    expect(codeOf(() => method.build({ labels: ["a"], window: "w2", ledger }))).toBe("budget-exceeded");
  });

  it("keeps O(log T) numbers", () => {
    const size = (horizon: number) => {
      const counters = dpContinual({ horizon, mechanism: "tree" }).build({ labels: ["a"], bytes: seededBytes(1) });
      for (let t = 0; t < horizon - 1; t++) counters.tick();
      counters.values();
      return counters.state().length;
    };
    expect(size(2 ** 14) - size(2 ** 7)).toBeLessThan(7 * 24 + 40);
  });

  it("clips and notes what is beyond the caps", () => {
    const counters = dpContinual({ horizon: 4, mechanism: "tree", labelsPerEvent: 2, maxPerEvent: 3 }).build({
      labels: names(4),
      bytes: seededBytes(1),
    });
    counters.observe({ labels: ["n0", "n1", "n2", "n1"], amount: 9 });
    expect(counters.diagnostics()).toEqual({ events: 0, amounts: 1, labels: 1 });
    expect(JSON.parse(counters.state().split("\n")[1]!).mechanism.state.row).toEqual([3, 3, 0, 0]);
  });
});

describe("bad input", () => {
  const build = (options: object = {}, input: object = {}) =>
    dpContinual({ horizon: 10, mechanism: "tree", ...options }).build({ labels: ["a", "b"], ...input });
  it.each<[string, () => unknown]>([
    ["epsilon 0", () => build({ epsilon: 0 })],
    ["epsilon NaN", () => build({ epsilon: Number.NaN })],
    ["delta too large", () => build({ delta: 1e-2 })],
    ["negative delta", () => build({ delta: -1 })],
    ["user level without a cap", () => build({ unit: "user" })],
    ["sqrt with delta 0", () => build({ mechanism: "sqrt", delta: 0 })],
    ["horizon 0", () => build({ horizon: 0 })],
    ["unknown option", () => build({ epsilonn: 1 })],
    ["no labels", () => build({}, { labels: [] })],
    ["a label twice", () => build({}, { labels: ["a", "a"] })],
    ["a label not announced", () => build().observe({ label: "c" })],
    ["amount not whole", () => build().observe({ label: "a", amount: 0.5 })],
    ["negative amount", () => build().observe({ label: "a", amount: -1 })],
    ["user missing", () => build({ unit: "user", maxPerUser: 1 }).observe({ label: "a" })],
    [
      "clock going backwards",
      () => {
        const counters = build();
        counters.advanceTo(5);
        counters.advanceTo(4);
      },
    ],
  ])("%s gives a typed error", (_, run) => {
    expect(codeOf(run)).toMatch(/^bad-(option|input)$/);
  });

  it("refuses to publish beyond the horizon, and never starts over by itself", () => {
    const counters = build();
    counters.advanceTo(10);
    const last = counters.values();
    expect(codeOf(() => counters.tick())).toBe("budget-exceeded");
    expect(codeOf(() => counters.observe({ label: "a" }))).toBe("budget-exceeded");
    expect(codeOf(() => counters.advanceTo(11))).toBe("budget-exceeded");
    expect(counters.values()).toEqual(last);
  });

  it("refuses damaged states and states of other counters", () => {
    const state = build().state();
    for (let i = 0; i < state.length - 1; i += 7) {
      const damaged = `${state.slice(0, i)}${state[i] === "x" ? "y" : "x"}${state.slice(i + 1)}`;
      expect(codeOf(() => build({}, { resume: damaged }))).toBe("bad-file");
    }
    for (const text of ["", "\n", "{}", state.slice(0, 80), `${"0".repeat(64)}\n{}`])
      expect(codeOf(() => build({}, { resume: text }))).toBe("bad-file");
    expect(codeOf(() => build({ epsilon: 2 }, { resume: state }))).toBe("bad-input");
    expect(codeOf(() => build({}, { resume: state, labels: ["a", "c"] }))).toBe("bad-input");
    expect(codeOf(() => build({}, { resume: state, window: "other" }))).toBe("bad-input");
  });
});
