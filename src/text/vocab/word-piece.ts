/** WordPiece, for vocabularies of the kind "bert" in GGUF files: text is folded to lower case without accents where the file says
 *  so, cut at white space and punctuation, and each word covered from left to right by the longest tokens. GGUF files mark the
 *  start of a word (▁) where BERT's own mark its continuation (##). */

import { spaceMark } from "./sentence-piece.js";
import type { TokenList } from "./token-list.js";
import { control, mark, other, punctuation, space, symbol, unicodeClasses } from "./unicode-classes.js";
import type { Vocabulary } from "./vocabulary.js";
import { WordCache } from "./word-cache.js";

export function wordPiece(vocabulary: Vocabulary): (text: string, from: number, to: number, output: TokenList) => void {
  const { ids, texts } = vocabulary;
  const cache = new WordCache();
  let longest = 0;
  for (const text of texts) if (text.length > longest) longest = text.length;
  const unknown = vocabulary.unknownToken === undefined ? new Int32Array(0) : Int32Array.of(vocabulary.unknownToken);

  const encodeWord = (word: string): Int32Array => {
    const marked = spaceMark + word;
    const tokens: number[] = [];
    for (let at = 0; at < marked.length; ) {
      let end = Math.min(marked.length, at + longest);
      let token: number | undefined;
      while (end > at) {
        token = ids.get(marked.slice(at, end));
        if (token !== undefined) break;
        end--;
      }
      if (token === undefined) return unknown;
      tokens.push(token);
      at = end;
    }
    return Int32Array.from(tokens);
  };

  return (text, from, to, output) => {
    for (const word of foldedWords(text.slice(from, to), vocabulary)) output.pushAll(cache.get(word, encodeWord));
  };
}

interface Folding {
  readonly lowercase: boolean;
  readonly stripAccents: boolean;
}

export function foldedWords(text: string, { lowercase, stripAccents }: Folding): string[] {
  const classes = unicodeClasses();
  const words: string[] = [];
  let word = "";
  const finish = () => {
    if (word !== "") words.push(word);
    word = "";
  };
  for (const character of text) {
    let point = character.codePointAt(0)!;
    if (stripAccents) point = baseOf(point);
    const kind = classes[point]!;
    if (kind === space) {
      finish();
      continue;
    }
    if (point === 0 || point === 0xfffd || kind === control || (stripAccents && kind === mark)) continue;
    const folded = lowercase ? lowerOf(point) : String.fromCodePoint(point);
    if (kind === punctuation || (kind === symbol && point < 0x7f) || isHan(point)) {
      finish();
      words.push(folded);
    } else {
      word += folded;
    }
  }
  finish();
  return words;
}

/** The first code point of the canonical decomposition. Node may know characters that are newer than the tables. */
function baseOf(point: number): number {
  if (point < 0xc0 || unicodeClasses()[point] === other) return point;
  return String.fromCodePoint(point).normalize("NFD").codePointAt(0)!;
}

function lowerOf(point: number): string {
  const character = String.fromCodePoint(point);
  if (unicodeClasses()[point] === other) return character;
  const lower = character.toLowerCase();
  return lower.length > String.fromCodePoint(lower.codePointAt(0)!).length
    ? String.fromCodePoint(lower.codePointAt(0)!)
    : lower;
}

/** The blocks that BERT treats as Chinese: each character is a word. The gap after 2B81F is BERT's own. */
function isHan(point: number): boolean {
  return (
    (point >= 0x4e00 && point <= 0x9fff) ||
    (point >= 0x3400 && point <= 0x4dbf) ||
    (point >= 0x20000 && point <= 0x2a6df) ||
    (point >= 0x2a700 && point <= 0x2b73f) ||
    (point >= 0x2b740 && point <= 0x2b81f) ||
    (point >= 0x2b920 && point <= 0x2ceaf) ||
    (point >= 0xf900 && point <= 0xfaff) ||
    (point >= 0x2f800 && point <= 0x2fa1f)
  );
}
