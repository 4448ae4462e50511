import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Device } from "../../tensor/device.js";
import { evaluate } from "../../tensor/evaluate.js";
import type { Tensor } from "../../tensor/tensor.js";
import { noise } from "../policy.case.js";
import { chooseChunks, chunkSummary, renumberedRead, rotated } from "./chunk-choice.case.js";
import { chunkAttention, chunkSummaries } from "./renumbered-attention.js";

/** LongHeads' attention in tensor operations against plain numbers. */

const [kvHeads, group, width, chunk, reads] = [2, 3, 8, 8, 5];
const heads = kvHeads * group;
const scale = 1 / Math.sqrt(width);
const rotate = (x: Tensor, positions: Tensor): Tensor =>
  x.rope(positions, { dims: width, theta: 10_000, style: "neox" });
const row = (...seed: number[]): Float32Array => Float32Array.from(noise(width, ...seed));
const flat = (rows: readonly Float32Array[]): Float32Array => Float32Array.from(rows.flatMap((one) => Array.from(one)));

describe("reading chunks end to end", () => {
  let device: Device;
  beforeAll(() => {
    device = Device.open({ device: "cpu", threads: 1 });
  });
  afterAll(() => device.close());

  /** Rows first, first + 1, ... in one pass; the memory has room for more than there is. */
  async function compare(first: number, rows: number, room: number): Promise<number> {
    const own = Math.floor(first / chunk);
    const tokens = first + rows;
    const keys = Array.from({ length: kvHeads }, (_, h) => Array.from({ length: tokens }, (_, t) => row(1, h, t)));
    const values = Array.from({ length: kvHeads }, (_, h) => Array.from({ length: tokens }, (_, t) => row(2, h, t)));
    const queries = Array.from({ length: heads }, (_, h) => Array.from({ length: rows }, (_, r) => row(3, h, r)));
    const summaries = Array.from({ length: heads }, (_, h) =>
      Array.from({ length: Math.max(0, own - 2) }, (_, c) => row(4, h, c)),
    );
    const stored = (of: readonly Float32Array[][], turn: (x: Float32Array, at: number) => Float32Array) =>
      flat(of.flatMap((own) => Array.from({ length: room }, (_, t) => (own[t] ? turn(own[t], t) : row(9, t)))));
    const ownLength = Math.min(chunk, room - own * chunk);
    const [attended, chosen] = (await evaluate(device, (graph) => {
      const result = chunkAttention({
        graph,
        queries: graph.constant(flat(queries.flatMap((own) => own.map((x, r) => rotated(x, first + r)))), [
          heads,
          rows,
          width,
        ]),
        plainQueries: graph.constant(flat(queries.flat()), [heads, rows, width]),
        keys: graph.constant(stored(keys, rotated), [kvHeads, room, width]).cast("f16").cast("f32"),
        values: graph.constant(
          stored(values, (x) => x),
          [kvHeads, room, width],
        ),
        summaries: own > 2 ? graph.constant(flat(summaries.flat()), [heads, own - 2, width]) : undefined,
        places: graph.constant(
          Float32Array.from({ length: rows }, (_, r) => (reads - 1) * chunk + ((first + r) % chunk)),
        ),
        mask: graph.constant(
          Float32Array.from({ length: rows * ownLength }, (_, i) =>
            own * chunk + (i % ownLength) <= first + Math.floor(i / ownLength) ? 0 : Number.NEGATIVE_INFINITY,
          ),
          [rows, ownLength],
        ),
        ...{ chunk, reads, own, scale, rotate },
      });
      return [result.attended, result.chosen];
    })) as [Float32Array, Float32Array];
    let worst = 0;
    for (let h = 0; h < heads; h++) {
      for (let r = 0; r < rows; r++) {
        const position = first + r;
        const query = queries[h]?.[r] as Float32Array;
        const scores = new Float32Array(own + 1);
        for (const [c, summary] of summaries[h]!.entries())
          scores[c + 1] = summary.reduce((sum, value, d) => sum + value * (query[d] as number), 0);
        const choice =
          position >= reads * chunk
            ? chooseChunks(scores, { position, chunk, reads })
            : { chunks: Array.from({ length: reads - 1 }, (_, c) => c), place: position };
        const place = (h * rows + r) * (reads - 1);
        expect(Array.from(chosen.subarray(place, place + reads - 1))).toEqual(choice.chunks);
        const kv = Math.floor(h / group);
        const expected = renumberedRead(query, keys[kv]!, values[kv]!, { position, chunk, choice });
        for (let d = 0; d < width; d++)
          worst = Math.max(worst, Math.abs(expected[d]! - attended[(r * heads + h) * width + d]!));
      }
    }
    return worst;
  }

  it.each([
    ["one row at the beginning of a chunk", 40, 1, 48],
    ["one row in a chunk", 55, 1, 56],
    ["a whole chunk", 48, 8, 60],
    ["some rows far on, in a memory that ends with them", 83, 3, 88],
    ["a memory whose end cuts the own chunk", 83, 1, 84],
    ["where everything can be read, which is plain attention", 32, 8, 40],
  ])("%s", async (_name, first, rows, room) => {
    expect(await compare(first, rows, room)).toBeLessThan(2e-3);
  });

  it("is what plain numbers say for the chunk's summary, wherever the chunk stands", async () => {
    for (const own of [0, 3, 50]) {
      const at = (of: number, head: number) => Array.from({ length: chunk }, (_, t) => row(of, head, t));
      const turn = (rows: readonly Float32Array[]) => rows.map((one, t) => rotated(one, own * chunk + t));
      const local = (rows: readonly Float32Array[]) => rows.map((one, t) => rotated(one, t));
      const [summaries] = (await evaluate(device, (graph) => {
        const of = (count: number, kind: number, turned: boolean) =>
          graph.constant(
            flat(Array.from({ length: count }, (_, h) => (turned ? turn(at(kind, h)) : at(kind, h))).flat()),
            [count, chunk, width],
          );
        const parts = { queries: of(heads, 5, true), keys: of(kvHeads, 6, true), values: of(kvHeads, 7, false) };
        return [chunkSummaries({ graph, ...parts, own, scale, rotate })];
      })) as [Float32Array];
      for (let h = 0; h < heads; h++) {
        const kv = Math.floor(h / group);
        const expected = chunkSummary(local(at(5, h)), local(at(6, kv)), at(7, kv));
        for (let d = 0; d < width; d++) expect(summaries[h * width + d]).toBeCloseTo(expected[d]!, 4);
      }
    }
  });
});
