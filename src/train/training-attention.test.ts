import { afterAll, describe, expect, it } from "vitest";
import { expectGradients } from "../tensor/differences.case.js";
import { evaluate } from "../tensor/evaluate.js";
import { closeTestDevice, forSeeds, place, randomPlain, testDevice } from "../tensor/reference.case.js";
import { causalAttention } from "./training-attention.js";

afterAll(closeTestDevice);

/** One row after the other, in plain numbers. */
function plainAttention(
  [q, k, v]: readonly (readonly number[])[],
  [sequences, length, heads, kvHeads, width]: readonly number[],
  { scale, softcap = 0, window = 0 }: { scale: number; softcap?: number; window?: number },
): number[] {
  const [s = 1, n = 1, h = 1, kv = 1, d = 1] = [sequences, length, heads, kvHeads, width];
  const result: number[] = [];
  const at = (list: readonly number[] | undefined, row: number, head: number, count: number, i: number): number =>
    list?.[(row * count + head) * d + i] ?? Number.NaN;
  for (let row = 0; row < s * n; row++) {
    const first = Math.floor(row / n) * n;
    const oldest = window > 0 ? Math.max(first, row - window + 1) : first;
    for (let head = 0; head < h; head++) {
      const own = Math.floor(head / (h / kv));
      const scores: number[] = [];
      for (let other = oldest; other <= row; other++) {
        let dot = 0;
        for (let i = 0; i < d; i++) dot += at(q, row, head, h, i) * at(k, other, own, kv, i);
        scores.push(softcap > 0 ? softcap * Math.tanh((dot * scale) / softcap) : dot * scale);
      }
      const weights = scores.map(Math.exp);
      const total = weights.reduce((a, b) => a + b, 0);
      for (let i = 0; i < d; i++)
        result.push(weights.reduce((sum, w, j) => sum + (w / total) * at(v, oldest + j, own, kv, i), 0));
    }
  }
  return result;
}

describe("attention of training", () => {
  it("sees what lies before a row in its own sequence: groups of heads, windows, soft caps", () =>
    forSeeds(10, async (random) => {
      const [sequences, length, kvHeads, width] = [random.int(1, 3), random.int(1, 6), random.int(1, 2), 4];
      const heads = kvHeads * random.int(1, 2);
      const rows = sequences * length;
      const parts = [heads, kvHeads, kvHeads].map((count) => randomPlain(random, [rows, count, width]));
      const options = { scale: 0.4, softcap: random.pick([0, 2]), window: random.pick([0, 2]) };
      const [found] = await evaluate(testDevice(), (g) => {
        const [q, k, v] = parts.map((part) => place(g, part));
        return [causalAttention(g, sequences)(q as never, k as never, v as never, options)];
      });
      const wanted = plainAttention(
        parts.map(({ data }) => data),
        [sequences, length, heads, kvHeads, width],
        options,
      );
      expect(Array.from(found as Float32Array)).toEqual(wanted.map((value) => expect.closeTo(value, 4)));
    }));

  it("has gradients", () =>
    forSeeds(3, (random) =>
      expectGradients(
        [randomPlain(random, [6, 2, 4]), randomPlain(random, [6, 1, 4]), randomPlain(random, [6, 1, 4])],
        (g, q, k, v) => causalAttention(g, 2)(g.use(q), g.use(k), g.use(v), { scale: 0.5 }),
      ),
    ));
});
