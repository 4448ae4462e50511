import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { KeyValueStore } from "../../cache/store/key-values.js";
import { type TinyModel, tinyShape, writeTinyModel } from "../../models/tiny-models.case.js";
import { Graph } from "../../tensor/graph.js";
import type { Tensor } from "../../tensor/tensor.js";
import { type LoadedModel, loadModel } from "../model.js";
import { worst } from "../worst-difference.case.js";
import { moveEntries } from "./move-entries.js";
import { ViewTrial } from "./views.case.js";

const token = fc.integer({ min: 0, max: 299 });
const text = (most: number) => fc.array(token, { minLength: 1, maxLength: most });

describe.each(["llama", "qwen2", "qwen3", "gemma3"] as const)("%s", (architecture) => {
  let tiny: TinyModel;
  let model: LoadedModel;
  beforeAll(async () => {
    tiny = await writeTinyModel(tinyShape(architecture), 7);
    model = await loadModel(tiny.path, { device: "cpu", threads: 1 });
  });
  afterAll(() => model.close());
  // GELU comes from a table of f16 numbers in ggml.
  const tolerance = architecture === "gemma3" ? 5e-3 : 2e-4;

  const difference = (trial: ViewTrial): number => {
    const expected = trial.expected(tiny);
    return Math.max(...trial.got.map((logits, row) => worst(logits, expected[row] as number[])));
  };

  it("gives what plain attention over explicitly rotated keys gives, through steps and moves", async () => {
    const step = fc.record({
      tokens: fc.array(fc.array(token, { maxLength: 3 }), { minLength: 3, maxLength: 3 }),
      moves: fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 2 }),
    });
    await fc.assert(
      fc.asyncProperty(
        text(20),
        text(6),
        text(4),
        fc.array(step, { minLength: 1, maxLength: 6 }),
        async (prompt, head, sep, steps) => {
          const trial = new ViewTrial(model);
          try {
            await trial.read(prompt);
            const [headBlock, sepBlock] = [trial.open(), trial.open()];
            const own = [trial.open(), trial.open(), trial.open()];
            await trial.step([
              { view: [headBlock], tokens: head },
              { view: [sepBlock], tokens: sep },
            ]);
            for (const { tokens, moves } of steps) {
              const parts = own.flatMap((block, worker) => {
                const view = [0, headBlock, ...own.filter((other) => other !== block), sepBlock, block];
                return tokens[worker]?.length === 0 ? [] : [{ view, tokens: tokens[worker] as number[] }];
              });
              if (parts.length > 0) await trial.step(parts);
              for (const worker of moves) await trial.move(0, own[worker] as number);
            }
            expect(difference(trial)).toBeLessThan(tolerance);
            const held = trial.blocks.reduce((sum, rows) => sum + rows.length, 0);
            expect(trial.memory.entriesBeside + trial.first.entries).toBe(held);
            expect(held).toBe(trial.tokens.length);
          } finally {
            trial.close();
          }
        },
      ),
      { numRuns: 8, seed: 4 },
    );
  });

  it("goes on when blocks outgrow their regions, in f32 and f16", async () => {
    for (const type of ["f32", "f16"] as const) {
      const trial = new ViewTrial(model, type);
      const own = [trial.open(), trial.open(40), trial.open()];
      const tokens = (count: number, seed: number) => Array.from({ length: count }, (_, i) => (i * 31 + seed) % 300);
      await trial.read(tokens(9, 3));
      const views = own.map((block) => [0, ...own.filter((other) => other !== block), block]);
      for (const [step, size] of [20, 15, 1, 40, 7, 70].entries()) {
        await trial.step(
          views.map((view, worker) => ({ view, tokens: tokens(worker === 1 ? size : 2, step + worker) })),
        );
        if (step === 3) await trial.move(0, own[0] as number);
        if (step === 4) await trial.move(own[2] as number, own[0] as number);
      }
      expect(difference(trial)).toBeLessThan(type === "f32" ? tolerance : 5e-2);
      trial.close();
    }
  });
});

describe("views", () => {
  let model: LoadedModel;
  beforeAll(async () => {
    model = await loadModel((await writeTinyModel(tinyShape("llama"), 7)).path, { device: "cpu", threads: 1 });
  });
  afterAll(() => model.close());
  const count = (length: number, seed = 1) => Array.from({ length }, (_, i) => (i * 17 + seed) % 300);

  it("counts positions as the worked example does", async () => {
    const trial = new ViewTrial(model);
    await trial.read(count(10));
    const [head, a, b, sep] = [trial.open(), trial.open(), trial.open(), trial.open()];
    await trial.step([
      { view: [head], tokens: count(3) },
      { view: [a], tokens: count(4) },
      { view: [b], tokens: count(6) },
      { view: [sep], tokens: count(2) },
    ]);
    const views = [
      [0, head, b, sep, a],
      [0, head, a, sep, b],
    ];
    const placed = trial.memory.place({ kind: "views", of: Int32Array.of(0, 1), views }, 2);
    const regions = placed.parts.flatMap((part) => part.regions);
    const of = (values: Int32Array, block: number, row: number) => values[regions.indexOf(block) * 2 + row];
    // Both rows stand at 26; a block that begins at o meets them at 26 - o.
    expect([0, head, b, sep, a].map((block) => of(placed.queryPositions, block, 0))).toEqual([26, 16, 13, 6, 4]);
    expect([0, head, a, sep, b].map((block) => of(placed.queryPositions, block, 1))).toEqual([26, 16, 13, 8, 6]);
    expect([0, head, b, sep, a].map((block) => of(placed.visible, block, 0))).toEqual([10, 3, 7, 2, 5]);
    expect([0, head, a, sep, b].map((block) => of(placed.visible, block, 1))).toEqual([10, 3, 5, 2, 7]);
    expect([...placed.keyPositions]).toEqual([4, 6]);
    expect([trial.memory.lengthOf(a), trial.memory.lengthOf(b)]).toEqual([5, 7]);
    trial.close();
  });

  it("is ordinary text for one worker, whether others have empty blocks or none", async () => {
    const tokens = count(30, 5);
    const plain = new ViewTrial(model);
    await plain.read(tokens);
    for (const others of [0, 2]) {
      const trial = new ViewTrial(model);
      await trial.read(tokens.slice(0, 12));
      const empty = Array.from({ length: others }, () => trial.open());
      const own = trial.open();
      for (const token of tokens.slice(12)) await trial.step([{ view: [0, ...empty, own], tokens: [token] }]);
      for (const [row, logits] of trial.got.entries())
        expect(worst(logits, plain.got[row] as Float32Array)).toBeLessThan(1e-4);
      trial.close();
    }
    plain.close();
  });

  it("shows what another writes in that very step and later, and never before", async () => {
    const logitsOfA = async (changed: number | undefined, seesB: boolean) => {
      const trial = new ViewTrial(model);
      await trial.read(count(8));
      const [a, b] = [trial.open(), trial.open()];
      const views = [seesB ? [0, b, a] : [0, a], [0, a, b]];
      const got: Float32Array[] = [];
      for (let step = 0; step < 6; step++) {
        const tokens = [50 + step, step === changed ? 7 : 90 + step];
        await trial.step(views.map((view, worker) => ({ view, tokens: [tokens[worker] as number] })));
        got.push(trial.got.at(-2) as Float32Array);
        // The step of B ends after four tokens.
        if (!seesB && step === 3) await trial.move(0, b);
      }
      trial.close();
      return got;
    };
    for (const [seesB, from] of [
      [true, 2],
      [false, 4],
    ] as const) {
      const [one, other] = [await logitsOfA(undefined, seesB), await logitsOfA(2, seesB)];
      for (const [step, logits] of one.entries()) {
        const difference = worst(logits, other[step] as Float32Array);
        if (step < from) expect(difference).toBe(0);
        else expect(difference).toBeGreaterThan(1e-4);
      }
    }
  });

  it("moves what follows the common block without changing a score", async () => {
    const trial = new ViewTrial(model);
    await trial.read(count(11));
    const [moved, dummy, again] = [trial.open(), trial.open(), trial.open()];
    await trial.step([{ view: [0, moved], tokens: count(9, 4) }]);
    await trial.step([{ view: [0, moved, dummy], tokens: [33] }]);
    const before = trial.got.at(-1) as Float32Array;
    await trial.move(0, moved);
    await trial.step([{ view: [0, moved, again], tokens: [33] }]);
    expect(worst(trial.got.at(-1) as Float32Array, before)).toBeLessThan(1e-5);
    trial.close();
  });

  it.each(["neox", "pairs"] as const)("rotates moved keys as if they had been written there, %s", async (style) => {
    const [headDim, kvHeads] = [64, 2];
    const open = () => new KeyValueStore(model.device, { layers: [{ kvHeads, headDim }], type: "f32" }, 64);
    const yarn = { originalContext: 16, extFactor: 1, attnFactor: 1, betaFast: 32, betaSlow: 1 };
    for (const rope of [
      { style, dims: 64, theta: 100_000 },
      { style, dims: 32, theta: 10_000, scale: 0.25, yarn },
    ]) {
      const [from, to] = [open(), open()];
      to.reserve(13);
      const keys = Float32Array.from({ length: 5 * kvHeads * headDim }, (_, i) => Math.sin(i * 1.7));
      const rotated = async (start: number) => {
        const graph = new Graph(model.device);
        const positions = graph.constant(Int32Array.from({ length: 5 }, (_, i) => start + i));
        const result = graph.output(graph.constant(keys, [5, kvHeads, headDim]).rope(positions, rope), "rotated");
        graph.compile();
        await graph.run();
        const values = graph.host(result).slice();
        graph.close();
        return values;
      };
      const local = await rotated(0);
      from.reserve(5);
      for (let row = 0; row < 5; row++)
        for (let head = 0; head < kvHeads; head++)
          from
            .layer(0)
            .write(
              "keys",
              head,
              row,
              local.subarray((row * kvHeads + head) * headDim, (row * kvHeads + head + 1) * headDim),
            );
      to.reserve(5);
      const rotations = new Map([[0, (x: Tensor, positions: Tensor) => x.rope(positions, rope)]]);
      await moveEntries({ to, toSlot: 13, from, fromSlot: 0, count: 5, distance: 13 }, rotations);
      const expected = await rotated(13);
      const slots = Int32Array.from({ length: 5 }, (_, i) => 13 + i);
      for (let head = 0; head < kvHeads; head++) {
        const got = to.layer(0).read("keys", head, slots);
        const want = Float32Array.from(got, (_, i) => {
          const [row, d] = [Math.floor(i / headDim), i % headDim];
          return expected[(row * kvHeads + head) * headDim + d] as number;
        });
        expect(worst(got, want)).toBeLessThan(2e-5);
      }
      from.close();
      to.close();
    }
  });

  it("refuses rows that cannot be placed", async () => {
    const trial = new ViewTrial(model, "f32", 20);
    await trial.read(count(10));
    const [a, b] = [trial.open(), trial.open()];
    const check = (of: number[], views: number[][], rows = of.length) => {
      const sees = { kind: "views" as const, of: Int32Array.from(of), views };
      return () => trial.memory.check({ tokens: new Int32Array(rows), want: "none", sees }, 10);
    };
    expect(
      check(
        [0, 1],
        [
          [0, a],
          [0, b],
        ],
      ),
    ).not.toThrow();
    expect(check([0, 1], [[0, a]])).toThrow(/a view that is not there/);
    expect(check([0], [[]])).toThrow(/no blocks/);
    expect(check([0], [[0, 9]])).toThrow(/no block 9/);
    expect(check([0], [[0, a, 0]])).toThrow(/twice/);
    expect(
      check(
        [0, 1],
        [
          [0, a],
          [b, a],
        ],
      ),
    ).toThrow(/Two groups/);
    expect(
      check(
        [0, 1, 0],
        [
          [0, a],
          [0, b],
        ],
      ),
    ).toThrow(/Two groups/);
    expect(check([0], [[0, a]], 2)).toThrow(/Every row needs a view/);
    expect(check(new Array<number>(11).fill(0), [[0, a]])).toThrow(/longer than the context/);
    expect(check(new Array<number>(513).fill(0), [[0, a]])).toThrow(/one pass/);
    expect(() => trial.memory.append(a, a)).toThrow(/own end/);
    expect(() => trial.memory.append(a, 0)).toThrow(/Block 0/);
    await trial.step([{ view: [0, a], tokens: [1, 2] }]);
    await trial.move(0, a);
    const plain = { tokens: Int32Array.of(1), want: "last" as const };
    expect(() => trial.memory.check(plain, 10)).toThrow(/Block 0 holds more than text/);
    trial.first.rewind(10);
    expect(() => trial.memory.check(plain, 10)).not.toThrow();
    trial.close();
  });
});
