import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openSafetensors } from "./safetensors.js";
import { writeSafetensors } from "./safetensors-write.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "quire-safetensors-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** After the format's description, without the writer under test. */
function bytesOf(header: unknown, data: Uint8Array): Buffer {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.byteLength));
  return Buffer.concat([length, json, data]);
}

let next = 0;
async function save(header: unknown, data: Uint8Array = new Uint8Array(0)): Promise<string> {
  const place = join(folder, String(next++));
  await mkdir(place);
  await writeFile(join(place, "m.safetensors"), bytesOf(header, data));
  return join(place, "m.safetensors");
}

const a = { dtype: "F32", shape: [2], data_offsets: [0, 8] };
const b = { dtype: "F16", shape: [1, 2], data_offsets: [8, 12] };

describe("one file", () => {
  test("tensors, notes, config", async () => {
    const data = Buffer.alloc(12, 9);
    const path = await save({ __metadata__: { format: "pt" }, a, b }, data);
    const config = {
      model_type: "bert",
      hidden_size: 384,
      tie: false,
      architectures: ["BertModel"],
      rope_scaling: { factor: 8.5, sections: [1, 2, 3], mixed: [1, "x"] },
      gone: null,
    };
    await writeFile(join(path, "..", "config.json"), JSON.stringify(config));
    const file = await openSafetensors(path);
    expect(file.tensors.get("b")).toMatchObject({ dtype: "f16", shape: [1, 2], sizeBytes: 4, file: 0 });
    expect(Object.fromEntries(file.metadata)).toEqual({
      model_type: "bert",
      hidden_size: 384,
      tie: false,
      architectures: ["BertModel"],
      "rope_scaling.factor": 8.5,
      "rope_scaling.sections": Int32Array.of(1, 2, 3),
      "rope_scaling.mixed.0": 1,
      "rope_scaling.mixed.1": "x",
      "safetensors.format": "pt",
    });
    expect(file.sizeBytes).toBe(12);
    await file.close();
  });

  test("types without counterpart are left out and named", async () => {
    const mask = { dtype: "BOOL", shape: [4], data_offsets: [8, 12] };
    const file = await openSafetensors(await save({ a, mask }, Buffer.alloc(12)));
    expect([...file.tensors.keys()]).toEqual(["a"]);
    expect([...file.skipped]).toEqual([["mask", "BOOL"]]);
    await file.close();
  });

  const refused: [string, unknown, number][] = [
    ["no JSON", "{oops", 0],
    ["no object", "[1]", 0],
    ["an unknown type", { a: { ...a, dtype: "F31" } }, 8],
    ["a type by inheritance", { a: { ...a, dtype: "toString" } }, 8],
    ["no shape", { a: { ...a, shape: "2" } }, 8],
    ["a negative extent", { a: { ...a, shape: [-2, -1] } }, 8],
    ["null", { a: null }, 8],
    ["a place too small", { a: { ...a, data_offsets: [0, 4] } }, 4],
    ["a place turned round", { a: { ...a, shape: [0], data_offsets: [8, 0] } }, 8],
    ["a place past the end", { a: { ...a, data_offsets: [1000, 1008] } }, 8],
    ["overlaps", { a, b: { ...b, data_offsets: [4, 8] } }, 8],
    ["a hole", { a, b: { ...b, data_offsets: [12, 16] } }, 16],
    ["bytes behind the last", { a }, 12],
    ["data cut off", { a, b }, 11],
    ["a shape beyond counting", { a: { ...a, shape: [2 ** 40, 2 ** 40] } }, 8],
    ["notes that are no texts", { __metadata__: { x: 1 }, a }, 8],
    ["deep nesting", `{"a":${"[".repeat(50_000)}${"]".repeat(50_000)}}`, 8],
  ];
  test.each(refused)("refuses %s", async (_, header, size) => {
    await expect(openSafetensors(await save(header, Buffer.alloc(size)))).rejects.toMatchObject({ code: "bad-file" });
  });

  test("refuses a wrong length of the header, a broken config, and what is not there", async () => {
    const path = join(folder, "length.safetensors");
    const bytes = bytesOf({ a }, Buffer.alloc(8));
    for (const length of [0n, 1n, 7n, 50n, 2n ** 40n, 2n ** 64n - 1n]) {
      bytes.writeBigUInt64LE(length);
      await writeFile(path, bytes);
      await expect(openSafetensors(path), String(length)).rejects.toMatchObject({ code: "bad-file" });
    }
    await writeFile(path, "");
    await expect(openSafetensors(path)).rejects.toMatchObject({ code: "bad-file" });
    await expect(openSafetensors(join(folder, "none"))).rejects.toMatchObject({ code: "not-found" });
    const good = await save({ a }, Buffer.alloc(8));
    let deep = "1";
    for (let i = 0; i < 100; i++) deep = `{"a":${deep}}`;
    for (const config of ["{", "3", deep]) {
      await writeFile(join(good, "..", "config.json"), config);
      await expect(openSafetensors(good)).rejects.toMatchObject({ code: "bad-file" });
    }
  });
});

describe("a folder", () => {
  async function sharded(map: Record<string, unknown>, files: Record<string, unknown>): Promise<string> {
    const place = await mkdtemp(join(folder, "shards-"));
    await writeFile(join(place, "model.safetensors.index.json"), JSON.stringify({ metadata: {}, weight_map: map }));
    for (const [name, header] of Object.entries(files)) {
      const size = (Object.values(header as object)[0] as { data_offsets: number[] }).data_offsets[1];
      await writeFile(join(place, name), bytesOf(header, Buffer.alloc(size ?? 0, 5)));
    }
    return place;
  }
  const b0 = { ...b, data_offsets: [0, 4] };

  test("of shards", async () => {
    const place = await sharded(
      { a: "x-1.safetensors", b: "x-2.safetensors" },
      { "x-1.safetensors": { a }, "x-2.safetensors": { b: b0 } },
    );
    const file = await openSafetensors(place);
    expect(file.tensors.get("b")).toMatchObject({ file: 1 });
    expect(file.files).toHaveLength(2);
    await file.close();
    const byIndex = await openSafetensors(join(place, "model.safetensors.index.json"));
    expect(byIndex.tensors.size).toBe(2);
    await byIndex.close();
  });

  test("that does not hold what its index says", async () => {
    const files = { "x-1.safetensors": { a }, "x-2.safetensors": { b: b0 } };
    const wrong: [Record<string, unknown>, string][] = [
      [{ a: "x-1.safetensors", c: "x-2.safetensors" }, "bad-file"],
      [{ a: "x-2.safetensors", b: "x-1.safetensors" }, "bad-file"],
      [{ a: "x-1.safetensors", b: "x-3.safetensors" }, "not-found"],
      [{ a: "../x-1.safetensors" }, "bad-file"],
      [{ a: "/etc/passwd" }, "bad-file"],
      [{ a: 3 }, "bad-file"],
      [{}, "bad-file"],
    ];
    for (const [map, code] of wrong) {
      await expect(openSafetensors(await sharded(map, files)), JSON.stringify(map)).rejects.toMatchObject({ code });
    }
    const twice = { "x-1.safetensors": { a }, "x-2.safetensors": { a } };
    const map = { a: "x-1.safetensors", b: "x-2.safetensors" };
    await expect(openSafetensors(await sharded(map, twice))).rejects.toMatchObject({ code: "bad-file" });
    await expect(openSafetensors(await mkdtemp(join(folder, "empty-")))).rejects.toMatchObject({ code: "not-found" });
  });
});

describe("writing", () => {
  test("the bytes are those of the format", async () => {
    const path = join(folder, "written.safetensors");
    const tensors = [
      { name: "b", dtype: "f16" as const, shape: [1, 2], data: new Uint8Array(4).fill(1) },
      { name: "a", dtype: "f32" as const, shape: [2], data: new Uint8Array(8).fill(2) },
    ];
    await writeSafetensors(path, { tensors, notes: { format: "pt" } });
    const bytes = await readFile(path);
    const length = Number(bytes.readBigUInt64LE());
    expect(length % 8).toBe(0);
    expect(JSON.parse(bytes.toString("utf8", 8, 8 + length))).toEqual({ __metadata__: { format: "pt" }, a, b });
    expect([...bytes.subarray(8 + length)]).toEqual([2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1]);
  });

  test("what is written is what is read", async () => {
    const tensor = fc
      .record({
        name: fc.string({ unit: "grapheme", minLength: 1 }).filter((name) => name !== "__metadata__"),
        dtype: fc.constantFrom("f64" as const, "f32" as const, "bf16" as const, "i8" as const, "i32" as const),
        shape: fc.array(fc.nat(4), { maxLength: 4 }),
        fill: fc.nat(255),
      })
      .map(({ fill, ...rest }) => {
        const bytes = { f64: 8, f32: 4, bf16: 2, i8: 1, i32: 4 }[rest.dtype];
        return { ...rest, data: new Uint8Array(rest.shape.reduce((x, y) => x * y, bytes)).fill(fill) };
      });
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(tensor, { selector: ({ name }) => name, maxLength: 6 }), async (tensors) => {
        const path = join(folder, "property.safetensors");
        await writeSafetensors(path, { tensors });
        const file = await openSafetensors(path);
        expect(file.tensors.size).toBe(tensors.length);
        for (const { name, dtype, shape, data } of tensors) {
          const entry = file.tensors.get(name);
          if (!entry) throw new Error(`lost ${name}`);
          expect(entry).toMatchObject({ dtype, shape });
          const back = new Uint8Array(entry.sizeBytes);
          await file.read(entry, 0, back);
          expect(back).toEqual(data);
        }
        await file.close();
      }),
      { numRuns: 60 },
    );
  });

  test("refuses what the format cannot hold", async () => {
    const path = join(folder, "refused.safetensors");
    const good = { name: "a", dtype: "f32" as const, shape: [2], data: new Uint8Array(8) };
    await expect(writeSafetensors(path, { tensors: [{ ...good, dtype: "q8_0" }] })).rejects.toMatchObject({
      code: "unsupported",
    });
    await expect(writeSafetensors(path, { tensors: [good, good] })).rejects.toMatchObject({ code: "bad-option" });
    await expect(writeSafetensors(path, { tensors: [{ ...good, shape: [3] }] })).rejects.toMatchObject({
      code: "bad-shape",
    });
  });
});
