import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CounterTree, nodeWeight, treeLevels } from "./counter-tree.js";
import { DiscreteNoise, laplaceScale, seededBytes } from "./discrete-noise.js";
import { RootCounter, rootCoefficients, roundedFactor, sumOfSquares } from "./root-counter.js";

const silent = () => 0;

describe("binary-tree counter", () => {
  it.each([false, true])("is exact with the noise off at every tick to 5,000 (reuseChildren %s)", (reuse) => {
    const tree = new CounterTree(2, 5000, silent, reuse);
    let ones = 0;
    let squares = 0;
    for (let t = 1; t <= 5000; t++) {
      tree.add(0, t % 3 === 0 ? 1 : 0);
      tree.add(1, t);
      ones += t % 3 === 0 ? 1 : 0;
      squares += t;
      tree.close();
      const [a, b] = tree.read();
      expect(Math.round(a!)).toBe(ones);
      expect(Math.abs(b! - squares)).toBeLessThan(reuse ? 1e-6 : 1e-12);
    }
  });

  it("is exact for every horizon and row", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 70 }), (rows) => {
        const tree = new CounterTree(1, rows.length, silent);
        let sum = 0;
        for (const amount of rows) {
          tree.add(0, amount);
          tree.close();
          sum += amount;
          expect(tree.read()[0]).toBe(sum);
        }
      }),
    );
  });

  it("keeps the binary digits of t, and forgets children that merged", () => {
    const tree = new CounterTree(1, 1000, silent);
    for (let t = 1; t <= 1000; t++) {
      tree.add(0, 1);
      tree.close();
      const digits = Array.from({ length: treeLevels(1000) }, (_, level) => Math.floor(t / 2 ** level) % 2 === 1);
      expect(tree.occupiedLevels()).toEqual(digits);
      const { sums } = tree.state();
      expect(sums).toEqual(digits.map((digit, level) => (digit ? [2 ** level] : [])));
      expect(tree.spread().terms).toBe(digits.filter(Boolean).length);
    }
  });

  it("puts every event into at most L nodes, for horizons 1 to 40, by enumeration", () => {
    for (let horizon = 1; horizon <= 40; horizon++) {
      for (let event = 1; event <= horizon; event++) {
        const nodes = new Set<string>();
        const tree = new CounterTree(1, horizon, silent);
        for (let t = 1; t <= horizon; t++) {
          if (t === event) tree.add(0, 1);
          tree.close();
          tree.state().sums.forEach((sum, level) => {
            if (sum[0] === 1) nodes.add(`${level}:${Math.floor(t / 2 ** level)}`);
          });
        }
        expect(nodes.size).toBeLessThanOrEqual(treeLevels(horizon));
        if (event === 1) expect(nodes.size).toBe(treeLevels(horizon));
      }
    }
    expect(treeLevels(1)).toBe(1);
  });

  it("reads the same twice and after a restart, with noise drawn only for nodes that are read", () => {
    let drawn = 0;
    const draw = () => ++drawn * 1000;
    const tree = new CounterTree(1, 64, draw);
    for (let t = 0; t < 37; t++) tree.close();
    expect(drawn).toBe(0);
    const first = tree.read();
    expect(drawn).toBe(3);
    expect(tree.read()).toEqual(first);
    const again = new CounterTree(1, 64, draw);
    again.restore(JSON.parse(JSON.stringify(tree.state())));
    expect(again.read()).toEqual(first);
    expect(drawn).toBe(3);
  });

  it("reusing children has the variance it states, about half at the top", () => {
    const noise = new DiscreteNoise(seededBytes("reuse"));
    const ratio = { numerator: 10_000, denominator: 1 };
    const runs = 4000;
    const squares = new Float64Array(64);
    let stated: number[] = [];
    for (let run = 0; run < runs; run++) {
      const tree = new CounterTree(1, 64, () => noise.gaussian(ratio), true);
      stated = [];
      for (let t = 0; t < 64; t++) {
        tree.close();
        squares[t]! += tree.read()[0]! ** 2 / 10_000 / runs;
        stated.push(tree.spread().variance);
      }
    }
    expect(stated.every((variance, t) => Math.abs(squares[t]! / variance - 1) < 0.1)).toBe(true);
    expect(nodeWeight(6)).toBeLessThan(0.51);
  });
});

describe("audit of the tree (Laplace, epsilon 1, horizon 8)", () => {
  /** ln P[outputs at t = 1, 2, 4, 8 all at least 1 | one event at t = 1] - ln P[the same | no event]. */
  function audit(scale: number): number {
    const runs = 100_000;
    const noise = new DiscreteNoise(seededBytes("audit"));
    const ratio = laplaceScale(scale);
    const share = (event: number) => {
      let hits = 0;
      for (let run = 0; run < runs; run++) {
        const tree = new CounterTree(1, 8, () => noise.laplace(ratio));
        tree.add(0, event);
        let all = true;
        for (let t = 1; t <= 8 && all; t++) {
          tree.close();
          if (t === 1 || t === 2 || t === 4 || t === 8) all = tree.read()[0]! >= 1;
        }
        if (all) hits++;
      }
      return hits / runs;
    };
    return Math.log(share(1) / share(0));
  }

  it("finds the promised ratio of e^1", () => {
    expect(Math.abs(audit(treeLevels(8)) - 1)).toBeLessThan(0.1);
  });

  it("would notice one level too few", () => {
    expect(Math.abs(audit(treeLevels(8) - 1) - 1)).toBeGreaterThan(0.1);
  });
});

describe("square root of prefix sums", () => {
  it("has the sums of squares of the paper's factor", () => {
    const f = rootCoefficients(65_536);
    expect(sumOfSquares(f, 1024)).toBeCloseTo(3.27, 1);
    expect(Math.abs(sumOfSquares(f, 1024) - 3.27)).toBeLessThan(1e-2);
    expect(Math.abs(sumOfSquares(f, 16_384) - 4.16)).toBeLessThan(1e-2);
    expect(Math.abs(sumOfSquares(f, 65_536) - 4.6)).toBeLessThan(1e-2);
  });

  it.each([2 ** 16, 64, 1])("is exact with the noise off, whatever the grid (%s)", (grid) => {
    const horizon = grid === 65_536 ? 5000 : 300;
    const counter = new RootCounter(1, horizon, grid, silent);
    let sum = 0;
    for (let t = 1; t <= horizon; t++) {
      counter.add(0, (t * 7) % 5);
      sum += (t * 7) % 5;
      counter.close();
      if (t < 100 || t % 50 === 0) expect(Math.abs(counter.read()[0]! - sum)).toBeLessThan(1e-5);
    }
  });

  it("moves the noisy row by at most its stated length for any one event, by enumeration", () => {
    const [horizon, grid] = [24, 1024];
    const rowsOf = (event: number) => {
      const counter = new RootCounter(1, horizon, grid, silent);
      for (let t = 0; t < horizon; t++) {
        if (t === event) counter.add(0, 1);
        counter.close();
      }
      return counter.state().noisy;
    };
    const promised = sumOfSquares(roundedFactor(horizon, grid));
    for (let event = 0; event < horizon; event++) expect(sumOfSquares(rowsOf(event))).toBeLessThanOrEqual(promised);
    expect(sumOfSquares(rowsOf(0))).toBe(promised);
  });

  it("states its variance", () => {
    const noise = new DiscreteNoise(seededBytes("root"));
    const squares = new Float64Array(32);
    let stated: number[] = [];
    const runs = 6000;
    for (let run = 0; run < runs; run++) {
      const counter = new RootCounter(1, 32, 1024, () => noise.gaussian({ numerator: 2 ** 26, denominator: 1 }));
      stated = [];
      for (let t = 0; t < 32; t++) {
        counter.close();
        squares[t]! += counter.read()[0]! ** 2 / (64 * runs);
        stated.push(counter.spread().variance);
      }
    }
    expect(stated.every((variance, t) => Math.abs(squares[t]! / variance - 1) < 0.1)).toBe(true);
  });
});
