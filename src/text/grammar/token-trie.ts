/** All tokens of a vocabulary as one tree of bytes, laid out flat in the order of a walk: behind each node its subtree. A walk that
 *  meets a dead end goes on at `ends[node]`. */

import type { Tokenizer } from "../tokenizer.js";

export interface TokenTrie {
  readonly bytes: Uint8Array;
  readonly depths: Uint16Array;
  readonly ends: Int32Array;
  /** Tokens that end at a node: `tokens` from `ownFrom[node]` to before `ownTo[node]`. */
  readonly ownFrom: Int32Array;
  readonly ownTo: Int32Array;
  readonly tokens: Int32Array;
}

const longestToken = 0xffff;
const tries = new WeakMap<object, TokenTrie>();

/** Made once for each tokenizer. */
export function tokenTrie(tokenizer: Pick<Tokenizer, "bytes" | "vocabSize">): TokenTrie {
  const known = tries.get(tokenizer);
  if (known !== undefined) return known;
  const trie = buildTrie(tokenizer);
  tries.set(tokenizer, trie);
  return trie;
}

function buildTrie(tokenizer: Pick<Tokenizer, "bytes" | "vocabSize">): TokenTrie {
  // One character for each byte: texts compare as their bytes do, and fast.
  const written: { text: string; token: number }[] = [];
  let nodeCount = 0;
  for (let token = 0; token < tokenizer.vocabSize; token++) {
    const bytes = tokenizer.bytes(token);
    if (bytes.length === 0 || bytes.length > longestToken) continue;
    written.push({ text: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1"), token });
  }
  written.sort((a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : a.token - b.token));
  let previous = "";
  for (const { text } of written) {
    nodeCount += text.length - sharedLength(previous, text);
    previous = text;
  }

  const bytes = new Uint8Array(nodeCount);
  const depths = new Uint16Array(nodeCount);
  const ends = new Int32Array(nodeCount);
  const ownFrom = new Int32Array(nodeCount);
  const ownTo = new Int32Array(nodeCount);
  const tokens = new Int32Array(written.length);
  const path: number[] = [];
  let node = 0;
  previous = "";
  for (const [i, { text, token }] of written.entries()) {
    const shared = sharedLength(previous, text);
    while (path.length > shared) ends[path.pop()!] = node;
    for (let at = shared; at < text.length; at++) {
      bytes[node] = text.charCodeAt(at);
      depths[node] = at;
      path.push(node++);
    }
    // Tokens of equal bytes follow one another.
    const own = path.at(-1)!;
    if (ownTo[own] === 0) ownFrom[own] = i;
    ownTo[own] = i + 1;
    tokens[i] = token;
    previous = text;
  }
  while (path.length > 0) ends[path.pop()!] = node;
  return { bytes, depths, ends, ownFrom, ownTo, tokens };
}

function sharedLength(a: string, b: string): number {
  const most = Math.min(a.length, b.length);
  let at = 0;
  while (at < most && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  return at;
}
