import { afterAll, describe, expect, it } from "vitest";
import {
  closeTestDevice,
  expectClose,
  forSeeds,
  layouts,
  map2,
  mapRows,
  type Plain,
  place,
  plain,
  randomPlain,
  randomShape,
  run,
  sumOf,
} from "../reference.case.js";

afterAll(closeTestDevice);

const rmsNorm = (x: Plain, epsilon: number) =>
  mapRows(x, (row) => row.map((v) => v / Math.sqrt(sumOf(row.map((w) => w * w)) / row.length + epsilon)));

describe("norms", () => {
  it("rmsNorm, also times a weight (which ggml fuses)", async () => {
    await forSeeds(20, async (random) => {
      const x = randomPlain(random, randomShape(random));
      const weight = randomPlain(random, [x.shape.at(-1) ?? 1]);
      const layout = random.pick(layouts.slice(0, 3));
      expectClose(await run((g) => place(g, x, layout).rmsNorm(1e-5)), rmsNorm(x, 1e-5), 1e-5, layout);
      const scaled = map2(rmsNorm(x, 1e-5), weight, (a, b) => a * b);
      expectClose(await run((g) => place(g, x, layout).rmsNorm(1e-5).mul(place(g, weight))), scaled, 1e-5, layout);
    });
  });

  it("layerNorm", async () => {
    await forSeeds(20, async (random) => {
      const x = randomPlain(random, randomShape(random));
      const wanted = mapRows(x, (row) => {
        const mean = sumOf(row) / row.length;
        const variance = sumOf(row.map((v) => (v - mean) ** 2)) / row.length;
        return row.map((v) => (v - mean) / Math.sqrt(variance + 1e-3));
      });
      expectClose(await run((g) => place(g, x, random.pick(layouts.slice(0, 3))).layerNorm(1e-3)), wanted, 5e-5);
    });
  });

  it("l2Norm, with a floor under the length", async () => {
    await forSeeds(20, async (random) => {
      const x = randomPlain(random, randomShape(random));
      const epsilon = random.pick([1e-6, 1, 3]);
      const wanted = mapRows(x, (row) =>
        row.map((v) => v / Math.max(Math.sqrt(sumOf(row.map((w) => w * w))), epsilon)),
      );
      expectClose(await run((g) => place(g, x, random.pick(layouts.slice(0, 3))).l2Norm(epsilon)), wanted);
    });
  });

  it("refuse columns apart and a bad epsilon", async () => {
    const x = plain([2, 3], () => 1);
    await expect(run((g) => place(g, x, "transposed").rmsNorm(1e-5))).rejects.toThrow(/rows without gaps/);
    await expect(run((g) => place(g, x).rmsNorm(-1))).rejects.toThrow(/epsilon/);
    await expect(run((g) => place(g, x).layerNorm(Number.NaN))).rejects.toThrow(/epsilon/);
  });
});
