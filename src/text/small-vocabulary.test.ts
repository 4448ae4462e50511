import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ggufTokenizer } from "./gguf-tokenizer.js";
import { hfTokenizer } from "./hf-tokenizer.js";
import { byteVocabulary, symbolVocabulary, vocabularyJson, vocabularyMetadata } from "./small-vocabulary.js";

describe("vocabularies of small models", () => {
  it("bytes: one token a byte, both ways, in both formats", () => {
    const vocabulary = byteVocabulary();
    const gguf = ggufTokenizer(vocabularyMetadata(vocabulary));
    const { tokenizer, config } = vocabularyJson(vocabulary);
    const json = hfTokenizer(tokenizer, config);
    expect([...gguf.endTokens]).toEqual([256]);
    expect([...json.endTokens]).toEqual([256]);
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        const bytes = [...Buffer.from(text)];
        expect([...gguf.encode(text)]).toEqual(bytes);
        expect([...json.encode(text)]).toEqual(bytes);
        expect(gguf.decode(bytes)).toBe(text);
      }),
    );
  });

  it("symbols: one token each, whatever their length; other text is left out", () => {
    const vocabulary = symbolVocabulary(["1", "2", "+", "=", "->", "é", "\n"], "\n");
    const gguf = ggufTokenizer(vocabularyMetadata(vocabulary));
    expect(gguf.vocabSize).toBe(7);
    expect([...gguf.encode("1+2=\n->é")]).toEqual([0, 2, 1, 3, 6, 4, 5]);
    expect([...gguf.encode("1 + 2")]).toEqual([0, 2, 1]);
    expect(gguf.decode([0, 4, 5])).toBe("1->é");
    expect(gguf.endTokens.has(6)).toBe(true);
    const { tokenizer, config } = vocabularyJson(vocabulary);
    expect([...hfTokenizer(tokenizer, config).encode("1+2=->é")]).toEqual([0, 2, 1, 3, 4, 5]);
  });

  it("refuses symbols that cannot be told apart", () => {
    expect(() => symbolVocabulary(["a", "a"])).toThrow(/vocabulary/);
    expect(() => symbolVocabulary(["a"], "b")).toThrow(/end/);
    expect(symbolVocabulary(["a"]).endToken).toBe(1);
  });
});
