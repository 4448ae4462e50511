import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openGguf } from "./gguf.js";
import { ggufBytes, text } from "./gguf-bytes.case.js";
import type { GgufType } from "./gguf-types.js";
import { type GgufTensor, writeGguf } from "./gguf-write.js";
import { dataOf } from "./tensor-data.js";
import type { MetadataValue } from "./weight-file.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "quire-gguf-write-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("writing", () => {
  test("the bytes are those of the format", async () => {
    const path = join(folder, "written.gguf");
    await writeGguf(path, {
      metadata: [
        ["general.architecture", "llama"],
        ["theta", 10_000],
      ],
      metadataTypes: new Map([["theta", "f32"]]),
      tensors: [{ name: "w", dtype: "f32", shape: [2, 3], data: new Uint8Array(24).fill(7) }],
    });
    const expected = ggufBytes({
      keys: [text("general.architecture", "llama"), (b) => void b.string("theta").u32(6).f32(10_000)],
      tensors: [{ name: "w", dims: [3, 2], type: 0, offset: 0 }],
      data: Buffer.concat([Buffer.alloc(24, 7), Buffer.alloc(8)]),
    });
    expect(await readFile(path)).toEqual(expected);
  });

  const scalar = fc.oneof(
    fc.string().map((value): [MetadataValue, GgufType] => [value, "string"]),
    fc.boolean().map((value): [MetadataValue, GgufType] => [value, "bool"]),
    fc.integer({ min: -128, max: 127 }).map((value): [MetadataValue, GgufType] => [value, "i8"]),
    fc.nat(65_535).map((value): [MetadataValue, GgufType] => [value, "u16"]),
    fc.float({ noNaN: true }).map((value): [MetadataValue, GgufType] => [value, "f32"]),
    fc.double({ noNaN: true }).map((value): [MetadataValue, GgufType] => [value, "f64"]),
    fc.bigInt(2n ** 54n, 2n ** 64n - 1n).map((value): [MetadataValue, GgufType] => [value, "u64"]),
    fc.maxSafeInteger().map((value): [MetadataValue, GgufType] => [value, "i64"]),
    fc.array(fc.string(), { minLength: 1 }).map((value): [MetadataValue, GgufType] => [value, "string[]"]),
    fc.array(fc.boolean(), { minLength: 1 }).map((value): [MetadataValue, GgufType] => [value, "bool[]"]),
    fc.int16Array().map((value): [MetadataValue, GgufType] => [value, "i16[]"]),
    fc.float32Array({ noNaN: true }).map((value): [MetadataValue, GgufType] => [value, "f32[]"]),
    fc.bigInt64Array().map((value): [MetadataValue, GgufType] => [value, "i64[]"]),
  );
  const tensor = fc
    .record({
      dtype: fc.constantFrom("f32" as const, "f16" as const, "i64" as const, "q4_0" as const),
      outer: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }),
      width: fc.integer({ min: 1, max: 3 }),
      fill: fc.nat(255),
    })
    .map(({ dtype, outer, width, fill }) => {
      const bytes = { f32: 128, f16: 64, i64: 256, q4_0: 18 }[dtype];
      const size = outer.reduce((a, b) => a * b, 1) * width * bytes;
      return { dtype, shape: [...outer, width * 32], data: new Uint8Array(size).fill(fill) };
    });

  test("what is written is what is read, and copies are equal to the byte", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(
          fc.tuple(
            fc.string({ minLength: 1 }).map((key) => `k.${Buffer.from(key).toString()}`),
            scalar,
          ),
          {
            selector: ([key]) => key,
            maxLength: 8,
          },
        ),
        fc.array(tensor, { maxLength: 5 }),
        fc.constantFrom(16, 32, 64),
        async (pairs, plain, alignment) => {
          const path = join(folder, "property.gguf");
          const tensors: GgufTensor[] = plain.map((one, i) => ({
            ...one,
            name: `t${i}`,
            data: () => halves(one.data),
          }));
          const metadata = new Map(pairs.map(([key, [value]]) => [key, wellFormed(value)]));
          const metadataTypes = new Map(pairs.map(([key, [, type]]) => [key, type]));
          await writeGguf(path, { metadata, metadataTypes, tensors, alignment });
          const file = await openGguf(path);
          try {
            const read = new Map(file.metadata);
            read.delete("general.alignment");
            expect(read).toEqual(metadata);
            for (const [i, { dtype, shape, data }] of plain.entries()) {
              const entry = file.tensors.get(`t${i}`);
              if (!entry) throw new Error("lost");
              expect(entry).toMatchObject({ dtype, shape });
              expect(entry.fileOffset % alignment).toBe(0);
              const back = new Uint8Array(entry.sizeBytes);
              await file.read(entry, 0, back);
              expect(back).toEqual(data);
            }
            const copy = join(folder, "copy.gguf");
            await writeGguf(copy, {
              metadata: file.metadata,
              metadataTypes: file.metadataTypes,
              tensors: [...file.tensors.values()].map((entry) => ({ ...entry, data: dataOf(file, entry, 100) })),
            });
            expect(await readFile(copy)).toEqual(await readFile(path));
          } finally {
            await file.close();
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test("a vocabulary of 300,000", async () => {
    const path = join(folder, "vocabulary.gguf");
    const tokens = Array.from({ length: 300_000 }, (_, i) => `t${i}`);
    await writeGguf(path, { metadata: [["tokens", tokens]], tensors: [] });
    const file = await openGguf(path);
    expect((file.metadata.get("tokens") as string[]).join()).toBe(tokens.join());
    await file.close();
  });

  test("a failure leaves no file, and the old one untouched", async () => {
    const place = await mkdtemp(join(folder, "atomic-"));
    const path = join(place, "m.gguf");
    const good = { name: "w", dtype: "f32" as const, shape: [2], data: new Uint8Array(8) };
    await writeGguf(path, { metadata: [], tensors: [good] });
    const short = { ...good, data: () => [new Uint8Array(4)] };
    await expect(writeGguf(path, { metadata: [], tensors: [short] })).rejects.toMatchObject({ code: "bad-shape" });
    await expect(writeGguf(path, { metadata: [], tensors: [good], signal: AbortSignal.abort() })).rejects.toMatchObject(
      {
        code: "cancelled",
      },
    );
    await expect(writeGguf(path, { metadata: [], tensors: [good, good] })).rejects.toMatchObject({
      code: "bad-option",
    });
    await expect(writeGguf(path, { metadata: [], tensors: [{ ...good, shape: [0] }] })).rejects.toMatchObject({
      code: "bad-shape",
    });
    const half = { metadata: [["a", 1.5]] as [string, number][], metadataTypes: new Map([["a", "u32" as const]]) };
    await expect(writeGguf(path, { ...half, tensors: [] })).rejects.toMatchObject({ code: "bad-option" });
    await expect(writeGguf(join(place, "none", "m.gguf"), { metadata: [], tensors: [good] })).rejects.toMatchObject({
      code: "disk",
    });
    expect(await readdir(place)).toEqual(["m.gguf"]);
    const file = await openGguf(path);
    expect(file.tensors.size).toBe(1);
    await file.close();
  });
});

function halves(data: Uint8Array): Uint8Array[] {
  const middle = data.byteLength >> 1;
  return [data.subarray(0, middle), data.subarray(middle)];
}

function wellFormed(value: MetadataValue): MetadataValue {
  if (typeof value === "string") return Buffer.from(value).toString();
  if (Array.isArray(value)) {
    return value.every((item) => typeof item === "string") ? value.map((item) => Buffer.from(item).toString()) : value;
  }
  return value;
}
