/** The vocabulary of a GGUF file, checked: token texts, kinds, scores and merges, special tokens and flags. Everything a damaged
 *  file can get wrong is refused here, so that the tokenizers can trust it. Defaults and the choice of end tokens follow
 *  llama.cpp, whose tokens the files were made for. */

import { nearest, QuireError } from "../../errors.js";
import type { MetadataValue } from "../../weights/weight-file.js";
import { endingFills, fillNames, turnEndNames } from "./end-tokens.js";
import { type WordRule, wordRules } from "./pre-tokenizer.js";

export type Metadata = ReadonlyMap<string, MetadataValue>;

/** As `tokenizer.ggml.token_type` numbers them. */
export const tokenKinds = {
  undefined: 0,
  normal: 1,
  unknown: 2,
  control: 3,
  userDefined: 4,
  unused: 5,
  byte: 6,
} as const;

export interface Vocabulary {
  readonly model: "gpt2" | "llama" | "bert";
  readonly texts: readonly string[];
  /** Ids by text. */
  readonly ids: ReadonlyMap<string, number>;
  /** One of `tokenKinds` for each token. */
  readonly kinds: Uint8Array;
  /** SentencePiece only: log probabilities. */
  readonly scores: Float32Array | undefined;
  /** Byte-pair vocabularies only: "left right", best first. */
  readonly merges: readonly string[];
  readonly words: WordRule | undefined;
  readonly bosToken: number | undefined;
  readonly eosToken: number | undefined;
  readonly sepToken: number | undefined;
  readonly unknownToken: number | undefined;
  readonly endTokens: ReadonlySet<number>;
  readonly addBos: boolean;
  readonly addSpacePrefix: boolean;
  readonly lowercase: boolean;
  readonly stripAccents: boolean;
  /** Rule of words by name, for the hash. */
  readonly pre: string;
}

const prefix = "tokenizer.ggml.";

export function readVocabulary(metadata: Metadata): Vocabulary {
  const model = readModel(metadata);
  const texts = readTexts(metadata);
  const ids = indexTexts(texts);
  const kinds = readKinds(metadata, texts.length);
  const pre = readString(metadata, "pre") ?? "";
  const words = model === "gpt2" ? readWordRule(pre) : undefined;
  const special = readSpecials(metadata, model, texts.length);
  const addBos = readFlag(metadata, "add_bos_token") ?? (model !== "gpt2" || words?.bos === true);
  if (addBos && special.bos === undefined && (model !== "bert" || special.sep === undefined)) {
    throw damaged("add_bos_token", "is true, but the file names no beginning-of-text token", "bos_token_id");
  }
  const lowercase = readFlag(metadata, "normalizer.lowercase") ?? true;
  return {
    model,
    texts,
    ids,
    kinds,
    scores: model === "llama" ? readScores(metadata, texts.length) : undefined,
    merges: model === "gpt2" ? readMerges(metadata) : [],
    words,
    bosToken: special.bos,
    eosToken: special.eos,
    sepToken: special.sep,
    unknownToken: special.unknown,
    endTokens: chooseEndTokens(ids, kinds, special),
    addBos,
    addSpacePrefix: readFlag(metadata, "add_space_prefix") ?? model === "llama",
    lowercase,
    stripAccents: readFlag(metadata, "normalizer.strip_accents") ?? lowercase,
    pre,
  };
}

function damaged(key: string, what: string, expected: unknown, got?: unknown): QuireError {
  return new QuireError("bad-file", `The vocabulary is damaged: ${prefix}${key} ${what}.`, {
    got,
    expected,
    fix: "Download the model file again, or convert it anew.",
  });
}

function readModel(metadata: Metadata): Vocabulary["model"] {
  const model = metadata.get(`${prefix}model`);
  if (model === "gpt2" || model === "llama" || model === "bert") return model;
  if (typeof model !== "string") throw damaged("model", "is missing or not a text", "gpt2, llama or bert", model);
  throw new QuireError("unsupported", `Tokenizers of the kind "${model}" are not supported.`, {
    got: model,
    expected: "gpt2 (byte pairs), llama (SentencePiece) or bert (WordPiece)",
    fix: "Use a model with another tokenizer.",
  });
}

function readWordRule(pre: string): WordRule {
  const rule = Object.hasOwn(wordRules, pre) ? wordRules[pre] : undefined;
  if (rule !== undefined) return rule;
  const known = Object.keys(wordRules);
  throw new QuireError("unsupported", `The tokenizer splits words by the rule "${pre}", which is not supported.`, {
    got: pre,
    expected: known.join(", "),
    fix:
      pre === ""
        ? "Convert the model anew: the file is older than tokenizer.ggml.pre."
        : `The nearest known rules are ${nearest(pre, known).join(", ") || "none"}; use a model with one of the known ones.`,
  });
}

function readTexts(metadata: Metadata): readonly string[] {
  const tokens = metadata.get(`${prefix}tokens`);
  if (!Array.isArray(tokens) || tokens.some((text) => typeof text !== "string")) {
    throw damaged("tokens", "is missing or not a list of texts", "a list of texts", describe(tokens));
  }
  const texts = tokens as readonly string[];
  if (texts.length === 0) throw damaged("tokens", "is empty", "at least one token", 0);
  if (!texts.includes("")) return texts;
  return texts.map((text, id) => (text === "" ? `[EMPTY_${id}]` : text));
}

function indexTexts(texts: readonly string[]): Map<string, number> {
  const ids = new Map<string, number>();
  for (let id = 0; id < texts.length; id++) ids.set(texts[id]!, id);
  if (ids.size < texts.length) {
    const id = texts.findIndex((text, at) => ids.get(text) !== at);
    throw damaged("tokens", `holds the token ${JSON.stringify(texts[id])} twice`, "different tokens", [
      id,
      ids.get(texts[id]!),
    ]);
  }
  return ids;
}

function readKinds(metadata: Metadata, count: number): Uint8Array {
  const given = metadata.get(`${prefix}token_type`);
  const kinds = new Uint8Array(count).fill(tokenKinds.normal);
  if (given === undefined) return kinds;
  if (!isNumbers(given)) throw damaged("token_type", "is not a list of numbers", "a list of numbers", describe(given));
  if (given.length < count) throw damaged("token_type", "is shorter than the list of tokens", count, given.length);
  for (let id = 0; id < count; id++) {
    const kind = Number(given[id]);
    kinds[id] = kind >= 1 && kind <= 6 ? kind : tokenKinds.undefined;
  }
  return kinds;
}

function readScores(metadata: Metadata, count: number): Float32Array {
  const given = metadata.get(`${prefix}scores`);
  if (given === undefined) return new Float32Array(count);
  if (!isNumbers(given)) throw damaged("scores", "is not a list of numbers", "a list of numbers", describe(given));
  if (given.length < count) throw damaged("scores", "is shorter than the list of tokens", count, given.length);
  const scores = new Float32Array(count);
  for (let id = 0; id < count; id++) {
    const score = Number(given[id]);
    if (Number.isNaN(score)) throw damaged("scores", `holds something that is no number at ${id}`, "numbers", score);
    scores[id] = score;
  }
  return scores;
}

function readMerges(metadata: Metadata): readonly string[] {
  const merges = metadata.get(`${prefix}merges`);
  if (!Array.isArray(merges) || merges.some((merge) => typeof merge !== "string")) {
    throw damaged("merges", "is missing or not a list of texts", 'a list of texts "left right"', describe(merges));
  }
  return merges as readonly string[];
}

function readString(metadata: Metadata, key: string): string | undefined {
  const value = metadata.get(prefix + key);
  if (value === undefined || typeof value === "string") return value;
  throw damaged(key, "is not a text", "a text", describe(value));
}

function readFlag(metadata: Metadata, key: string): boolean | undefined {
  const value = metadata.get(prefix + key);
  if (value === undefined || typeof value === "boolean") return value;
  throw damaged(key, "is neither true nor false", "true or false", describe(value));
}

type Specials = Record<"bos" | "eos" | "eot" | "eom" | "unknown" | "sep" | keyof typeof fillNames, number | undefined>;

function readSpecials(metadata: Metadata, model: Vocabulary["model"], count: number): Specials {
  const read = (key: string, usual?: number): number | undefined => {
    const fallback = usual !== undefined && usual < count ? usual : undefined;
    const value = metadata.get(`${prefix}${key}_token_id`);
    if (value === undefined) return fallback;
    const id = typeof value === "number" || typeof value === "bigint" ? Number(value) : Number.NaN;
    if (!Number.isInteger(id)) throw damaged(`${key}_token_id`, "is not a token", `0 to ${count - 1}`, describe(value));
    // Converters write 2^32 - 1 and the like for "none".
    return id >= 0 && id < count ? id : fallback;
  };
  const usual = usualSpecials[model];
  return {
    bos: read("bos", usual.bos),
    eos: read("eos", usual.eos),
    eot: read("eot"),
    eom: read("eom"),
    unknown: read("unknown", usual.unknown),
    sep: read("seperator", read("separator", usual.sep)),
    prefix: read("fim_pre"),
    suffix: read("fim_suf"),
    middle: read("fim_mid"),
    pad: read("fim_pad"),
    repository: read("fim_rep"),
    file: read("fim_sep"),
  };
}

const usualSpecials: Record<Vocabulary["model"], { bos?: number; eos?: number; unknown?: number; sep?: number }> = {
  gpt2: { bos: 11, eos: 11 },
  llama: { bos: 1, eos: 2, unknown: 0 },
  bert: { bos: 101, unknown: 100, sep: 102 },
};

/** Also turns tokens that look like control tokens into such: files often have them wrong. */
function chooseEndTokens(ids: ReadonlyMap<string, number>, kinds: Uint8Array, special: Specials): ReadonlySet<number> {
  const ends = new Set<number>();
  const add = (id: number | undefined) => {
    if (id !== undefined) ends.add(id);
  };
  for (const name of turnEndNames) {
    const id = ids.get(name);
    if (id === undefined) continue;
    ends.add(id);
    kinds[id] = tokenKinds.control;
  }
  for (const [role, names] of Object.entries(fillNames)) {
    let id = special[role as keyof typeof fillNames];
    if (id === undefined) {
      id = names.map((name) => ids.get(name)).find((named) => named !== undefined);
      if (id !== undefined) kinds[id] = tokenKinds.control;
    }
    if (endingFills.has(role)) add(id);
  }
  add(special.eos);
  add(special.eot);
  add(special.eom);
  return ends;
}

function isNumbers(value: MetadataValue | undefined): value is Extract<MetadataValue, ArrayBufferView> {
  return ArrayBuffer.isView(value);
}

function describe(value: unknown): unknown {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return ArrayBuffer.isView(value) ? "a list of numbers" : value;
}
