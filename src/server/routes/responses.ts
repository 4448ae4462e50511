import { randomUUID } from "node:crypto";
import type { Hono } from "hono";
import { maySee } from "../access/caller.js";
import { type AnswerEnd, type AnswerPart, answerChat, type ToolCall } from "../chat/answer-chat.js";
import type { ChatRequestMessage } from "../chat/chat-request.js";
import { prepareChat } from "../chat/prepare-chat.js";
import { ResponseStore } from "../chat/response-store.js";
import { asChat, messagesOf, parseResponseRequest, type ResponseRequest } from "../chat/responses-request.js";
import { asApiError, notFound } from "../http/api-error.js";
import { readValue } from "../http/body.js";
import { type EventWriter, eventStream } from "../http/event-stream.js";
import { checkParts } from "../requests/sampling-fields.js";
import { quireStats } from "../requests/usage.js";
import { type AppEnv, modelNamed, type Service, userOf } from "../service.js";

/** POST /v1/responses: the same answers as chat completions, in the shape and with the events of the Responses API. */

export { responseRequest } from "../chat/responses-request.js";

export function responseRoutes(app: Hono<AppEnv>, service: Service): void {
  const store = new ResponseStore();

  app.post("/v1/responses", async (context) => {
    const request = parseResponseRequest(await readValue(context, service.settings.maxBodyBytes));
    await checkParts(request);
    const caller = context.get("caller");
    const earlier = earlierMessages(request.previous_response_id);
    const messages = [...earlier, ...messagesOf(request.input)];
    const head = {
      id: `resp_${randomUUID().replaceAll("-", "")}`,
      object: "response",
      created_at: Math.floor(Date.now() / 1000),
      model: modelNamed(service, request.model),
    };
    const user = userOf(caller, request);
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, context.req.raw.signal]);
    const [task] = prepareChat(service, asChat(request, messages), { id: head.id, user, signal });
    service.queue.mustHaveRoom(user);
    const answer = answerChat(service, task!);
    const keep = (made: Made): void => {
      if (request.store === false) return;
      store.add(head.id, { owner: caller.key, messages: [...messages, said(made)], response: made.response });
    };
    if (request.stream !== true) {
      const made = await build(head, request, answer);
      keep(made);
      return context.json(made.response);
    }
    return eventStream(
      async (events, gone) => {
        gone.addEventListener("abort", () => stop.abort(), { once: true });
        keep(await build(head, request, answer, events));
      },
      {
        onError: async (error, events) => {
          const { error: told } = asApiError(error).toJSON();
          await events.json({ ...told, type: "error" }, "error");
        },
      },
    );

    function earlierMessages(id: string | null | undefined): readonly ChatRequestMessage[] {
      if (id === null || id === undefined) return [];
      const found = store.get(id);
      if (found !== undefined && maySee(caller, found.owner)) return found.messages;
      throw notFound(`There is no response ${id} any more.`, "not_found", "previous_response_id");
    }
  });

  app.get("/v1/responses/:id", (context) => {
    const found = store.get(context.req.param("id"));
    if (found === undefined || !maySee(context.get("caller"), found.owner))
      throw notFound("There is no such response.");
    return context.json(found.response);
  });

  app.delete("/v1/responses/:id", (context) => {
    const id = context.req.param("id");
    const found = store.get(id);
    if (found === undefined || !maySee(context.get("caller"), found.owner))
      throw notFound("There is no such response.");
    store.remove(id);
    return context.json({ id, object: "response", deleted: true });
  });
}

interface Head {
  readonly id: string;
  readonly object: string;
  readonly created_at: number;
  readonly model: string;
}

interface Made {
  readonly response: object;
  readonly text: string;
  readonly calls: readonly ToolCall[];
}

/** Puts the response together, and tells of every step where events are wanted. */
async function build(
  head: Head,
  request: ResponseRequest,
  answer: AsyncGenerator<AnswerPart, AnswerEnd>,
  events?: EventWriter,
): Promise<Made> {
  let number = 0;
  const tell = (type: string, rest: object): Promise<void> =>
    events?.json({ type, sequence_number: number++, ...rest }, type) ?? Promise.resolve();
  const output: object[] = [];
  const calls: ToolCall[] = [];
  let text = "";
  let open: { readonly id: string; text: string } | undefined;
  const frame = (status: string, rest: object = {}) => ({
    ...head,
    status,
    error: null,
    incomplete_details: null,
    instructions: request.instructions ?? null,
    max_output_tokens: request.max_output_tokens ?? null,
    metadata: request.metadata ?? {},
    output,
    parallel_tool_calls: request.parallel_tool_calls !== false,
    previous_response_id: request.previous_response_id ?? null,
    store: request.store !== false,
    temperature: request.temperature ?? 0,
    text: request.text ?? { format: { type: "text" } },
    tool_choice: request.tool_choice ?? "auto",
    tools: request.tools ?? [],
    top_p: request.top_p ?? 1,
    truncation: "disabled",
    usage: null,
    ...rest,
  });
  const part = (said: string) => ({ type: "output_text", text: said, annotations: [], logprobs: [] });
  const place = () => ({ item_id: open?.id, output_index: output.length, content_index: 0 });

  async function openMessage(): Promise<void> {
    open = { id: `msg_${head.id.slice(5)}${output.length}`, text: "" };
    const item = { id: open.id, type: "message", role: "assistant", status: "in_progress", content: [] };
    await tell("response.output_item.added", { output_index: output.length, item });
    await tell("response.content_part.added", { ...place(), part: part("") });
  }

  async function closeMessage(): Promise<void> {
    if (open === undefined) return;
    const content = part(open.text);
    await tell("response.output_text.done", { ...place(), text: open.text, logprobs: [] });
    await tell("response.content_part.done", { ...place(), part: content });
    const item = { id: open.id, type: "message", role: "assistant", status: "completed", content: [content] };
    await tell("response.output_item.done", { output_index: output.length, item });
    output.push(item);
    open = undefined;
  }

  async function addCall(call: ToolCall): Promise<void> {
    const id = `fc_${call.id.slice(5)}`;
    const item = { id, type: "function_call", call_id: call.id, name: call.name };
    const at = { item_id: id, output_index: output.length };
    await tell("response.output_item.added", {
      output_index: output.length,
      item: { ...item, arguments: "", status: "in_progress" },
    });
    await tell("response.function_call_arguments.delta", { ...at, delta: call.arguments });
    await tell("response.function_call_arguments.done", { ...at, arguments: call.arguments, name: call.name });
    const done = { ...item, arguments: call.arguments, status: "completed" };
    await tell("response.output_item.done", { output_index: output.length, item: done });
    output.push(done);
    calls.push(call);
  }

  await tell("response.created", { response: frame("in_progress") });
  await tell("response.in_progress", { response: frame("in_progress") });
  for (;;) {
    const next = await answer.next();
    if (next.done === true) {
      // An empty answer is still a message.
      if (open === undefined && output.length === 0) await openMessage();
      await closeMessage();
      const cut = next.value.finishReason === "length";
      const response = frame(cut ? "incomplete" : "completed", {
        incomplete_details: cut ? { reason: "max_output_tokens" } : null,
        usage: usageOf(next.value),
        quire: quireStats(next.value, next.value.stats),
      });
      await tell(cut ? "response.incomplete" : "response.completed", { response });
      return { response, text, calls };
    }
    if (next.value.type === "call") {
      await closeMessage();
      await addCall(next.value.call);
      continue;
    }
    if (open === undefined) await openMessage();
    text += next.value.text;
    open!.text += next.value.text;
    await tell("response.output_text.delta", { ...place(), delta: next.value.text, logprobs: [] });
  }
}

function usageOf({ promptTokens, cachedTokens, completionTokens }: AnswerEnd) {
  return {
    input_tokens: promptTokens,
    input_tokens_details: { cached_tokens: cachedTokens },
    output_tokens: completionTokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: promptTokens + completionTokens,
  };
}

/** What was said, for the turns that follow. */
function said({ text, calls }: Made): ChatRequestMessage {
  const tool_calls = calls.map(({ id, name, arguments: args }) => ({
    id,
    type: "function" as const,
    function: { name, arguments: args },
  }));
  return { role: "assistant", content: text, ...(calls.length > 0 ? { tool_calls } : {}) };
}
