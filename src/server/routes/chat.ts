import { randomUUID } from "node:crypto";
import type { Hono } from "hono";
import {
  type AnswerEnd,
  type AnswerPart,
  answerChat,
  type ChatEngine,
  type ChatTask,
  type ToolCall,
} from "../chat/answer-chat.js";
import { type ChatRequest, parseChatRequest } from "../chat/chat-request.js";
import type { TokenLogprob } from "../chat/logprobs.js";
import { prepareChat } from "../chat/prepare-chat.js";
import { readValue } from "../http/body.js";
import type { EventWriter } from "../http/event-stream.js";
import { merged, openAiStream } from "../http/openai-stream.js";
import { checkParts } from "../requests/sampling-fields.js";
import { answerNotes, sharedRuns, sideBySide } from "../requests/side-by-side.js";
import { quireStats, usageOf } from "../requests/usage.js";
import { type AppEnv, modelNamed, type Service, userOf } from "../service.js";

/** POST /v1/chat/completions */

export function chatRoutes(app: Hono<AppEnv>, service: Service): void {
  app.post("/v1/chat/completions", async (context) => {
    const request = parseChatRequest(await readValue(context, service.settings.maxBodyBytes));
    await checkParts(request);
    const side = await sideBySide(request);
    const head = {
      id: `chatcmpl-${randomUUID().replaceAll("-", "")}`,
      created: Math.floor(Date.now() / 1000),
      model: modelNamed(service, request.model),
      system_fingerprint: `quire-${service.version}`,
    };
    const user = userOf(context.get("caller"), request);
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, context.req.raw.signal]);
    const tasks = prepareChat(service, request, { id: head.id, user, signal }, side);
    const { text } = service;
    const engine = side === undefined ? service : { text, runs: sharedRuns(service.runs, side.answers) };
    const answers = tasks.map((task) => begin(service, engine, task));
    if (request.stream !== true) return context.json(await whole(head, answers, request));
    return openAiStream(async (events, gone) => {
      gone.addEventListener("abort", () => stop.abort(), { once: true });
      await stream(head, answers, request, events);
    });
  });
}

interface Head {
  readonly id: string;
  readonly created: number;
  readonly model: string;
  readonly system_fingerprint: string;
}

type Answer = AsyncGenerator<AnswerPart, AnswerEnd>;

/** Takes the first step at once, so that a full queue is a 429 and not an event of a stream. */
function begin(service: Service, engine: ChatEngine, task: ChatTask): Answer {
  service.queue.mustHaveRoom(task.user);
  const answer = answerChat(engine, task);
  const first = answer.next();
  first.catch(() => {});
  return (async function* () {
    let step = await first;
    try {
      while (step.done !== true) {
        yield step.value;
        step = await answer.next();
      }
      return step.value;
    } finally {
      if (step.done !== true) await answer.return(undefined as never);
    }
  })();
}

async function whole(head: Head, answers: readonly Answer[], request: ChatRequest): Promise<object> {
  const made = await Promise.all(answers.map((answer, index) => wholeChoice(answer, index, request)));
  const ends = made.map(({ end }) => end);
  return {
    ...head,
    object: "chat.completion",
    choices: made.map(({ choice }) => choice),
    usage: usageOf(ends),
    quire: quireStats(ends[0]!, ends[0]!.stats),
  };
}

async function wholeChoice(answer: Answer, index: number, request: ChatRequest) {
  let text = "";
  const calls: ToolCall[] = [];
  const logprobs: TokenLogprob[] = [];
  for (;;) {
    const next = await answer.next();
    if (next.done === true) {
      const content = text === "" && calls.length > 0 ? null : text;
      const message = {
        role: "assistant",
        content,
        refusal: null,
        ...(calls.length > 0 ? { tool_calls: calls.map(asToolCall) } : {}),
      };
      const choice = {
        index,
        message,
        logprobs: request.logprobs === true ? { content: withTop(logprobs, request), refusal: null } : null,
        finish_reason: next.value.finishReason,
        ...answerNotes(next.value),
      };
      return { choice, end: next.value };
    }
    if (next.value.type === "call") calls.push(next.value.call);
    else {
      text += next.value.text;
      logprobs.push(...next.value.logprobs);
    }
  }
}

async function stream(
  head: Head,
  answers: readonly Answer[],
  request: ChatRequest,
  events: EventWriter,
): Promise<void> {
  const ends: AnswerEnd[] = [];
  const withUsage = request.stream_options?.include_usage === true;
  const frame = (choices: readonly object[], rest: object = {}): string =>
    JSON.stringify({
      ...head,
      object: "chat.completion.chunk",
      choices,
      ...(withUsage && choices.length > 0 ? { usage: null } : {}),
      ...rest,
    });
  for (const index of answers.keys()) {
    await events.data(frame([choice(index, { role: "assistant", content: "", refusal: null })]));
  }
  for await (const chunk of merged(answers.map((answer, index) => chunks(answer, index, request, ends)))) {
    await events.data(frame([chunk]));
  }
  if (withUsage) await events.data(frame([], { usage: usageOf(ends), quire: quireStats(ends[0]!, ends[0]!.stats) }));
}

async function* chunks(
  answer: Answer,
  index: number,
  request: ChatRequest,
  ends: AnswerEnd[],
): AsyncGenerator<object, void> {
  let calls = 0;
  for (;;) {
    const next = await answer.next();
    if (next.done === true) {
      ends[index] = next.value;
      yield { ...choice(index, {}, next.value.finishReason), ...answerNotes(next.value) };
      return;
    }
    if (next.value.type === "text") {
      const { text, logprobs } = next.value;
      const shown = request.logprobs === true ? { content: withTop(logprobs, request), refusal: null } : null;
      yield choice(index, { content: text }, null, shown);
      continue;
    }
    const { id, name, arguments: args } = next.value.call;
    const at = calls++;
    const opened = { index: at, id, type: "function", function: { name, arguments: "" } };
    yield choice(index, { tool_calls: [opened] });
    yield choice(index, { tool_calls: [{ index: at, function: { arguments: args } }] });
  }
}

function choice(index: number, delta: object, finish: string | null = null, logprobs: object | null = null): object {
  return { index, delta, logprobs, finish_reason: finish };
}

function asToolCall({ id, name, arguments: args }: ToolCall): object {
  return { id, type: "function", function: { name, arguments: args } };
}

/** As many alternatives as were asked for: the engine always reports one. */
function withTop(logprobs: readonly TokenLogprob[], { top_logprobs: most }: ChatRequest): TokenLogprob[] {
  return logprobs.map((one) => ({ ...one, top_logprobs: one.top_logprobs.slice(0, most ?? 0) }));
}
