import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isQuireError } from "../errors.js";
import { detokenizer } from "./detokenizer.js";
import { ggufTokenizer } from "./gguf-tokenizer.js";
import { characterOfByte } from "./vocab/byte-characters.js";
import type { Metadata } from "./vocab/vocabulary.js";

type Values = Record<string, unknown>;

function metadata(values: Values): Metadata {
  return new Map(Object.entries(values).map(([key, value]) => [`tokenizer.ggml.${key}`, value])) as Metadata;
}

/** All bytes, three merges, an added token and control tokens. */
function bytePairValues(): Values {
  const texts = [...characterOfByte, "he", "ll", "hell", "<x>", "<|im_start|>", "<|im_end|>"];
  const kinds = Int32Array.from(texts, (text) => (text === "<x>" ? 4 : text.startsWith("<|") ? 3 : 1));
  return {
    model: "gpt2",
    pre: "gpt-2",
    tokens: texts,
    token_type: kinds,
    merges: ["h e", "l l", "he ll"],
    bos_token_id: 260,
    eos_token_id: 261,
  };
}

function sentencePieceValues(): Values {
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
  const texts = ["<unk>", "<s>", "</s>", ...bytes, "\u2581", "a", "b", "ab", "\u2581ab", "\u2581\u2581"];
  return {
    model: "llama",
    tokens: texts,
    scores: Float32Array.from(texts, (text) => text.length),
    token_type: Int32Array.from(texts, (text, id) => (id === 0 ? 2 : id < 3 ? 3 : text.startsWith("<0x") ? 6 : 1)),
  };
}

describe("byte pairs", () => {
  const tokenizer = ggufTokenizer(metadata(bytePairValues()));

  test("merge by rank, inside words", () => {
    expect(Array.from(tokenizer.encode("hello"), (token) => tokenizer.text(token))).toEqual(["hell", "o"]);
    expect(Array.from(tokenizer.encode("hel"), (token) => tokenizer.text(token))).toEqual(["he", "l"]);
    expect(Array.from(tokenizer.encode("he llo"), (token) => tokenizer.text(token))).toEqual(["he", "Ġ", "ll", "o"]);
  });

  test("give back any text, and bytes piece by piece", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const tokens = tokenizer.encode(text);
        expect(tokenizer.decode(tokens)).toBe(text);
        const stream = detokenizer(tokenizer);
        expect(Array.from(tokens, (token) => stream.push(token)).join("") + stream.flush()).toBe(
          tokenizer.decode(tokens),
        );
      }),
    );
    expect(tokenizer.decode(tokenizer.encode("a\ud800b"))).toBe("a\ufffdb");
  });

  test("control tokens are read where allowed, added ones always", () => {
    expect(tokenizer.encode("<x>").length).toBe(1);
    expect(tokenizer.encode("<|im_end|>").length).toBe(10);
    const special = tokenizer.encode("hello<|im_end|>", { special: true });
    expect(special.at(-1)).toBe(261);
    expect(tokenizer.decode(special)).toBe("hello");
    expect(tokenizer.decode(special, { special: true })).toBe("hello<|im_end|>");
    expect(tokenizer.bytes(261).length).toBe(0);
    expect(tokenizer.endTokens).toEqual(new Set([261]));
    expect(tokenizer.controlTexts()).toEqual(["<|im_start|>", "<|im_end|>"]);
  });

  test("the hash tells tokenizers apart", () => {
    expect(ggufTokenizer(metadata(bytePairValues())).hash).toBe(tokenizer.hash);
    expect(ggufTokenizer(metadata({ ...bytePairValues(), merges: ["h e"] })).hash).not.toBe(tokenizer.hash);
    expect(ggufTokenizer(metadata({ ...bytePairValues(), pre: "qwen2" })).hash).not.toBe(tokenizer.hash);
  });

  test("foreign tokens are refused", () => {
    for (const token of [-1, 262, 1.5, Number.NaN]) {
      expect(() => tokenizer.bytes(token)).toThrow(expect.objectContaining({ code: "bad-input" }));
      expect(() => tokenizer.decode([token])).toThrow(expect.objectContaining({ code: "bad-input" }));
    }
  });
});

describe("SentencePiece", () => {
  const tokenizer = ggufTokenizer(metadata(sentencePieceValues()));

  test("puts a space in front, takes it off again, and falls back to bytes", () => {
    const texts = (text: string) => Array.from(tokenizer.encode(text), (token) => tokenizer.text(token));
    expect(texts("ab")).toEqual(["▁ab"]);
    expect(texts("abé")).toEqual(["▁ab", "<0xC3>", "<0xA9>"]);
    expect(Array.from(tokenizer.encode("ab", { bos: true }))).toEqual([1, tokenizer.tokenOf("▁ab")]);
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        fc.pre(!text.includes("\u2581"));
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
      }),
    );
  });
});

describe("damaged vocabularies", () => {
  test.each<[string, Values, string]>([
    ["no model", { ...bytePairValues(), model: undefined }, "bad-file"],
    ["unknown model", { ...bytePairValues(), model: "t5" }, "unsupported"],
    ["no tokens", { ...bytePairValues(), tokens: undefined }, "bad-file"],
    ["empty tokens", { ...bytePairValues(), tokens: [] }, "bad-file"],
    ["tokens that are numbers", { ...bytePairValues(), tokens: Int32Array.of(1, 2) }, "bad-file"],
    ["equal tokens", { ...bytePairValues(), tokens: ["a", "b", "a"] }, "bad-file"],
    ["few kinds", { ...bytePairValues(), token_type: Int32Array.of(1) }, "bad-file"],
    ["kinds that are texts", { ...bytePairValues(), token_type: ["1"] }, "bad-file"],
    ["no merges", { ...bytePairValues(), merges: undefined }, "bad-file"],
    ["merges that are numbers", { ...bytePairValues(), merges: Int32Array.of(1) }, "bad-file"],
    ["unknown words", { ...bytePairValues(), pre: "gpt-9" }, "unsupported"],
    ["words of a prototype", { ...bytePairValues(), pre: "constructor" }, "unsupported"],
    ["words by number", { ...bytePairValues(), pre: 4 }, "bad-file"],
    ["a text as token", { ...bytePairValues(), bos_token_id: "x" }, "bad-file"],
    ["a flag that is a number", { ...bytePairValues(), add_bos_token: 1 }, "bad-file"],
    ["few scores", { ...sentencePieceValues(), scores: Float32Array.of(1) }, "bad-file"],
    [
      "scores that are none",
      { ...sentencePieceValues(), scores: Float32Array.from({ length: 300 }, () => Number.NaN) },
      "bad-file",
    ],
  ])("%s", (_, values, code) => {
    const given = Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
    expect(() => ggufTokenizer(metadata(given))).toThrow(expect.objectContaining({ code }));
  });

  test("ids out of range count as not given", () => {
    const tokenizer = ggufTokenizer(metadata({ ...bytePairValues(), bos_token_id: 2 ** 32 - 1, eos_token_id: 99_999 }));
    expect(tokenizer.bosToken).toBe(11);
  });

  test("any odd value gives a tokenizer or a typed error", () => {
    const odd = fc.oneof(
      fc.constantFrom<unknown>(
        -1,
        2 ** 40,
        5n,
        "",
        true,
        [],
        ["a b", " ", "a", ""],
        Int32Array.of(7),
        Float32Array.of(-1, 2),
      ),
      fc.array(fc.string({ maxLength: 3 })),
      fc.string({ maxLength: 4 }),
    );
    fc.assert(
      fc.property(fc.boolean(), fc.nat(30), odd, fc.string({ unit: "binary" }), (pairs, which, value, text) => {
        const values = pairs ? bytePairValues() : sentencePieceValues();
        const keys = [...Object.keys(values), "add_bos_token", "unknown_token_id", "add_space_prefix"];
        values[keys[which % keys.length]!] = value;
        try {
          const tokenizer = ggufTokenizer(metadata(values));
          const tokens = tokenizer.encode(text, { special: true, bos: true });
          tokenizer.decode(tokens);
          for (const token of tokens) expect(token >= 0 && token < tokenizer.vocabSize).toBe(true);
        } catch (error) {
          if (!isQuireError(error)) throw error;
        }
      }),
      { numRuns: 1000 },
    );
  });
});
