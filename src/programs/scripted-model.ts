import { isQuireError, QuireError } from "../errors.js";
import type { CallUsage, Generation, GenerationRequest, LanguageModel } from "./language-model.js";
import { addUsage, noUsage } from "./tree-node.js";

/** A model that says what it is told to say: for tests of programs, yours as well. It counts words and signs as tokens, exactly
 *  the same in `countTokens` and in `usage`, and keeps a record of every call. */

export interface ScriptedReply {
  readonly text?: string;
  /** Thrown instead of answering. */
  readonly error?: unknown;
  /** Milliseconds before the answer. */
  readonly delayMs?: number;
}

export type Script =
  | readonly (string | ScriptedReply)[]
  | ((request: GenerationRequest, call: number) => string | ScriptedReply | Promise<string | ScriptedReply>);

export interface ScriptedModel extends LanguageModel {
  readonly requests: readonly GenerationRequest[];
  /** Of all answered calls together. */
  readonly total: CallUsage;
  /** Calls begun and not yet ended, now and at most. */
  readonly inFlight: number;
  readonly mostInFlight: number;
}

export interface ScriptedOptions {
  readonly id?: string;
  readonly contextTokens?: number;
  readonly parameters?: number;
  /** Words an answer is streamed in pieces of; default 1. */
  readonly pieceWords?: number;
}

const tokenPattern = /[\p{L}\p{N}]+|[^\s\p{L}\p{N}]/gu;

export function countWords(text: string): number {
  return text.match(tokenPattern)?.length ?? 0;
}

/** A list gives its replies in order and then repeats the last one; a function decides by the request. */
export function scriptedModel(script: Script, options: ScriptedOptions = {}): ScriptedModel {
  const { id = "scripted", contextTokens = 4096, pieceWords = 1 } = options;
  const requests: GenerationRequest[] = [];
  let total = noUsage;
  let inFlight = 0;
  let mostInFlight = 0;

  async function generate(request: GenerationRequest): Promise<Generation> {
    const call = requests.push(request) - 1;
    const promptTokens = request.messages.reduce((sum, { content }) => sum + countWords(content), 0);
    if (promptTokens + request.maxTokens > contextTokens) {
      throw new QuireError("context-overflow", "Prompt and answer do not fit the scripted model's window.", {
        got: promptTokens + request.maxTokens,
        expected: `at most ${contextTokens}`,
      });
    }
    const scripted = typeof script === "function" ? await script(request, call) : (script[call] ?? script.at(-1) ?? "");
    const reply: ScriptedReply = typeof scripted === "string" ? { text: scripted } : scripted;
    await pause(reply.delayMs ?? 0, request.signal);
    if (reply.error !== undefined) throw reply.error;
    const { text, cut } = firstTokens(reply.text ?? "", request.maxTokens);
    for (const piece of pieces(text, pieceWords)) request.onText?.(piece);
    const usage = { promptTokens, cachedTokens: 0, completionTokens: countWords(text), seconds: 0.001 };
    total = addUsage(total, usage);
    return { text, finishReason: cut ? "length" : "stop", usage };
  }

  return {
    id,
    contextTokens,
    exactCounts: true,
    parameters: options.parameters,
    countTokens: countWords,
    async generate(request) {
      inFlight += 1;
      mostInFlight = Math.max(mostInFlight, inFlight);
      try {
        return await generate(request);
      } finally {
        inFlight -= 1;
      }
    },
    requests,
    get total() {
      return total;
    },
    get inFlight() {
      return inFlight;
    },
    get mostInFlight() {
      return mostInFlight;
    },
  };
}

function firstTokens(text: string, most: number): { text: string; cut: boolean } {
  const tokens = [...text.matchAll(tokenPattern)];
  const last = tokens[most];
  return last === undefined ? { text, cut: false } : { text: text.slice(0, last.index).trimEnd(), cut: true };
}

function pieces(text: string, words: number): string[] {
  const all = text.match(/\s*\S+|\s+$/g) ?? [];
  const out: string[] = [];
  for (let i = 0; i < all.length; i += words) out.push(all.slice(i, i + words).join(""));
  return out;
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      const reason = signal?.reason as unknown;
      reject(isQuireError(reason) ? reason : new QuireError("cancelled", "Stopped on request.", { cause: reason }));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}
