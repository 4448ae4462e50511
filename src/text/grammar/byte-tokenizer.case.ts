/** A small tokenizer for tests: all single bytes, some longer pieces, a control token and an end token. */

import type { Tokenizer } from "../tokenizer.js";

const pieces = [
  ' "',
  '":',
  '": ',
  '",',
  '", "',
  '"}',
  "{}",
  "[]",
  "[[",
  "]]",
  "},",
  " {",
  '{"',
  '["',
  "true",
  "false",
  "null",
  "tru",
  "nul",
  "12",
  "00",
  "3.14",
  "-1",
  "e+",
  "\n",
  "\n  ",
  "  ",
  "abc",
  "a",
  "name",
  'na"',
  "\\n",
  "\\u00",
  "\\",
  '\\"',
  "é",
  "中",
  "👍",
  "20",
  "-0",
  "T1",
  ":0",
  "Z",
  "<b>",
  "key",
]; // prettier-ignore

export const endToken = 257;

export function byteTokenizer(): Tokenizer {
  const utf8 = new TextEncoder();
  const table = [
    ...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)),
    new Uint8Array(0),
    new Uint8Array(0),
    ...pieces.map((piece) => utf8.encode(piece)),
    // Tokens may end, or begin, inside a character.
    Uint8Array.of(0xe4, 0xb8),
    Uint8Array.of(0xad, 0x22),
    Uint8Array.of(0x22, 0xf0, 0x9f),
  ];
  return {
    vocabSize: table.length,
    endTokens: new Set([endToken]),
    bosToken: undefined,
    hash: "bytes",
    encode: (text) => Int32Array.from(utf8.encode(text)),
    decode: (tokens) => Buffer.concat(Array.from(tokens, (token) => table[token]!)).toString(),
    bytes: (token) => table[token]!,
    close() {},
  };
}
