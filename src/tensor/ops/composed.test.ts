import { afterAll, describe, expect, it } from "vitest";
import { expectGradients } from "../differences.case.js";
import { evaluate } from "../evaluate.js";
import {
  at,
  closeTestDevice,
  expectClose,
  forSeeds,
  map,
  map2,
  mapRows,
  type Plain,
  place,
  plain,
  randomPlain,
  randomShape,
  run,
  sumOf,
  testDevice,
} from "../reference.case.js";
import { elementMax, elementMin, equalWhole, greater, where } from "./compare.js";
import { crossEntropy, tokenLosses } from "./loss.js";
import { diagonal, diagonalMatrix, solveTriangular, triangle } from "./triangle.js";

afterAll(closeTestDevice);

const lse = (row: readonly number[]) => {
  const most = Math.max(...row);
  return most + Math.log(sumOf(row.map((v) => Math.exp(v - most))));
};

describe("comparisons", () => {
  it("greater, equalWhole, where, max, min", () =>
    forSeeds(8, async (random) => {
      const a = randomPlain(random, randomShape(random));
      const b = randomPlain(random, a.shape.slice(-1));
      expectClose(
        await run((g) => greater(place(g, a), place(g, b))),
        map2(a, b, (x, y) => (x > y ? 1 : 0)),
      );
      expectClose(await run((g) => elementMax(place(g, a), place(g, b))), map2(a, b, Math.max));
      expectClose(await run((g) => elementMin(place(g, a), place(g, b))), map2(a, b, Math.min));
      const [x, y] = [map(a, Math.round), map(b, Math.round)];
      expectClose(
        await run((g) => equalWhole(place(g, x), place(g, y))),
        map2(x, y, (u, v) => (u === v ? 1 : 0)),
      );
      expectClose(
        await run((g) => where(place(g, a).step(), place(g, a), place(g, b))),
        map2(a, b, (u, v) => (u > 0 ? u : v)),
      );
    }));

  it("gradients of max and min", () =>
    forSeeds(3, async (random) => {
      const a = randomPlain(random, [3, 4]);
      const b = map(a, (v) => Math.fround(v + (random.chance(0.5) ? 0.3 : -0.3)));
      await expectGradients([a, b], (_g, x, y) => x.max(y));
      await expectGradients([a, b], (_g, x, y) => x.min(y));
    }));
});

describe("choosing elements", () => {
  it("gather, topK, rowMax", () =>
    forSeeds(10, async (random) => {
      const x = randomPlain(random, randomShape(random));
      const width = x.shape.at(-1) ?? 1;
      const k = random.int(1, width);
      const sorted = mapRows(x, (row) => [...row].sort((u, v) => v - u).slice(0, k));
      const [values, indices] = await evaluate(testDevice(), (g) => {
        const top = place(g, x).topK(k);
        return [top.values, top.indices];
      });
      expectClose(Array.from(values as Float32Array), sorted, 0);
      const chosen = mapRows(x, (row) => [...row.keys()].sort((u, v) => (row[v] ?? 0) - (row[u] ?? 0)).slice(0, k));
      expect(Array.from(indices as Int32Array)).toEqual(chosen.data);
      expectClose(
        await run((g) => place(g, x).rowMax()),
        mapRows(x, (row) => [Math.max(...row)]),
        0,
      );
      await expectGradients(
        [{ shape: [2, 5], data: random.shuffled([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]) }],
        (_g, t) => t.topK(3).values,
      );
    }));

  it("oneHot", async () => {
    const got = await run((g) => g.constant(Int32Array.of(2, 0, 1, 2), [2, 2]).oneHot(3));
    expect(got).toEqual([0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1]);
    await expect(run((g) => g.constant(Int32Array.of(3)).oneHot(3))).rejects.toThrow(/outside the table of 3/);
    await expect(
      run(
        (g) =>
          place(
            g,
            plain([2, 3], () => 1),
          ).topK(4).values,
      ),
    ).rejects.toThrow(/cannot take the first 4/);
  });
});

describe("losses", () => {
  it("logSumExp, also of large numbers", () =>
    forSeeds(6, async (random) => {
      const x = randomPlain(random, randomShape(random), random.pick([1, 1000]));
      expectClose(
        await run((g) => place(g, x).logSumExp()),
        mapRows(x, (row) => [lse(row)]),
        1e-5,
      );
      await expectGradients([randomPlain(random, [2, 4])], (_g, t) => t.logSumExp());
    }));

  it("crossEntropy, with and without weights", () =>
    forSeeds(8, async (random) => {
      const [n, classes] = [random.int(1, 5), random.int(1, 6)];
      const logits = randomPlain(random, [n, classes], 3);
      const targets = Int32Array.from({ length: n }, () => random.int(0, classes - 1));
      const losses = Array.from(
        targets,
        (target, row) => lse(logits.data.slice(row * classes, (row + 1) * classes)) - at(logits, [row, target]),
      );
      expectClose(await run((g) => tokenLosses(place(g, logits), g.constant(targets))), losses, 1e-5);
      expectClose(await run((g) => crossEntropy(place(g, logits), g.constant(targets))), [sumOf(losses) / n], 1e-5);
      const weights = Float32Array.from({ length: n }, (_, i) => (i === 0 ? 1 : random.int(0, 2)));
      const weighted = sumOf(losses.map((loss, i) => loss * (weights[i] ?? 0))) / sumOf([...weights]);
      expectClose(
        await run((g) => crossEntropy(place(g, logits), g.constant(targets), g.constant(weights))),
        [weighted],
        1e-5,
      );
      await expectGradients([logits], (g, t) => crossEntropy(t, g.constant(targets), g.constant(weights)));
    }));
});

describe("triangles and diagonals", () => {
  const parts = {
    lower: (row: number, column: number) => column < row,
    "lower-diagonal": (row: number, column: number) => column <= row,
    upper: (row: number, column: number) => column > row,
    "upper-diagonal": (row: number, column: number) => column >= row,
  };

  it("triangle, diagonalMatrix, diagonal", () =>
    forSeeds(8, async (random) => {
      const n = random.int(1, 5);
      const x = randomPlain(random, [...random.pick([[], [2], [2, 3]]), n, n]);
      const [part, keeps] = random.pick(Object.entries(parts)) as [
        keyof typeof parts,
        (r: number, c: number) => boolean,
      ];
      const wanted = plain(x.shape, (index) => (keeps(index.at(-2) ?? 0, index.at(-1) ?? 0) ? at(x, index) : 0));
      expectClose(await run((g) => triangle(place(g, x), part)), wanted, 0, part);
      const rows = plain(x.shape.slice(0, -1), (index) => at(x, [...index, index.at(-1) ?? 0]));
      expectClose(await run((g) => diagonal(place(g, x))), rows, 0);
      const matrix = plain(x.shape, (index) => (index.at(-1) === index.at(-2) ? at(x, index) : 0));
      expectClose(await run((g) => diagonalMatrix(place(g, rows))), matrix, 0);
      await expectGradients([x], (_g, t) => triangle(t.sqr(), part));
      await expectGradients([rows], (_g, t) => diagonalMatrix(t));
    }));

  it("solveTriangular", () =>
    forSeeds(6, async (random) => {
      const [n, k, lead] = [random.int(1, 4), random.int(1, 3), random.pick([[], [2]])];
      const raw = randomPlain(random, [...lead, n, n], 0.5);
      const a: Plain = plain(raw.shape, (index) => at(raw, index) + (index.at(-1) === index.at(-2) ? 3 : 0));
      const solution = randomPlain(random, [...lead, n, k]);
      const b = plain(solution.shape, (index) => {
        const [row = 0, column = 0] = index.slice(-2);
        return sumOf(
          Array.from(
            { length: row + 1 },
            (_, i) => at(a, [...index.slice(0, -2), row, i]) * at(solution, [...index.slice(0, -2), i, column]),
          ),
        );
      });
      expectClose(await run((g) => solveTriangular(place(g, a), place(g, b))), solution, 1e-5);
      await expectGradients([a, b], (_g, x, y) => solveTriangular(x, y));
    }));

  it("refuse what is not square", async () => {
    const x = plain([2, 3], () => 1);
    await expect(run((g) => triangle(place(g, x), "lower"))).rejects.toThrow(/square/);
    await expect(run((g) => solveTriangular(place(g, x), place(g, x)))).rejects.toThrow(/do not fit/);
  });
});

describe("other compositions", () => {
  it("roll", () =>
    forSeeds(8, async (random) => {
      const x = randomPlain(random, randomShape(random));
      const axis = random.int(0, x.shape.length - 1);
      const shift = random.int(-9, 9);
      const size = x.shape[axis] ?? 1;
      const wanted = plain(x.shape, (index) =>
        at(
          x,
          index.map((i, a) => (a === axis ? (((i - shift) % size) + size) % size : i)),
        ),
      );
      expectClose(await run((g) => place(g, x).roll(axis, shift)), wanted, 0);
    }));

  it("geluTanh and its gradient", () =>
    forSeeds(3, async (random) => {
      const x = randomPlain(random, [3, 4]);
      const gelu = (v: number) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)));
      expectClose(await run((g) => place(g, x).geluTanh()), map(x, gelu), 1e-5);
      await expectGradients([x], (_g, t) => t.geluTanh());
    }));
});
