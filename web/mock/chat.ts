import type { IncomingMessage, ServerResponse } from "node:http";
import { replyTo, tokensOf } from "./chat-replies.js";
import { bodyOf, fail } from "./http.js";
import { beginStream, gone, pause, sendEvent } from "./streaming.js";

/** Chat completions of the mock: streamed as OpenAI does, with the failures that a page must show. */

interface Body {
  readonly model: string;
  readonly messages: readonly { readonly role: string; readonly content: string }[];
  readonly max_tokens?: number;
  readonly quire?: { readonly cache?: string; readonly decoder?: string; readonly overflow?: string };
}

export async function chat(request: IncomingMessage, response: ServerResponse, pace: number): Promise<void> {
  const body = (await bodyOf(request)) as Body;
  const asked = body.messages.at(-1)?.content ?? "";
  const overflow = body.quire?.overflow ?? "error";
  const tooLong = /too long/i.test(asked);
  if (tooLong && overflow === "error") {
    const message = "The messages have 9,120 tokens and the reply may have 512; the model holds 8,192.";
    return fail(response, 400, message, "context_length_exceeded");
  }
  const all = tokensOf(replyTo(asked));
  const tokens = all.slice(0, body.max_tokens ?? 512);
  const promptTokens = body.messages.reduce((sum, { content }) => sum + Math.ceil(content.length / 4) + 5, 0);
  const head = { id: "chatcmpl-mock", object: "chat.completion.chunk", created: 1_790_000_000, model: body.model };
  const choice = (delta: object, finish_reason: string | null) => ({
    ...head,
    choices: [{ index: 0, delta, finish_reason }],
  });
  beginStream(response);
  sendEvent(response, undefined, choice({ role: "assistant", content: "" }, null));
  await pause(pace * 12);
  for (const [index, content] of tokens.entries()) {
    if (gone(response)) return;
    if (/break off/i.test(asked) && index === 12) {
      const error = {
        message: "The engine stopped while it wrote. It is starting again.",
        type: "server_error",
        code: "engine_down",
      };
      sendEvent(response, undefined, { error });
      return void response.end();
    }
    sendEvent(response, undefined, choice({ content }, null));
    await pause(pace);
  }
  sendEvent(response, undefined, choice({}, tokens.length < all.length ? "length" : "stop"));
  const usage = {
    prompt_tokens: promptTokens,
    completion_tokens: tokens.length,
    total_tokens: promptTokens + tokens.length,
    prompt_tokens_details: { cached_tokens: body.messages.length > 1 ? promptTokens - 12 : 0 },
  };
  const stats = {
    dropped_tokens: tooLong ? 1440 : 0,
    cached_tokens: usage.prompt_tokens_details.cached_tokens,
    passes: tokens.length,
    tokens_per_pass: 1,
    cache: { entries: promptTokens + tokens.length, bytes: (promptTokens + tokens.length) * 23_040 },
  };
  sendEvent(response, undefined, { ...head, choices: [], usage, quire: { stats } });
  sendEvent(response, undefined, "[DONE]");
  response.end();
}
