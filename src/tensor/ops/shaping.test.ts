import { afterAll, describe, expect, it } from "vitest";
import { isQuantised } from "../dtype.js";
import {
  at,
  closeTestDevice,
  expectClose,
  forSeeds,
  layouts,
  map,
  type Plain,
  permuted,
  place,
  plain,
  randomPlain,
  randomShape,
  relativeError,
  run,
} from "../reference.case.js";

afterAll(closeTestDevice);

const sliced = (x: Plain, axis: number, start: number, length: number): Plain =>
  plain(
    x.shape.map((size, other) => (other === axis ? length : size)),
    (index) =>
      at(
        x,
        index.map((i, other) => (other === axis ? i + start : i)),
      ),
  );

describe("views", () => {
  it("slices and permutations of any layout, one on another", async () => {
    await forSeeds(60, async (random) => {
      let wanted = randomPlain(random, randomShape(random));
      const first = wanted;
      const layout = random.pick(layouts);
      const steps = Array.from({ length: random.int(1, 5) }, () => {
        const rank = wanted.shape.length;
        if (random.chance(0.5)) {
          const axes = random.shuffled([...wanted.shape.keys()]);
          wanted = permuted(wanted, axes);
          return { axes };
        }
        const axis = random.int(0, rank - 1);
        const start = random.int(0, (wanted.shape[axis] ?? 1) - 1);
        const length = random.int(1, (wanted.shape[axis] ?? 1) - start);
        wanted = sliced(wanted, axis, start, length);
        return { axis: axis - (random.chance(0.5) ? rank : 0), start, length };
      });
      const got = await run((g) =>
        steps.reduce(
          (t, step) =>
            step.axes ? t.permute(...step.axes) : t.slice(step.axis ?? 0, step.start ?? 0, step.length ?? 1),
          place(g, first, layout),
        ),
      );
      expectClose(got, wanted, 0, JSON.stringify(steps));
    });
  });

  it("what was sliced to size 1 can be used like any other tensor", async () => {
    const x = plain([4, 4, 5], ([a = 0, b = 0, c = 0]) => 100 * a + 10 * b + c);
    const row = sliced(sliced(x, 0, 2, 1), 1, 0, 3);
    expectClose(
      await run((g) => place(g, x).slice(0, 2, 1).slice(1, 0, 3).scale(2)),
      map(row, (v) => 2 * v),
    );
    const column = sliced(x, 2, 3, 1);
    expectClose(
      await run((g) =>
        place(g, x)
          .slice(2, 3, 1)
          .add(
            place(
              g,
              plain([1], () => 1),
            ),
          ),
      ),
      map(column, (v) => v + 1),
    );
  });

  it("reshape, with one size left open", async () => {
    await forSeeds(10, async (random) => {
      const x = randomPlain(random, [2, 3, 4]);
      const shape = random.pick([[24], [4, 6], [-1, 4], [2, -1, 2], [1, 24, 1, 1]]);
      expectClose(await run((g) => place(g, x).reshape(...shape)), x.data, 0);
    });
    const x = plain([2, 3], () => 1);
    await expect(run((g) => place(g, x).reshape(4))).rejects.toThrow(/another number of elements/);
    await expect(run((g) => place(g, x).reshape(-1, -1))).rejects.toThrow(/is not a shape|another number/);
    await expect(run((g) => place(g, x, "transposed").reshape(6))).rejects.toThrow(/without gaps/);
  });

  it("splitLast, also of a slice of columns", async () => {
    await forSeeds(10, async (random) => {
      const x = randomPlain(random, [3, 12]);
      const [start, length, count] = random.pick([
        [0, 12, 3],
        [2, 8, 4],
        [4, 6, 1],
        [6, 6, 6],
      ]) as [number, number, number];
      const got = await run((g) => place(g, x).slice(-1, start, length).splitLast(count));
      expectClose(got, sliced(x, 1, start, length).data, 0);
    });
  });

  it("refuse what lies outside", async () => {
    const x = plain([2, 3], () => 1);
    await expect(run((g) => place(g, x).slice(1, 2, 2))).rejects.toThrow(/lies outside/);
    await expect(run((g) => place(g, x).slice(2, 0, 1))).rejects.toThrow(/no axis 2/);
    await expect(run((g) => place(g, x).permute(0, 0))).rejects.toThrow(/not an order/);
    await expect(run((g) => place(g, x).splitLast(2))).rejects.toThrow(/cannot be split/);
    await expect(
      run((g) =>
        place(
          g,
          plain([2, 64], () => 1),
        )
          .cast("q8_0")
          .slice(1, 1, 32)
          .cast("f32"),
      ),
    ).rejects.toThrow(/blocks of 32/);
    await expect(
      run((g) =>
        place(
          g,
          plain([2, 64], () => 1),
        )
          .cast("q8_0")
          .transpose(),
      ),
    ).rejects.toThrow(/taken apart/);
  });
});

describe("copies", () => {
  it("cast there and back, from any layout", async () => {
    const errors = {
      f16: 1e-3,
      bf16: 8e-3,
      q8_0: 0.01,
      q5_1: 0.06,
      q5_0: 0.08,
      q4_1: 0.12,
      q4_0: 0.15,
      iq4_nl: 0.15,
    } as const;
    await forSeeds(24, async (random) => {
      const [dtype, most] = random.pick(Object.entries(errors) as [keyof typeof errors, number][]);
      const x = randomPlain(random, [random.int(1, 3), random.int(1, 5), isQuantised(dtype) ? 64 : random.int(1, 9)]);
      const layout = isQuantised(dtype) ? "plain" : random.pick(layouts);
      const error = relativeError(await run((g) => place(g, x, layout).cast(dtype).cast("f32")), x);
      if (error > most) throw new Error(`${dtype}: error ${error}`);
    });
    const numbers = { shape: [5], data: [-2.7, -1, 0.9, 1.5, 1000.2] };
    expect(await run((g) => place(g, numbers).cast("i32"))).toEqual([-2, -1, 0, 1, 1000]);
    expectClose(await run((g) => place(g, numbers).cast("i32").cast("f32").scale(2)), [-4, -2, 0, 2, 2000]);
  });

  it("concat along every axis, in every type", async () => {
    await forSeeds(30, async (random) => {
      const a = randomPlain(random, randomShape(random));
      const axis = random.int(0, a.shape.length - 1);
      const b = randomPlain(
        random,
        a.shape.map((size, other) => (other === axis ? random.int(1, 4) : size)),
      );
      const size = a.shape[axis] ?? 1;
      const wanted = plain(
        a.shape.map((s, other) => (other === axis ? s + (b.shape[axis] ?? 1) : s)),
        (index) => {
          const i = index[axis] ?? 0;
          return i < size
            ? at(a, index)
            : at(
                b,
                index.map((j, other) => (other === axis ? i - size : j)),
              );
        },
      );
      const dtype = random.pick(["f32", "f32", "f16", "bf16", "i32"] as const);
      const whole = (x: Plain) => (dtype === "f32" ? x : map(x, Math.round));
      const got = await run((g) =>
        place(g, whole(a))
          .cast(dtype)
          .concat(place(g, whole(b)).cast(dtype), axis),
      );
      expectClose(got, whole(wanted), 0, dtype);
    });
    const x = plain([2, 3], () => 1);
    await expect(
      run((g) =>
        place(g, x).concat(
          place(
            g,
            plain([3, 2], () => 1),
          ),
          0,
        ),
      ),
    ).rejects.toThrow(/other axes differ/);
    await expect(run((g) => place(g, x).concat(place(g, x).cast("f16"), 0))).rejects.toThrow(/cannot take f16/);
  });

  it("repeat, in every type", async () => {
    await forSeeds(20, async (random) => {
      const x = map(randomPlain(random, randomShape(random, random.int(1, 3))), Math.round);
      const lead = random.chance(0.3) ? [2] : [];
      const shape = [...lead, ...x.shape.map((size) => size * random.int(1, 3))];
      const dtype = random.pick(["f32", "f16", "bf16", "i32"] as const);
      const got = await run((g) =>
        place(g, x)
          .cast(dtype)
          .repeat(...shape),
      );
      expectClose(
        got,
        plain(shape, (index) => at(x, index)),
        0,
        dtype,
      );
    });
    await expect(
      run((g) =>
        place(
          g,
          plain([2], () => 1),
        ).repeat(3),
      ),
    ).rejects.toThrow(/cannot be repeated/);
  });

  it("pad", async () => {
    await forSeeds(20, async (random) => {
      const x = randomPlain(random, randomShape(random));
      const margin = () => x.shape.map(() => random.int(0, 2));
      const [before, after] = [margin(), margin()];
      const wanted = plain(
        x.shape.map((size, axis) => size + (before[axis] ?? 0) + (after[axis] ?? 0)),
        (index) => {
          const inner = index.map((i, axis) => i - (before[axis] ?? 0));
          return inner.every((i, axis) => i >= 0 && i < (x.shape[axis] ?? 1)) ? at(x, inner) : 0;
        },
      );
      expectClose(await run((g) => place(g, x).pad(before, after)), wanted, 0);
    });
    await expect(
      run((g) =>
        place(
          g,
          plain([2], () => 1),
        ).pad([-1], [0]),
      ),
    ).rejects.toThrow(/margins/);
  });
});
