import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { QuireError } from "../errors.js";
import { cosineDistance, plainBert } from "../models/bert-reference.case.js";
import { openHfTokenizer } from "../text/hf-tokenizer.js";
import { Embedder, type EmbedderOptions } from "./embedder.js";
import {
  type FolderOptions,
  randomNumbers,
  type TinyBert,
  type TinyOptions,
  tinyBert,
  writeTinyFolder,
  writeTinyGguf,
} from "./embedding/tiny-bert.case.js";

let root: string;
let count = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "quire-embedder-"));
});
afterAll(() => rm(root, { recursive: true }));

async function folderOf(model: TinyBert, options?: FolderOptions): Promise<string> {
  const folder = join(root, String(count++));
  await writeTinyFolder(folder, model, options);
  return folder;
}

async function withEmbedder<Result>(
  path: string,
  work: (embedder: Embedder) => Promise<Result>,
  options: EmbedderOptions = {},
): Promise<Result> {
  const embedder = await Embedder.open(path, { device: "cpu", threads: 2, ...options });
  try {
    return await work(embedder);
  } finally {
    await embedder.close();
  }
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "no error",
    (error) => (error instanceof QuireError ? error.code : String(error)),
  );
}

const texts = [
  "the fox jumping",
  "",
  "a",
  "你好 世界!",
  "Ünïcödé, 👩‍👩‍👧 \u0000 \ud800 end?",
  "fox ".repeat(31).trim(),
  "the-fox. the-fox! jump?",
  "x".repeat(150),
];

/** Odd lengths from 0 to 70 words. */
function manyTexts(): string[] {
  const random = randomNumbers(7);
  const words = ["the", "fox", "jumping", "a1", "b", "c.", "世", "zebra"];
  return Array.from({ length: 60 }, (_, length) =>
    Array.from({ length }, () => words[Math.floor(((random() + 1) / 2) * words.length)]).join(" "),
  );
}

async function reference(folder: string, model: TinyBert, text: string, pooling: string): Promise<number[]> {
  const tokens = (await openHfTokenizer(folder)).encode(text, { bos: true });
  const states = plainBert(model, tokens);
  if (pooling === "cls_token") return Array.from(states[0]!);
  if (pooling === "lasttoken") return Array.from(states.at(-1)!);
  return Array.from(states[0]!, (_, i) => states.reduce((sum, state) => sum + state[i]!, 0) / states.length);
}

const shapes: [string, TinyOptions, FolderOptions][] = [
  ["plain", {}, {}],
  ["first token", {}, { pooling: "cls_token" }],
  ["last token", { layers: 3 }, { pooling: "lasttoken" }],
  ["heads of odd width", { width: 44, heads: 4, inner: 52 }, {}],
  ["one head, one layer", { width: 40, heads: 1, layers: 1 }, { pooling: "cls_token" }],
  ["tanh gelu", { activation: "gelu_new" }, {}],
  ["relu, names with prefix", { activation: "relu" }, { rename: (name) => `bert.${name}` }],
  [
    "old names of norms",
    {},
    { rename: (name) => name.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta") },
  ],
];

describe("equal to a plain f64 computation", () => {
  test.each(shapes)("%s", async (_, shape, options) => {
    const model = tinyBert({ ...shape, seed: 3 + count });
    const folder = await folderOf(model, options);
    await withEmbedder(folder, async (embedder) => {
      expect(embedder.dimensions).toBe(model.width);
      const vectors = await embedder.embed(texts);
      for (const [at, text] of texts.entries()) {
        const expected = await reference(folder, model, text, options.pooling ?? "mean_tokens");
        expect(cosineDistance(vectors[at]!, expected), text).toBeLessThan(1e-9);
        expect(Math.hypot(...vectors[at]!)).toBeCloseTo(1, 5);
      }
    });
  });

  test("without a Normalize module vectors keep their length", async () => {
    const model = tinyBert();
    const folder = await folderOf(model, { modules: ["Transformer", "Pooling"] });
    const [vector] = await withEmbedder(folder, (embedder) => embedder.embed(["the fox"]));
    const expected = await reference(folder, model, "the fox", "mean_tokens");
    for (const [at, value] of expected.entries()) expect(vector![at]).toBeCloseTo(value, 4);
  });

  test.each([
    [1, "mean_tokens"],
    [2, "cls_token"],
    [3, "lasttoken"],
  ])("GGUF with pooling type %i gives what the folder gives", async (type, pooling) => {
    const model = tinyBert({ seed: 11 });
    const path = join(root, `tiny-${type}.gguf`);
    await writeTinyGguf(path, model, type);
    const words = ["the fox jumping", "a1 b.", "世界", ""];
    const fromGguf = await withEmbedder(path, (embedder) => embedder.embed(words));
    const fromFolder = await withEmbedder(await folderOf(model, { pooling }), (embedder) => embedder.embed(words));
    for (const at of words.keys()) expect(cosineDistance(fromGguf[at]!, fromFolder[at]!)).toBeLessThan(1e-12);
  });

  test("bf16 weights come close", async () => {
    const folder = await folderOf(tinyBert());
    const exact = await withEmbedder(folder, (embedder) => embedder.embed(texts));
    const rounded = await withEmbedder(folder, (embedder) => embedder.embed(texts), { precision: "bf16" });
    const distances = texts.map((_, at) => cosineDistance(exact[at]!, rounded[at]!));
    expect(Math.max(...distances)).toBeLessThan(1e-3);
    expect(Math.max(...distances)).toBeGreaterThan(1e-9);
  });
});

describe("many texts", () => {
  test("a batch gives what each text gives alone, in its order, every time", async () => {
    const folder = await folderOf(tinyBert({ positions: 200 }));
    const batch = [...manyTexts(), ...texts];
    await withEmbedder(folder, async (embedder) => {
      const progress: number[] = [];
      const together = await embedder.embedAll(batch, { onProgress: ({ texts }) => progress.push(texts) });
      expect(together.truncated).toEqual([]);
      expect(progress.at(-1)).toBe(batch.length);
      expect(progress).toEqual([...progress].sort((a, b) => a - b));
      const again = await Promise.all([embedder.embed(batch), embedder.embed([...batch].reverse())]);
      for (const [at, text] of batch.entries()) {
        const [alone] = await embedder.embed([text]);
        for (const other of [together.vectors[at]!, again[0][at]!, again[1][batch.length - 1 - at]!]) {
          expect(Math.max(...alone!.map((value, i) => Math.abs(value - other[i]!))), `${at}: ${text}`).toBeLessThan(
            1e-5,
          );
        }
      }
    });
  });

  test("nothing gives nothing", async () => {
    await withEmbedder(await folderOf(tinyBert()), async (embedder) => {
      expect(await embedder.embedAll([])).toEqual({ vectors: [], tokens: 0, truncated: [] });
    });
  });

  test("of long texts the beginning counts, and it is said", async () => {
    const folder = await folderOf(tinyBert(), { maxTokens: 20 });
    await withEmbedder(folder, async (embedder) => {
      expect(embedder.maxTokens).toBe(20);
      const kept = Array.from({ length: 18 }, (_, at) => (at % 2 ? "fox" : "the")).join(" ");
      const huge = `${kept} ${"jump ".repeat(500_000)}`;
      const { vectors, truncated, tokens } = await embedder.embedAll([
        kept,
        "fox",
        `${kept} jump`,
        huge,
        "y".repeat(9000),
      ]);
      expect(truncated).toEqual([2, 3]);
      expect(tokens).toBe(20 + 3 + 20 + 20 + 3);
      expect(cosineDistance(vectors[2]!, vectors[0]!)).toBeLessThan(1e-9);
      expect(cosineDistance(vectors[3]!, vectors[0]!)).toBeLessThan(1e-9);
      expect(cosineDistance(vectors[1]!, vectors[0]!)).toBeGreaterThan(1e-3);
    });
  });

  test("stops on request with what is done, and works on", async () => {
    await withEmbedder(await folderOf(tinyBert()), async (embedder) => {
      const control = new AbortController();
      const many = Array.from({ length: 400 }, () => "the fox jumping");
      const error: QuireError = await embedder
        .embed(many, { signal: control.signal, onProgress: ({ texts }) => texts > 100 && control.abort() })
        .then(() => expect.fail("not stopped"))
        .catch((caught: QuireError) => caught);
      expect(error.code).toBe("cancelled");
      const { vectors } = error.partial as { vectors: (Float32Array | undefined)[] };
      const done = vectors.filter((vector) => vector !== undefined).length;
      expect(done).toBeGreaterThan(100);
      expect(done).toBeLessThan(400);
      expect(await codeOf(embedder.embed(["fox"], { signal: AbortSignal.abort() }))).toBe("cancelled");
      expect(await embedder.embed(["fox"])).toHaveLength(1);
    });
  });
});

describe("what cannot be used", () => {
  test("the closed embedder, and what is no text", async () => {
    const embedder = await Embedder.open(await folderOf(tinyBert()), { threads: 1 });
    expect(await codeOf(embedder.embed(["fox", 3 as unknown as string]))).toBe("bad-input");
    const last = embedder.embed(["fox"]);
    await Promise.all([embedder.close(), embedder.close()]);
    expect(await last).toHaveLength(1);
    expect(await codeOf(embedder.embed(["fox"]))).toBe("bad-input");
  });

  test.each([
    ["another part after the pooling", { modules: ["Transformer", "Pooling", "Dense"] }, "unsupported"],
    ["an unknown pooling", { pooling: "max_tokens" }, "unsupported"],
    ["relative positions", { config: { position_embedding_type: "relative_key" } }, "unsupported"],
    ["an unknown activation", { config: { hidden_act: "swish" } }, "unsupported"],
    ["a model that writes", { config: { model_type: "llama" } }, "unsupported"],
    ["heads that do not divide the width", { config: { num_attention_heads: 7 } }, "bad-file"],
    ["layers that are not there", { config: { num_hidden_layers: 3 } }, "bad-file"],
    ["another width", { config: { hidden_size: 32 } }, "bad-file"],
    ["no room for a text", { maxTokens: 2 }, "bad-file"],
    ["a tensor that is not there", { rename: (name: string) => name.replace("0.output.dense", "0.x") }, "bad-file"],
  ] as [string, FolderOptions, string][])("%s", async (_, options, code) => {
    expect(await codeOf(Embedder.open(await folderOf(tinyBert(), options)))).toBe(code);
  });

  test("damaged files beside the weights", async () => {
    for (const [name, content] of [
      ["modules.json", "{}"],
      ["modules.json", '[{"type": "x.Pooling", "path": "../../secret"}]'],
      ["1_Pooling/config.json", "{"],
      ["tokenizer.json", "[]"],
    ] as const) {
      const folder = await folderOf(tinyBert());
      await writeFile(join(folder, name), content);
      expect(await codeOf(Embedder.open(folder)), name).toBe("bad-file");
    }
    expect(await codeOf(Embedder.open(await folderOf(tinyBert()), { precision: "f8" as "bf16" }))).toBe("bad-option");
  });
});

test("the id names the model, wherever it lies", async () => {
  const ids: string[] = [];
  for (const [model, options] of [
    [tinyBert({ seed: 1 }), {}],
    [tinyBert({ seed: 1 }), {}],
    [tinyBert({ seed: 2 }), {}],
    [tinyBert({ seed: 1 }), { pooling: "cls_token" }],
  ] as [TinyBert, FolderOptions][]) {
    ids.push(await withEmbedder(await folderOf(model, options), async ({ id }) => id.replace(/^.*@/, "")));
  }
  expect(ids[1]).toBe(ids[0]);
  expect(new Set(ids).size).toBe(3);
});
