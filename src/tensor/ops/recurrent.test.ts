import { afterAll, describe, expect, it } from "vitest";
import { expectGradients } from "../differences.case.js";
import { evaluate } from "../evaluate.js";
import {
  at,
  closeTestDevice,
  expectClose,
  forSeeds,
  layouts,
  map,
  type Plain,
  place,
  plain,
  randomPlain,
  run,
  sumOf,
  testDevice,
} from "../reference.case.js";
import { causalConvolution, gatedDeltaNet, gatedLinearAttention, gatedScan } from "./recurrent.js";

afterAll(closeTestDevice);

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

describe("causalConvolution", () => {
  it("equals the sum over taps, with and without what lies before", () =>
    forSeeds(15, async (random) => {
      const [batch, n, d, taps] = [random.int(1, 3), random.int(1, 7), random.int(1, 5), random.int(1, 4)];
      const x = randomPlain(random, [batch, n, d]);
      const weight = randomPlain(random, [d, taps]);
      const before = taps > 1 && random.chance(0.5) ? randomPlain(random, [batch, taps - 1, d]) : undefined;
      const wanted = plain([batch, n, d], ([b = 0, t = 0, c = 0]) =>
        sumOf(
          Array.from({ length: taps }, (_, tap) => {
            const from = t - (taps - 1 - tap);
            const value =
              from >= 0 ? at(x, [b, from, c]) : before === undefined ? 0 : at(before, [b, from + taps - 1, c]);
            return value * at(weight, [c, tap]);
          }),
        ),
      );
      const got = await run((g) =>
        causalConvolution(place(g, x, random.pick(layouts)), place(g, weight), before && place(g, before)),
      );
      expectClose(got, wanted, 1e-5);
      const inputs = before === undefined ? [x, weight] : [x, weight, before];
      await expectGradients(inputs, (_g, a, w, p) => causalConvolution(a!, w!, p));
    }));
});

describe("gatedScan", () => {
  it("equals the recurrence along every axis, gradients included", () =>
    forSeeds(10, async (random) => {
      const shape = [random.int(1, 4), random.int(1, 9), random.int(1, 3)];
      const axis = random.int(0, 2);
      const x = randomPlain(random, shape);
      const decay = map(randomPlain(random, shape), (v) => Math.fround(sigmoid(v)));
      const state = (index: number[]): number => {
        const before = index[axis] === 0 ? 0 : state(index.map((i, a) => (a === axis ? i - 1 : i)));
        return at(decay, index) * before + at(x, index);
      };
      expectClose(await run((g) => gatedScan(place(g, decay), place(g, x), axis)), plain(shape, state), 1e-5);
      // A single position has nothing before it, so the decay does not count.
      if ((shape[axis] ?? 1) === 1) return;
      await expectGradients([decay, x], (_g, a, b) => gatedScan(a!, b!, axis));
    }));
});

/** Runs a state [key][value] per batch place and head through the positions. */
function recurrence(
  shape: readonly number[],
  start: (b: number, h: number, i: number, j: number) => number,
  step: (state: number[][], index: [number, number, number]) => number[][],
  read: (state: number[][], index: [number, number, number], j: number) => number,
): { output: Plain; states: Map<string, number[][]> } {
  const [, n = 1, , width = 1] = shape;
  const states = new Map<string, number[][]>();
  const before = new Map<string, number[][]>();
  const output = plain(shape, ([b = 0, t = 0, h = 0, j = 0]) => {
    const key = `${b},${h}`;
    if (j === 0) {
      const last =
        t === 0
          ? Array.from({ length: width }, (_, i) => Array.from({ length: width }, (_, k) => start(b, h, i, k)))
          : before.get(key)!;
      const next = step(last, [b, t, h]);
      before.set(key, next);
      if (t === n - 1) states.set(key, next);
    }
    return read(before.get(key)!, [b, t, h], j);
  });
  return { output, states };
}

describe("fused recurrences equal the plain ones", () => {
  it("gatedLinearAttention", () =>
    forSeeds(12, async (random) => {
      const [batch, n, heads, width] = [
        random.int(1, 3),
        random.int(1, 6),
        random.int(1, 3),
        random.pick([1, 4, 7, 16, 33]),
      ];
      const shape = [batch, n, heads, width];
      const [q, k, v] = [randomPlain(random, shape), randomPlain(random, shape), randomPlain(random, shape)];
      const decay = map(randomPlain(random, shape), sigmoid);
      const state = randomPlain(random, [batch, heads, width, width]);
      const { output, states } = recurrence(
        shape,
        (b, h, i, j) => at(state, [b, h, i, j]),
        (last, [b, t, h]) =>
          last.map((row, i) =>
            row.map((s, j) => at(decay, [b, t, h, i]) * s + at(k, [b, t, h, i]) * at(v, [b, t, h, j])),
          ),
        (s, [b, t, h], j) => 0.5 * sumOf(s.map((row, i) => at(q, [b, t, h, i]) * (row[j] ?? 0))),
      );
      const [gotOutput, gotState] = await evaluate(testDevice(), (g) => {
        const result = gatedLinearAttention(
          {
            queries: place(g, q),
            keys: place(g, k, "rows moved"),
            values: place(g, v),
            decay: place(g, decay),
            state: place(g, state),
          },
          0.5,
        );
        return [result.output, result.state];
      });
      expectClose([...(gotOutput as Float32Array)], output, 1e-4);
      expectClose(
        [...(gotState as Float32Array)],
        plain(state.shape, ([b, h, i = 0, j = 0]) => states.get(`${b},${h}`)?.[i]?.[j] ?? 0),
        1e-4,
      );
    }));

  it("gatedDeltaNet, with a decay for each channel or head", () =>
    forSeeds(12, async (random) => {
      const [batch, n, heads, width] = [
        random.int(1, 3),
        random.int(1, 6),
        random.int(1, 3),
        random.pick([1, 4, 16, 32]),
      ];
      const shape = [batch, n, heads, width];
      const [q, k, v] = [randomPlain(random, shape), randomPlain(random, shape, 0.3), randomPlain(random, shape)];
      const logDecay = map(randomPlain(random, [batch, n, heads, random.pick([1, width])]), (x) =>
        Math.log(sigmoid(x)),
      );
      const beta = map(randomPlain(random, [batch, n, heads, 1]), sigmoid);
      const state = randomPlain(random, [batch, heads, width, width]);
      const { output, states } = recurrence(
        shape,
        (b, h, i, j) => at(state, [b, h, j, i]),
        (last, [b, t, h]) => {
          const faded = last.map((row, i) => row.map((s) => Math.exp(at(logDecay, [b, t, h, i])) * s));
          const seen = (j: number) => sumOf(faded.map((row, i) => (row[j] ?? 0) * at(k, [b, t, h, i])));
          const correction = Array.from(
            { length: width },
            (_, j) => at(beta, [b, t, h, 0]) * (at(v, [b, t, h, j]) - seen(j)),
          );
          return faded.map((row, i) => row.map((s, j) => s + at(k, [b, t, h, i]) * (correction[j] ?? 0)));
        },
        (s, [b, t, h], j) => sumOf(s.map((row, i) => at(q, [b, t, h, i]) * (row[j] ?? 0))) / Math.sqrt(width),
      );
      const [gotOutput, gotState] = await evaluate(testDevice(), (g) => {
        const result = gatedDeltaNet({
          queries: place(g, q),
          keys: place(g, k),
          values: place(g, v),
          logDecay: place(g, logDecay),
          beta: place(g, beta),
          state: place(g, state),
        });
        return [result.output, result.state];
      });
      expectClose([...(gotOutput as Float32Array)], output, 1e-4);
      expectClose(
        [...(gotState as Float32Array)],
        plain(state.shape, ([b, h, j = 0, i = 0]) => states.get(`${b},${h}`)?.[i]?.[j] ?? 0),
        1e-4,
      );
    }));

  it("refuse what does not fit", async () => {
    const x = plain([1, 2, 1, 4], () => 0.5);
    const state = plain([1, 1, 4, 3], () => 0);
    const attempt = run((g) => {
      const t = place(g, x);
      return gatedLinearAttention({ queries: t, keys: t, values: t, decay: t, state: place(g, state) }, 1).output;
    });
    await expect(attempt).rejects.toThrow(/state does not fit/);
    await expect(
      run((g) =>
        causalConvolution(
          place(g, x),
          place(
            g,
            plain([4, 2], () => 1),
          ),
        ),
      ),
    ).rejects.toThrow(/weight does not fit/);
    await expect(run((g) => gatedScan(place(g, x), place(g, state), 1))).rejects.toThrow(/differ/);
  });
});
