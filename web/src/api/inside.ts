import { readEvents } from "./event-stream.js";
import { errorFrom, postJson, request } from "./request.js";

/** What goes on inside while a model writes: what decoders draft and branch, and what cache policies keep. */

export interface WatchRequest {
  readonly prompt: string;
  readonly decoder?: string;
  readonly cache?: string;
  readonly temperature?: number;
  readonly max_tokens?: number;
}

/** Rows that one pass verified, parents before children (-1: the newest token). */
export interface Round {
  readonly tokens: readonly string[];
  readonly parents: readonly number[];
  readonly accepted: readonly number[];
  readonly next: string;
}

export interface WatchedAnswer {
  readonly text: string;
  readonly tokens: number;
  readonly weight?: number;
  readonly reason?: string;
  readonly name?: string;
}

export interface WatchEnd {
  readonly finish_reason: string;
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly seconds: number;
  readonly passes: number;
  readonly tokens_per_pass: number;
  readonly decode: Readonly<Record<string, number>>;
  readonly answers?: readonly WatchedAnswer[];
}

export type WatchEvent =
  | { readonly type: "piece"; readonly channel: number; readonly text: string }
  | ({ readonly type: "round" } & Round)
  | { readonly type: "branch"; readonly branch: number; readonly from: number; readonly tokens: readonly string[] }
  | { readonly type: "branch-end"; readonly branch: number; readonly reason: string }
  | { readonly type: "worker"; readonly worker: number; readonly tokens: readonly string[]; readonly moved: boolean }
  | ({ readonly type: "end" } & WatchEnd);

export async function* watchDecoder(body: WatchRequest, signal: AbortSignal): AsyncGenerator<WatchEvent> {
  const response = await request("/v1/decoders/watch", { method: "POST", accept: "text/event-stream", body, signal });
  if (response.body === null) return;
  for await (const { data } of readEvents(response.body)) {
    if (data === "[DONE]") return;
    const event = JSON.parse(data) as WatchEvent | { readonly error: unknown };
    if ("error" in event) throw errorFrom(data, 200);
    yield event;
  }
}

export interface CacheInspection {
  readonly policy: string;
  readonly tokens: readonly { readonly id: number; readonly text: string }[];
  readonly promptTokens: number;
  readonly layers: readonly number[];
  readonly kvHeads: number;
  readonly snapshots: readonly {
    readonly tokens: number;
    /** Base64 of bits [layers, heads, tokens], lowest first; each head begins with a new byte. */
    readonly kept: string;
  }[];
}

export async function inspectCache(
  body: { readonly prompt: string; readonly cache: readonly string[]; readonly max_tokens?: number },
  signal: AbortSignal,
): Promise<readonly CacheInspection[]> {
  return (await postJson<{ readonly data: readonly CacheInspection[] }>("/v1/cache/inspect", body, signal)).data;
}
