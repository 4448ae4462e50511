import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ErrorCode } from "../errors.js";
import { openGguf } from "./gguf.js";
import { type Bytes, ggufBytes, type Plan, smallModel, text, whole } from "./gguf-bytes.case.js";

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
