import { readEvents } from "./event-stream.js";
import { errorFrom, request } from "./request.js";

/** A chat completion, streamed: text as it comes, then how it ended and what it took. */

export interface ChatMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

export interface ChatRequest {
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  readonly temperature?: number;
  readonly top_p?: number;
  readonly max_tokens?: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
  readonly quire?: Readonly<Record<string, string>>;
}

export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly prompt_tokens_details?: { readonly cached_tokens?: number };
}

export type ChatEvent =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "finish"; readonly reason: string }
  | { readonly type: "usage"; readonly usage: Usage }
  | { readonly type: "stats"; readonly stats: Readonly<Record<string, unknown>> };

interface Chunk {
  readonly choices?: readonly {
    readonly delta?: { readonly content?: string | null };
    readonly finish_reason?: string | null;
  }[];
  readonly usage?: Usage | null;
  readonly quire?: Readonly<Record<string, unknown>>;
  readonly error?: unknown;
}

export async function* streamChat(body: ChatRequest, signal: AbortSignal): AsyncGenerator<ChatEvent> {
  const response = await request("/v1/chat/completions", {
    method: "POST",
    accept: "text/event-stream",
    body: { ...body, stream: true, stream_options: { include_usage: true } },
    signal,
  });
  if (response.body === null) return;
  for await (const { data } of readEvents(response.body)) {
    if (data === "[DONE]") return;
    yield* eventsOf(data);
  }
}

export function* eventsOf(data: string): Generator<ChatEvent> {
  const chunk = JSON.parse(data) as Chunk;
  if (chunk.error !== undefined) throw errorFrom(data, 200);
  const choice = chunk.choices?.[0];
  const text = choice?.delta?.content;
  if (typeof text === "string" && text !== "") yield { type: "text", text };
  if (typeof choice?.finish_reason === "string") yield { type: "finish", reason: choice.finish_reason };
  if (chunk.usage != null) yield { type: "usage", usage: chunk.usage };
  if (chunk.quire !== undefined) yield { type: "stats", stats: chunk.quire };
}
