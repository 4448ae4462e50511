import { describe, expect, it } from "vitest";
import { attendedKeys, noLoad, PassCosts, withRows } from "./pass-costs.js";

describe("pass costs", () => {
  const costs = () =>
    new PassCosts(
      [
        { rows: 64, ms: 80 },
        { rows: 1, ms: 10 },
        { rows: 32, ms: 40 },
      ],
      { ms: 0.01, tiledMs: 0.005 },
    );
  const few = (rows: number, keys = 0) => ({ rows, keys, tiledKeys: 0 });

  it("lie on lines between the measured points, and go on beyond the last", () => {
    expect(costs().predict(few(1, 0))).toBe(10);
    expect(costs().predict(few(48, 0))).toBe(60);
    expect(costs().predict(few(128, 0))).toBe(160);
    expect(costs().predict(few(48, 1000))).toBe(70);
    expect(costs().predict({ rows: 48, keys: 1000, tiledKeys: 1000 })).toBe(75);
  });

  it("count each row's keys, itself included", () => {
    expect(attendedKeys(1, 0)).toBe(1);
    expect(attendedKeys(3, 10)).toBe(11 + 12 + 13);
    expect(withRows(noLoad, 3, 10)).toEqual({ rows: 3, keys: 36, tiledKeys: 0 });
    expect(withRows(few(3, 36), 64, 0)).toEqual({ rows: 67, keys: 36, tiledKeys: 64 * 32.5 });
    expect(withRows(noLoad, 65, 0)).toEqual({ rows: 65, keys: 0, tiledKeys: 128 * 64.5 });
  });

  it("find the most rows that fit, by trying all of them", () => {
    for (const held of [0, 100, 1000]) {
      for (const target of [5, 20, 50, 90, 500]) {
        const anyway = few(3, 300);
        const fits = (rows: number) => costs().predict(withRows(anyway, rows, held)) <= target;
        let best = 0;
        for (let rows = 8; rows <= 256; rows += 8) if (fits(rows)) best = rows;
        expect(costs().rowsWithin(target, { anyway, held, tile: 8, most: 256 })).toBe(best);
      }
    }
  });

  it("follow a machine that gets slower and faster again", () => {
    const known = costs();
    for (let pass = 0; pass < 200; pass++) known.observe(few(32), 100);
    expect(known.predict(few(32, 0))).toBeGreaterThan(95);
    expect(known.predict(few(32, 0))).toBeLessThan(112);
    for (let pass = 0; pass < 600; pass++) known.observe(few(32), 40);
    expect(known.predict(few(32, 0))).toBeLessThan(45);
  });

  it("settle so that few of uneven passes lie above", () => {
    const known = costs();
    let late = 0;
    for (let pass = 0; pass < 4000; pass++) {
      // Even from 40 to 80, in an order that repeats every 101 passes.
      const ms = 40 + (40 * ((pass * 37) % 101)) / 100;
      if (pass >= 1000 && ms > known.predict(few(32))) late++;
      known.observe(few(32), ms);
    }
    expect(late / 3000).toBeGreaterThan(0.002);
    expect(late / 3000).toBeLessThan(0.05);
  });
});
