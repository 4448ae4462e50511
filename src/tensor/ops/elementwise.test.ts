import { afterAll, describe, expect, it } from "vitest";
import {
  closeTestDevice,
  expectClose,
  forSeeds,
  layouts,
  map,
  map2,
  place,
  randomPlain,
  randomShape,
  run,
} from "../reference.case.js";
import type { UnaryName } from "./elementwise.js";

afterAll(closeTestDevice);

const gelu = (x: number) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
/** Abramowitz and Stegun 7.1.26, error below 2e-7. */
function erf(x: number): number {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const polynomial = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return Math.sign(x) * (1 - polynomial * Math.exp(-x * x));
}
const roundHalfAway = (x: number) => Math.sign(x) * Math.floor(Math.abs(x) + 0.5);

const functions: Record<UnaryName, [(x: number) => number, number?]> = {
  neg: [(x) => -x],
  abs: [Math.abs],
  sgn: [Math.sign],
  step: [(x) => (x > 0 ? 1 : 0)],
  sqr: [(x) => x * x],
  sqrt: [Math.sqrt],
  exp: [Math.exp],
  expm1: [Math.expm1],
  log: [Math.log],
  sin: [Math.sin],
  cos: [Math.cos],
  tanh: [Math.tanh],
  sigmoid: [(x) => 1 / (1 + Math.exp(-x))],
  softplus: [(x) => Math.log1p(Math.exp(x))],
  relu: [(x) => Math.max(x, 0)],
  silu: [(x) => x / (1 + Math.exp(-x))],
  floor: [Math.floor],
  ceil: [Math.ceil],
  round: [roundHalfAway],
  trunc: [Math.trunc],
  // ggml looks these two up in a table of f16.
  gelu: [gelu, 2e-3],
  gelu_quick: [(x) => x / (1 + Math.exp(-1.702 * x)), 2e-3],
  gelu_erf: [(x) => 0.5 * x * (1 + erf(x / Math.SQRT2))],
  elu: [(x) => (x > 0 ? x : Math.expm1(x))],
};

describe("functions of one variable", () => {
  it.each(Object.entries(functions))("%s", async (name, [f, tolerance = 1e-5]) => {
    await forSeeds(8, async (random) => {
      const x = randomPlain(random, randomShape(random));
      const layout = random.pick(["plain", "sliced", "rows moved"] as const);
      const usable = name === "sqrt" || name === "log" ? map(x, (v) => Math.fround(Math.abs(v) + 0.1)) : x;
      expectClose(await run((g) => place(g, usable, layout).unary(name as UnaryName)), map(usable, f), tolerance, name);
    });
  });

  it("take f16, and bf16 where ggml does", async () => {
    for (const dtype of ["f16", "bf16"] as const) {
      await forSeeds(3, async (random) => {
        const x = randomPlain(random, randomShape(random, 3));
        const tolerance = dtype === "f16" ? 2e-3 : 2e-2;
        const build = (name: UnaryName) => run((g) => place(g, x).cast(dtype).unary(name));
        expectClose(await build("tanh"), map(x, Math.tanh), tolerance, dtype);
        if (dtype === "f16")
          expectClose(
            await build("silu"),
            map(x, (v) => v / (1 + Math.exp(-v))),
            tolerance,
          );
        else await expect(build("silu")).rejects.toThrow(/silu: cannot take bf16/);
      });
    }
  });

  it("refuse columns apart, integers and unknown names", async () => {
    const x = { shape: [2, 3], data: [1, 2, 3, 4, 5, 6] };
    await expect(run((g) => place(g, x, "transposed").neg())).rejects.toThrow(/rows without gaps/);
    await expect(run((g) => g.constant(new Int32Array(3)).neg())).rejects.toThrow(/cannot take i32/);
    await expect(run((g) => place(g, x).unary("nothing" as UnaryName))).rejects.toThrow(/no function "nothing"/);
  });
});

describe("functions of two variables", () => {
  const operations = {
    add: (a: number, b: number) => a + b,
    sub: (a: number, b: number) => a - b,
    mul: (a: number, b: number) => a * b,
    div: (a: number, b: number) => a / b,
  };

  it.each(Object.entries(operations))("%s, with the second operand repeated", async (name, f) => {
    await forSeeds(25, async (random) => {
      const a = randomPlain(random, randomShape(random));
      const rank = random.int(1, a.shape.length);
      const sizes = a.shape.slice(-rank).map((size) => random.pick([size, size, 1, ...(size === 4 ? [2] : [])]));
      const raw = randomPlain(random, sizes);
      const b = name === "div" ? map(raw, (v) => Math.fround(v + 3 * (Math.sign(v) || 1))) : raw;
      const [la, lb] = [random.pick(layouts.slice(0, 3)), random.pick(layouts.slice(0, 3))];
      const got = await run((g) => place(g, a, la)[name as keyof typeof operations](place(g, b, lb)));
      expectClose(got, map2(a, b, f), 1e-5, `${name} ${la} ${lb}`);
    });
  });

  it("keeps the first operand's type", async () => {
    await forSeeds(6, async (random) => {
      const a = randomPlain(random, randomShape(random, 2));
      const [type, tolerance] = random.pick([
        ["f16", 2e-3],
        ["bf16", 2e-2],
      ] as const);
      const second = random.pick([type, "f32"] as const);
      const got = await run((g) => place(g, a).cast(type).mul(place(g, a).cast(second)));
      expectClose(
        got,
        map2(a, a, (x, y) => x * y),
        tolerance,
      );
    });
  });

  it("refuses sizes that do not divide, and mixed types", async () => {
    const a = { shape: [2, 3], data: [1, 2, 3, 4, 5, 6] };
    const b = { shape: [2], data: [1, 2] };
    await expect(run((g) => place(g, a).add(place(g, b)))).rejects.toThrow(/cannot be repeated to fit/);
    await expect(run((g) => place(g, b).add(place(g, a)))).rejects.toThrow(/cannot be repeated to fit/);
    await expect(run((g) => place(g, a).add(place(g, a).cast("f16")))).rejects.toThrow(/cannot take f16/);
    // The last axis of a transposed row has size 1 and still another stride in ggml.
    expectClose(
      await run((g) =>
        place(g, { shape: [1, 3], data: [1, 2, 3] })
          .transpose()
          .neg(),
      ),
      [-1, -2, -3],
    );
  });
});

describe("scale and clamp", () => {
  it("scale", async () => {
    await forSeeds(10, async (random) => {
      const x = randomPlain(random, randomShape(random));
      const [factor, bias] = [random.normal(), random.pick([0, random.normal()])];
      expectClose(
        await run((g) => place(g, x).scale(factor, bias)),
        map(x, (v) => v * factor + bias),
      );
    });
  });

  it("clamp leaves its operand as it was, in every layout", async () => {
    await forSeeds(10, async (random) => {
      const x = randomPlain(random, randomShape(random));
      const layout = random.pick(layouts);
      const got = await run((g) => {
        const placed = place(g, x, layout);
        return placed.clamp(-0.5, 0.5).add(placed.cont());
      });
      expectClose(
        got,
        map(x, (v) => Math.min(Math.max(v, -0.5), 0.5) + v),
      );
    });
  });

  it("refuse numbers that are none", async () => {
    const x = { shape: [2], data: [1, 2] };
    await expect(run((g) => place(g, x).scale(Number.NaN))).rejects.toThrow(/not a finite number/);
    await expect(run((g) => place(g, x).clamp(1, 0))).rejects.toThrow(/bounds/);
  });
});
