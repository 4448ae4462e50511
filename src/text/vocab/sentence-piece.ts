/** SentencePiece's byte-pair variant, for vocabularies of the kind "llama" (Llama 2, Mistral, Gemma): pairs merge by the score of
 *  the token they form, over the whole text; what forms no token falls back to bytes. */

import { QuireError } from "../../errors.js";
import { PairMerger } from "./pair-merger.js";
import type { TokenList } from "./token-list.js";
import type { Vocabulary } from "./vocabulary.js";
import { WordCache } from "./word-cache.js";

/** Stands for a space in token texts. */
export const spaceMark = "\u2581";

export function sentencePiece(
  vocabulary: Vocabulary,
): (text: string, from: number, to: number, output: TokenList) => void {
  const { ids, texts } = vocabulary;
  const scores = vocabulary.scores!;
  const byteTokens = readByteTokens(vocabulary);

  // Characters without a token of their own get numbers after the vocabulary's: they may still be half of a token.
  const strangers: string[] = [];
  const symbolOfCharacter = new Map<string, number>();
  const textOf = (symbol: number): string =>
    symbol < texts.length ? texts[symbol]! : strangers[symbol - texts.length]!;
  const symbolOf = (character: string): number => {
    let symbol = symbolOfCharacter.get(character);
    if (symbol === undefined) {
      symbol = ids.get(character);
      if (symbol === undefined) {
        symbol = texts.length + strangers.length;
        strangers.push(character);
      }
      symbolOfCharacter.set(character, symbol);
    }
    return symbol;
  };

  const merger = new PairMerger((left, right, result) => {
    const token = ids.get(textOf(left) + textOf(right));
    if (token === undefined) return false;
    result.merged = token;
    result.priority = -scores[token]!;
    return true;
  });

  const cache = new WordCache();
  let symbols = new Int32Array(256);

  const encodePart = (part: string): Int32Array => {
    if (symbols.length < part.length) symbols = new Int32Array(part.length);
    let count = 0;
    for (const character of part) symbols[count++] = symbolOf(character);
    const left = merger.merge(symbols, count);
    const tokens: number[] = [];
    for (let i = 0; i < left; i++) {
      const symbol = symbols[i]!;
      if (symbol < texts.length) tokens.push(symbol);
      else for (const byte of utf8.encode(textOf(symbol))) tokens.push(byteTokens[byte]!);
    }
    if (symbols.length > 1 << 16) symbols = new Int32Array(256);
    return Int32Array.from(tokens);
  };

  const joined = charactersBeforeSpaces(texts);

  return (text, from, to, output) => {
    const escaped = text.slice(from, to).replaceAll(" ", spaceMark);
    let start = 0;
    let at = escaped.indexOf(spaceMark, 1);
    while (at > 0) {
      const before = escaped.charCodeAt(at - 1);
      if (before !== spaceUnit && !joined.has(before)) {
        output.pushAll(cache.get(escaped.slice(start, at), encodePart));
        start = at;
      }
      at = escaped.indexOf(spaceMark, at + 1);
    }
    if (start < escaped.length) output.pushAll(cache.get(escaped.slice(start), encodePart));
  };
}

const spaceUnit = spaceMark.charCodeAt(0);

/** UTF-16 units after which some token has a space. After all others no merge can cross to the space before the next word, so
 *  the words of a text can be encoded one by one, with the same result. */
function charactersBeforeSpaces(texts: readonly string[]): Set<number> {
  const found = new Set<number>();
  for (const text of texts) {
    let at = text.indexOf(spaceMark, 1);
    while (at > 0) {
      found.add(text.charCodeAt(at - 1));
      at = text.indexOf(spaceMark, at + 1);
    }
  }
  found.delete(spaceUnit);
  return found;
}

const utf8 = new TextEncoder();

function readByteTokens({ ids, unknownToken }: Vocabulary): Int32Array {
  return Int32Array.from({ length: 256 }, (_, byte) => {
    const name = `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
    const token = ids.get(name) ?? (byte < 0x80 ? ids.get(String.fromCharCode(byte)) : undefined) ?? unknownToken;
    if (token !== undefined) return token;
    throw new QuireError(
      "bad-file",
      `The vocabulary has neither a token for the byte ${name} nor one for the unknown.`,
      {
        got: name,
        expected: "256 byte tokens, or tokenizer.ggml.unknown_token_id",
        fix: "Download the model file again, or convert it anew.",
      },
    );
  });
}
