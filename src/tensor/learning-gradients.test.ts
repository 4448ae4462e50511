import { afterAll, describe, expect, it } from "vitest";
import { gradients, stopGradient, straightThrough } from "./autodiff.js";
import { expectGradients } from "./differences.case.js";
import type { DType } from "./dtype.js";
import { evaluate } from "./evaluate.js";
import { Graph } from "./graph.js";
import { transposedCopy } from "./ops/transposed-copy.js";
import { RandomStream } from "./random.js";
import { closeTestDevice, forSeeds, permuted, place, randomPlain, run, testDevice } from "./reference.case.js";
import { Storage } from "./storage.js";
import type { Tensor } from "./tensor.js";

/** Gradients in the combinations that models are made of. */

afterAll(closeTestDevice);

describe("gradients of what models are made of", () => {
  it("a result that is used again and again: products, norms, means, views, repetition", () =>
    forSeeds(4, (random) =>
      expectGradients([randomPlain(random, [4, 6]), randomPlain(random, [6])], (_g, x, w) => {
        const normed = x.rmsNorm(1e-5).mul(w);
        const centred = normed.sub(normed.mean());
        const half = normed.slice(1, 2, 3).cont();
        return centred.linear(normed).add(half.linear(half)).mul(normed.mean()).add(centred.mean());
      }),
    ));

  it("views of views, joined again in another order", () =>
    forSeeds(4, (random) =>
      expectGradients([randomPlain(random, [4, 6])], (_g, x) => {
        const heads = x.splitLast(3).permute(1, 0, 2);
        const turned = heads.slice(0, 1, 2).cont().reshape(2, 8).transpose().cont();
        return turned.sqr().concat(heads.slice(0, 0, 1).cont().reshape(8, 1), -1);
      }),
    ));

  it("cumulative sums with decay, masked softmax, rotation, together", () =>
    forSeeds(3, (random) =>
      expectGradients([randomPlain(random, [2, 3, 4])], (g, x) => {
        const positions = g.constant(Int32Array.of(5, 9));
        const rotated = x.rope(positions, { style: "pairs", dims: 4, theta: 100 }).reshape(2, 12);
        const mask = g.constant(Float32Array.of(0, Number.NEGATIVE_INFINITY, 0, 0), [2, 2]);
        const weights = rotated.linear(rotated).softmax({ scale: 0.3, mask });
        return weights.matmul(x.reshape(2, 12).cumsum().scale(0.1).exp());
      }),
    ));

  it("the best k rows by a score, each weighted with it, put back where they were", () =>
    forSeeds(6, async (random) => {
      const x = randomPlain(random, [5, 3]);
      // Scores far apart, so that the choice does not change within a difference.
      const scores = { shape: [1, 5], data: random.shuffled([-2, -1, 0, 1, 2]) };
      await expectGradients([x, scores], (g, rows, score) => {
        const { values, indices } = g.use(score).topK(3);
        const chosen = rows.getRows(indices.reshape(3)).tanh();
        return rows.add(chosen.mul(values.sigmoid().reshape(3, 1)).scatterAdd(indices.reshape(3), 5));
      });
    }));

  it("straight through: the values of the choice, the slope of the weights", async () => {
    const logits = Float32Array.of(0.3, 1.2, -0.5, 0.9, 0.1, 0.4);
    const factors = Float32Array.of(1, -2, 3, 0.5, 2, -1);
    const [value, straight, soft] = await evaluate(testDevice(), (g) => {
      const x = g.constant(logits, [2, 3]);
      const weights = x.softmax();
      const hard = weights.argmax().oneHot(3);
      const chosen = straightThrough(hard, weights);
      const of = (y: Tensor): Tensor => gradients(y.mul(g.constant(factors, [2, 3])).sum(), [x])[0] as Tensor;
      return [chosen, of(chosen), of(weights)];
    });
    expect(Array.from(value as Float32Array)).toEqual([0, 1, 0, 1, 0, 0].map((one) => expect.closeTo(one, 6)));
    expect(straight).toEqual(soft);
  });

  it("a stopped use beside one that counts", () =>
    forSeeds(2, async (random) => {
      const data = randomPlain(random, [3]);
      const [found, wanted] = await evaluate(testDevice(), (g) => {
        const x = place(g, data).scale(1);
        return [gradients(stopGradient(x).mul(x).sum(), [x])[0] as Tensor, x];
      });
      expect(found).toEqual(wanted);
    }));
});

describe("products of training", () => {
  it("transposed copies, of every rank and with odd sizes", () =>
    forSeeds(12, async (random) => {
      const shape = [random.int(1, 3), random.int(1, 3), random.int(1, 9), random.int(1, 9)].slice(random.int(0, 2));
      const x = randomPlain(random, shape);
      const axes = [...shape.keys()];
      axes.push(...axes.splice(-2).reverse());
      expect(await run((g) => transposedCopy(place(g, x)))).toEqual(permuted(x, axes).data);
      await expectGradients([x], (_g, t) => transposedCopy(t).sqr());
    }));

  it.each([
    ["f32", 1e-5],
    ["bf16", 2e-2],
  ] as const)("in %s come near those of ggml's own way, with their gradients", async (products, tolerance) => {
    const [rows, k, m] = [6, 512, 10];
    const random = new RandomStream(3, "products");
    const [xs, ws, dys] = [rows * k, m * k, rows * m].map((size) => random.normalArray(size)) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const storage = Storage.allocate(testDevice(), [{ name: "w", dtype: "f32", shape: [m, k] }]);
    storage.write(storage.tensor("w"), ws);
    const compute = async (kind: typeof products | undefined): Promise<Float32Array[]> => {
      const graph = new Graph(testDevice(), { products: kind });
      const x = graph.constant(xs, [rows, k]);
      const y = x.linear(storage.tensor("w"));
      const loss = y.mul(graph.constant(dys, [rows, m])).sum();
      const outputs = [y, ...gradients(loss, [x, storage.tensor("w")])].map((tensor) => graph.output(tensor.scale(1)));
      graph.compile();
      await graph.run();
      const copies = outputs.map((tensor) => graph.host<Float32Array>(tensor).slice());
      graph.close();
      return copies;
    };
    const [plain, other] = [await compute(undefined), await compute(products)];
    for (const [index, values] of plain.entries()) {
      const scale = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
      const worst = Math.max(...values.map((value, i) => Math.abs(value - (other[index]?.[i] ?? Number.NaN))));
      expect(worst / scale).toBeLessThan(tolerance);
      if (products === "bf16") expect(worst).toBeGreaterThan(0);
    }
    storage.close();
  });

  it.each(["f16", "bf16", "q8_0", "q4_1"] as const)(
    "reach through a frozen %s matrix to its input",
    async (dtype: DType) => {
      const [rows, k, m] = [3, 64, 5];
      const random = new RandomStream(7, dtype);
      const [xs, ws, dys] = [rows * k, m * k, rows * m].map((size) => random.normalArray(size)) as [
        Float32Array,
        Float32Array,
        Float32Array,
      ];
      const [found, matrix] = await evaluate(testDevice(), (g) => {
        const frozen = g.constant(ws, [m, k]).cast(dtype);
        const x = g.constant(xs, [rows, k]);
        const loss = x
          .linear(frozen)
          .mul(g.constant(dys, [rows, m]))
          .sum();
        return [gradients(loss, [x])[0] as Tensor, frozen.cast("f32")];
      });
      const expected = Array.from({ length: rows * k }, (_, i) => {
        const [row, column] = [Math.floor(i / k), i % k];
        let sum = 0;
        for (let out = 0; out < m; out++)
          sum += (dys[row * m + out] as number) * ((matrix as Float32Array)[out * k + column] as number);
        return expect.closeTo(sum, 4);
      });
      expect(Array.from(found as Float32Array)).toEqual(expected);
    },
  );
});
