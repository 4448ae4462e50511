import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isQuireError } from "../errors.js";
import { checkModelFile } from "./check.js";
import { smallModel } from "./gguf-bytes.case.js";
import { writeSafetensors } from "./safetensors-write.js";

/** A thousand damaged files of each format: each gives a typed error or opens, quickly and in little memory. */

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "quire-mutated-"));
});
afterAll(() => rm(folder, { recursive: true }));

type Random = () => number;

function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const lengths = [0n, 1n, 255n, 2n ** 16n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 40n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];

/** One damage out of four: bytes turned, the end cut off, a length written over, a stretch moved. */
function mutate(original: Buffer, random: Random): Buffer {
  const bytes = Buffer.from(original);
  const place = (room: number) => Math.floor(random() * Math.max(1, bytes.byteLength - room));
  const kind = Math.floor(random() * 4);
  if (kind === 0) {
    for (let i = 0; i <= random() * 8; i++) bytes[place(1)] = Math.floor(random() * 256);
  } else if (kind === 1) {
    return bytes.subarray(0, place(1));
  } else if (kind === 2) {
    bytes.writeBigUInt64LE(lengths[Math.floor(random() * lengths.length)] as bigint, place(8));
  } else {
    const from = place(32);
    return Buffer.concat([bytes.subarray(0, place(1)), bytes.subarray(from, from + 32), bytes.subarray(place(1))]);
  }
  return bytes;
}

async function thousand(original: Buffer, ending: string): Promise<{ opened: number; refused: number }> {
  const random = randomFrom(20_240);
  const path = join(folder, `m${ending}`);
  const before = process.memoryUsage().rss;
  let opened = 0;
  let refused = 0;
  for (let i = 0; i < 1000; i++) {
    await writeFile(path, mutate(original, random));
    const started = performance.now();
    try {
      await checkModelFile(path);
      opened++;
    } catch (error) {
      if (!isQuireError(error)) throw new Error(`mutation ${i}`, { cause: error });
      refused++;
    }
    expect(performance.now() - started, `mutation ${i}`).toBeLessThan(2000);
  }
  expect(process.memoryUsage().rss - before).toBeLessThan(200 * 2 ** 20);
  return { opened, refused };
}

test("1,000 mutated GGUF files", { timeout: 20_000 }, async () => {
  const { opened, refused } = await thousand(smallModel(), ".gguf");
  expect(refused).toBeGreaterThan(300);
  expect(opened).toBeGreaterThan(10);
});

test("1,000 mutated safetensors files", { timeout: 20_000 }, async () => {
  const path = join(folder, "whole.safetensors");
  const tensors = ["a", "b.weight", "c"].map((name, i) => ({
    name,
    dtype: "f32" as const,
    shape: [2, i + 3],
    data: new Uint8Array(8 * (i + 3)).fill(1),
  }));
  await writeSafetensors(path, { tensors, notes: { format: "pt" } });
  const { opened, refused } = await thousand(await readFile(path), ".safetensors");
  expect(refused).toBeGreaterThan(300);
  expect(opened).toBeGreaterThan(10);
});
