import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkModelFile } from "./check.js";
import { ggufBytes, smallModel, text, whole } from "./gguf-bytes.case.js";
import { writeSafetensors } from "./safetensors-write.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "quire-check-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function check(bytes: Uint8Array, name = "m.gguf") {
  await writeFile(join(folder, name), bytes);
  return checkModelFile(join(folder, name));
}

describe("GGUF", () => {
  test("a good model and what it is", async () => {
    expect(await check(smallModel())).toMatchObject({
      format: "gguf",
      architecture: "llama",
      tensors: 2,
      parameters: 160,
      sizeBytes: 264,
      dtypes: { f32: 128, q8_0: 136 },
      layers: 1,
      contextTokens: 64,
      vocabulary: 4,
      warnings: [],
    });
    // The content decides, not the name.
    expect((await check(smallModel(), "m.bin")).format).toBe("gguf");
  });

  test("values that are not numbers, in floats and in scales of blocks", async () => {
    const clean = smallModel();
    const start = clean.byteLength - 320;
    const damages: [number, number][] = [
      [start + 127, 0x7f],
      [start + 128 + 34 + 1, 0x7c],
    ];
    for (const [at, byte] of damages) {
      const bytes = Buffer.from(clean);
      bytes[at] = byte;
      bytes[at - 1] = (bytes[at - 1] ?? 0) | 0x80;
      await expect(check(bytes)).rejects.toMatchObject({ code: "bad-file", message: /not a number/ });
    }
    const small = Buffer.from(clean);
    small[start + 128 + 34 + 2] = 0xff;
    await expect(check(small)).resolves.toMatchObject({ tensors: 2 });
  });

  test("metadata that a model must have", async () => {
    const base = [text("general.architecture", "llama"), whole("llama.block_count", 1)];
    const tensors = [{ name: "w", dims: [8], type: 0, offset: 0 }];
    const data = Buffer.alloc(32);
    await expect(check(ggufBytes({}))).rejects.toMatchObject({ code: "bad-file" });
    await expect(check(ggufBytes({ tensors, data }))).rejects.toMatchObject({
      message: /general.architecture is missing/,
    });
    await expect(check(ggufBytes({ keys: base, tensors, data }))).rejects.toMatchObject({
      message: /llama.embedding_length is missing/,
    });
    const enough = [...base, whole("llama.embedding_length", 8)];
    expect((await check(ggufBytes({ keys: enough, tensors, data }))).warnings).toHaveLength(2);
    await expect(
      check(ggufBytes({ keys: [...enough, whole("llama.context_length", 0)], tensors, data })),
    ).rejects.toMatchObject({ message: /context_length is not usable/ });
  });
});

describe("safetensors", () => {
  test("warns of what is missing beside it, finds infinities, stops when asked", async () => {
    const path = join(folder, "m.safetensors");
    const data = new Uint8Array(Float32Array.of(1, 2).buffer);
    await writeSafetensors(path, { tensors: [{ name: "a", dtype: "f32", shape: [2], data }] });
    expect((await checkModelFile(path)).warnings).toHaveLength(2);
    await expect(checkModelFile(path, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "cancelled" });
    const broken = new Uint8Array(Float32Array.of(1, -Infinity).buffer);
    await writeSafetensors(path, { tensors: [{ name: "a", dtype: "f32", shape: [2], data: broken }] });
    await expect(checkModelFile(path)).rejects.toMatchObject({ code: "bad-file", got: { tensor: "a", byte: 4 } });
    expect((await checkModelFile(path, { headerOnly: true })).tensors).toBe(1);
  });
});
