import { afterAll, describe, expect, it } from "vitest";
import {
  at,
  closeTestDevice,
  expectClose,
  forSeeds,
  map2,
  type Plain,
  place,
  plain,
  randomPlain,
  randomShape,
  run,
} from "../reference.case.js";

afterAll(closeTestDevice);

const silu = (x: number) => x / (1 + Math.exp(-x));
const gelu = (x: number) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

describe.each([
  ["swiglu", silu, 1e-5],
  ["geglu", gelu, 3e-3],
] as const)("%s", (op, activation, tolerance) => {
  it("with gate and value apart, also as slices of joined columns", async () => {
    await forSeeds(15, async (random) => {
      const gate = randomPlain(random, randomShape(random));
      const value = randomPlain(random, gate.shape);
      const wanted = map2(gate, value, (a, b) => activation(a) * b);
      expectClose(await run((g) => place(g, gate)[op](place(g, value))), wanted, tolerance);
      expectClose(await run((g) => place(g, gate).cast("f16")[op](place(g, value).cast("f16"))), wanted, 1e-2);
      const width = gate.shape.at(-1) ?? 1;
      const columns = await run((g) => {
        const joined = place(g, gate).concat(place(g, value), -1);
        return joined.slice(-1, 0, width)[op](joined.slice(-1, width, width));
      });
      expectClose(columns, wanted, tolerance);
    });
  });

  it("with joined rows", async () => {
    await forSeeds(15, async (random) => {
      const shape = randomShape(random);
      const half = shape.at(-1) ?? 1;
      const joined = randomPlain(random, [...shape.slice(0, -1), 2 * half]);
      const part = (offset: number): Plain =>
        plain(shape, (index) => at(joined, [...index.slice(0, -1), (index.at(-1) ?? 0) + offset]));
      expectClose(
        await run((g) => place(g, joined)[op]()),
        map2(part(0), part(half), (a, b) => activation(a) * b),
        tolerance,
      );
    });
  });

  it("takes moved rows, refuses odd rows and unequal shapes", async () => {
    const x = plain([2, 3, 4], () => 1);
    expect(await run((g) => place(g, x, "rows moved")[op]())).toEqual(await run((g) => place(g, x)[op]()));
    await expect(
      run((g) =>
        place(
          g,
          plain([2, 3], () => 1),
        )[op](),
      ),
    ).rejects.toThrow(/even number/);
    await expect(
      run((g) =>
        place(g, x)[op](
          place(
            g,
            plain([2, 3, 2], () => 1),
          ),
        ),
      ),
    ).rejects.toThrow(/differ/);
  });
});
