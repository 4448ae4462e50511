import { writeFileSync } from "node:fs";
import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { QuireError } from "../../errors.js";
import { noise } from "../policy.case.js";
import { type AdapterShape, mustFit, readChunkAdapters, saveChunkAdapters } from "./chunk-adapters.js";
import { chooseChunks, chunkSummary } from "./chunk-choice.case.js";
import { ChunkList, selectChunks } from "./chunk-list.js";

describe("chunks a head chooses", () => {
  const choose = (position: number, scores: number[]) =>
    chooseChunks(Float32Array.from(scores), { position, chunk: 4, reads: 4 });

  it("are the first, the one before the own, and the best of the others", () => {
    expect(choose(16, [9, 1, 2, 9, 9])).toEqual({ chunks: [0, 2, 3], place: 12 });
    expect(choose(17, [9, 2, 1, 9, 9])).toEqual({ chunks: [0, 1, 3], place: 13 });
    expect(choose(20, [0, 1, 3, 2, 9, 9])).toEqual({ chunks: [0, 2, 4], place: 12 });
    expect(choose(27, [0, 1, 1, 1, 1, 9, 9])).toEqual({ chunks: [0, 4, 5], place: 15 });
  });

  it("never repeat, never come from the future, and are as many as can be read", () => {
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 9 }), fc.integer({ min: 1, max: 8 }), fc.nat(400), (reads, chunk, more) => {
        const position = reads * chunk + more;
        const own = Math.floor(position / chunk);
        const { chunks, place } = chooseChunks(Float32Array.from(noise(own + 1, position)), { position, chunk, reads });
        expect(chunks).toHaveLength(reads - 1);
        expect([...new Set(chunks)].sort((a, b) => a - b)).toEqual(chunks);
        expect(chunks.at(-1)).toBe(own - 1);
        expect(place).toBeLessThan(reads * chunk);
        expect(chunks.length * chunk + (position % chunk) + 1).toBe(place + 1);
      }),
    );
  });

  it("are refused where plain attention reads everything", () => {
    expect(() => choose(15, [0, 0, 0, 0])).toThrow(/longer/);
  });
});

describe("chunk summary", () => {
  const rows = (seed: number, count = 5) =>
    Array.from({ length: count }, (_, i) => Float32Array.from(noise(4, seed, i)));

  it("is a weighted mean of the keys", () => {
    const keys = rows(2);
    const summary = chunkSummary(rows(1), keys, rows(3));
    for (let d = 0; d < 4; d++) {
      const column = keys.map((key) => key[d] as number);
      expect(summary[d]).toBeGreaterThanOrEqual(Math.min(...column));
      expect(summary[d]).toBeLessThanOrEqual(Math.max(...column));
    }
  });

  it("of one token, or of equal keys, is the key", () => {
    const [key] = rows(2, 1);
    expect(Array.from(chunkSummary(rows(1, 1), [key as Float32Array], rows(3, 1)))).toEqual(
      Array.from(key as Float32Array),
    );
    const equal = chunkSummary(rows(1), Array(5).fill(key), rows(3));
    for (let d = 0; d < 4; d++) expect(equal[d]).toBeCloseTo(key?.[d] as number, 6);
  });
});

describe("chunk list", () => {
  it("parts the text at boundaries, or at 64 tokens, with the mean of each chunk's keys", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 300 }), (boundaries) => {
        const list = new ChunkList(3);
        const closings = boundaries.map((isBoundary, i) => list.push(noise(3, i), isBoundary));
        expect(closings.filter(Boolean)).toHaveLength(list.closed.length);
        let next = 0;
        for (const { start, end, key } of list.closed) {
          expect(start).toBe(next);
          expect(end - start).toBeGreaterThan(0);
          expect(end - start).toBeLessThanOrEqual(64);
          for (let r = 0; r < 3; r++) {
            let sum = 0;
            for (let i = start; i < end; i++) sum += noise(3, i)[r] as number;
            expect(key[r]).toBeCloseTo(sum / (end - start), 5);
          }
          next = end;
        }
        expect(list.open).toBe(next);
        expect(boundaries.length - next).toBeLessThan(64);
      }),
    );
    expect(() => new ChunkList(3).push([1, 2], false)).toThrow(/width/);
  });
});

describe("chosen chunks", () => {
  const chunksOf = (lengths: number[], scores: number[]) => {
    let start = 0;
    return lengths.map((length, i) => {
      start += length;
      return { start: start - length, end: start, score: scores[i] as number };
    });
  };

  it("do the worked example", () => {
    const chunks = chunksOf([12, 10, 25, 40, 30], [0, 1, 2, 3, 4]);
    const tokens = 117 + 128;
    // In order of score 30, 40, 25 and 10 tokens into 200 - 12 - 128 = 60.
    expect(selectChunks(chunks, { budget: 200, local: 128, tokens, open: 117 })).toEqual([2, 4]);
  });

  it("stay within the budget; without scores they are the latest", () => {
    const chunks = chunksOf(Array(20).fill(10), Array(20).fill(0));
    expect(selectChunks(chunks, { budget: 90, local: 40, tokens: 205, open: 200 })).toEqual(
      [13, 14, 15, 16].slice(0, 4),
    );
    expect(selectChunks(chunks, { budget: 60, local: 40, tokens: 205, open: 200 })).toEqual([16]);
    expect(selectChunks([], { budget: 60, local: 40, tokens: 5, open: 0 })).toEqual([]);
  });

  it("count no token of the local part twice", () => {
    // The last chunk lies wholly in the local part, the one before it half.
    const chunks = chunksOf([10, 10, 10, 10], [0, 0, 5, 9]);
    expect(selectChunks(chunks, { budget: 30, local: 15, tokens: 40, open: 40 })).toEqual([2]);
  });
});

describe("chunk adapters", () => {
  const shape: AdapterShape = {
    model: "tiny",
    layers: 2,
    queryHeads: 4,
    kvHeads: 2,
    headDim: 8,
    hiddenSize: 16,
    width: 3,
  };
  const numbers = (length: number, seed: number) => Float32Array.from(noise(length, seed));
  const adapters = {
    shape,
    queries: [numbers(3 * 32, 1), numbers(3 * 32, 2)],
    keys: [numbers(3 * 16, 3), numbers(3 * 16, 4)],
    boundary: numbers(16, 5),
    bias: 0.25,
  };
  const fresh = async () => path.join(await mkdtemp(path.join(tmpdir(), "quire-adapters-")), "a.safetensors");

  it("are read back as they were written", async () => {
    const file = await fresh();
    await saveChunkAdapters(file, adapters);
    expect(readChunkAdapters(file)).toEqual(adapters);
  });

  it("of another model, or damaged, are refused", async () => {
    const file = await fresh();
    await saveChunkAdapters(file, adapters);
    expect(() => mustFit(adapters, { model: "tiny", layers: 2 })).not.toThrow();
    expect(() => mustFit(adapters, { layers: 3, headDim: 8, kvHeads: 1 })).toThrow(/another model/);
    const whole = await readFile(file);
    const code = (bytes: Uint8Array) => {
      writeFileSync(file, bytes);
      try {
        readChunkAdapters(file);
      } catch (error) {
        return (error as QuireError).code;
      }
      return "read";
    };
    for (let length = 0; length < whole.length; length += 97) expect(code(whole.subarray(0, length))).toBe("bad-file");
    for (let at = 0; at < 200; at++) {
      const changed = Uint8Array.from(whole);
      changed[at] = (changed[at] as number) ^ (1 + (at % 255));
      expect(["bad-file", "read"]).toContain(code(changed));
    }
    await saveChunkAdapters(file, { ...adapters, boundary: numbers(16, 5).fill(Number.NaN) });
    expect(() => readChunkAdapters(file)).toThrow(/finite/);
    expect(() => readChunkAdapters(`${file}.none`)).toThrow(/cannot be read/);
  });
});
