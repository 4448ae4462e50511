/** Byte-pair encoding of one word at a time, for vocabularies of the kind "gpt2". */

import { characterOfByte } from "./byte-characters.js";
import { PairMerger } from "./pair-merger.js";
import { splitWords } from "./pre-tokenizer.js";
import type { TokenList } from "./token-list.js";
import type { Vocabulary } from "./vocabulary.js";
import { WordCache } from "./word-cache.js";

export function bytePairs(vocabulary: Vocabulary): (text: string, from: number, to: number, output: TokenList) => void {
  const { ids, texts, merges } = vocabulary;
  const words = vocabulary.words!;
  const ranks = new Map<string, number>();
  // Backwards, so that of equal merges the first one counts.
  for (let rank = merges.length - 1; rank >= 0; rank--) ranks.set(merges[rank]!, rank);

  // Merges can pass through texts that are no tokens; those get numbers after the vocabulary's.
  const strangers: string[] = [];
  const strangerIds = new Map<string, number>();
  const textOf = (id: number): string => (id < texts.length ? texts[id]! : strangers[id - texts.length]!);
  const idOf = (text: string): number => {
    const known = ids.get(text) ?? strangerIds.get(text);
    if (known !== undefined) return known;
    const id = texts.length + strangers.length;
    strangers.push(text);
    strangerIds.set(text, id);
    return id;
  };
  const idOfByte = Int32Array.from(characterOfByte, idOf);

  const merger = new PairMerger((left, right, result) => {
    const leftText = textOf(left);
    const rightText = textOf(right);
    const rank = ranks.get(`${leftText} ${rightText}`);
    if (rank === undefined) return false;
    result.merged = idOf(leftText + rightText);
    result.priority = rank;
    return true;
  });

  const cache = new WordCache();
  let bytes = new Uint8Array(256);
  let symbols = new Int32Array(256);

  const encodeWord = (word: string): Int32Array => {
    if (bytes.length < word.length * 3) {
      bytes = new Uint8Array(word.length * 3);
      symbols = new Int32Array(word.length * 3);
    }
    const count = utf8.encodeInto(word, bytes).written;
    if (words.wholeWords) {
      let whole = "";
      for (let i = 0; i < count && count <= longestWhole; i++) whole += characterOfByte[bytes[i]!]!;
      const token = count <= longestWhole ? ids.get(whole) : undefined;
      if (token !== undefined) return Int32Array.of(token);
    }
    for (let i = 0; i < count; i++) symbols[i] = idOfByte[bytes[i]!]!;
    const left = merger.merge(symbols, count);
    const tokens: number[] = [];
    for (let i = 0; i < left; i++) {
      const id = symbols[i]!;
      if (id < texts.length) tokens.push(id);
      else tokens.push(...asciiTokens(textOf(id), ids));
    }
    const result = Int32Array.from(tokens);
    if (bytes.length > 1 << 16) {
      bytes = new Uint8Array(256);
      symbols = new Int32Array(256);
    }
    return result;
  };

  let longestWhole = 0;
  for (const text of texts) if (text.length > longestWhole) longestWhole = text.length;

  return (text, from, to, output) => {
    splitWords(words, text, from, to, (start, end) => {
      output.pushAll(cache.get(text.slice(start, end), encodeWord));
    });
  };
}

const utf8 = new TextEncoder();

/** What is left of a merge that ends in no token: the characters that are tokens by themselves; the rest has none. */
function asciiTokens(text: string, ids: ReadonlyMap<string, number>): number[] {
  const tokens: number[] = [];
  for (const character of text) {
    const token = character < "\u0080" ? ids.get(character) : undefined;
    if (token !== undefined) tokens.push(token);
  }
  return tokens;
}
