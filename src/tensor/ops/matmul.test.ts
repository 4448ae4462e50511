import { afterAll, describe, expect, it } from "vitest";
import { type DType, dtypes, isQuantised } from "../dtype.js";
import { evaluate } from "../evaluate.js";
import { RandomSource } from "../random-source.case.js";
import {
  at,
  closeTestDevice,
  expectClose,
  forSeeds,
  layouts,
  type Plain,
  place,
  plain,
  randomPlain,
  relativeError,
  run,
  sumOf,
  testDevice,
} from "../reference.case.js";
import { Storage } from "../storage.js";

afterAll(closeTestDevice);

/** x · weightᵀ; a leading place of the weight serves neighbouring places of x. */
function product(x: Plain, weight: Plain): Plain {
  const shape = [...x.shape.slice(0, -1), weight.shape.at(-2) ?? 1];
  const k = x.shape.at(-1) ?? 1;
  const lead = x.shape.length - weight.shape.length;
  return plain(shape, (index) => {
    const column = index.at(-1) ?? 0;
    const outer = weight.shape.slice(0, -2).map((size, axis) => {
      const times = (x.shape[axis + lead] ?? 1) / size;
      return Math.floor((index[axis + lead] ?? 0) / times);
    });
    return sumOf(
      Array.from({ length: k }, (_, i) => at(x, [...index.slice(0, -1), i]) * at(weight, [...outer, column, i])),
    );
  });
}

function randomFactors(random: RandomSource, k: number): [Plain, Plain] {
  const lead = Array.from({ length: random.int(0, 2) }, () => random.pick([1, 2, 4, 6]));
  const weightLead = lead
    .slice(random.int(0, lead.length))
    .map((size) => random.pick([1, size, ...(size % 2 === 0 ? [size / 2] : [])]));
  const rows = () => random.pick([1, 2, 3, 9, 17]);
  return [randomPlain(random, [...lead, rows(), k]), randomPlain(random, [...weightLead, rows(), k])];
}

/** Undefined where this processor has no better order for the type. */
function repackedStorage(specs: Parameters<typeof Storage.allocate>[1], bufferType: number): Storage | undefined {
  try {
    return Storage.allocate(testDevice(), specs, bufferType);
  } catch (error) {
    expect((error as Error).message).toMatch(/cannot be stored repacked/);
    return undefined;
  }
}

describe("linear", () => {
  it("f32, weights shared along leading axes, any layout with dense rows", async () => {
    await forSeeds(40, async (random) => {
      const [x, weight] = randomFactors(random, random.pick([1, 2, 5, 8, 31, 64]));
      const [lx, lw] = [random.pick(layouts.slice(0, 3)), random.pick(layouts.slice(0, 3))];
      expectClose(
        await run((g) => place(g, x, lx).linear(place(g, weight, lw))),
        product(x, weight),
        2e-5,
        `${lx} ${lw}`,
      );
    });
  });

  it("matmul, any layout", async () => {
    await forSeeds(15, async (random) => {
      const [x, weight] = randomFactors(random, random.int(1, 9));
      const axes = [...weight.shape.keys()];
      const swapped = [...axes.slice(0, -2), axes.length - 1, axes.length - 2];
      const other = plain(
        swapped.map((axis) => weight.shape[axis] ?? 1),
        (index) =>
          at(
            weight,
            swapped.map((axis) => index[axis] ?? 0),
          ),
      );
      const got = await run((g) =>
        place(g, x, random.pick(layouts.slice(0, 3))).matmul(place(g, other, random.pick(layouts))),
      );
      expectClose(got, product(x, weight), 2e-5);
    });
  });

  /** Errors of one product of normal data with k = 1024, with some room. */
  const errors: Partial<Record<DType, number>> = {
    f32: 1e-6,
    f16: 5e-4,
    bf16: 3e-3,
    q8_0: 0.012,
    q5_0: 0.06,
    q5_1: 0.06,
    q4_0: 0.12,
    q4_1: 0.12,
    iq4_nl: 0.12,
  };

  it.each(Object.entries(errors))("%s weights", async (name, most) => {
    const dtype = name as DType;
    await forSeeds(4, async (random) => {
      const k = isQuantised(dtype) ? random.pick([32, 256, 1024]) : random.pick([7, 100, 1024]);
      const [x, weight] = [randomPlain(random, [random.int(1, 6), k]), randomPlain(random, [random.int(1, 40), k])];
      const got = await run((g) => place(g, x).linear(place(g, weight).cast(dtype)));
      const error = relativeError(got, product(x, weight));
      if (error > (k < 256 ? 2 : 1.2) * most) throw new Error(`error ${error} at k = ${k}`);
      if (isQuantised(dtype) && error < most / 100) throw new Error(`error ${error} is too good to be quantised`);
    });
  });

  it("has a product for every type it does not refuse", async () => {
    for (const dtype of Object.keys(dtypes) as DType[]) {
      const k = 256 * 2;
      const storage = Storage.allocate(testDevice(), [{ name: "w", dtype, shape: [5, k] }]);
      storage.clear();
      const once = (rows: number) =>
        evaluate(testDevice(), (g) => [
          g.constant(new Float32Array(rows * k).fill(0.5), [rows, k]).linear(storage.tensor("w")),
        ]);
      try {
        // Zero bytes mean zero weights in most types, and something finite in all.
        for (const rows of [1, 4, 33]) {
          const [result] = await once(rows);
          expect(Array.from(result as Float32Array).every(Number.isFinite)).toBe(true);
        }
      } catch (error) {
        expect((error as Error).message).toMatch(/there is no product with/);
        expect(["i8", "i16", "i32", "i64", "f64", "q8_1", "q8_k"]).toContain(dtype);
      } finally {
        storage.close();
      }
    }
  });

  it("repacked weights give nearly the same, and serve nothing else", async () => {
    const device = testDevice();
    let repacked = 0;
    for (const bufferType of device.repackedBufferTypes) {
      for (const dtype of ["q4_0", "q8_0", "q4_k", "iq4_nl"] as const) {
        const specs = [{ name: "w", dtype, shape: [64, 256] }];
        const [there, plainly] = [repackedStorage(specs, bufferType), Storage.allocate(device, specs)];
        if (there === undefined) continue;
        plainly.clear();
        const bytes = new Uint8Array(plainly.tensor("w").sizeBytes);
        if (dtype !== "q4_k") {
          await evaluate(device, (g) => {
            const rows = g.constant(new RandomSource(3).array(64 * 256), [64, 256]);
            const numbers = g.constant(Int32Array.from({ length: 64 }, (_, i) => i));
            return [plainly.tensor("w").setRows(numbers, rows).cast("f32")];
          });
        }
        plainly.read(plainly.tensor("w"), bytes);
        there.write(there.tensor("w"), bytes);
        const times = (storage: Storage) =>
          evaluate(device, (g) => [
            g.constant(new RandomSource(5).array(9 * 256), [9, 256]).linear(storage.tensor("w")),
          ]);
        const [got, wanted] = [(await times(there))[0], (await times(plainly))[0]];
        const reference = { shape: [12, 64], data: [...(wanted as Float32Array)] };
        expect(relativeError([...(got as Float32Array)], reference)).toBeLessThan(0.02);
        repacked++;
        expect(() => there.read(there.tensor("w"), bytes)).toThrow(/repacked/);
        const rows = evaluate(device, (g) => [g.use(there.tensor("w")).getRows(g.constant(Int32Array.of(0)))]);
        await expect(rows).rejects.toThrow(/serves products only/);
        there.close();
        plainly.close();
      }
    }
    if (device.repackedBufferTypes.length > 0) expect(repacked).toBeGreaterThan(0);
  });

  it("refuses what does not fit", async () => {
    const x = plain([2, 3], () => 1);
    await expect(
      run((g) =>
        place(g, x).linear(
          place(
            g,
            plain([4, 2], () => 1),
          ),
        ),
      ),
    ).rejects.toThrow(/rows differ in length/);
    await expect(run((g) => place(g, x).linear(place(g, x, "transposed")))).rejects.toThrow(/rows without gaps/);
    await expect(run((g) => place(g, x).cast("f16").linear(place(g, x)))).rejects.toThrow(/cannot take f16/);
    await expect(
      run((g) =>
        place(
          g,
          plain([3, 2, 3], () => 1),
        ).linear(
          place(
            g,
            plain([2, 2, 3], () => 1),
          ),
        ),
      ),
    ).rejects.toThrow(/cannot be repeated to fit/);
  });
});

describe("linearExperts", () => {
  it("multiplies each row with the experts chosen for it", async () => {
    await forSeeds(10, async (random) => {
      const [rows, used, count, k, m] = [random.int(1, 5), random.int(1, 3), 4, random.int(1, 9), random.int(1, 7)];
      const x = randomPlain(random, [rows, random.pick([1, used]), k]);
      const experts = randomPlain(random, [count, m, k]);
      const ids = Int32Array.from({ length: rows * used }, () => random.int(0, count - 1));
      const { linearExperts } = await import("./matmul.js");
      const got = await run((g) => linearExperts(place(g, x), place(g, experts), g.constant(ids, [rows, used])));
      const wanted = plain([rows, used, m], ([row = 0, slot = 0, column = 0]) =>
        sumOf(
          Array.from(
            { length: k },
            (_, i) => at(x, [row, slot, i]) * at(experts, [ids[row * used + slot] ?? 0, column, i]),
          ),
        ),
      );
      expectClose(got, wanted, 2e-5);
      ids[0] = count;
      const outside = run((g) => linearExperts(place(g, x), place(g, experts), g.constant(ids, [rows, used])));
      await expect(outside).rejects.toThrow(/outside the table of 4 rows/);
    });
  });
});

describe("outerSum", () => {
  it("adds up rows with factors, also transposed ones", async () => {
    await forSeeds(25, async (random) => {
      const lead = Array.from({ length: random.int(0, 2) }, () => random.int(1, 3));
      const n = random.pick([1, 2, 7, 40]);
      const x = randomPlain(random, [...lead, n, random.pick([1, 5, 64])]);
      const other = randomPlain(random, [...lead, n, random.pick([1, 3, 9])]);
      const expected = plain([...lead, other.shape.at(-1) ?? 1, x.shape.at(-1) ?? 1], (index) => {
        const outer = index.slice(0, -2);
        const [p = 0, m = 0] = index.slice(-2);
        return sumOf(Array.from({ length: n }, (_, i) => at(x, [...outer, i, m]) * at(other, [...outer, i, p])));
      });
      const [lx, lo] = [random.pick(layouts.slice(0, 3)), random.pick(layouts)];
      expectClose(await run((g) => place(g, x, lx).outerSum(place(g, other, lo))), expected, 2e-5, `${lx} ${lo}`);
    });
  });
});
