import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ErrorCode } from "../errors.js";
import { openGguf } from "./gguf.js";
import { type Bytes, ggufBytes, type Plan, smallModel, text, whole } from "./gguf-bytes.case.js";
import type { GgufType } from "./gguf-types.js";
import { type GgufTensor, writeGguf } from "./gguf-write.js";
import { dataOf } from "./tensor-data.js";
import type { MetadataValue } from "./weight-file.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "quire-gguf-"));
});
afterAll(() => rm(folder, { recursive: true }));

let next = 0;
async function save(bytes: Uint8Array, name = `${next++}.gguf`): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
}

async function codeOf(plan: Plan | Buffer): Promise<{ code?: ErrorCode; message?: string }> {
  const path = await save(Buffer.isBuffer(plan) ? plan : ggufBytes(plan));
  return openGguf(path).then(
    async (file) => {
      await file.close();
      return {};
    },
    (error: { code: ErrorCode; message: string }) => ({ code: error.code, message: error.message }),
  );
}

const one = (type: number, dims: (number | bigint)[], offset: number | bigint = 0) => [
  { name: "w", dims, type, offset },
];

describe("reading", () => {
  test("metadata of every type, versions 2 and 3", async () => {
    for (const version of [2, 3]) {
      const keys = [
        text("s", "héllo"),
        whole("u32", 4_000_000_000),
        (b: Bytes) => void b.string("f32").u32(6).f32(0.5),
        (b: Bytes) => void b.string("yes").u32(7).u8(1),
        (b: Bytes) => void b.string("u8").u32(0).u8(200),
        (b: Bytes) => void b.string("i8").u32(1).u8(200),
        (b: Bytes) =>
          void b
            .string("u64")
            .u32(10)
            .u64(2n ** 60n),
        (b: Bytes) => void b.string("small64").u32(10).u64(7),
        (b: Bytes) => void b.string("floats").u32(9).u32(6).u64(2).f32(1).f32(-2),
        (b: Bytes) => void b.string("texts").u32(9).u32(8).u64(2).string("a").string(""),
        (b: Bytes) => void b.string("flags").u32(9).u32(7).u64(2).u8(0).u8(1),
      ];
      const file = await openGguf(await save(ggufBytes({ version, keys })));
      expect(Object.fromEntries(file.metadata)).toEqual({
        s: "héllo",
        u32: 4_000_000_000,
        f32: 0.5,
        yes: true,
        u8: 200,
        i8: -56,
        u64: 2n ** 60n,
        small64: 7,
        floats: Float32Array.of(1, -2),
        texts: ["a", ""],
        flags: [false, true],
      });
      expect(file.version).toBe(version);
      await file.close();
    }
  });

  test("tensors: shape outermost first, place, data", async () => {
    const file = await openGguf(await save(smallModel()));
    const embeddings = file.tensors.get("token_embd.weight");
    expect(embeddings).toMatchObject({ dtype: "q8_0", shape: [4, 32], sizeBytes: 136, file: 0 });
    const norm = file.tensors.get("output_norm.weight");
    const piece = new Uint8Array(8);
    if (!norm) throw new Error("no norm");
    await file.read(norm, 4, piece);
    expect([...new Float32Array(piece.buffer)]).toEqual([0.25, 0.5]);
    expect(file.metadata.get("tokenizer.ggml.tokens")).toEqual(["<s>", "a", "\ufeffb", "é"]);
    await expect(file.read(norm, 124, piece)).rejects.toMatchObject({ code: "bad-option" });
    await expect(file.read(norm, -1, piece)).rejects.toMatchObject({ code: "bad-option" });
    await file.close();
    await file.close();
    await expect(file.read(norm, 0, piece)).rejects.toMatchObject({ code: "bad-option" });
  });

  test("a header of several windows", async () => {
    const long = "x".repeat(700_000);
    const keys = Array.from({ length: 5 }, (_, i) => text(`k${i}`, `${i}${long}`));
    keys.push((b: Bytes) => {
      b.string("many").u32(9).u32(8).u64(300_000);
      for (let i = 0; i < 300_000; i++) b.string(String(i));
    });
    const file = await openGguf(await save(ggufBytes({ keys })));
    expect(file.metadata.get("k4")).toBe(`4${long}`);
    expect((file.metadata.get("many") as string[])[299_999]).toBe("299999");
    await file.close();
  });
});

describe("refusing", () => {
  const cases: [string, Plan | Buffer, ErrorCode][] = [
    ["an empty file", Buffer.alloc(0), "bad-file"],
    ["another file", Buffer.from("PK\u0003\u0004 something else entirely"), "bad-file"],
    ["a web page", Buffer.from("<!DOCTYPE html><html></html>"), "bad-file"],
    ["a Git LFS pointer", Buffer.from("version https://git-lfs.github.com/spec/v1\n"), "bad-file"],
    ["version 1", { version: 1 }, "unsupported"],
    ["big-endian", { version: 0x03000000 }, "unsupported"],
    ["a nonsense version", { version: 70_000 }, "bad-file"],
    ["too many tensors", { tensorCount: 2n ** 63n }, "bad-file"],
    ["too many keys", { keyCount: 2n ** 40n }, "bad-file"],
    ["more keys than room", { keyCount: 60_000 }, "bad-file"],
    ["a key twice", { keys: [whole("a", 1), whole("a", 2)] }, "bad-file"],
    ["a key without name", { keys: [whole("", 1)] }, "bad-file"],
    ["an unknown type", { keys: [(b) => void b.string("a").u32(13).u32(0)] }, "bad-file"],
    ["arrays in an array", { keys: [(b) => void b.string("a").u32(9).u32(9).u64(0)] }, "unsupported"],
    [
      "a string longer than the file",
      {
        keys: [
          (b) =>
            void b
              .string("a")
              .u32(8)
              .u64(2n ** 62n),
        ],
      },
      "bad-file",
    ],
    [
      "a long array",
      {
        keys: [
          (b) =>
            void b
              .string("a")
              .u32(9)
              .u32(10)
              .u64(2n ** 61n),
        ],
      },
      "bad-file",
    ],
    [
      "a long array of strings",
      {
        keys: [
          (b) =>
            void b
              .string("a")
              .u32(9)
              .u32(8)
              .u64(2n ** 40n),
        ],
      },
      "bad-file",
    ],
    ["alignment 0", { keys: [whole("general.alignment", 0)] }, "bad-file"],
    ["alignment 48", { keys: [whole("general.alignment", 48)] }, "bad-file"],
    ["alignment as text", { keys: [text("general.alignment", "32")] }, "bad-file"],
    ["rank 5", { tensors: one(0, [1, 1, 1, 1, 1]), data: Buffer.alloc(64) }, "bad-file"],
    ["extent 0", { tensors: one(0, [0, 4]), data: Buffer.alloc(64) }, "bad-file"],
    ["a shape beyond counting", { tensors: one(0, [2 ** 40, 2 ** 40]), data: Buffer.alloc(64) }, "bad-file"],
    ["an extent of 64 bits", { tensors: one(0, [2n ** 64n - 1n]), data: Buffer.alloc(64) }, "bad-file"],
    ["half a block", { tensors: one(8, [33]), data: Buffer.alloc(64) }, "bad-file"],
    ["a retired type", { tensors: one(31, [32]), data: Buffer.alloc(64) }, "unsupported"],
    ["an absurd type", { tensors: one(4711, [32]), data: Buffer.alloc(64) }, "bad-file"],
    ["an offset out of step", { tensors: one(0, [4], 8), data: Buffer.alloc(64) }, "bad-file"],
    ["an offset past the end", { tensors: one(0, [4], 2 ** 40), data: Buffer.alloc(64) }, "bad-file"],
    ["data cut off", { tensors: one(0, [64]), data: Buffer.alloc(255) }, "bad-file"],
    ["a tensor twice", { tensors: [...one(0, [4]), ...one(0, [4], 32)], data: Buffer.alloc(64) }, "bad-file"],
    [
      "tensors over each other",
      { tensors: [...one(0, [16]), { name: "v", dims: [4], type: 0, offset: 32 }], data: Buffer.alloc(64) },
      "bad-file",
    ],
  ];
  test.each(cases)("%s", async (_, plan, code) => {
    expect((await codeOf(plan)).code).toBe(code);
  });

  test("counts beyond the limits, even where the file has room for them", async () => {
    const roomy = { keys: [text("a", "x".repeat(2_000_000))], keyCount: 70_000 };
    expect((await codeOf(roomy)).message).toMatch(/number of metadata keys is out of range/);
    const name = { tensors: [{ name: "n".repeat(256), dims: [4], type: 0, offset: 0 }], data: Buffer.alloc(32) };
    expect((await codeOf(name)).message).toMatch(/tensor's name is out of range/);
  });

  test("a folder, and nothing at all", async () => {
    await expect(openGguf(folder)).rejects.toMatchObject({ code: "bad-file" });
    await expect(openGguf(join(folder, "none.gguf"))).rejects.toMatchObject({ code: "not-found" });
  });

  test("every possible cut of a small model", async () => {
    const whole = smallModel();
    for (let length = 0; length < whole.byteLength - 56; length++) {
      expect((await codeOf(whole.subarray(0, length))).code, `${length} bytes`).toBe("bad-file");
    }
  });
});

describe("split files", () => {
  const part = (index: number, count: number, name: string, claimed = 2) =>
    ggufBytes({
      keys: [
        (b) => void b.string("split.no").u32(2).raw(Uint8Array.of(index, 0)),
        (b) => void b.string("split.count").u32(2).raw(Uint8Array.of(count, 0)),
        (b) => void b.string("split.tensors.count").u32(5).u32(claimed),
        text("from", name),
      ],
      tensors: [{ name, dims: [4], type: 0, offset: 0 }],
      data: new Uint8Array(Float32Array.of(index, 1, 2, 3).buffer),
    });

  test("open together, whichever is named", async () => {
    await save(part(0, 2, "a"), "m-00001-of-00002.gguf");
    const second = await save(part(1, 2, "b"), "m-00002-of-00002.gguf");
    const file = await openGguf(second);
    expect([...file.tensors.keys()]).toEqual(["a", "b"]);
    expect(file.metadata.get("from")).toBe("a");
    const entry = file.tensors.get("b");
    if (!entry) throw new Error("no b");
    const data = new Float32Array(4);
    await file.read(entry, 0, new Uint8Array(data.buffer));
    expect([...data]).toEqual([1, 1, 2, 3]);
    await file.close();
  });

  test("one is missing, misplaced, doubled, or from elsewhere", async () => {
    const lonely = await save(part(0, 2, "a"), "n-00001-of-00002.gguf");
    await expect(openGguf(lonely)).rejects.toMatchObject({ code: "not-found" });
    await save(part(0, 2, "b"), "n-00002-of-00002.gguf");
    await expect(openGguf(lonely)).rejects.toMatchObject({ code: "bad-file" });
    await save(part(1, 2, "a"), "n-00002-of-00002.gguf");
    await expect(openGguf(lonely)).rejects.toMatchObject({ code: "bad-file" });
    await save(part(1, 2, "b", 3), "n-00002-of-00002.gguf");
    await save(part(0, 2, "a", 3), "n-00001-of-00002.gguf");
    await expect(openGguf(lonely)).rejects.toMatchObject({ code: "bad-file" });
    await expect(openGguf(await save(part(0, 2, "a"), "renamed.gguf"))).rejects.toMatchObject({ code: "bad-file" });
  });
});

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
      tensors: one(0, [3, 2]),
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
