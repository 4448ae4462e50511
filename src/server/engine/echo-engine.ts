import { QuireError, throwIfAborted } from "../../errors.js";
import { chatTemplate } from "../../text/chat-template.js";
import { stopStrings } from "../../text/stop-strings.js";
import type { Tokenizer } from "../../text/tokenizer.js";
import type { EngineClient, EngineInfo, EngineJob, EnginePass, EnginePiece, EngineResult } from "./client.js";
import { Listeners } from "./listeners.js";
import type { ModelText } from "./model-text.js";

/** An engine without a model: it says back what it was asked, a character a token. It shows what the server itself costs, and lets
 *  everything around an engine be tested at once. */

export interface EchoOptions {
  readonly contextTokens?: number;
  /** Before each token. */
  readonly delayMs?: number;
  /** What to say to a prompt; default: what the user said last. */
  reply?(prompt: string, job: EngineJob): string;
  /** A chat template, where its own plain one will not do. */
  readonly template?: string;
  readonly embedder?: boolean;
}

export interface EchoEngine extends EngineClient {
  readonly text: ModelText;
  /** Jobs it was given, newest last. */
  readonly jobs: readonly EngineJob[];
}

const jobsKept = 100;
const dimensions = 16;

export function echoEngine(options: EchoOptions = {}): EchoEngine {
  const { contextTokens = 4096, delayMs = 0, reply = lastSaid, embedder = true } = options;
  const passes = new Listeners<[EnginePass]>();
  const jobs: EngineJob[] = [];
  const tokenizer = characterTokenizer();
  const info: EngineInfo = {
    model: "echo",
    path: "echo",
    contextTokens,
    parameters: 0,
    device: "none",
    threads: 1,
    schedule: "none",
    embedder: embedder ? { name: "echo-embedder", id: "echo-embedder", dimensions, maxTokens: 512 } : undefined,
  };

  async function* generate(job: EngineJob, signal?: AbortSignal): AsyncGenerator<EnginePiece, EngineResult> {
    throwIfAborted(signal);
    jobs.push(job);
    if (jobs.length > jobsKept) jobs.shift();
    const started = performance.now();
    const { maxTokens = 512, logprobs = 0, stop = [] } = job.options;
    const { prompt, dropped } = fitted(job, contextTokens);
    const most = Math.min(maxTokens, contextTokens - prompt.length);
    const stops = stopStrings(stop);
    const all = tokenizer.encode(reply(tokenizer.decode(prompt), job));
    const tokens: number[] = [];
    for (const token of all.subarray(0, most)) {
      if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
      throwIfAborted(signal);
      tokens.push(token);
      if (passes.size > 0) passes.tell(passOf(job, tokens.length === 1 ? prompt.length : 0));
      const top = logprobs > 0 ? { top: [{ token, logProb: -0.5 }] } : {};
      yield { text: stops.push(tokenizer.decode([token])), token, logProb: -0.5, ...top };
      if (stops.found !== undefined) break;
    }
    const rest = stops.flush();
    if (rest !== "") yield { text: rest, token: -1, logProb: 0 };
    const cut = stops.found === undefined && all.length > most;
    return {
      finishReason: cut ? "length" : "stop",
      tokens,
      usage: {
        promptTokens: prompt.length,
        cachedTokens: 0,
        droppedTokens: dropped,
        completionTokens: tokens.length,
        secondsToFirstToken: 0,
        seconds: (performance.now() - started) / 1000,
      },
      stats: {
        passes: tokens.length,
        tokensPerPass: 1,
        decode: {},
        cache: { entries: 0, bytes: 0, peakBytes: 0, policy: {} },
      },
    };
  }

  return {
    info,
    state: "ready",
    restarts: 0,
    jobs,
    text: {
      tokenizer,
      template: chatTemplate({ template: options.template }),
      templateSource: options.template,
    },
    generate,
    inspect: async () => {
      throw new QuireError("unsupported", "An echo keeps nothing in mind.", { expected: "an engine with a model" });
    },
    embed: async (texts) => ({
      vectors: texts.map(letterVector),
      tokens: texts.reduce((sum, text) => sum + text.length, 0),
      truncated: [],
    }),
    whenReady: async () => {},
    onPass: (listener) => passes.add(listener),
    onState: () => () => {},
    close: async () => {},
  };
}

/** One token a character, numbered as Unicode numbers it. */
function characterTokenizer(): Tokenizer {
  const encoder = new TextEncoder();
  const text = (token: number): string => (token >= 0 && token <= 0x10ffff ? String.fromCodePoint(token) : "\ufffd");
  return {
    vocabSize: 0x110000,
    endTokens: new Set(),
    bosToken: undefined,
    encode: (given) => Int32Array.from([...given], (character) => character.codePointAt(0) ?? 0),
    decode: (tokens) => Array.from(tokens, text).join(""),
    bytes: (token) => encoder.encode(text(token)),
    hash: "characters",
    close: () => {},
  };
}

function fitted(job: EngineJob, contextTokens: number): { prompt: Int32Array; dropped: number } {
  const { prompt, options } = job;
  if (prompt.length < contextTokens) return { prompt, dropped: 0 };
  if (options.overflow === undefined || options.overflow === "error") {
    throw new QuireError("context-overflow", `The prompt has ${prompt.length} tokens.`, {
      got: prompt.length,
      expected: `at most ${contextTokens - 1}`,
    });
  }
  const kept = prompt.subarray(prompt.length - Math.floor(contextTokens / 2));
  return { prompt: kept, dropped: prompt.length - kept.length };
}

function lastSaid(prompt: string): string {
  const turns = [...prompt.matchAll(/(?:^|\n)User: ([\s\S]*?)(?=\nAssistant:|\nUser: |$)/g)];
  return turns.at(-1)?.[1] ?? prompt;
}

/** How often which letters stand in it: near for texts of the same words, and always the same. */
function letterVector(text: string): Float32Array {
  const vector = new Float32Array(dimensions);
  for (const character of text.toLowerCase()) vector[(character.codePointAt(0) ?? 0) % dimensions]! += 1;
  const length = Math.hypot(...vector) || 1;
  return vector.map((value) => value / length);
}

/** The first token comes with the prompt, the others on their own. */
function passOf(job: EngineJob, promptRows: number): EnginePass {
  const decodeRows = promptRows > 0 ? 0 : 1;
  const slices = promptRows > 0 ? [{ request: job.id, user: job.user, rows: promptRows }] : [];
  const requests = [{ request: job.id, cachedTokens: 0, cacheEntries: 0, cacheBytes: 0 }];
  const memory = { cacheBytes: 0, cacheLimitBytes: 0 };
  return { at: Date.now(), ms: 0, decodeRows, slices, waiting: 0, running: 1, ...memory, requests };
}
