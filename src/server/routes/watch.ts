import type { Hono } from "hono";
import { z } from "zod";
import type { DecodeEvent } from "../../decode/decoder.js";
import { roomFor } from "../chat/answer-chat.js";
import { renderChat } from "../chat/render-chat.js";
import { toolFormatOf } from "../chat/tool-format.js";
import type { EngineResult } from "../engine/client.js";
import { badRequest } from "../http/api-error.js";
import { readJson } from "../http/body.js";
import type { EventWriter } from "../http/event-stream.js";
import { openAiStream } from "../http/openai-stream.js";
import type { Run } from "../requests/runs.js";
import { checkParts, given, withoutUndefined } from "../requests/sampling-fields.js";
import { type AppEnv, modelNamed, type Service, userOf } from "../service.js";

/** To look at, beside the usual answers: POST /v1/decoders/watch tells what a decoder drafts, accepts and branches while it works; POST
 *  /v1/cache/inspect tells what cache policies keep. */

export const watchRequest = z.strictObject({
  model: z.string().max(500).nullish(),
  prompt: z.string().min(1).describe("a message to the model; with raw, a text to go on with"),
  raw: z.boolean().nullish(),
  decoder: z.string().max(200).nullish().describe('as "rsd:width=3,depth=4,draft=lookup" or "hogwild:workers=2"'),
  cache: z.string().max(200).nullish(),
  max_tokens: z.int().min(1).max(4096).nullish(),
  temperature: z.number().min(0).max(100).nullish(),
  seed: z.int().nullish(),
  user: z.string().max(1000).nullish(),
});

export const inspectRequest = z.strictObject({
  model: z.string().max(500).nullish(),
  prompt: z.string().min(1),
  cache: z.array(z.string().max(200)).min(1).max(4).describe('policies, as ["h2o:budget=0.2", "window:budget=0.2"]'),
  max_tokens: z.int().min(1).max(512).nullish().describe("tokens to write after the prompt; default 32"),
});

const mostInspected = 4096;

export function watchRoutes(app: Hono<AppEnv>, service: Service): void {
  const { maxBodyBytes } = service.settings;
  app.post("/v1/decoders/watch", async (context) => {
    const request = await readJson(context, watchRequest, maxBodyBytes);
    modelNamed(service, request.model);
    await checkParts({ quire: request });
    const prompt = promptOf(service, request);
    const stop = new AbortController();
    const run = service.runs.start({
      user: userOf(context.get("caller"), request),
      prompt,
      options: withoutUndefined({
        decoder: given(request.decoder),
        cache: given(request.cache),
        temperature: given(request.temperature),
        seed: given(request.seed),
        stop: request.raw === true ? undefined : service.text.template.stops,
        maxTokens: roomFor(prompt.length, service.engine.info.contextTokens, given(request.max_tokens), 256, undefined),
        watch: true,
      }),
      signal: AbortSignal.any([stop.signal, context.req.raw.signal]),
    });
    return openAiStream(async (events, gone) => {
      gone.addEventListener("abort", () => stop.abort(), { once: true });
      await tell(service, run, events);
    });
  });

  app.post("/v1/cache/inspect", async (context) => {
    const request = await readJson(context, inspectRequest, maxBodyBytes);
    modelNamed(service, request.model);
    for (const cache of request.cache) await checkParts({ quire: { cache } });
    const prompt = service.text.tokenizer.encode(request.prompt, { bos: true });
    if (prompt.length > mostInspected)
      throw badRequest(`prompt: It has ${prompt.length} tokens; at most ${mostInspected} can be looked at.`, "prompt");
    const { signal } = context.req.raw;
    await service.engine.whenReady(signal);
    const inspections = [];
    for (const cache of request.cache)
      inspections.push(await service.engine.inspect({ prompt, cache, maxTokens: request.max_tokens ?? 32 }, signal));
    return context.json({ object: "cache.inspection", data: inspections });
  });
}

function promptOf({ text }: Service, { prompt, raw }: z.output<typeof watchRequest>): Int32Array {
  if (raw === true) return text.tokenizer.encode(prompt, { bos: true });
  const messages = [{ role: "user" as const, content: prompt }];
  return renderChat(text, { messages, tools: [], format: toolFormatOf(text.templateSource), variables: undefined });
}

async function tell({ text }: Service, run: Pick<Run, "pieces">, events: EventWriter): Promise<void> {
  const name = (token: number): string => text.tokenizer.decode([token], { special: true });
  const stream = run.pieces();
  for (;;) {
    const next = await stream.next();
    if (next.done === true) {
      await events.json(ending(next.value));
      return;
    }
    for (const event of next.value.events ?? []) await events.json(named(event, name));
    const { text: piece, channel = 0 } = next.value;
    if (piece !== "") await events.json({ type: "piece", channel, text: piece });
  }
}

/** Tokens as texts: the reader has no tokenizer. */
function named(event: DecodeEvent, name: (token: number) => string): object {
  const { kind: type, ...rest } = event;
  const texts = "tokens" in event ? { tokens: event.tokens.map(name) } : {};
  const next = "next" in event ? { next: name(event.next) } : {};
  return { type, ...rest, ...texts, ...next };
}

function ending({ finishReason, answers, usage, stats }: EngineResult): object {
  return {
    type: "end",
    finish_reason: finishReason,
    prompt_tokens: usage.promptTokens,
    completion_tokens: usage.completionTokens,
    seconds: usage.seconds,
    passes: stats.passes,
    tokens_per_pass: stats.tokensPerPass,
    decode: stats.decode,
    ...(answers === undefined
      ? {}
      : {
          answers: answers.map(({ text, tokens, logProb, finishReason: finish, ...notes }) => ({
            text,
            tokens: tokens.length,
            log_prob: logProb,
            finish_reason: finish,
            ...notes,
          })),
        }),
  };
}
