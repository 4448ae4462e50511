import koffi, { type TypeObject } from "koffi";
import { QuireError } from "../../src/errors.js";
import { ggml } from "../../src/tensor/ffi/ggml.js";
import { loadLibrary, nativeLibraries } from "../../src/tensor/ffi/library.js";

/** The few functions of libllama that a bare decoding loop needs. Parameter structs go by value: their defaults come from the
 *  library itself, and single fields are set at offsets that are checked against what the library then says it uses. */

export interface BareLlama {
  readonly contextTokens: number;
  clear(): void;
  /** Evaluates tokens at the next positions; only the last one's logits are made. */
  decode(tokens: Int32Array): void;
  /** f32 [V] of the last token; valid until the next `decode`. */
  logits(): Float32Array;
  close(): void;
}

// Larger than any version's struct: a struct by value lies in memory, and the callee reads only what it knows.
const paramsSize = 256;
/** llama_context_params of version 0.5.0. */
const offsets = { contextTokens: 0, batch: 4, microBatch: 8, threads: 28, batchThreads: 32, flashAttention: 52 };
const expectedDefaults: Readonly<Record<keyof typeof offsets, number>> = {
  contextTokens: 512,
  batch: 2048,
  microBatch: 512,
  threads: 4,
  batchThreads: 4,
  flashAttention: -1,
};
/** ggml_threadpool_params: 512 flags, then the thread count, the priority, the polling level. */
const poolParams = { size: 528, poll: 520 };

interface Batch {
  n_tokens: number;
  token: bigint | number;
  embd: number;
  pos: number;
  n_seq_id: number;
  seq_id: number;
  logits: number;
}

type Params = { bytes: Uint8Array | number[] };

export function openBareLlama(path: string, options: { threads: number; contextTokens: number }): BareLlama {
  const { threads, contextTokens } = options;
  const native = functions();
  native.backendInit();
  const model = native.load(path, native.modelDefaults());
  if (model === 0) throw new QuireError("native", "libllama cannot load this model.", { got: path });
  const context = native.init(model, contextParams(native.contextDefaults(), options));
  if (context === 0) throw new QuireError("native", "libllama cannot make a context.", { got: contextTokens });
  const got = [native.threads(context), native.batchThreads(context), native.contextTokens(context)];
  if (got[0] !== threads || got[1] !== threads || (got[2] ?? 0) < contextTokens) {
    throw unknownLayout(got.join(", "), `${threads}, ${threads}, at least ${contextTokens}`);
  }
  // As llama.cpp's own bench does it: without a pool, threads would be started anew for every token.
  const pool = newThreadpool(threads);
  native.attach(context, pool.pointer, pool.pointer);
  const memory = native.memory(context);
  const room = koffi.alloc("int32_t", contextTokens) as unknown;
  const address = koffi.address(room as object);
  const input = new Int32Array(koffi.view(room, contextTokens * 4));
  const words = native.words(native.vocab(model));
  const batch: Batch = { n_tokens: 0, token: address, embd: 0, pos: 0, n_seq_id: 0, seq_id: 0, logits: 0 };
  let logits: { address: number; values: Float32Array } | undefined;
  return {
    contextTokens: native.contextTokens(context),
    clear: () => native.clear(memory, true),
    decode(tokens) {
      input.set(tokens);
      batch.n_tokens = tokens.length;
      const status = native.decode(context, batch);
      if (status !== 0) throw new QuireError("native", "llama_decode failed.", { got: `status ${status}` });
    },
    logits() {
      const at = native.logits(context, -1);
      if (logits?.address !== at) logits = { address: at, values: new Float32Array(koffi.view(at, words * 4)) };
      return logits.values;
    },
    close() {
      native.detach(context);
      native.free(context);
      pool.free();
      native.freeModel(model);
    },
  };
}

function functions() {
  const { folder, base } = nativeLibraries();
  const library = loadLibrary(folder, "llama");
  const params = koffi.struct({ bytes: koffi.array("uint8_t", paramsSize, "Typed") });
  const batch = koffi.struct({
    n_tokens: "int32_t",
    token: "uintptr_t",
    embd: "uintptr_t",
    pos: "uintptr_t",
    n_seq_id: "uintptr_t",
    seq_id: "uintptr_t",
    logits: "uintptr_t",
  });
  const bind = <F>(name: string, result: string | TypeObject, args: (string | TypeObject)[]) =>
    library.func(name, result, args) as F;
  type OnPointer<Result> = (pointer: number) => Result;
  if (process.env["QUIRE_NATIVE_LOG"] !== "1") {
    const setLog = bind<(callback: unknown, data: number) => void>("llama_log_set", "void", ["uintptr_t", "uintptr_t"]);
    setLog(base.symbol("ggml_time_init"), 0);
  }
  return {
    backendInit: bind<() => void>("llama_backend_init", "void", []),
    modelDefaults: bind<() => Params>("llama_model_default_params", params, []),
    contextDefaults: bind<() => Params>("llama_context_default_params", params, []),
    load: bind<(path: string, params: Params) => number>("llama_model_load_from_file", "uintptr_t", ["str", params]),
    init: bind<(model: number, params: Params) => number>("llama_init_from_model", "uintptr_t", ["uintptr_t", params]),
    free: bind<OnPointer<void>>("llama_free", "void", ["uintptr_t"]),
    freeModel: bind<OnPointer<void>>("llama_model_free", "void", ["uintptr_t"]),
    threads: bind<OnPointer<number>>("llama_n_threads", "int32_t", ["uintptr_t"]),
    batchThreads: bind<OnPointer<number>>("llama_n_threads_batch", "int32_t", ["uintptr_t"]),
    contextTokens: bind<OnPointer<number>>("llama_n_ctx", "uint32_t", ["uintptr_t"]),
    vocab: bind<OnPointer<number>>("llama_model_get_vocab", "uintptr_t", ["uintptr_t"]),
    words: bind<OnPointer<number>>("llama_vocab_n_tokens", "int32_t", ["uintptr_t"]),
    memory: bind<OnPointer<number>>("llama_get_memory", "uintptr_t", ["uintptr_t"]),
    clear: bind<(memory: number, data: boolean) => void>("llama_memory_clear", "void", ["uintptr_t", "bool"]),
    decode: bind<(context: number, batch: Batch) => number>("llama_decode", "int32_t", ["uintptr_t", batch]),
    logits: bind<(context: number, row: number) => number>("llama_get_logits_ith", "uintptr_t", [
      "uintptr_t",
      "int32_t",
    ]),
    attach: bind<(context: number, pool: number, batchPool: number) => void>("llama_attach_threadpool", "void", [
      "uintptr_t",
      "uintptr_t",
      "uintptr_t",
    ]),
    detach: bind<OnPointer<void>>("llama_detach_threadpool", "void", ["uintptr_t"]),
  };
}

function contextParams(
  defaults: Params,
  { threads, contextTokens }: { threads: number; contextTokens: number },
): Params {
  const bytes = Uint8Array.from(defaults.bytes);
  const view = new DataView(bytes.buffer);
  for (const [name, expected] of Object.entries(expectedDefaults)) {
    const got = view.getInt32(offsets[name as keyof typeof offsets], true);
    if (got !== expected) throw unknownLayout(`${name} ${got}`, `${name} ${expected}`);
  }
  view.setUint32(offsets.contextTokens, contextTokens, true);
  view.setInt32(offsets.threads, threads, true);
  view.setInt32(offsets.batchThreads, threads, true);
  return { bytes };
}

function newThreadpool(threads: number): { pointer: number; free(): void } {
  const g = ggml();
  const devices = Array.from({ length: g.ggml_backend_dev_count() }, (_, index) => g.ggml_backend_dev_get(index));
  const cpu = devices.find((device) => g.ggml_backend_dev_type(device) === 0) as number;
  const registry = g.ggml_backend_dev_backend_reg(cpu);
  const create = g.backendFunction(registry, "ggml_threadpool_new", ["ptr", "data"]);
  const free = g.backendFunction(registry, "ggml_threadpool_free", ["void", "ptr"]);
  if (create === undefined || free === undefined) throw new QuireError("native", "The CPU offers no thread pool.");
  const params = new Uint8Array(poolParams.size);
  g.ggml_threadpool_params_init(params, threads);
  new DataView(params.buffer).setUint32(poolParams.poll, 50, true);
  const pointer = create(params);
  return { pointer, free: () => free(pointer) };
}

function unknownLayout(got: string, expected: string): QuireError {
  return new QuireError("unsupported", "This libllama lays out its context parameters in an unknown way.", {
    got,
    expected,
  });
}
