import path from "node:path";
import { defaultEmbedder } from "../../corpus-session.js";
import type { DecodeEvent } from "../../decode/decoder.js";
import { Embedder } from "../../engine/embedder.js";
import type { GenerateResult } from "../../generate-options.js";
import { inspectCache } from "../../inspect/cache-inspection.js";
import { partOf } from "../../methods.js";
import { Quire } from "../../quire.js";
import { cpuFeatures } from "../../tensor/device.js";
import { resolveModel } from "../../weights/resolve-model.js";
import type {
  EmbedderInfo,
  EngineClient,
  EngineInfo,
  EngineJob,
  EnginePiece,
  EngineResult,
  EngineSettings,
  EngineState,
  EngineVectors,
  InspectRequest,
  OpenEngineOptions,
} from "./client.js";
import { noEmbedder } from "./no-embedder.js";
import { PassWatcher } from "./pass-watcher.js";

/** An engine with a model in this process: what the child process runs, and what tests may use directly. */

export async function openLocalEngine(
  settings: EngineSettings,
  options: OpenEngineOptions = {},
): Promise<EngineClient> {
  const { model, embedder: _, ...open } = settings;
  const quire = await Quire.open(model, { ...open, signal: options.signal, onProgress: options.onProgress });
  try {
    const embedder = await openEmbedder(settings, options);
    return localEngine(quire, embedder, settings.schedule ?? "sarathi");
  } catch (error) {
    await quire.close();
    throw error;
  }
}

interface NamedEmbedder {
  readonly name: string;
  readonly embedder: Embedder;
}

/** Without its embedding model a server still serves; searching is by words then. */
async function openEmbedder(settings: EngineSettings, options: OpenEngineOptions): Promise<NamedEmbedder | undefined> {
  const name = settings.embedder ?? defaultEmbedder;
  if (name === "none") return undefined;
  try {
    const resolved = await resolveModel(name, { signal: options.signal, offline: settings.offline });
    const precision = cpuFeatures().has("AVX512_BF16") ? "bf16" : "stored";
    const { threads } = settings;
    return { name, embedder: await Embedder.open(resolved.path, { threads, device: "cpu", precision }) };
  } catch (error) {
    if (settings.embedder !== undefined || options.signal?.aborted === true) throw error;
    options.onNotice?.(`The embedding model ${name} cannot be had (${(error as Error).message}) Searching by words.`);
    return undefined;
  }
}

/** A model file is called by its name: where it lies is nobody's business but the host's. */
function publicName(name: string): string {
  return /[\\/]/.test(name) ? path.basename(name).replace(/\.gguf$/i, "") : name;
}

function localEngine(quire: Quire, named: NamedEmbedder | undefined, schedule: string): EngineClient {
  const passes = new PassWatcher(quire.engine);
  let state: EngineState = "ready";
  const info: EngineInfo = {
    model: publicName(quire.name),
    path: quire.path,
    contextTokens: quire.contextTokens,
    parameters: quire.parameters,
    device: (quire.device.description || quire.device.name).trim(),
    threads: quire.device.threads,
    schedule,
    embedder: named === undefined ? undefined : describe(named),
  };

  async function* generate(job: EngineJob, signal?: AbortSignal): AsyncGenerator<EnginePiece, EngineResult> {
    const controller = new AbortController();
    const own = signal === undefined ? controller.signal : AbortSignal.any([controller.signal, signal]);
    passes.expect(own, job);
    const { watch, ...rest } = job.options;
    const events: DecodeEvent[] = [];
    const onDecode = watch === true ? (event: DecodeEvent) => void events.push(event) : undefined;
    const stream = quire.streamTokens(job.prompt, { ...rest, user: job.user, signal: own, onDecode });
    const { finishReason, tokens, answers, usage, stats } = yield* watch === true ? told(stream, events) : stream;
    return { finishReason, tokens, ...(answers === undefined ? {} : { answers }), usage, stats };
  }

  async function inspect({ prompt, cache, maxTokens }: InspectRequest, signal?: AbortSignal) {
    return inspectCache(quire.engine, prompt, { policy: await partOf("cache", cache), maxTokens, signal });
  }

  async function embed(texts: readonly string[], signal?: AbortSignal): Promise<EngineVectors> {
    if (named !== undefined) return named.embedder.embedAll(texts, { signal });
    throw noEmbedder();
  }

  return {
    info,
    get state() {
      return state;
    },
    restarts: 0,
    generate,
    embed,
    inspect,
    whenReady: async () => {},
    onPass: (listener) => passes.listeners.add(listener),
    onState: () => () => {},
    close: async () => {
      state = "down";
      await named?.embedder.close();
      await quire.close();
    },
  };
}

/** Pieces with what the decoder did since the piece before; what it did last comes with an empty one. */
async function* told(
  stream: ReturnType<Quire["streamTokens"]>,
  events: DecodeEvent[],
): AsyncGenerator<EnginePiece, GenerateResult> {
  for (;;) {
    const next = await stream.next();
    if (next.done !== true) {
      yield { ...next.value, events: events.splice(0) };
      continue;
    }
    if (events.length > 0) yield { text: "", token: -1, logProb: 0, events: events.splice(0) };
    return next.value;
  }
}

function describe({ name, embedder }: NamedEmbedder): EmbedderInfo {
  return { name, id: embedder.id, dimensions: embedder.dimensions, maxTokens: embedder.maxTokens };
}
