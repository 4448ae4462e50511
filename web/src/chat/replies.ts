import { type ChatMessage, streamChat } from "../api/chat-stream.js";
import { ApiError, explain } from "../api/request.js";
import { readServer } from "../api/server.js";
import { type Conversation, conversations, newId, type ReplyStats, type Turn, titleOf } from "./conversations.js";
import { requestFields } from "./parameters.js";

/** Replies being written. They go on while another page is shown, and end when stopped. */

const running = new Map<string, AbortController>();

export function send(conversationId: string, text: string): void {
  conversations.update(conversationId, ({ turns, title }) => ({
    title: turns.length === 0 ? titleOf(text) : title,
    turns: [...turns, { id: newId(), role: "user", content: text, state: "done" }],
  }));
  void reply(conversationId);
}

/** Writes a reply anew; it and everything after it goes. */
export function regenerate(conversationId: string, turnId: string): void {
  stop(conversationId);
  conversations.update(conversationId, ({ turns }) => ({ turns: before(turns, turnId) }));
  void reply(conversationId);
}

/** Changes what was asked; everything after it goes. */
export function editAndSend(conversationId: string, turnId: string, text: string): void {
  stop(conversationId);
  conversations.update(conversationId, ({ turns, title }) => {
    const kept = before(turns, turnId);
    return {
      title: kept.length === 0 ? titleOf(text) : title,
      turns: [...kept, { id: newId(), role: "user", content: text, state: "done" }],
    };
  });
  void reply(conversationId);
}

export function stop(conversationId: string): void {
  running.get(conversationId)?.abort();
  running.delete(conversationId);
}

function before(turns: readonly Turn[], turnId: string): readonly Turn[] {
  const index = turns.findIndex(({ id }) => id === turnId);
  return index < 0 ? turns : turns.slice(0, index);
}

async function reply(conversationId: string): Promise<void> {
  const conversation = conversations.get(conversationId);
  if (conversation === undefined) return;
  stop(conversationId);
  const stopping = new AbortController();
  running.set(conversationId, stopping);
  const turn: Turn = { id: newId(), role: "assistant", content: "", state: "writing" };
  conversations.update(conversationId, ({ turns }) => ({ changed: Date.now(), turns: [...turns, turn] }));
  const change = (changes: (turn: Turn) => Partial<Turn>) => conversations.updateTurn(conversationId, turn.id, changes);
  try {
    await stream(conversation, change, stopping.signal);
    change(({ state }) => (state === "writing" ? { state: "done" } : {}));
  } catch (error) {
    if (stopping.signal.aborted) change(() => ({ state: "stopped" }));
    else change(() => ({ state: "failed", problem: problemOf(error) }));
  } finally {
    if (running.get(conversationId) === stopping) running.delete(conversationId);
  }
}

async function stream(
  conversation: Conversation,
  change: (changes: (turn: Turn) => Partial<Turn>) => void,
  signal: AbortSignal,
): Promise<void> {
  const { parameters } = conversation;
  const model = parameters.model ?? (await readServer(signal)).model;
  const began = performance.now();
  const add = (stats: Partial<ReplyStats>) => change((turn) => ({ stats: { model, ...turn.stats, ...stats } }));
  add({ model, cache: parameters.cache, decoder: parameters.decoder });
  let first: number | undefined;
  const request = { model, messages: messagesOf(conversation), ...requestFields(parameters) };
  for await (const event of streamChat(request, signal)) {
    const now = performance.now() - began;
    if (event.type === "text") {
      if (first === undefined) {
        first = now;
        add({ first });
      }
      change(({ content }) => ({ content: content + event.text }));
    }
    if (event.type === "finish") change(() => ({ finish: event.reason }));
    if (event.type === "usage") {
      add({
        promptTokens: event.usage.prompt_tokens,
        completionTokens: event.usage.completion_tokens,
        cachedTokens: event.usage.prompt_tokens_details?.cached_tokens,
      });
    }
    if (event.type === "stats") add({ details: event.stats });
  }
  add({ whole: performance.now() - began });
}

/** Replies that failed without a word are not shown to the model. */
function messagesOf({ turns, parameters }: Conversation): ChatMessage[] {
  const system = parameters.system?.trim() ?? "";
  const said = turns.filter(({ role, content }) => role === "user" || content !== "");
  return [
    ...(system === "" ? [] : [{ role: "system" as const, content: system }]),
    ...said.map(({ role, content }) => ({ role, content })),
  ];
}

function problemOf(error: unknown): { message: string; code?: string } {
  const code = error instanceof ApiError ? error.code : undefined;
  return { message: explain(error), ...(code === undefined ? {} : { code }) };
}
