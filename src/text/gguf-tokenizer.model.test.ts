import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type LlamaVocab, llamaVocab } from "../tensor/ffi/llama.js";
import { openGguf } from "../weights/gguf.js";
import { testModel } from "../weights/test-models.js";
import { type GgufTokenizer, ggufTokenizer } from "./gguf-tokenizer.js";
import { nastyTexts, referenceVocab } from "./reference-vocab.case.js";
import { wordRules } from "./vocab/pre-tokenizer.js";
import type { Metadata } from "./vocab/vocabulary.js";

function expectEqual(tokenizer: GgufTokenizer, reference: LlamaVocab, text: string): void {
  for (const options of [{}, { special: true }, { bos: true }, { special: true, bos: true }]) {
    const got = Array.from(tokenizer.encode(text, options));
    const expected = Array.from(reference.tokenize(text, options));
    expect(got, `${JSON.stringify(text.slice(0, 200))} ${JSON.stringify(options)}`).toEqual(expected);
  }
}

const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.string({ unit: "grapheme", maxLength: 40 }),
  fc.string({
    unit: fc.constantFrom(..." \n\r\t'sSdlLrRveEm1٣½aÀéб中が👍\u0301\u0085\u00a0\u2003.,!?<|>▁_\u0000\ud800"),
    maxLength: 40,
  }),
);

for (const [name, roundTrips] of [
  // Byte-level pairs, but the vocabulary lacks the bytes 04 06 13 14 16 1D and F1 to F3: those vanish, as in llama.cpp.
  ["smollm2-135m-instruct", (point: number) => point < 0x40000 && ![4, 6, 0x13, 0x14, 0x16, 0x1d].includes(point)],
  // SentencePiece's own mark for the space is read as one.
  ["gemma-3-270m", (point: number) => point !== 0x2581],
] as const) {
  describe(name, () => {
    let metadata: Metadata;
    let tokenizer: GgufTokenizer;
    let reference: LlamaVocab;

    beforeAll(async () => {
      const path = await testModel(name);
      const file = await openGguf(path);
      metadata = file.metadata;
      await file.close();
      tokenizer = ggufTokenizer(metadata);
      reference = llamaVocab(path);
    });
    afterAll(() => reference?.close());

    test("has the reference's tokens, bytes and end tokens", () => {
      expect(tokenizer.vocabSize).toBe(reference.size);
      expect(tokenizer.bosToken).toBe(reference.bosToken);
      const differing: number[] = [];
      for (let token = 0; token < tokenizer.vocabSize; token++) {
        const same =
          Buffer.compare(tokenizer.bytes(token), reference.piece(token)) === 0 &&
          tokenizer.decode([token], { special: true }) === Buffer.from(reference.piece(token, true)).toString() &&
          tokenizer.endTokens.has(token) === reference.isEnd(token);
        if (!same) differing.push(token);
      }
      expect(differing).toEqual([]);
    });

    test("encodes nasty texts as the reference does", () => {
      for (const text of nastyTexts) expectEqual(tokenizer, reference, text);
    });

    test("encodes random texts as the reference does", () => {
      fc.assert(
        fc.property(anyText, (text) => expectEqual(tokenizer, reference, text)),
        { numRuns: 400 },
      );
    });

    test("encodes every code point as the reference does, and gives it back", () => {
      const wrong: string[] = [];
      for (let from = 0; from < 0x110000; from += 64) {
        const points = Array.from({ length: 64 }, (_, i) => from + i).filter((p) => p < 0xd800 || p > 0xdfff);
        // Every other character has a space or a letter before it, which pulls it into other words.
        const text = points.map((point, i) => ["", " ", "a"][i % 3] + String.fromCodePoint(point)).join("");
        const tokens = tokenizer.encode(text);
        if (Buffer.compare(bytesOf(tokens), bytesOf(reference.tokenize(text))) !== 0) wrong.push(`tokens from ${from}`);
        if (points.every(roundTrips) && tokenizer.decode(tokens) !== text) wrong.push(`text from ${from}`);
      }
      expect(wrong).toEqual([]);
    });

    test("encodes long texts without a space as the reference does", () => {
      const letters = Array.from({ length: 20_000 }, (_, i) => String.fromCharCode(97 + ((i * i * 7 + i * 13) % 26)));
      for (const text of [
        letters.join(""),
        "x".repeat(20_000),
        " ".repeat(5000),
        "\n".repeat(5000),
        "中文字".repeat(3000),
      ]) {
        expect(Buffer.compare(bytesOf(tokenizer.encode(text)), bytesOf(reference.tokenize(text)))).toBe(0);
      }
    });
  });
}

describe("rules of words", () => {
  const preNames = Object.keys(wordRules).filter((name, at, all) => {
    return all.findIndex((other) => wordRules[other] === wordRules[name]) === at;
  });

  test.each(preNames)("%s splits as the reference does", async (pre) => {
    const file = await openGguf(await testModel("smollm2-135m-instruct"));
    await file.close();
    const metadata = new Map(file.metadata);
    for (const key of metadata.keys()) if (!/^(tokenizer\.ggml|general\.architecture)/.test(key)) metadata.delete(key);
    metadata.set("tokenizer.ggml.pre", pre);
    metadata.delete("tokenizer.ggml.add_bos_token");
    const tokenizer = ggufTokenizer(metadata);
    const reference = await referenceVocab(metadata);
    try {
      for (const text of nastyTexts) expectEqual(tokenizer, reference, text);
      fc.assert(
        fc.property(anyText, (text) => expectEqual(tokenizer, reference, text)),
        { numRuns: 200 },
      );
    } finally {
      reference.close();
    }
  });
});

function bytesOf(tokens: Int32Array): Uint8Array {
  return new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength);
}
