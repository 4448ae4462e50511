/** The tokenizer of a Hugging Face folder: tokenizer.json (and tokenizer_config.json, if there), as models in safetensors files
 *  bring it. The work is done by @huggingface/tokenizers; here are the checks, bytes of tokens, and a faster way for BERT. */

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { Tokenizer as Library } from "@huggingface/tokenizers";
import { QuireError } from "../errors.js";
import type { Tokenizer } from "./tokenizer.js";
import { byteOfCharacter } from "./vocab/byte-characters.js";
import { TokenList } from "./vocab/token-list.js";
import { withoutLoneSurrogates } from "./vocab/well-formed.js";
import { WordCache } from "./vocab/word-cache.js";

type Json = Record<string, unknown>;

export async function openHfTokenizer(folder: string): Promise<HfTokenizer> {
  const tokenizer = await readJson(path.join(folder, "tokenizer.json"));
  if (tokenizer === undefined) {
    throw new QuireError("not-found", "The model has no tokenizer.json.", {
      got: folder,
      expected: "a folder with tokenizer.json",
      fix: "Fetch the model again, or use its GGUF file.",
    });
  }
  return hfTokenizer(tokenizer, (await readJson(path.join(folder, "tokenizer_config.json"))) ?? {});
}

export function hfTokenizer(tokenizer: unknown, config: unknown = {}): HfTokenizer {
  return new HfTokenizer(checked(tokenizer, "tokenizer.json"), checked(config, "tokenizer_config.json"));
}

export class HfTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly endTokens: ReadonlySet<number>;
  readonly bosToken: number | undefined;
  readonly hash: string;
  /** Reads control tokens in texts as such; the other one takes them for plain text. */
  readonly #reading: Library;
  #plain: Library | undefined;
  readonly #withoutControls: () => Library;
  readonly #texts: (string | undefined)[] = [];
  readonly #control = new Set<number>();
  readonly #byteStyle: "wordpiece" | "bytelevel" | "sentencepiece";
  readonly #byWords: boolean;
  readonly #frame: { before: Int32Array; after: Int32Array };
  readonly #words = new Map<Library, WordCache>();

  constructor(tokenizer: Json, config: Json) {
    this.#reading = build(tokenizer, config);
    const added = tokenizer["added_tokens"] as readonly AddedToken[];
    for (const { id, special } of added) if (special) this.#control.add(id);
    this.#withoutControls = () =>
      build({ ...tokenizer, added_tokens: added.filter(({ special }) => !special) }, withoutNamedTokens(config));
    for (const [text, id] of this.#reading.get_vocab(true)) {
      if (!Number.isInteger(id) || id < 0 || id > mostTokens)
        throw damaged("holds a token with an impossible number", id);
      this.#texts[id] = text;
    }
    this.vocabSize = this.#texts.length;
    this.#byteStyle = byteStyle(tokenizer);
    this.#byWords = splitsAtSpaces(tokenizer, added);
    this.#frame = findFrame(this.#reading);
    this.bosToken = this.#frame.before[0] ?? this.#named(config, "bos_token");
    this.endTokens = new Set([this.#named(config, "eos_token")].filter((id) => id !== undefined));
    this.hash = createHash("sha256").update(JSON.stringify(tokenizer)).digest("hex");
  }

  /** `bos: true` frames the text as the model was trained: [CLS] text [SEP] for BERT. */
  encode(text: string, options: { special?: boolean; bos?: boolean } = {}): Int32Array {
    const library = options.special ? this.#reading : this.#withPlainControls();
    const clean = withoutLoneSurrogates(text);
    const output = new TokenList(clean.length / 3);
    if (options.bos) output.pushAll(this.#frame.before);
    if (this.#byWords) {
      const cache = this.#words.get(library) ?? new WordCache();
      this.#words.set(library, cache);
      for (const word of clean.split(/[ \n\r\t]+/)) {
        if (word !== "") output.pushAll(cache.get(word, (part) => plainIds(library, part)));
      }
    } else if (clean !== "") {
      output.pushAll(plainIds(library, clean));
    }
    if (options.bos) output.pushAll(this.#frame.after);
    return output.finish();
  }

  decode(tokens: ArrayLike<number>, options: { special?: boolean } = {}): string {
    const ids = Array.from(tokens);
    for (const id of ids) this.#check(id);
    const kept = options.special ? ids : ids.filter((id) => !this.#control.has(id));
    if (kept.length === 0) return "";
    return this.#reading.decode(kept, { skip_special_tokens: false, clean_up_tokenization_spaces: false });
  }

  bytes(token: number): Uint8Array {
    this.#check(token);
    const text = this.#texts[token];
    if (text === undefined || this.#control.has(token)) return new Uint8Array(0);
    switch (this.#byteStyle) {
      case "wordpiece":
        return utf8.encode(text.startsWith("##") ? text.slice(2) : ` ${text}`);
      case "bytelevel": {
        const bytes = Array.from(text, (character) => byteOfCharacter(character.codePointAt(0)!));
        return bytes.includes(-1) ? utf8.encode(text) : Uint8Array.from(bytes);
      }
      case "sentencepiece": {
        const byte = /^<0x([0-9A-F]{2})>$/.exec(text)?.[1];
        return byte === undefined
          ? utf8.encode(text.replaceAll("\u2581", " "))
          : Uint8Array.of(Number.parseInt(byte, 16));
      }
    }
  }

  tokenOf(text: string): number | undefined {
    return this.#reading.token_to_id(text);
  }

  close(): void {}

  #withPlainControls(): Library {
    this.#plain ??= this.#withoutControls();
    return this.#plain;
  }

  #named(config: Json, key: string): number | undefined {
    const value = config[key];
    const text = typeof value === "object" && value !== null ? (value as Json)["content"] : value;
    return typeof text === "string" ? this.#reading.token_to_id(text) : undefined;
  }

  #check(token: number): void {
    if (Number.isInteger(token) && token >= 0 && token < this.vocabSize) return;
    throw new QuireError("bad-input", "That is no token of this model.", {
      got: token,
      expected: `a whole number from 0 to ${this.vocabSize - 1}`,
    });
  }
}

interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
}

const utf8 = new TextEncoder();
const mostTokens = 4 * 2 ** 20;

function damaged(what: string, got?: unknown, cause?: unknown): QuireError {
  return new QuireError("bad-file", `The tokenizer.json ${what}.`, {
    got,
    expected: "the tokenizer.json that belongs to the model",
    fix: "Fetch the model again.",
    cause,
  });
}

async function readJson(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new QuireError("bad-file", `${file} cannot be read: ${(cause as Error).message}`, { got: file, cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new QuireError("bad-file", `${file} is not JSON: ${(cause as Error).message}`, { got: file, cause });
  }
}

function checked(value: unknown, file: string): Json {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  throw new QuireError("bad-file", `${file} does not hold an object.`, { got: typeof value, expected: "an object" });
}

function build(tokenizer: Json, config: Json): Library {
  const added = tokenizer["added_tokens"];
  const listed = Array.isArray(added) && added.every((token) => Number.isInteger((token as AddedToken | null)?.id));
  if (!listed) throw damaged("has no proper list added_tokens", typeof added);
  if (typeof tokenizer["model"] !== "object" || tokenizer["model"] === null) throw damaged("has no model");
  try {
    return new Library(tokenizer, config);
  } catch (cause) {
    throw damaged(`cannot be used: ${(cause as Error).message}`, undefined, cause);
  }
}

/** The library also takes the tokens that the configuration names for control tokens. */
function withoutNamedTokens(config: Json): Json {
  return Object.fromEntries(
    Object.entries(config).filter(
      ([key]) => !key.endsWith("_token") && !key.endsWith("_tokens") && !key.startsWith("added_tokens"),
    ),
  );
}

function plainIds(library: Library, text: string): Int32Array {
  return Int32Array.from(library.encode(text, { add_special_tokens: false }).ids);
}

/** What the model wants before and after a text, found by framing one. */
function findFrame(library: Library): { before: Int32Array; after: Int32Array } {
  const bare: number[] = library.encode("a", { add_special_tokens: false }).ids;
  const framed: number[] = library.encode("a").ids;
  const extra = framed.length - bare.length;
  for (let at = 0; at <= extra; at++) {
    if (bare.every((id, i) => framed[at + i] === id)) {
      return { before: Int32Array.from(framed.slice(0, at)), after: Int32Array.from(framed.slice(at + bare.length)) };
    }
  }
  return { before: new Int32Array(0), after: new Int32Array(0) };
}

function byteStyle(tokenizer: Json): "wordpiece" | "bytelevel" | "sentencepiece" {
  const decoder = JSON.stringify(tokenizer["decoder"] ?? null);
  if (decoder.includes('"ByteLevel"')) return "bytelevel";
  return decoder.includes('"WordPiece"') ? "wordpiece" : "sentencepiece";
}

/** BERT's rules look at no more than one word, so that words can be encoded, and remembered, one by one. */
function splitsAtSpaces(tokenizer: Json, added: readonly AddedToken[]): boolean {
  const kind = (part: string) => (tokenizer[part] as Json | null | undefined)?.["type"];
  return (
    kind("normalizer") === "BertNormalizer" &&
    kind("pre_tokenizer") === "BertPreTokenizer" &&
    kind("model") === "WordPiece" &&
    added.every(({ content }) => typeof content === "string" && !/\s/.test(content))
  );
}
