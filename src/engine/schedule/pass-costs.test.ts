import { describe, expect, it } from "vitest";
import { attendedKeys, PassCosts } from "./pass-costs.js";

describe("pass costs", () => {
  const costs = () =>
    new PassCosts(
      [
        { rows: 64, ms: 80 },
        { rows: 1, ms: 10 },
        { rows: 32, ms: 40 },
      ],
      0.01,
    );

  it("lie on lines between the measured points, and go on beyond the last", () => {
    expect(costs().predict({ rows: 1, keys: 0 })).toBe(10);
    expect(costs().predict({ rows: 48, keys: 0 })).toBe(60);
    expect(costs().predict({ rows: 128, keys: 0 })).toBe(160);
    expect(costs().predict({ rows: 48, keys: 1000 })).toBe(70);
  });

  it("count each row's keys, itself included", () => {
    expect(attendedKeys(1, 0)).toBe(1);
    expect(attendedKeys(3, 10)).toBe(11 + 12 + 13);
  });

  it("find the most rows that fit, by trying all of them", () => {
    for (const held of [0, 100, 1000]) {
      for (const target of [5, 20, 50, 90, 500]) {
        const anyway = { rows: 3, keys: 300 };
        const fits = (rows: number) =>
          costs().predict({ rows: 3 + rows, keys: 300 + attendedKeys(rows, held) }) <= target;
        let best = 0;
        for (let rows = 8; rows <= 256; rows += 8) if (fits(rows)) best = rows;
        expect(costs().rowsWithin(target, { anyway, held, tile: 8, most: 256 })).toBe(best);
      }
    }
  });

  it("follow a machine that gets slower and faster again", () => {
    const known = costs();
    for (let pass = 0; pass < 200; pass++) known.observe({ rows: 32, keys: 0 }, 100);
    expect(known.predict({ rows: 32, keys: 0 })).toBeGreaterThan(95);
    expect(known.predict({ rows: 32, keys: 0 })).toBeLessThan(112);
    for (let pass = 0; pass < 500; pass++) known.observe({ rows: 32, keys: 0 }, 40);
    expect(known.predict({ rows: 32, keys: 0 })).toBeLessThan(45);
  });

  it("settle so that about a tenth of uneven passes lies above", () => {
    const known = costs();
    let late = 0;
    for (let pass = 0; pass < 4000; pass++) {
      // Even from 40 to 80, in an order that repeats every 101 passes.
      const ms = 40 + (40 * ((pass * 37) % 101)) / 100;
      if (pass >= 1000 && ms > known.predict({ rows: 32, keys: 0 })) late++;
      known.observe({ rows: 32, keys: 0 }, ms);
    }
    expect(late / 3000).toBeGreaterThan(0.04);
    expect(late / 3000).toBeLessThan(0.2);
  });
});
