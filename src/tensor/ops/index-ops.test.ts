import { afterAll, describe, expect, it } from "vitest";
import { type DType, dtypes, isQuantised } from "../dtype.js";
import { evaluate } from "../evaluate.js";
import { Graph } from "../graph.js";
import type { RandomSource } from "../random-source.case.js";
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
  testDevice,
} from "../reference.case.js";
import { Storage } from "../storage.js";
import { scatterAdd } from "./index-ops.js";

afterAll(closeTestDevice);

const someIndices = (random: RandomSource, length: number, below: number) =>
  Int32Array.from({ length }, () => random.int(0, below - 1));

/** Rows of a table by number; with leading axes, each place has its own numbers. */
const rowsOf = (table: Plain, indices: Int32Array, shape: number[]): Plain =>
  plain([...shape, table.shape.at(-1) ?? 1], (index) => {
    const flat = shape.reduce((sum, size, axis) => sum * size + (index[axis] ?? 0), 0);
    return at(table, [...index.slice(0, -2), indices[flat] ?? 0, index.at(-1) ?? 0]);
  });

describe("getRows", () => {
  it("f32, also with leading axes and gaps between rows", async () => {
    await forSeeds(25, async (random) => {
      const lead = Array.from({ length: random.int(0, 2) }, () => random.int(1, 3));
      const table = randomPlain(random, [...lead, random.int(1, 9), random.int(1, 9)]);
      const shape = [...lead, random.int(1, 6)];
      const indices = someIndices(
        random,
        shape.reduce((a, b) => a * b, 1),
        table.shape.at(-2) ?? 1,
      );
      const layout = random.pick(layouts.slice(0, 3));
      const got = await run((g) => place(g, table, layout).getRows(g.constant(indices, shape)));
      expectClose(got, rowsOf(table, indices, shape), 0, layout);
    });
  });

  const errors: Partial<Record<DType, number>> = {
    f16: 1e-3,
    bf16: 8e-3,
    q8_0: 0.01,
    q5_1: 0.06,
    q4_0: 0.15,
    iq4_nl: 0.15,
  };
  it.each(Object.entries(errors))("of a %s table", async (name, most) => {
    const dtype = name as DType;
    await forSeeds(4, async (random) => {
      const table = randomPlain(random, [9, isQuantised(dtype) ? 64 : random.int(1, 9)]);
      const indices = someIndices(random, 12, 9);
      const error = relativeError(
        await run((g) => place(g, table).cast(dtype).getRows(g.constant(indices))),
        rowsOf(table, indices, [12]),
      );
      if (error > most) throw new Error(`error ${error}`);
    });
  });

  it("i32 rows stay whole numbers; every stored type is read or refused", async () => {
    const table = Int32Array.from([1, 2, 3, 4, 5, 2 ** 30 + 1]);
    const got = await run((g) => g.constant(table, [3, 2]).getRows(g.constant(Int32Array.of(2, 0))));
    expect(got).toEqual([5, 2 ** 30 + 1, 1, 2]);
    for (const dtype of Object.keys(dtypes) as DType[]) {
      const storage = Storage.allocate(testDevice(), [{ name: "t", dtype, shape: [3, 256] }]);
      storage.clear();
      try {
        await evaluate(testDevice(), (g) => [g.use(storage.tensor("t")).getRows(g.constant(Int32Array.of(1)))]);
      } catch (error) {
        expect((error as Error).message).toMatch(/getRows: cannot take/);
        expect(["i8", "i16", "i64", "f64", "q8_1", "q8_k"]).toContain(dtype);
      } finally {
        storage.close();
      }
    }
  });
});

describe("indices out of range", () => {
  const table = plain([4, 2], ([row = 0]) => row);

  it("in an input are refused before the run, and the graph runs again with good ones", async () => {
    const graph = new Graph(testDevice());
    const indices = graph.input("ids", "i32", [3]);
    const result = graph.output(place(graph, table).getRows(indices).scale(1));
    graph.compile();
    for (const bad of [4, -1, 2 ** 30]) {
      graph.write(indices, Int32Array.of(0, bad, 1));
      await expect(graph.run()).rejects.toThrow(new RegExp(`ids: index 1 is ${bad}, outside the table of 4 rows`));
    }
    graph.write(indices, Int32Array.of(3, 0, 1));
    await graph.run();
    expect([...graph.host(result)]).toEqual([3, 3, 0, 0, 1, 1]);
    graph.close();
  });

  it("in a part of an input: only that part counts", async () => {
    const graph = new Graph(testDevice());
    const packed = graph.input("packed", "i32", [3, 2]);
    const row = packed.slice(0, 1, 1).reshape(2);
    graph.output(place(graph, table).getRows(row), "rows");
    graph.compile();
    graph.write(packed, Int32Array.of(99, 99, 1, 2, 99, 99));
    await graph.run();
    graph.write(packed, Int32Array.of(0, 0, 1, 4, 0, 0));
    await expect(graph.run()).rejects.toThrow(/index 1 is 4/);
    graph.close();
  });

  it("that are computed are forced into range; those of a sort need no forcing", async () => {
    const numbers = { shape: [5], data: [-7, 1, 2.9, 1e9, Number.NaN] };
    const got = await run((g) => place(g, table).getRows(place(g, numbers).cast("i32")));
    expect(got.filter((_, i) => i % 2 === 0).slice(0, 3)).toEqual([0, 1, 2]);
    const graph = new Graph(testDevice());
    const before = graph.nodes;
    place(graph, table).getRows(
      place(
        graph,
        plain([4], ([i = 0]) => -i),
      ).argsort("ascending"),
    );
    expect(graph.nodes - before).toBe(4); // cont and clamp (which make NaN sortable), argsort, getRows
    graph.close();
  });

  it("for setRows too", async () => {
    const storage = Storage.allocate(testDevice(), [{ name: "t", dtype: "f16", shape: [4, 2] }]);
    const graph = new Graph(testDevice());
    const slots = graph.input("slots", "i64", [1]);
    graph.effect(
      storage.tensor("t").setRows(
        slots,
        place(
          graph,
          plain([1, 2], () => 1),
        ),
      ),
    );
    graph.compile();
    graph.write(slots, BigInt64Array.of(4n));
    await expect(graph.run()).rejects.toThrow(/slots: index 0 is 4/);
    storage.close();
    graph.write(slots, BigInt64Array.of(1n));
    await expect(graph.run()).rejects.toThrow(/was freed/);
    graph.close();
  });
});

describe("setRows", () => {
  const exact: DType[] = ["f32", "f16", "bf16"];
  const types: DType[] = [...exact, "q8_0", "q5_0", "q4_0", "iq4_nl"];
  it.each(types)("into a stored %s table, from rows of any layout", async (dtype) => {
    await forSeeds(6, async (random) => {
      const lead = random.pick([[], [2], [2, 3]]);
      const width = isQuantised(dtype) ? 32 : random.int(1, 9);
      const rows = randomPlain(random, [...lead, 3, width]);
      const perPlace = lead.length > 0 && random.chance(0.5);
      const shape = perPlace ? [...lead, 3] : [3];
      const count = shape.reduce((a, b) => a * b, 1);
      const chosen = Array.from({ length: count / 3 }, () => random.shuffled([0, 1, 2, 3, 4, 5]).slice(0, 3)).flat();
      const storage = Storage.allocate(testDevice(), [{ name: "t", dtype, shape: [...lead, 6, width] }]);
      storage.clear();
      const layout = random.pick(layouts.slice(0, 3));
      const [result] = await evaluate(testDevice(), (g) => {
        const indices = random.chance(0.5) ? Int32Array.from(chosen) : BigInt64Array.from(chosen, BigInt);
        const written = storage.tensor("t").setRows(g.constant(indices, shape), place(g, rows, layout));
        return [isQuantised(dtype) ? written.cast("f32") : written];
      });
      storage.close();
      const wanted = plain([...lead, 6, width], (index) => {
        const placeNumber = perPlace ? lead.reduce((sum, size, axis) => sum * size + (index[axis] ?? 0), 0) : 0;
        const from = chosen.slice(3 * placeNumber, 3 * placeNumber + 3).indexOf(index.at(-2) ?? 0);
        return from < 0 ? 0 : at(rows, [...index.slice(0, -2), from, index.at(-1) ?? 0]);
      });
      const error = relativeError(Array.from(result as Float32Array), wanted);
      if (error > (exact.includes(dtype) ? 1e-2 : 0.15)) throw new Error(`${layout}: error ${error}`);
      if (dtype === "f32" && error > 0) throw new Error("f32 rows changed");
    });
  });
});

describe("scatterAdd and argsort", () => {
  it("scatterAdd takes tables with more rows together than f32 can count", async () => {
    const [batch, count] = [3, 2 ** 23 + 1];
    const places = Int32Array.from([5, 2 ** 23, 0]);
    const [sum] = await evaluate(testDevice(1), (g) => [
      scatterAdd(g.constant(Float32Array.from([1, 2, 3]), [batch, 1, 1]), g.constant(places, [batch, 1]), count),
    ]);
    const set = [...places].map((place, row) => (sum as Float32Array)[row * count + place]);
    expect(set).toEqual([1, 2, 3]);
    expect((sum as Float32Array).reduce((total, value) => total + value, 0)).toBe(6);
  });

  it("scatterAdd sums rows with the same number", async () => {
    await forSeeds(15, async (random) => {
      const lead = Array.from({ length: random.int(0, 2) }, () => random.int(1, 3));
      const rows = randomPlain(random, [...lead, random.int(1, 6), random.int(1, 5)]);
      const shape = rows.shape.slice(0, -1);
      const indices = someIndices(
        random,
        shape.reduce((a, b) => a * b, 1),
        4,
      );
      const got = await run((g) => scatterAdd(place(g, rows), g.constant(indices, shape), 4));
      const wanted = new Map<string, number>();
      plain(rows.shape, (index) => {
        const flat = shape.reduce((sum, size, axis) => sum * size + (index[axis] ?? 0), 0);
        const key = [...index.slice(0, -2), indices[flat], index.at(-1)].join();
        wanted.set(key, (wanted.get(key) ?? 0) + at(rows, index));
        return 0;
      });
      expectClose(
        got,
        plain([...lead, 4, rows.shape.at(-1) ?? 1], (index) => wanted.get(index.join()) ?? 0),
      );
    });
  });

  it("argsort, with NaN among the values", async () => {
    await forSeeds(10, async (random) => {
      const x = randomPlain(random, [random.int(1, 3), random.int(1, 60)]);
      const width = x.shape[1] ?? 1;
      const order = random.pick(["ascending", "descending"] as const);
      const got = await run((g) => place(g, x, random.pick(layouts)).argsort(order));
      for (let row = 0; row < (x.shape[0] ?? 1); row++) {
        const values = x.data.slice(row * width, (row + 1) * width);
        const sorted = [...values].sort((a, b) => (order === "ascending" ? a - b : b - a));
        expect(got.slice(row * width, (row + 1) * width).map((i) => values[i])).toEqual(sorted);
      }
    });
    const holed = plain([1, 300], ([, i = 0]) => (i % 3 === 0 ? Number.NaN : i % 7));
    const order = await run((g) => place(g, holed).argsort("ascending"));
    expect(new Set(order).size).toBe(300);
    expect(order.slice(200).every((i) => i % 3 === 0)).toBe(true);
  });
});

describe("copyInto", () => {
  it("writes into a part of stored memory, after what was read from it", async () => {
    const storage = Storage.allocate(testDevice(), [{ name: "sums", dtype: "f32", shape: [2, 6] }]);
    const sums = storage.tensor("sums");
    storage.write(
      sums,
      Float32Array.from({ length: 12 }, (_, i) => i),
    );
    const graph = new Graph(testDevice());
    const part = graph.use(sums).slice(1, 0, 4);
    graph.effect(part.add(graph.constant(Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8), [2, 4])).copyInto(part));
    graph.compile();
    await graph.run();
    await graph.run();
    const got = new Float32Array(12);
    storage.read(sums, got);
    expect(Array.from(got)).toEqual([2, 5, 8, 11, 4, 5, 16, 19, 22, 25, 10, 11]);
    graph.close();
    const other = new Graph(testDevice());
    const input = other.input("x", "f32", [2, 6]);
    expect(() => input.copyInto(other.input("y", "f32", [2, 6]))).toThrow(/no stored memory/);
    expect(() => input.copyInto(other.use(sums).slice(1, 0, 4))).toThrow(/shapes differ/);
    other.close();
    storage.close();
  });
});
