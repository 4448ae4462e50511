import { afterAll, afterEach, describe, expect, it } from "vitest";
import { Graph } from "./graph.js";
import { RandomSource } from "./random-source.case.js";
import { closeTestDevice, expectClose, place, plain, randomPlain, run, testDevice } from "./reference.case.js";
import { Storage } from "./storage.js";

afterAll(closeTestDevice);

const numbers = (length: number, seed = 1) => new RandomSource(seed).array(length);

/** A step of attention with a growing cache: what is run again and again while text is written. */
function decoding(graph: Graph, cache: Storage) {
  const [d, entries] = [16, 64];
  const x = graph.input("x", "f32", [1, d]);
  const slot = graph.input("slot", "i64", [1]);
  const mask = graph.input("mask", "f32", [1, entries]);
  const keys = cache.tensor("k").setRows(slot, x.scale(0.5));
  graph.effect(keys);
  const scores = x.linear(keys.cast("f32")).softmax({ mask });
  const result = graph.output(scores.matmul(keys.cast("f32")).add(x).rmsNorm(1e-5));
  graph.compile();
  return {
    async step(at: number): Promise<Float32Array> {
      graph.host(x).set(numbers(d, at + 1));
      graph.write(slot, BigInt64Array.of(BigInt(at % entries)));
      graph.host(mask).set(Float32Array.from({ length: entries }, (_, i) => (i <= at ? 0 : -1e30)));
      await graph.run();
      return graph.host(result).slice();
    },
  };
}

describe("a compiled graph", () => {
  it("gives the same bits in 300 runs as a fresh graph for each", async () => {
    const specs = [{ name: "k", dtype: "f16" as const, shape: [64, 16] }];
    const [one, other] = [Storage.allocate(testDevice(1), specs), Storage.allocate(testDevice(1), specs)];
    one.clear();
    other.clear();
    const reused = new Graph(testDevice(1));
    const steps = decoding(reused, one);
    for (let at = 0; at < 300; at++) {
      const fresh = new Graph(testDevice(1), { maxNodes: 64 });
      const wanted = await decoding(fresh, other).step(at);
      fresh.close();
      expect(await steps.step(at)).toEqual(wanted);
    }
    reused.close();
    one.close();
    other.close();
  });

  it("gives the same bits twice, keeps its inputs, follows changes, and agrees between 1 and 2 threads", async () => {
    const results: Float32Array[] = [];
    for (const threads of [1, 2]) {
      const graph = new Graph(testDevice(threads));
      const x = graph.input("x", "f32", [40, 64]);
      const w = graph.constant(numbers(64 * 64), [64, 64]);
      const y = graph.output(x.linear(w).silu().linear(w).softmax());
      graph.compile();
      graph.write(x, numbers(40 * 64, 2));
      await graph.run();
      const first = graph.host(y).slice();
      await graph.run();
      expect(graph.host(y)).toEqual(first);
      graph.host(x)[0] = 9;
      await graph.run();
      expect(graph.host(y).slice(0, 64)).not.toEqual(first.slice(0, 64));
      expect(graph.host(y).slice(64)).toEqual(first.slice(64));
      graph.write(x, numbers(40 * 64, 2));
      await graph.run();
      expect(graph.host(y)).toEqual(first);
      results.push(first);
      graph.close();
    }
    expectClose([...(results[1] ?? [])], [...(results[0] ?? [])], 1e-5);
  });

  it("constants and ranges", async () => {
    expect(await run((g) => g.range(5, 2, 0.5))).toEqual([2, 2.5, 3, 3.5, 4]);
    expect(await run((g) => g.constant(Int32Array.of(3, 1, 2)).cast("f32"))).toEqual([3, 1, 2]);
    await expect(run((g) => g.constant(new Float32Array(3), [2, 2]))).rejects.toThrow(/do not fill/);
    await expect(run((g) => g.range(10, 2 ** 26, 1))).rejects.toThrow(/told apart/);
  });
});

describe("wrong use", () => {
  it("is refused with a reason", async () => {
    const graph = new Graph(testDevice(1), { maxNodes: 8 });
    const other = new Graph(testDevice(1));
    const x = graph.input("x", "f32", [2, 3]);
    expect(() => graph.compile()).toThrow(/computes nothing/);
    expect(() => graph.output(other.input("y", "f32", [1]))).toThrow(/not a result of this graph/);
    expect(() => x.add(other.input("z", "f32", [3]))).toThrow(/two graphs/);
    expect(() => graph.output(x.transpose())).toThrow(/do not lie in order/);
    await expect(graph.run()).rejects.toThrow(/not compiled/);
    const y = graph.output(x.neg());
    expect(() => Array.from({ length: 20 }).reduce<typeof y>((t) => t.neg(), y)).toThrow(/more than 8 operations/);
    graph.compile();
    expect(() => x.neg()).toThrow(/compiled/);
    expect(() => graph.write(x, new Float32Array(5))).toThrow(/do not fit/);
    expect(() => graph.write(x, new Int32Array(6))).toThrow(/do not fit/);
    expect(() =>
      graph.host(x.source ?? graph.use(x).inputs[0] ?? new Graph(testDevice(1)).input("q", "f32", [1])),
    ).toThrow(/Only inputs/);
    const running = graph.run();
    await expect(graph.run()).rejects.toThrow(/running already/);
    expect(() => graph.close()).toThrow(/is running/);
    await running;
    graph.close();
    expect(() => graph.input("w", "f32", [1])).toThrow(/closed/);
    other.close();
    expect(() => new Graph(testDevice(1), { maxNodes: 0 })).toThrow(/maxNodes/);
  });

  it("more leaves than operations are no problem", async () => {
    const specs = Array.from({ length: 300 }, (_, i) => ({ name: `w${i}`, dtype: "f32" as const, shape: [2] }));
    const storage = Storage.allocate(testDevice(1), specs);
    storage.clear();
    const graph = new Graph(testDevice(1), { maxNodes: 302 });
    let x = graph.input("x", "f32", [2]);
    for (const tensor of storage.tensors.values()) x = x.add(tensor);
    graph.output(x);
    graph.compile();
    await graph.run();
    graph.close();
    storage.close();
  });

  it("a graph whose tensors lie on another device is refused", () => {
    const storage = Storage.allocate(testDevice(2), [{ name: "w", dtype: "f32", shape: [2] }]);
    const graph = new Graph(testDevice(1));
    expect(() => graph.input("x", "f32", [2]).add(storage.tensor("w"))).toThrow(/another device/);
    graph.close();
    storage.close();
  });
});

describe("QUIRE_CHECK_NUMERICS", () => {
  afterEach(() => {
    delete process.env["QUIRE_CHECK_NUMERICS"];
  });

  it("names the first operation whose result is not finite", async () => {
    const x = plain([2, 2], () => -1);
    const build = () => run((g) => place(g, x).scale(2).sqrt().mul(place(g, x)).sum());
    expect(await build()).toEqual([Number.NaN]);
    process.env["QUIRE_CHECK_NUMERICS"] = "1";
    await expect(build()).rejects.toThrow(/sqrt gives NaN at element 0/);
    await expect(run((g) => place(g, x).neg().scale(100).exp().rmsNorm(1e-5))).rejects.toThrow(/exp gives Infinity/);
  });

  it("changes no result", async () => {
    const x = randomPlain(new RandomSource(4), [5, 8]);
    const w = plain([8], ([i = 0]) => i);
    const build = () =>
      run((g) => place(g, x).rmsNorm(1e-5).mul(place(g, w)).softmax().reshape(8, 5).transpose().cont());
    const plainly = await build();
    process.env["QUIRE_CHECK_NUMERICS"] = "1";
    expectClose(await build(), plainly, 1e-6);
  });
});
