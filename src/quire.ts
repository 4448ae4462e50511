import { totalmem } from "node:os";
import type { CacheType } from "./cache/store/key-values.js";
import { Chat, type ChatOptions } from "./chat.js";
import { type Corpus, type CorpusOptions, openCorpus } from "./corpus-session.js";
import { createSampler } from "./decode/sample/sampler.js";
import { Engine } from "./engine/engine.js";
import type { EngineObserver } from "./engine/engine-observer.js";
import { measureCosts } from "./engine/measure-costs.js";
import { type LoadedModel, loadModel } from "./engine/model.js";
import type { Schedule } from "./engine/schedule/planner.js";
import type { HeldMemory } from "./engine/sequence-options.js";
import { QuireError } from "./errors.js";
import type { GenerateOptions, GeneratePiece, GenerateResult } from "./generate-options.js";
import { drawn, fitPrompt, parsed, samplingOf } from "./generation-inputs.js";
import { partOf } from "./methods.js";
import type { ChatMessage, GenerationRequest, LanguageModel } from "./programs/language-model.js";
import { chooseAmong, scoreText, scoreTokens, tokenEnds } from "./scoring.js";
import { encodePrompt } from "./text/chat-prompt.js";
import { type ChatTemplate, chatTemplate, ggufChatTemplate } from "./text/chat-template.js";
import { ggufTokenizer } from "./text/gguf-tokenizer.js";
import { closingInTime } from "./text/grammar/closing-in-time.js";
import { grammarFor } from "./text/grammar/grammar.js";
import type { GrammarMasks } from "./text/grammar/grammar-mask.js";
import { openHfTokenizer } from "./text/hf-tokenizer.js";
import type { TokenLogProbOptions, TokenLogProbs } from "./text/text-scoring.js";
import type { Tokenizer, TokenMask } from "./text/tokenizer.js";
import { defaultChatModel } from "./weights/catalogue.js";
import { hubReachable } from "./weights/hub.js";
import { listModels } from "./weights/installed-models.js";
import { offlineByEnvironment, resolveModel } from "./weights/resolve-model.js";

/** The object users hold: one model, ready to chat, complete, answer from folders and be swapped part by part.
 *
 *      await using quire = await Quire.open("smollm2-135m-instruct");
 *      console.log((await quire.generate("What is a KV cache?")).text);
 */

export interface OpenOptions {
  /** "auto" (default), "cpu", or a device's name. */
  device?: string;
  threads?: number;
  /** Most tokens of prompt and answer together; default the model's limit. More is for cache policies that renumber, as longheads. */
  contextTokens?: number;
  /** "in-parts": matrices of type q4_1 are multiplied in two parts, which is much faster for several rows at once (prompts, drafts) and
   *  takes as much memory again; floats are then added in another order than other programs on ggml do, so that greedy texts may part
   *  from theirs. Default "as-stored". */
  products?: "as-stored" | "in-parts";
  /** How keys and values are stored: f16 (default), f32 or q8_0. */
  cacheType?: CacheType;
  /** What runs together: "sarathi:budget=512" (default), "sarathi:tbt-target=50", or a part. */
  schedule?: string | Schedule;
  /** Sequences that run at once at most, default 8; the others wait. */
  maxSequences?: number;
  /** Most bytes of all caches together; default half of the memory that is free. */
  cacheMemoryBytes?: number;
  /** Compute what prompts have in common once; default true. */
  prefixSharing?: boolean;
  /** Told of every pass, token and end: metrics and live views. */
  observer?: EngineObserver;
  /** LoRA adapters to open beside the model, by the names under which requests choose them: folders or files in PEFT's layout. */
  adapters?: Readonly<Record<string, string>>;
  /** Which of them is used by requests that name none. */
  adapter?: string;
  /** Use only what is on this machine. */
  offline?: boolean;
  onProgress?(progress: OpenProgress): void;
  signal?: AbortSignal;
}

export interface OpenProgress {
  readonly phase: "download" | "requantise" | "load";
  readonly name: string;
  readonly done: number;
  readonly total: number | undefined;
}

const defaultMaxTokens = 512;

export class Quire {
  /** What was opened and where it runs. */
  readonly name: string;
  readonly path: string;
  readonly engine: Engine;
  readonly tokenizer: Tokenizer;
  readonly template: ChatTemplate;
  readonly parameters: number;
  readonly #model: LoadedModel;
  readonly #masks = new Map<string, GrammarMasks>();
  readonly #loading: Pick<OpenOptions, "offline" | "onProgress">;

  /** `model`: a name of the catalogue, a path, hf:org/repo/file.gguf or an address; left out, the best that suits this machine. */
  static async open(model?: string, options: OpenOptions = {}): Promise<Quire> {
    const { offline, signal, onProgress } = options;
    const name = model ?? (await defaultModelName(offline));
    const resolved = await resolveModel(name, {
      offline,
      signal,
      onProgress: (progress) =>
        onProgress?.({
          phase: "download",
          name: progress.file,
          done: progress.receivedBytes,
          total: progress.totalBytes,
        }),
    });
    const adapters = Object.entries(options.adapters ?? {}).map(([name, path]) => ({ name, path }));
    const loaded = await loadModel(resolved.path, {
      ...options,
      inParts: options.products === "in-parts",
      adapters,
      onProgress: (done, total) => onProgress?.({ phase: "load", name: resolved.name, done, total }),
    });
    let tokenizer: Tokenizer | undefined;
    try {
      const text = await openText(loaded, resolved.path);
      tokenizer = text.tokenizer;
      const schedule = await partOf("engine", options.schedule ?? "sarathi");
      const costs = schedule.needsCosts ? await measureCosts(loaded, options) : undefined;
      const engine = new Engine(loaded, text.tokenizer, { ...options, schedule, costs });
      return new Quire(resolved.name, resolved.path, loaded, engine, text.template, { offline, onProgress });
    } catch (error) {
      tokenizer?.close();
      await loaded.close();
      throw error;
    }
  }

  private constructor(
    name: string,
    path: string,
    model: LoadedModel,
    engine: Engine,
    template: ChatTemplate,
    loading: Pick<OpenOptions, "offline" | "onProgress">,
  ) {
    this.name = name;
    this.#loading = loading;
    this.path = path;
    this.#model = model;
    this.engine = engine;
    this.tokenizer = engine.tokenizer;
    this.template = template;
    this.parameters = model.parameters;
  }

  get contextTokens(): number {
    return this.engine.contextTokens;
  }

  get device(): { readonly name: string; readonly description: string; readonly threads: number } {
    const { info, threads } = this.#model.device;
    return { name: info.name, description: info.description, threads };
  }

  /** Answers a message, or the last of several. */
  async generate(prompt: string | readonly ChatMessage[], options: GenerateOptions = {}): Promise<GenerateResult> {
    return finish(this.stream(prompt, options));
  }

  /** As `generate`, piece by piece; the generator's return value is the whole result. */
  stream(
    prompt: string | readonly ChatMessage[],
    options: GenerateOptions = {},
  ): AsyncGenerator<GeneratePiece, GenerateResult> {
    return this.streamTokens(this.encodeChat(prompt), {
      ...options,
      stop: [...(options.stop ?? []), ...this.template.stops],
    });
  }

  /** Goes on with a text, without any chat around it. */
  async complete(text: string, options: GenerateOptions = {}): Promise<GenerateResult> {
    return finish(this.streamCompletion(text, options));
  }

  streamCompletion(text: string, options: GenerateOptions = {}): AsyncGenerator<GeneratePiece, GenerateResult> {
    return this.streamTokens(this.tokenizer.encode(text, { bos: true }), options);
  }

  /** How likely this model finds each token of a text: after `given`, which must fit the context together with the text; or alone,
   *  however long, in windows. The first token of a text alone has no probability where the model has no beginning-of-text token. */
  async score(text: string, options: { given?: string } & TokenLogProbOptions = {}): Promise<TokenScores> {
    const { given, signal } = options;
    const tokens = this.tokenizer.encode(text);
    const parts: TokenLogProbs[] = [];
    if (given === undefined || given === "") {
      for await (const part of scoreText(this.engine, text, options)) parts.push(part);
    } else {
      const prefix = this.tokenizer.encode(given, { bos: true });
      const logProbs = await scoreTokens(this.engine, prefix, tokens, signal);
      parts.push({ endBytes: tokenEnds(this.tokenizer, text), logProbs });
    }
    const scored = parts.reduce((sum, { logProbs }) => sum + logProbs.length, 0);
    const scores = { endBytes: new Int32Array(scored), logProbs: new Float32Array(scored) };
    let at = 0;
    for (const { endBytes, logProbs } of parts) {
      scores.endBytes.set(endBytes, at);
      scores.logProbs.set(logProbs, at);
      at += logProbs.length;
    }
    return { tokens: tokens.subarray(tokens.length - scored), ...scores };
  }

  /** Probabilities of a few answers as what the model says first when asked this; one reading of the prompt. They need not sum to 1:
   *  it could also say something else. */
  async choose(
    prompt: string | readonly ChatMessage[],
    answers: readonly string[],
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<Float32Array> {
    const tokens = answers.map((answer) => this.tokenizer.encode(answer));
    if (tokens.some(({ length }) => length === 0)) {
      throw new QuireError("bad-option", "An answer to choose from is empty.", { got: answers });
    }
    return chooseAmong(this.engine, this.encodeChat(prompt), tokens, signal);
  }

  chat(options: ChatOptions = {}): Chat {
    return new Chat(this, options);
  }

  /** A folder (or file) to ask, indexed now as far as it changed. */
  async corpus(folder: string, options: Omit<CorpusOptions, "model"> = {}): Promise<Corpus> {
    return openCorpus(folder, { ...options, model: this.languageModel() });
  }

  /** This model as programs see one. */
  languageModel(options: GenerateOptions = {}): LanguageModel {
    return {
      id: this.name,
      contextTokens: this.contextTokens,
      exactCounts: true,
      parameters: this.parameters,
      countTokens: (text) => this.tokenizer.encode(text).length,
      tokenEnds: (text) => tokenEnds(this.tokenizer, text),
      scoring: {
        tokenLogProbs: (text, options) => scoreText(this.engine, text, options),
        logLikelihood: async (prompt, text, signal) => {
          const { logProbs } = await this.score(text, { given: prompt, signal });
          return { logProb: logProbs.reduce((sum, value) => sum + value, 0), tokens: logProbs.length };
        },
        choose: (prompt, labels, signal) => {
          mustChat(this);
          return this.choose(prompt, labels, { signal });
        },
      },
      generate: async (request: GenerationRequest) => {
        const { messages, maxTokens, temperature, seed, stop, schema, signal, onText } = request;
        const stream = this.stream(messages, {
          ...options,
          maxTokens,
          stop,
          schema,
          signal,
          temperature: temperature ?? options.temperature,
          seed: seed ?? options.seed,
        });
        const { text, finishReason, usage } = await finish(stream, onText);
        return { text, finishReason, usage };
      },
    };
  }

  encodeChat(prompt: string | readonly ChatMessage[]): Int32Array {
    const messages = typeof prompt === "string" ? [{ role: "user" as const, content: prompt }] : prompt;
    if (messages.length === 0)
      throw new QuireError("bad-input", "There are no messages.", { expected: "at least one" });
    return encodePrompt(this.tokenizer, this.template.render(messages.map((message) => ({ ...message }))), {
      bos: true,
    });
  }

  /** The lowest level: tokens in. `memory.held` is used where it fits and is set to what this sequence leaves behind. */
  async *streamTokens(
    prompt: Int32Array,
    options: GenerateOptions,
    memory?: { held: HeldMemory | undefined },
  ): AsyncGenerator<GeneratePiece, GenerateResult> {
    const { maxTokens = defaultMaxTokens, stop, ignoreEnd, signal, schema } = options;
    const [policy, decoder] = await Promise.all([
      partOf("cache", options.cache ?? "full"),
      partOf("decoder", options.decoder ?? "autoregressive"),
    ]);
    if (decoder.draft !== undefined) await this.engine.drafts.open(decoder.draft, { ...this.#loading, signal });
    const contextTokens = this.engine.contextFor(policy);
    const fitted = fitPrompt(prompt, contextTokens, maxTokens, options.overflow ?? "error");
    const mask = this.#mask(options, Math.min(maxTokens, contextTokens - fitted.tokens.length));
    const sampler = createSampler(drawn(decoder, samplingOf(options)), { mask });
    const resume = memory?.held;
    if (memory !== undefined) memory.held = undefined;
    const sequence = this.engine.start({
      prompt: fitted.tokens,
      decoder,
      policy,
      sampler,
      maxTokens,
      stop,
      ignoreEnd,
      signal,
      resume,
      user: options.user,
      scope: options.prefixScope,
      adapter: options.adapter,
      keepMemory: memory !== undefined,
      watch: options.onDecode,
    });
    const answers: { text: string; tokens: number[]; logProb: number }[] = [{ text: "", tokens: [], logProb: 0 }];
    try {
      for await (const piece of sequence.pieces) {
        const channel = piece.channel ?? 0;
        const answer = answers[channel] ?? { text: "", tokens: [], logProb: 0 };
        answers[channel] = answer;
        if (piece.token >= 0) {
          answer.tokens.push(piece.token);
          answer.logProb += piece.logProb;
        }
        answer.text += piece.text;
        yield piece;
      }
    } finally {
      // A reader that leaves early ends the sequence; its memory may only be freed between two passes.
      await this.engine.settle(sequence);
      mask?.close();
      if (memory !== undefined && sequence.error === undefined) memory.held = sequence.held();
    }
    const { stats } = sequence;
    const finishReason = sequence.finishReason ?? sequence.results[0]?.notes.finishReason ?? "stop";
    const { text, tokens } = answers[0] as (typeof answers)[number];
    const { results } = sequence;
    return {
      text,
      ...(schema !== undefined && finishReason === "stop" ? { value: parsed(text) } : {}),
      finishReason,
      tokens,
      ...(results.length > 1
        ? {
            answers: results.map(({ channel, notes, finishReason = notes.finishReason ?? "stop" }) => {
              const answer = answers[channel] ?? { text: "", tokens: [], logProb: 0 };
              const isWhole = schema !== undefined && finishReason === "stop";
              return { ...answer, ...notes, finishReason, ...(isWhole ? { value: parsed(answer.text) } : {}) };
            }),
          }
        : {}),
      usage: {
        promptTokens: stats.promptTokens,
        cachedTokens: stats.cachedTokens,
        droppedTokens: fitted.dropped,
        completionTokens: stats.completionTokens,
        secondsToFirstToken: stats.secondsToFirstToken,
        seconds: stats.seconds,
      },
      stats: {
        passes: stats.passes,
        tokensPerPass: stats.passes === 0 ? 0 : stats.completionTokens / stats.passes,
        decode: stats.decode,
        ...(stats.depths.length === 0 ? {} : { depth: depthOf(stats.depths) }),
        cache: {
          entries: stats.cacheEntries,
          bytes: stats.cacheBytes,
          peakBytes: stats.cachePeakBytes,
          policy: stats.cachePolicy,
        },
      },
    };
  }

  /** Stops what is running and frees the model. */
  async close(): Promise<void> {
    await this.engine.close();
    this.tokenizer.close();
    await this.#model.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #mask({ schema, grammar }: GenerateOptions, maxTokens: number): TokenMask | undefined {
    if (schema === undefined && grammar === undefined) return undefined;
    const source = grammar === undefined ? { schema } : { gbnf: grammar };
    const key = grammar ?? JSON.stringify(schema);
    let masks = this.#masks.get(key);
    if (masks === undefined) {
      masks = grammarFor(source, this.tokenizer);
      if (this.#masks.size >= 32) this.#masks.clear();
      this.#masks.set(key, masks);
    }
    return closingInTime(masks.create(), maxTokens);
  }
}

/** Log-probabilities, natural, of tokens of a text, and the bytes of it at which they end. */
export interface TokenScores extends TokenLogProbs {
  readonly tokens: Int32Array;
}

function mustChat({ name, template }: Quire): void {
  if (template.kind !== "plain") return;
  throw new QuireError("unsupported", `${name} is a base model: it answers no questions.`, {
    got: "no chat template",
    expected: "a model that was trained to chat",
    fix: "Use an instruct model, or a method that scores texts, such as meta-chunking:by=perplexity.",
  });
}

export async function finish(
  stream: AsyncGenerator<GeneratePiece, GenerateResult>,
  onText?: (text: string) => void,
): Promise<GenerateResult> {
  for (;;) {
    const next = await stream.next();
    if (next.done === true) return next.value;
    const { text, channel = 0 } = next.value;
    if (text !== "" && channel === 0) onText?.(text);
  }
}

async function openText(model: LoadedModel, path: string): Promise<{ tokenizer: Tokenizer; template: ChatTemplate }> {
  if (model.format === "gguf") {
    const tokenizer = ggufTokenizer(model.metadata);
    return { tokenizer, template: ggufChatTemplate(model.metadata, tokenizer) };
  }
  const tokenizer = await openHfTokenizer(path);
  return { tokenizer, template: chatTemplate({ template: undefined }) };
}

export async function defaultModelName(offline = offlineByEnvironment()): Promise<string> {
  const wanted = process.env["QUIRE_MODEL"];
  if (wanted !== undefined && wanted !== "") return wanted;
  const reachable = !offline && (await hubReachable());
  const installed = new Set((await listModels()).filter((model) => model.installed).map(({ name }) => name));
  return defaultChatModel({ memoryBytes: totalmem(), reachable, installed }).name;
}

/** Mean depth of tokens, and how many went to each depth from 1. */
function depthOf(tokens: readonly number[]): { mean: number; tokens: readonly number[] } {
  const total = tokens.reduce((sum, count) => sum + count, 0);
  return { mean: tokens.reduce((sum, count, index) => sum + count * (index + 1), 0) / total, tokens };
}
