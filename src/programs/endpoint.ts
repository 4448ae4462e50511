import { isQuireError, QuireError } from "../errors.js";
import { brokenConnection, type EndpointConnection, requestEndpoint, throwStopped } from "./endpoint-request.js";
import { endpointScoring } from "./endpoint-scoring.js";
import type { CallUsage, Generation, GenerationRequest, LanguageModel } from "./language-model.js";
import { serverSentEvents } from "./server-sent-events.js";
import { estimateTokens, messageOverheadTokens } from "./token-estimate.js";

/** A language model behind any OpenAI-compatible address (chat completions): vLLM, SGLang, llama.cpp's server, Ollama, hosted
 *  ones, or another Quire. */

export interface EndpointOptions extends Partial<Omit<EndpointConnection, "baseUrl">> {
  readonly baseUrl: string;
  /** Left out: the one model the endpoint serves. */
  readonly model?: string;
  /** Left out: what the endpoint says of its model, or else 8,192. */
  readonly contextTokens?: number;
}

export interface EndpointModel extends LanguageModel {
  /** By the endpoint's own tokenizer (`/tokenize`), where it has one. */
  countTokensExactly(text: string, signal?: AbortSignal): Promise<number | undefined>;
}

const fallbackContextTokens = 8192;

/** Asks the endpoint for its models first, so that a wrong address, key or name shows at once. */
export async function openEndpoint(options: EndpointOptions, signal?: AbortSignal): Promise<EndpointModel> {
  const connection: EndpointConnection = {
    ...options,
    baseUrl: checkedUrl(options.baseUrl),
    apiKey: options.apiKey ?? process.env["OPENAI_API_KEY"],
  };
  const listed = await listModels(connection, signal);
  const id = options.model ?? onlyModel(listed, connection.baseUrl);
  const contextTokens = options.contextTokens ?? listed?.find((model) => model.id === id)?.contextTokens;
  const window = contextTokens ?? fallbackContextTokens;
  const dialect: Dialect = { maxTokensField: "max_tokens", streamUsage: true };
  return {
    id,
    contextTokens: window,
    exactCounts: false,
    parameters: sizeInName(id),
    countTokens: estimateTokens,
    generate: (request) => generate(connection, id, dialect, request),
    scoring: endpointScoring({
      ...{ connection, model: id, contextTokens: window },
      post: (path, body, stop) => json(connection, path, body, stop),
    }),
    countTokensExactly: (text, stop) => tokenize(connection, id, text, stop),
  };
}

/** "SmolLM2-135M-Instruct" to 135,000,000: good enough to tell a tiny model from a big one. */
export function sizeInName(id: string): number | undefined {
  const [, number, unit] = /(?:^|[-_:/ ])(\d+(?:\.\d+)?)([mb])(?![a-z0-9])/i.exec(id) ?? [];
  if (number === undefined || unit === undefined) return;
  return Number(number) * (unit.toLowerCase() === "m" ? 1e6 : 1e9);
}

function checkedUrl(baseUrl: string): string {
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new QuireError("bad-option", `"${baseUrl}" is not the address of an endpoint.`, {
      got: baseUrl,
      expected: "an http or https address such as http://127.0.0.1:8000/v1",
    });
  }
  return baseUrl.replace(/\/+$/, "");
}

interface ListedModel {
  readonly id: string;
  readonly contextTokens?: number;
}

/** Undefined where the endpoint keeps no list. */
async function listModels(connection: EndpointConnection, signal?: AbortSignal): Promise<ListedModel[] | undefined> {
  try {
    const { data } = (await json(connection, "/models", undefined, signal)) as { data?: unknown };
    if (!Array.isArray(data)) return;
    return data.map((entry: Record<string, unknown>) => {
      const meta = (entry["meta"] ?? {}) as Record<string, unknown>;
      const size = [entry["max_model_len"], entry["context_length"], entry["context_window"], meta["n_ctx_train"]];
      return { id: String(entry["id"]), contextTokens: size.find((n) => typeof n === "number" && n > 0) as number };
    });
  } catch (error) {
    if (isQuireError(error) && (error.code === "not-found" || error.code === "bad-input")) return;
    throw error;
  }
}

function onlyModel(listed: readonly ListedModel[] | undefined, baseUrl: string): string {
  const [first] = listed ?? [];
  if (first !== undefined && listed?.length === 1) return first.id;
  throw new QuireError("bad-option", `Which model of ${baseUrl}?`, {
    got: "no model",
    expected: listed?.map(({ id }) => id).join(", ") || "the name of a model the endpoint serves",
    fix: "Name the model.",
  });
}

/** What this endpoint was found to want, learnt from its refusals. */
interface Dialect {
  maxTokensField: "max_tokens" | "max_completion_tokens";
  streamUsage: boolean;
}

async function generate(
  connection: EndpointConnection,
  model: string,
  dialect: Dialect,
  request: GenerationRequest,
): Promise<Generation> {
  const started = performance.now();
  let answer: Answer;
  for (;;) {
    try {
      answer = await complete(connection, body(model, dialect, request), request);
      break;
    } catch (error) {
      if (!adapted(dialect, error)) throw error;
    }
  }
  const usage = readUsage(answer, request, (performance.now() - started) / 1000);
  return { text: answer.text, finishReason: answer.finishReason === "length" ? "length" : "stop", usage };
}

function body(model: string, dialect: Dialect, request: GenerationRequest): object {
  const { messages, maxTokens, temperature = 0, seed, stop, schema, onText } = request;
  return {
    model,
    messages: messages.map(({ role, content }) => ({ role, content })),
    [dialect.maxTokensField]: maxTokens,
    temperature,
    ...(seed === undefined ? {} : { seed }),
    ...(stop === undefined || stop.length === 0 ? {} : { stop }),
    ...(schema === undefined
      ? {}
      : { response_format: { type: "json_schema", json_schema: { name: "answer", strict: true, schema } } }),
    ...(onText === undefined ? {} : { stream: true }),
    ...(onText !== undefined && dialect.streamUsage ? { stream_options: { include_usage: true } } : {}),
  };
}

function adapted(dialect: Dialect, error: unknown): boolean {
  if (!isQuireError(error) || error.code !== "bad-input") return false;
  if (dialect.maxTokensField === "max_tokens" && error.message.includes("max_completion_tokens")) {
    dialect.maxTokensField = "max_completion_tokens";
    return true;
  }
  if (dialect.streamUsage && /stream_options|include_usage/.test(error.message)) {
    dialect.streamUsage = false;
    return true;
  }
  return false;
}

interface Answer {
  text: string;
  finishReason: string;
  usage?: Record<string, unknown>;
}

interface Completion {
  readonly choices?: readonly {
    readonly message?: { readonly content?: string | null };
    readonly delta?: { readonly content?: string | null };
    readonly finish_reason?: string | null;
  }[];
  readonly usage?: Record<string, unknown> | null;
  readonly error?: { readonly message?: string } | string;
}

async function complete(connection: EndpointConnection, sent: object, request: GenerationRequest): Promise<Answer> {
  const path = "/chat/completions";
  const { response, heard, close } = await requestEndpoint(connection, path, sent, request.signal);
  const answer: Answer = { text: "", finishReason: "" };
  const add = (part: Completion): void => {
    if (part.error !== undefined) {
      const message = typeof part.error === "string" ? part.error : (part.error.message ?? "unknown error");
      throw new QuireError("network", `The endpoint failed: ${message}.`, { got: part.error, partial: answer.text });
    }
    const choice = part.choices?.[0];
    const text = choice?.delta?.content ?? choice?.message?.content ?? "";
    answer.text += text;
    if (text !== "") request.onText?.(text);
    if (choice?.finish_reason) answer.finishReason = choice.finish_reason;
    if (part.usage) answer.usage = part.usage;
  };
  try {
    if (!response.headers.get("content-type")?.includes("event-stream")) {
      add(parse(await response.text(), connection.baseUrl) as Completion);
      return answer;
    }
    for await (const { data } of serverSentEvents(heardBody(response, heard))) {
      if (data === "[DONE]") return answer;
      add(parse(data, connection.baseUrl) as Completion);
    }
    if (answer.finishReason !== "") return answer;
    throw new QuireError("network", "The endpoint ended its answer half way.", { partial: answer.text });
  } catch (error) {
    throwStopped(request.signal);
    // Text that was already passed on cannot be taken back, so a stream that breaks is not tried again.
    const broken = brokenConnection(`${connection.baseUrl}${path}`, error);
    const { code, message, got, fix } = broken;
    throw new QuireError(code, message, { got, fix, cause: error, partial: answer.text });
  } finally {
    close();
  }
}

async function* heardBody(response: Response, heard: () => void): AsyncGenerator<Uint8Array> {
  if (response.body === null) return;
  for await (const bytes of response.body as unknown as AsyncIterable<Uint8Array>) {
    heard();
    yield bytes;
  }
}

function readUsage(answer: Answer, request: GenerationRequest, seconds: number): CallUsage {
  const whole = (value: unknown) => (typeof value === "number" && value >= 0 ? Math.round(value) : undefined);
  const details = answer.usage?.["prompt_tokens_details"] as Record<string, unknown> | undefined;
  const estimated = request.messages.reduce(
    (sum, { content }) => sum + estimateTokens(content) + messageOverheadTokens,
    0,
  );
  return {
    promptTokens: whole(answer.usage?.["prompt_tokens"]) ?? estimated,
    cachedTokens: whole(details?.["cached_tokens"]) ?? 0,
    completionTokens: whole(answer.usage?.["completion_tokens"]) ?? estimateTokens(answer.text),
    seconds,
  };
}

async function tokenize(connection: EndpointConnection, model: string, text: string, signal?: AbortSignal) {
  // The route stands beside /v1, not below it; vLLM reads `prompt`, llama.cpp's server `content`.
  const beside = { ...connection, baseUrl: connection.baseUrl.replace(/\/v\d+$/, "") };
  try {
    const reply = (await json(beside, "/tokenize", { model, prompt: text, content: text }, signal)) as {
      count?: unknown;
      tokens?: unknown;
    };
    if (typeof reply.count === "number") return reply.count;
    return Array.isArray(reply.tokens) ? reply.tokens.length : undefined;
  } catch (error) {
    if (isQuireError(error) && (error.code === "not-found" || error.code === "bad-input")) return;
    throw error;
  }
}

/** A whole JSON reply. */
export async function json(
  connection: EndpointConnection,
  path: string,
  sent: object | undefined,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  const { response, close } = await requestEndpoint(connection, path, sent, signal);
  try {
    return parse(await response.text(), connection.baseUrl);
  } catch (error) {
    throwStopped(signal);
    throw brokenConnection(`${connection.baseUrl}${path}`, error);
  } finally {
    close();
  }
}

function parse(text: string, baseUrl: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // Falls through to the error below.
  }
  throw new QuireError("network", `${baseUrl} answered with something that is not JSON.`, {
    got: text.slice(0, 200),
    expected: "an OpenAI-compatible reply",
    fix: "Check that the base URL is right (it usually ends in /v1).",
  });
}
