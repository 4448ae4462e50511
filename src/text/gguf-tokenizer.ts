/** The tokenizer that a GGUF file's metadata describes: byte pairs (SmolLM2, Llama 3, Qwen), SentencePiece (Gemma, Llama 2,
 *  Mistral) or WordPiece (BERT). Tokens are those llama.cpp gives for the same file; it is written here rather than called
 *  there because llama.cpp ends the process on a damaged vocabulary, and because this is faster. */

import { createHash } from "node:crypto";
import { QuireError } from "../errors.js";
import type { Tokenizer } from "./tokenizer.js";
import { bytePairs } from "./vocab/byte-pairs.js";
import { sentencePiece } from "./vocab/sentence-piece.js";
import { SpecialTokens } from "./vocab/special-tokens.js";
import { TokenBytes } from "./vocab/token-bytes.js";
import { TokenList } from "./vocab/token-list.js";
import { type Metadata, readVocabulary, tokenKinds, type Vocabulary } from "./vocab/vocabulary.js";
import { withoutLoneSurrogates } from "./vocab/well-formed.js";
import { wordPiece } from "./vocab/word-piece.js";

const encoders = { gpt2: bytePairs, llama: sentencePiece, bert: wordPiece };

export function ggufTokenizer(metadata: Metadata): GgufTokenizer {
  return new GgufTokenizer(readVocabulary(metadata));
}

export class GgufTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly endTokens: ReadonlySet<number>;
  readonly bosToken: number | undefined;
  readonly #vocabulary: Vocabulary;
  readonly #encodePart: (text: string, from: number, to: number, output: TokenList) => void;
  #specials: { all: SpecialTokens; added: SpecialTokens } | undefined;
  #bytes: TokenBytes | undefined;
  #hash: string | undefined;

  constructor(vocabulary: Vocabulary) {
    this.#vocabulary = vocabulary;
    this.#encodePart = encoders[vocabulary.model](vocabulary);
    this.vocabSize = vocabulary.texts.length;
    this.endTokens = vocabulary.endTokens;
    this.bosToken = vocabulary.bosToken;
  }

  encode(text: string, options: { special?: boolean; bos?: boolean } = {}): Int32Array {
    const { model, addBos, addSpacePrefix, bosToken, sepToken } = this.#vocabulary;
    const clean = withoutLoneSurrogates(text);
    const output = new TokenList(clean.length / 3);
    const framed = options.bos === true && (addBos || model === "bert");
    if (framed && bosToken !== undefined) output.push(bosToken);
    const specials = options.special ? this.#specialTokens().all : this.#specialTokens().added;
    let startsAfresh = model === "llama" && addSpacePrefix;
    specials.partition(
      clean,
      (from, to) => {
        if (startsAfresh) this.#encodePart(` ${clean.slice(from, to)}`, 0, to - from + 1, output);
        else this.#encodePart(clean, from, to, output);
        startsAfresh = false;
      },
      (token) => {
        output.push(token);
        startsAfresh = model === "llama" && addSpacePrefix;
      },
    );
    // BERT frames a text on both sides: [CLS] text [SEP].
    if (framed && model === "bert" && sepToken !== undefined) output.push(sepToken);
    return output.finish();
  }

  /** The space that some SentencePiece models put in front of a text is taken off again. */
  decode(tokens: ArrayLike<number>, options: { special?: boolean } = {}): string {
    const table = this.#tokenBytes();
    let length = 0;
    for (let i = 0; i < tokens.length; i++) {
      this.#check(tokens[i]!);
      length += table.of(tokens[i]!).length;
    }
    const bytes = new Uint8Array(length);
    let end = 0;
    for (let i = 0; i < tokens.length; i++) {
      if (!options.special && this.#isSilent(tokens[i]!)) continue;
      const piece = table.of(tokens[i]!);
      bytes.set(piece, end);
      end += piece.length;
    }
    const from = this.#vocabulary.addSpacePrefix && end > 0 && bytes[0] === 0x20 ? 1 : 0;
    return utf8.decode(bytes.subarray(from, end));
  }

  bytes(token: number): Uint8Array {
    this.#check(token);
    return this.#isSilent(token) ? nothing : this.#tokenBytes().of(token);
  }

  /** The text of a token as the vocabulary writes it, control tokens included. */
  text(token: number): string {
    this.#check(token);
    return this.#vocabulary.texts[token]!;
  }

  /** The token whose text in the vocabulary is exactly this. */
  tokenOf(text: string): number | undefined {
    return this.#vocabulary.ids.get(text);
  }

  get eosToken(): number | undefined {
    return this.#vocabulary.eosToken;
  }

  /** Texts that are read as control tokens only where `special` allows it. */
  controlTexts(): string[] {
    return this.#vocabulary.texts.filter((_, token) => this.#isSilent(token));
  }

  /** Whether the model expects the beginning-of-text token in front. */
  get addsBos(): boolean {
    return this.#vocabulary.addBos;
  }

  get hash(): string {
    this.#hash ??= hashOf(this.#vocabulary);
    return this.#hash;
  }

  close(): void {}

  #isSilent(token: number): boolean {
    const kind = this.#vocabulary.kinds[token];
    return kind === tokenKinds.control || kind === tokenKinds.unknown;
  }

  #check(token: number): void {
    if (Number.isInteger(token) && token >= 0 && token < this.vocabSize) return;
    throw new QuireError("bad-input", "That is no token of this model.", {
      got: token,
      expected: `a whole number from 0 to ${this.vocabSize - 1}`,
    });
  }

  #tokenBytes(): TokenBytes {
    this.#bytes ??= new TokenBytes(this.#vocabulary);
    return this.#bytes;
  }

  #specialTokens(): { all: SpecialTokens; added: SpecialTokens } {
    if (this.#specials === undefined) {
      const { kinds, texts } = this.#vocabulary;
      const all: number[] = [];
      const added: number[] = [];
      for (let token = 0; token < kinds.length; token++) {
        const kind = kinds[token];
        if (kind === tokenKinds.userDefined) added.push(token);
        if (kind === tokenKinds.userDefined || kind === tokenKinds.control || kind === tokenKinds.unknown)
          all.push(token);
      }
      this.#specials = { all: new SpecialTokens(texts, all), added: new SpecialTokens(texts, added) };
    }
    return this.#specials;
  }
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
const nothing = new Uint8Array(0);
function hashOf(vocabulary: Vocabulary): string {
  const { model, pre, texts, merges, kinds, scores, addBos, addSpacePrefix, bosToken, lowercase, stripAccents } =
    vocabulary;
  const hash = createHash("sha256");
  hash.update(
    JSON.stringify({ model, pre, addBos, addSpacePrefix, bosToken, lowercase, stripAccents, size: texts.length }),
  );
  hash.update(texts.join("\0"));
  hash.update("\0\0");
  hash.update(merges.join("\0"));
  hash.update(kinds);
  if (scores !== undefined) hash.update(new Uint8Array(scores.buffer, scores.byteOffset, scores.byteLength));
  return hash.digest("hex");
}
