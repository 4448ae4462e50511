import { describe, expect, it } from "vitest";
import { Curve } from "./curve.js";
import { curveSvg } from "./curve-files.js";

const point = (step: number) => ({ step, loss: step, learningRate: 0.1, gradientNorm: 1 });

describe("a curve", () => {
  it("stays small, and each of its points is the mean of its steps", () => {
    const curve = new Curve();
    for (let step = 1; step <= 3003; step++) curve.add(point(step));
    const { points } = curve;
    expect(points.length).toBeLessThan(1000);
    let before = 0;
    for (const { step, loss } of points) {
      expect(loss).toBeCloseTo((before + 1 + step) / 2, 9);
      before = step;
    }
    expect(before).toBe(3003);
  });

  it("goes on from its state as if nothing had been", () => {
    const whole = new Curve();
    let parts = new Curve();
    for (let step = 1; step <= 2500; step++) {
      whole.add(point(step));
      parts.add(point(step));
      if (step % 700 === 0) parts = new Curve(JSON.parse(JSON.stringify(parts.state)));
    }
    expect(parts.points).toEqual(whole.points);
  });

  it("is drawn, names escaped, whatever it holds", () => {
    const about = { name: "a<b", parameters: 1000, steps: 10, tokens: 1, seconds: 1, ended: "finished", seed: 1 };
    const evaluations = [{ step: 5, loss: 2, accuracy: 0.5 }];
    expect(curveSvg({ ...about, points: [], evaluations: [] })).toContain("a&lt;b");
    const svg = curveSvg({ ...about, points: [point(1), point(10)], evaluations });
    expect(svg).toContain("50 %");
    expect(svg).not.toMatch(/NaN|Infinity/);
  });
});
