import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cosineDistance, plainBert } from "../models/bert-reference.case.js";
import { openHfTokenizer } from "../text/hf-tokenizer.js";
import { openSafetensors } from "../weights/safetensors.js";
import { testModel } from "../weights/test-models.js";
import { Embedder } from "./embedder.js";

/** all-MiniLM-L6-v2 against a plain f64 computation on the same weights. */

let folder: string;
let embedder: Embedder;

beforeAll(async () => {
  folder = await testModel("all-minilm-l6-v2");
  embedder = await Embedder.open(folder, { device: "cpu", threads: 2 });
});
afterAll(() => embedder?.close());

const texts = ["Hello world", "The cat sits outside.", "", "Überraschung: 数 naïve 👍 a b-c", "x y z ".repeat(12)];

async function tensors(): Promise<Map<string, Float32Array>> {
  const file = await openSafetensors(folder);
  const found = new Map<string, Float32Array>();
  for (const entry of file.tensors.values()) {
    if (entry.dtype !== "f32") continue;
    const values = new Float32Array(entry.sizeBytes / 4);
    await file.read(entry, 0, new Uint8Array(values.buffer));
    found.set(entry.name.replace(/^bert\./, ""), values);
  }
  await file.close();
  return found;
}

describe("all-minilm-l6-v2", () => {
  test("vectors are those of the plain computation", async () => {
    const weights = await tensors();
    const model = {
      ...{ layers: 6, heads: 12, width: 384, inner: 1536, epsilon: 1e-12, activation: "gelu" as const },
      tensor: (name: string) => weights.get(name)!,
    };
    const tokenizer = await openHfTokenizer(folder);
    expect(Array.from(tokenizer.encode("Hello world", { bos: true }))).toEqual([101, 7592, 2088, 102]);
    const vectors = await embedder.embed(texts);
    const rounded = await Embedder.open(folder, { device: "cpu", threads: 2, precision: "bf16" });
    const roundedVectors = await rounded.embed(texts);
    await rounded.close();
    for (const [at, text] of texts.entries()) {
      const states = plainBert(model, tokenizer.encode(text, { bos: true }));
      const mean = states[0]!.map((_, i) => states.reduce((sum, state) => sum + state[i]!, 0) / states.length);
      expect(cosineDistance(vectors[at]!, mean), text).toBeLessThan(1e-9);
      expect(cosineDistance(roundedVectors[at]!, mean), text).toBeLessThan(1e-4);
    }
  });

  test("what is near in meaning is near", async () => {
    const [a, b, c] = await embedder.embed([
      "A man is eating food.",
      "Somebody has a meal.",
      "Share prices fell sharply on Monday.",
    ]);
    expect(cosineDistance(a!, b!)).toBeLessThan(cosineDistance(a!, c!) - 0.3);
  });

  test("it looks at 256 tokens", async () => {
    expect(embedder.maxTokens).toBe(256);
    expect(embedder.dimensions).toBe(384);
    const { truncated, tokens } = await embedder.embedAll(["word ".repeat(254), "word ".repeat(255)]);
    expect(truncated).toEqual([1]);
    expect(tokens).toBe(512);
  });
});
