import { QuireError } from "../errors.js";
import type { MetadataValue } from "../weights/weight-file.js";
import { characterOfByte } from "./vocab/byte-characters.js";
import { tokenKinds } from "./vocab/vocabulary.js";

/** Vocabularies of models that are trained from nothing: every byte, or a short list of symbols. They are written as byte pairs
 *  without merges, which GGUF and tokenizer.json both know, so that such a model opens like any other. */

export interface SmallVocabulary {
  readonly texts: readonly string[];
  readonly kinds: readonly number[];
  readonly endToken: number;
}

const endText = "<|endoftext|>";

/** All 256 bytes in their order, and an end of text (256). */
export function byteVocabulary(): SmallVocabulary {
  return {
    texts: [...characterOfByte, endText],
    kinds: [...characterOfByte.map(() => tokenKinds.normal), tokenKinds.control],
    endToken: characterOfByte.length,
  };
}

/** One token a symbol, in their order. `end` is the symbol after which an answer is over; left out, one more token is added. Text
 *  that is none of them is left out when reading. */
export function symbolVocabulary(symbols: readonly string[], end?: string): SmallVocabulary {
  const twice = symbols.find((symbol, index) => symbols.indexOf(symbol) !== index || symbol === "");
  if (symbols.length === 0 || twice !== undefined) {
    throw new QuireError("bad-option", "The symbols do not make a vocabulary.", {
      got: twice ?? "no symbols",
      expected: "different symbols, none of them empty",
    });
  }
  const isByte = (symbol: string): boolean => Buffer.byteLength(symbol) === 1;
  const texts = symbols.map((symbol) => (isByte(symbol) ? (characterOfByte[symbol.charCodeAt(0)] as string) : symbol));
  const kinds: number[] = symbols.map((symbol) => (isByte(symbol) ? tokenKinds.normal : tokenKinds.userDefined));
  const endToken = end === undefined ? -1 : symbols.indexOf(end);
  if (endToken >= 0) return { texts, kinds, endToken };
  if (end !== undefined) {
    throw new QuireError("bad-option", "The end is none of the symbols.", { got: end, expected: symbols });
  }
  return { texts: [...texts, endText], kinds: [...kinds, tokenKinds.control], endToken: texts.length };
}

export function vocabularyMetadata({ texts, kinds, endToken }: SmallVocabulary): Map<string, MetadataValue> {
  return new Map<string, MetadataValue>([
    ["tokenizer.ggml.model", "gpt2"],
    ["tokenizer.ggml.pre", "gpt-2"],
    ["tokenizer.ggml.tokens", texts],
    ["tokenizer.ggml.token_type", Int32Array.from(kinds)],
    ["tokenizer.ggml.merges", []],
    ["tokenizer.ggml.eos_token_id", endToken],
    ["tokenizer.ggml.add_bos_token", false],
  ]);
}

/** tokenizer.json and tokenizer_config.json of the same vocabulary. */
export function vocabularyJson({ texts, kinds, endToken }: SmallVocabulary): { tokenizer: object; config: object } {
  const added = kinds.flatMap((kind, id) =>
    kind === tokenKinds.normal
      ? []
      : [
          {
            id,
            content: texts[id],
            single_word: false,
            lstrip: false,
            rstrip: false,
            normalized: false,
            special: kind === tokenKinds.control,
          },
        ],
  );
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
  return {
    tokenizer: {
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: added,
      normalizer: null,
      pre_tokenizer: byteLevel,
      post_processor: null,
      decoder: byteLevel,
      model: {
        type: "BPE",
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: false,
        vocab: Object.fromEntries(texts.map((text, id) => [text, id])),
        merges: [],
      },
    },
    config: { tokenizer_class: "PreTrainedTokenizerFast", eos_token: texts[endToken] },
  };
}
