/** The few functions of llama.h that Quire calls: vocabularies, as the reference its own tokenizers are tested against. llama.cpp
 *  ends the process on a damaged file, so nothing that a user hands in comes here. */

import koffi from "koffi";
import { QuireError } from "../../errors.js";
import { loadLibrary, nativeLibraries } from "./library.js";

export interface LlamaVocab {
  readonly size: number;
  readonly bosToken: number;
  tokenize(text: string, options?: { special?: boolean; bos?: boolean }): Int32Array;
  /** The bytes of a token; `special` gives those of control tokens as well. */
  piece(token: number, special?: boolean): Uint8Array;
  isEnd(token: number): boolean;
  close(): void;
}

type Pointer = unknown;
type ModelParams = { bytes: Uint8Array | number[] };

interface Functions {
  defaults(): ModelParams;
  load(path: string, params: ModelParams): Pointer;
  free(model: Pointer): void;
  vocab(model: Pointer): Pointer;
  size(vocab: Pointer): number;
  bos(vocab: Pointer): number;
  isEnd(vocab: Pointer, token: number): boolean;
  tokenize(
    vocab: Pointer,
    text: Uint8Array,
    length: number,
    out: Int32Array,
    room: number,
    bos: boolean,
    special: boolean,
  ): number;
  piece(vocab: Pointer, token: number, out: Uint8Array, room: number, strip: number, special: boolean): number;
}

// llama_model_params goes by value. It is 80 bytes in this version; a larger copy does no harm, since it travels in memory.
const paramsSize = 256;
const vocabOnlyOffset = 0x48;
/** What llama_model_default_params fills in, which shows whether the layout is the known one: eight-byte words, low byte first. */
const knownDefaults = Uint8Array.from(
  [0n, 0n, 0x1_ffff_ffffn, 0x1_ffff_ffffn, 0n, 0n, 0n, 0n, 0n, 0x1_0000n].flatMap((word) => [
    ...new Uint8Array(BigUint64Array.of(word).buffer),
  ]),
);
/** Bytes between fields, which hold anything. */
const padding = [0x24, 0x25, 0x26, 0x27, 0x4e, 0x4f];

let functions: Functions | undefined;

function llamaFunctions(): Functions {
  if (functions !== undefined) return functions;
  const { folder, base } = nativeLibraries();
  const library = loadLibrary(folder, "llama");
  const params = koffi.struct("QuireLlamaModelParams", { bytes: koffi.array("uint8_t", paramsSize, "Typed") });
  // A function that does nothing stands in for the log: ggml's threads call it, where JavaScript must not run.
  if (process.env["QUIRE_NATIVE_LOG"] !== "1") {
    library.func("llama_log_set", "void", ["uintptr_t", "uintptr_t"])(base.symbol("ggml_time_init") as bigint, 0);
  }
  functions = {
    defaults: library.func("llama_model_default_params", params, []) as Functions["defaults"],
    load: library.func("llama_model_load_from_file", "void *", ["str", params]) as Functions["load"],
    free: library.func("llama_model_free", "void", ["void *"]) as Functions["free"],
    vocab: library.func("llama_model_get_vocab", "void *", ["void *"]) as Functions["vocab"],
    size: library.func("llama_vocab_n_tokens", "int32_t", ["void *"]) as Functions["size"],
    bos: library.func("llama_vocab_bos", "int32_t", ["void *"]) as Functions["bos"],
    isEnd: library.func("llama_vocab_is_eog", "bool", ["void *", "int32_t"]) as Functions["isEnd"],
    tokenize: library.func("llama_tokenize", "int32_t", [
      "void *",
      "void *",
      "int32_t",
      "void *",
      "int32_t",
      "bool",
      "bool",
    ]) as Functions["tokenize"],
    piece: library.func("llama_token_to_piece", "int32_t", [
      "void *",
      "int32_t",
      "void *",
      "int32_t",
      "int32_t",
      "bool",
    ]) as Functions["piece"],
  };
  return functions;
}

function vocabOnlyParams(): ModelParams {
  const params = llamaFunctions().defaults();
  const bytes = Uint8Array.from(params.bytes);
  const got = Buffer.from(bytes.subarray(0, knownDefaults.length));
  const expected = Buffer.from(knownDefaults);
  for (const at of padding) got[at] = 0;
  if (!got.equals(expected)) {
    throw new QuireError("unsupported", "The native libllama lays out its model parameters in an unknown way.", {
      got: got.toString("hex"),
      expected: expected.toString("hex"),
      fix: "Install the native package in the exact version that package.json names.",
    });
  }
  bytes[vocabOnlyOffset] = 1;
  return { bytes };
}

/** Loads the vocabulary alone of a GGUF file that is known to be sound. */
export function llamaVocab(path: string): LlamaVocab {
  const llama = llamaFunctions();
  const model = llama.load(path, vocabOnlyParams());
  if (model === null) throw new QuireError("native", "libllama cannot load this vocabulary.", { got: path });
  const vocab = llama.vocab(model);
  const scratch = new Uint8Array(4096);
  return {
    size: llama.size(vocab),
    bosToken: llama.bos(vocab),
    tokenize(text, { special = false, bos = false } = {}) {
      const bytes = new TextEncoder().encode(text);
      const tokens = new Int32Array(bytes.length + 8);
      const count = llama.tokenize(vocab, bytes, bytes.length, tokens, tokens.length, bos, special);
      return tokens.slice(0, Math.max(0, count));
    },
    piece(token, special = false) {
      const length = llama.piece(vocab, token, scratch, scratch.length, 0, special);
      return scratch.slice(0, Math.max(0, length));
    },
    isEnd: (token) => llama.isEnd(vocab, token),
    close: () => llama.free(model),
  };
}
