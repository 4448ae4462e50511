import { afterAll, describe, expect, it } from "vitest";
import { checkpoint, gradients, stopGradient } from "./autodiff.js";
import { expectGradients } from "./differences.case.js";
import { evaluate } from "./evaluate.js";
import { Graph } from "./graph.js";
import type { UnaryName } from "./ops/elementwise.js";
import { gatedUnit } from "./ops/gated.js";
import { scatterAdd } from "./ops/index-ops.js";
import type { RandomSource } from "./random-source.case.js";
import {
  closeTestDevice,
  expectClose,
  forSeeds,
  map,
  type Plain,
  place,
  plain,
  randomPlain,
  run,
  testDevice,
} from "./reference.case.js";
import { Storage } from "./storage.js";
import type { Tensor } from "./tensor.js";

afterAll(closeTestDevice);

const smallShape = (random: RandomSource, rank = random.int(1, 4)): number[] =>
  Array.from({ length: rank }, () => random.int(1, rank <= 2 ? 5 : 3));
/** Away from 0, where some functions have a corner. */
const awayFromZero = (x: Plain): Plain => map(x, (v) => Math.fround(v + 0.1 * (Math.sign(v) || 1)));
const positive = (x: Plain): Plain => map(x, (v) => Math.fround(Math.abs(v) + 0.5));

describe("gradients equal central differences", () => {
  const smooth: UnaryName[] = ["neg", "sqr", "exp", "expm1", "sin", "cos", "tanh", "sigmoid", "softplus", "silu"];
  it.each(smooth)("%s", (name) =>
    forSeeds(3, (random) => expectGradients([randomPlain(random, smallShape(random))], (_g, x) => x.unary(name))),
  );

  const cornered: UnaryName[] = ["abs", "relu", "step", "sgn", "elu"];
  it.each(cornered)("%s", (name) =>
    forSeeds(3, (random) =>
      expectGradients([awayFromZero(randomPlain(random, smallShape(random)))], (_g, x) => x.unary(name)),
    ),
  );

  const onPositive: UnaryName[] = ["sqrt", "log"];
  it.each(onPositive)("%s", (name) =>
    forSeeds(3, (random) =>
      expectGradients([positive(randomPlain(random, smallShape(random)))], (_g, x) => x.unary(name)),
    ),
  );

  // These two look their values up in f16, so the step must be wide.
  it.each(["gelu", "gelu_quick"] as const)("%s", (name) =>
    forSeeds(3, (random) =>
      expectGradients([randomPlain(random, smallShape(random))], (_g, x) => x.unary(name), {
        step: 0.1,
        tolerance: 3e-2,
      }),
    ),
  );

  it.each(["add", "sub", "mul", "div"] as const)("%s with repetition", (name) =>
    forSeeds(10, async (random) => {
      const shape = smallShape(random);
      const other = shape.slice(random.int(0, shape.length - 1)).map((size) => random.pick([1, size]));
      const a = randomPlain(random, shape);
      const b = name === "div" ? positive(randomPlain(random, other)) : randomPlain(random, other);
      await expectGradients([a, b], (_g, x, y) => x[name](y));
      const wide = shape.map((size) => size * random.int(1, 2));
      await expectGradients([randomPlain(random, wide), b], (_g, x, y) => x[name](y));
    }),
  );

  it("scale, clamp, repeat, sums", () =>
    forSeeds(6, async (random) => {
      const x = awayFromZero(randomPlain(random, smallShape(random)));
      await expectGradients([x], (_g, t) => t.scale(1.7, 0.3));
      await expectGradients([x], (_g, t) => t.clamp(-40, 0));
      await expectGradients([x], (_g, t) => t.clamp(0, Number.POSITIVE_INFINITY));
      await expectGradients([x], (_g, t) => t.sum());
      await expectGradients([x], (_g, t) => t.sumRows());
      await expectGradients([x], (_g, t) => t.mean());
      await expectGradients([x], (_g, t) => t.cumsum());
      const shape = [...(x.shape.length < 4 ? [2] : []), ...x.shape.map((size) => size * random.int(1, 2))];
      await expectGradients([x], (_g, t) => t.repeat(...shape));
    }));

  it("shapes: reshape, slices, permutations, splits, concat, pad, casts", () =>
    forSeeds(6, async (random) => {
      const shape = smallShape(random);
      const x = randomPlain(random, shape);
      const axis = random.int(0, shape.length - 1);
      const size = shape[axis] ?? 1;
      const start = random.int(0, size - 1);
      const order = random.shuffled([...shape.keys()]);
      const length = random.int(1, size - start);
      const after = shape.map(() => random.int(0, 1));
      await expectGradients([x], (_g, t) => t.sqr().reshape(-1).cont());
      await expectGradients([x], (_g, t) => t.slice(axis, start, length).cont());
      await expectGradients([x], (_g, t) =>
        t
          .permute(...order)
          .slice(0, 0, 1)
          .cont()
          .sqr(),
      );
      await expectGradients([x, randomPlain(random, shape)], (_g, t, u) => t.concat(u, axis).sqr());
      await expectGradients([x], (_g, t) =>
        t.pad(
          shape.map(() => 1),
          after,
        ),
      );
      await expectGradients([randomPlain(random, [3, 4])], (_g, t) => t.slice(1, 0, 4).splitLast(2).sqr());
      await expectGradients([x], (_g, t) => t.cast("bf16").cast("f32"), { step: 1, tolerance: 5e-2 });
    }));

  it("outerSum", () =>
    forSeeds(4, async (random) => {
      const [n, m, p] = [random.int(1, 4), random.int(1, 4), random.int(1, 3)];
      await expectGradients([randomPlain(random, [2, n, m]), randomPlain(random, [2, n, p])], (_g, a, b) =>
        a.outerSum(b),
      );
    }));

  it("linear and matmul, with shared weights", () =>
    forSeeds(12, async (random) => {
      const [n, k, m] = [random.int(1, 4), random.int(1, 4), random.int(1, 4)];
      const lead = random.pick([[], [2], [4], [2, 2], [1, 4]]);
      const fixed = random.array(m * k);
      const weightLead = random.pick([lead, lead.map((size) => (size === 4 ? 2 : 1)), []]);
      const x = randomPlain(random, [...lead, n, k]);
      await expectGradients([x, randomPlain(random, [...weightLead, m, k])], (_g, a, w) => a.linear(w));
      await expectGradients([x, randomPlain(random, [...weightLead, k, m])], (_g, a, w) => a.matmul(w));
      await expectGradients([x], (g, a) => a.linear(g.constant(fixed, [m, k]).cast("f16")), {
        step: 0.2,
        tolerance: 2e-2,
      });
    }));

  it("norms", () =>
    forSeeds(6, async (random) => {
      const shape = [...smallShape(random, random.int(1, 2)), random.int(3, 6)];
      const x = randomPlain(random, shape);
      await expectGradients([x], (_g, t) => t.rmsNorm(0.1), { tolerance: 1e-2 });
      await expectGradients([x], (_g, t) => t.layerNorm(0.3), { tolerance: 1e-2 });
      await expectGradients([awayFromZero(x)], (_g, t) => t.l2Norm(1e-3), { tolerance: 2e-2 });
      await expectGradients([x], (_g, t) => t.l2Norm(50));
      const sliced = plain([2, 3, 6], ([a = 0, b = 0, c = 0]) => Math.sin(a + 2 * b + 3 * c));
      await expectGradients([sliced], (_g, t) =>
        t
          .slice(2, 1, 4)
          .rmsNorm(0.1)
          .add(t.slice(2, 2, 4).layerNorm(0.3)),
      );
    }));

  it("softmax with scale and mask, and the mask itself", () =>
    forSeeds(8, async (random) => {
      const shape = [...smallShape(random, random.int(0, 2)), random.int(1, 3), random.int(1, 5)];
      const maskShape = shape
        .slice(random.int(0, shape.length - 2))
        .map((size, axis, all) => (axis < all.length - 2 ? random.pick([1, size]) : size));
      await expectGradients([randomPlain(random, shape), randomPlain(random, maskShape)], (_g, x, mask) =>
        x.softmax({ scale: 0.7, mask }),
      );
    }));

  it("rope, with factors and part of a head", () =>
    forSeeds(8, async (random) => {
      const n = random.int(1, 3);
      const x = randomPlain(random, [...(random.chance(0.3) ? [2] : []), n, 2, random.pick([4, 5, 6])]);
      const positions = Int32Array.from({ length: n }, () => random.int(0, 9));
      const style = random.pick(["neox", "pairs"] as const);
      const factors = random.chance(0.5) ? Float32Array.of(1, 1.5) : undefined;
      const yarn = random.chance(0.5)
        ? { originalContext: 16, extFactor: 1, attnFactor: 1.2, betaFast: 4, betaSlow: 1 }
        : undefined;
      await expectGradients([x], (g, t) =>
        t.rope(g.constant(positions), {
          style,
          dims: 4,
          theta: 50,
          frequencyFactors: factors === undefined ? undefined : g.constant(factors),
          yarn,
        }),
      );
    }));

  it("gated units", () =>
    forSeeds(5, async (random) => {
      const shape = smallShape(random);
      const [gate, up] = [randomPlain(random, shape), randomPlain(random, shape)];
      const joined = randomPlain(random, [...shape.slice(0, -1), 4]);
      await expectGradients([gate, up], (_g, a, b) => gatedUnit("swiglu", a, b));
      await expectGradients([joined], (_g, a) => gatedUnit("swiglu", a));
      await expectGradients([gate, up], (_g, a, b) => gatedUnit("geglu", a, b), { step: 0.1, tolerance: 5e-2 });
      await expectGradients([joined], (_g, a) => gatedUnit("geglu", a), { step: 0.1, tolerance: 5e-2 });
    }));

  it("getRows and scatterAdd, with repeated numbers and leading axes", () =>
    forSeeds(8, async (random) => {
      const lead = random.pick([[], [2], [2, 3]]);
      const shape = [...lead, 5];
      const indices = Int32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.int(0, 3));
      await expectGradients([randomPlain(random, [...lead, 4, 3])], (g, t) => t.getRows(g.constant(indices, shape)));
      await expectGradients([randomPlain(random, [...shape, 3])], (g, t) =>
        scatterAdd(t, g.constant(indices, shape), 4),
      );
    }));

  it("second derivatives", () =>
    forSeeds(3, async (random) => {
      const x = randomPlain(random, [2, 3]);
      const w = randomPlain(random, [4, 3]);
      await expectGradients(
        [x, w],
        (_g, a, b) => {
          const inner = a.linear(b).silu().mul(a.linear(b).sigmoid()).sum();
          return (gradients(inner, [a])[0] ?? a).sqr();
        },
        { tolerance: 2e-2 },
      );
    }));
});

describe("gradients of a whole", () => {
  it("sums the uses of a stored tensor, under all its names", async () => {
    const storage = Storage.allocate(testDevice(), [{ name: "w", dtype: "f32", shape: [3, 3] }]);
    const w = storage.tensor("w");
    storage.write(
      w,
      Float32Array.from({ length: 9 }, (_, i) => i / 9),
    );
    const [twice, once] = await evaluate(testDevice(), (g) => {
      const x = g.constant(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3]);
      const both = x
        .linear(w)
        .sum()
        .add(x.linear(g.use(w)).sum())
        .add(g.use(w).mul(w).sum());
      return [gradients(both, [w])[0] ?? x, gradients(x.linear(w).sum(), [g.use(w)])[0] ?? x];
    });
    const values = Array.from({ length: 9 }, (_, i) => 2 * (i / 9));
    expect(Array.from(twice as Float32Array)).toEqual(
      values.map((v, i) => expect.closeTo(v + 2 * (Number(once?.[i]) || 0), 4)),
    );
    storage.close();
  });

  it("checkpoint gives the same gradients, captured weights included, and needs less memory", async () => {
    const sizes: number[] = [];
    const results: number[][] = [];
    for (const saves of [false, true]) {
      const graph = new Graph(testDevice(1));
      const w = graph.constant(
        Float32Array.from({ length: 64 }, (_, i) => Math.sin(i)),
        [8, 8],
      );
      let x = graph.constant(
        Float32Array.from({ length: 800 }, (_, i) => Math.cos(i)),
        [100, 8],
      );
      const start = x;
      const block = (t: typeof x) =>
        [1, 2, 3, 4, 5, 6].reduce<Tensor>((u) => u.linear(w).tanh().mul(u.sigmoid()).add(u), t);
      for (let layer = 0; layer < 6; layer++) x = saves ? checkpoint([x], block) : block(x);
      const found = gradients(x.sqr().sum(), [start, w]).map((t) => graph.output(t));
      graph.compile();
      await graph.run();
      sizes.push(graph.sizeBytes);
      results.push(found.flatMap((t) => [...graph.host<Float32Array>(t)]));
      graph.close();
    }
    expectClose(results[1] ?? [], results[0] ?? [], 1e-5);
    expect((sizes[1] ?? 0) / (sizes[0] ?? 1)).toBeLessThan(0.6);
  });

  it("stopGradient", () =>
    forSeeds(2, async (random) => {
      const x = randomPlain(random, [2, 3]);
      const got = await run((g) => {
        const t = place(g, x);
        return gradients(t.mul(stopGradient(t.sqr())).sum(), [t])[0] ?? t;
      });
      expect(got).toEqual(x.data.map((v) => expect.closeTo(v * v, 4)));
    }));

  it("says which operation has no gradient, and what does not belong", async () => {
    const x = plain([2, 32], () => 1);
    const of = (build: (t: ReturnType<typeof place>) => ReturnType<typeof place>) =>
      run((g) => {
        const t = place(g, x);
        return gradients(build(t).sum(), [t])[0] ?? t;
      });
    await expect(of((t) => t.unary("gelu_erf"))).rejects.toThrow(/gelu_erf has no gradient: .*inference only/);
    await expect(of((t) => t.cast("q8_0").cast("f32"))).rejects.toThrow(/a cast to q8_0 has no gradient/);
    await expect(of((t) => t.cast("f16").mul(t).cast("f32"))).rejects.toThrow(/only f32/);
    await expect(of((t) => t.argsort("ascending").cast("f32"))).rejects.toThrow(/does not depend on/);
    await expect(
      of((t) => t.reshape(1, 2, 32).flashAttention(t.reshape(1, 2, 32), t.reshape(1, 2, 32), { scale: 1 })),
    ).rejects.toThrow(/flashAttention has no gradient/);
    await expect(run((g) => gradients(place(g, x).sum(), [place(g, x)])[0] ?? place(g, x))).rejects.toThrow(
      /does not depend on/,
    );
    await expect(run((g) => gradients(place(g, x), [place(g, x)])[0] ?? place(g, x))).rejects.toThrow(
      /must be one number/,
    );
    await expect(
      run((g) => {
        const w = place(g, x);
        return gradients(place(g, x).linear(w.cast("f16").cast("f32")).sum(), [w])[0] ?? w;
      }),
    ).resolves.toHaveLength(64);
  });
});
