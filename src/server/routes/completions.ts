import { randomUUID } from "node:crypto";
import type { Hono } from "hono";
import { z } from "zod";
import type { Tokenizer } from "../../text/tokenizer.js";
import { roomFor } from "../chat/answer-chat.js";
import { checkGrammar } from "../chat/prepare-chat.js";
import type { EnginePiece, EngineResult } from "../engine/client.js";
import { badRequest } from "../http/api-error.js";
import { readValue } from "../http/body.js";
import { merged, openAiStream } from "../http/openai-stream.js";
import type { Run } from "../requests/runs.js";
import {
  checkParts,
  given,
  refuseUnsupported,
  samplingFields,
  samplingOf,
  stopsOf,
  withoutUndefined,
} from "../requests/sampling-fields.js";
import { answerNotes, answersOf, type SideBySide, sideBySide } from "../requests/side-by-side.js";
import { quireStats, usageOf } from "../requests/usage.js";
import { type AppEnv, modelNamed, type Service, userOf } from "../service.js";

/** POST /v1/completions: goes on with texts or tokens, without any chat around them. */

const tokens = z.array(z.int().min(0)).max(1_000_000);

export const completionRequest = z.object({
  ...samplingFields,
  prompt: z.union([z.string(), z.array(z.string()).max(128), tokens, z.array(tokens).max(128)]),
  max_tokens: z.int().min(1).nullish(),
  logprobs: z.int().min(0).max(20).nullish(),
  echo: z.boolean().nullish(),
});

type CompletionRequest = z.output<typeof completionRequest>;

const unsupported = {
  suffix: "Filling in between two texts is not known here.",
  best_of: "Ask for n answers and choose.",
};

const usualMaxTokens = 16;

export function completionRoutes(app: Hono<AppEnv>, service: Service): void {
  app.post("/v1/completions", async (context) => {
    const value = await readValue(context, service.settings.maxBodyBytes);
    refuseUnsupported(value["best_of"] === 1 ? { ...value, best_of: null } : value, unsupported);
    const request = completionRequest.parse(value);
    if (request.echo === true && (request.logprobs ?? 0) > 0) {
      throw badRequest("echo: Log probabilities of the prompt are not known here.", "echo", "unsupported_parameter");
    }
    await checkParts(request);
    const side = await sideBySide(request);
    const draws = side?.answers ?? request.n ?? 1;
    const head = {
      id: `cmpl-${randomUUID().replaceAll("-", "")}`,
      object: "text_completion",
      created: Math.floor(Date.now() / 1000),
      model: modelNamed(service, request.model),
    };
    const user = userOf(context.get("caller"), request);
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, context.req.raw.signal]);
    const jobs = prepare(service, request, draws);
    service.queue.mustHaveRoom(user);
    const started = startAll(service, jobs, { id: head.id, user, signal, stop }, request, side);
    const answers = started.map((run, index) => parts(service, run, index, request, jobs[index]!));
    if (request.stream !== true) {
      const choices = await Promise.all(answers.map(gather));
      return context.json({
        ...head,
        choices: choices.map(({ choice }) => choice),
        usage: usageOfAll(choices, draws),
        quire: quireOf(choices[0]!.result),
      });
    }
    return openAiStream(async (events, gone) => {
      gone.addEventListener("abort", () => stop.abort(), { once: true });
      const results: EngineResult[] = [];
      for await (const { choice, result } of merged(answers)) {
        if (result !== undefined) results.push(result);
        await events.json({ ...head, choices: [choice] });
      }
      if (request.stream_options?.include_usage !== true) return;
      const made = results.map((result) => ({ result }));
      await events.json({ ...head, choices: [], usage: usageOfAll(made, draws), quire: quireOf(results[0]!) });
    });
  });
}

interface Job {
  readonly prompt: Int32Array;
  readonly maxTokens: number;
  readonly draw: number;
}

function prepare(service: Service, request: CompletionRequest, draws: number): Job[] {
  const { tokenizer } = service.text;
  const { contextTokens } = service.engine.info;
  const grammar = given(request.quire?.grammar);
  if (grammar !== undefined) checkGrammar({ gbnf: grammar }, "quire.grammar");
  const prompts = promptsOf(request.prompt).map((prompt, i) => {
    if (typeof prompt === "string") return tokenizer.encode(prompt, { bos: true });
    const wrong = prompt.find((token) => token >= tokenizer.vocabSize);
    if (wrong !== undefined) throw badRequest(`prompt[${i}]: There is no token ${wrong}.`, "prompt");
    return Int32Array.from(prompt);
  });
  if (prompts.length === 0 || prompts.some((prompt) => prompt.length === 0)) {
    throw badRequest("prompt: It is empty.", "prompt");
  }
  if (prompts.length * draws > 128) throw badRequest("n: At most 128 answers to one request.", "n");
  return prompts.flatMap((prompt) => {
    const wanted = given(request.max_tokens);
    const maxTokens = roomFor(prompt.length, contextTokens, wanted, usualMaxTokens, samplingOf(request).overflow);
    return Array.from({ length: draws }, (_, draw) => ({ prompt, maxTokens, draw }));
  });
}

function promptsOf(prompt: CompletionRequest["prompt"]): (string | number[])[] {
  if (typeof prompt === "string") return [prompt];
  const isTokens = prompt.length > 0 && prompt.every((one) => typeof one === "number");
  return isTokens ? [prompt as number[]] : (prompt as (string | number[])[]);
}

/** Either all of them wait or none does. */
function startAll(
  { runs }: Service,
  jobs: readonly Job[],
  who: { readonly id: string; readonly user: string; readonly signal: AbortSignal; readonly stop: AbortController },
  request: CompletionRequest,
  side: SideBySide | undefined,
): Pick<Run, "pieces">[] {
  try {
    return jobs.flatMap(({ prompt, maxTokens, draw }, index) => {
      // The first begins the others of its prompt.
      if (side !== undefined && draw > 0) return [];
      const run = runs.start({
        id: index === 0 ? who.id : `${who.id}-${index}`,
        user: who.user,
        prompt,
        options: withoutUndefined({
          ...samplingOf(request, draw),
          ...(side === undefined ? {} : { decoder: side.decoder }),
          grammar: given(request.quire?.grammar),
          stop: stopsOf(request),
          logprobs: given(request.logprobs),
          maxTokens,
        }),
        signal: who.signal,
      });
      return side === undefined ? run : answersOf(run, side.answers);
    });
  } catch (error) {
    who.stop.abort();
    throw error;
  }
}

interface Part {
  readonly choice: Choice;
  /** With the last part. */
  readonly result?: EngineResult;
}

interface Choice {
  text: string;
  readonly index: number;
  logprobs: Logprobs | null;
  finish_reason: string | null;
  quire?: object;
}

interface Logprobs {
  readonly tokens: string[];
  readonly token_logprobs: number[];
  readonly top_logprobs: Record<string, number>[];
  readonly text_offset: number[];
}

async function* parts(
  { text }: Service,
  run: Pick<Run, "pieces">,
  index: number,
  request: CompletionRequest,
  job: Job,
): AsyncGenerator<Part, void> {
  const wantsLogprobs = request.logprobs !== null && request.logprobs !== undefined;
  if (request.echo === true) {
    const prompt = text.tokenizer.decode(job.prompt);
    yield { choice: { text: prompt, index, logprobs: null, finish_reason: null } };
  }
  const stream = run.pieces();
  let offset = 0;
  let held: EnginePiece[] = [];
  for (;;) {
    const next = await stream.next();
    if (next.done === true) {
      const logprobs = wantsLogprobs && held.length > 0 ? logprobsOf(held, offset, text.tokenizer) : null;
      const choice = { text: "", index, logprobs, finish_reason: next.value.finishReason, ...answerNotes(next.value) };
      yield { choice, result: next.value };
      return;
    }
    const piece = next.value;
    if ((piece.channel ?? 0) > 0) continue;
    if (piece.token >= 0) held.push(piece);
    if (piece.text === "") continue;
    const logprobs = wantsLogprobs ? logprobsOf(held, offset, text.tokenizer) : null;
    held = [];
    offset += piece.text.length;
    yield { choice: { text: piece.text, index, logprobs, finish_reason: null } };
  }
}

function logprobsOf(pieces: readonly EnginePiece[], offset: number, tokenizer: Tokenizer): Logprobs {
  const name = (token: number): string => tokenizer.decode([token], { special: true });
  return {
    tokens: pieces.map(({ token }) => name(token)),
    token_logprobs: pieces.map(({ logProb }) => finite(logProb)),
    top_logprobs: pieces.map(({ top = [] }) =>
      Object.fromEntries(top.map(({ token, logProb }) => [name(token), finite(logProb)])),
    ),
    text_offset: pieces.map(() => offset),
  };
}

function finite(logProb: number): number {
  return Number.isFinite(logProb) ? logProb : -9999;
}

async function gather(answer: AsyncGenerator<Part, void>): Promise<{ choice: Choice; result: EngineResult }> {
  let whole: Choice | undefined;
  let last: EngineResult | undefined;
  for await (const { choice, result } of answer) {
    if (whole === undefined) whole = choice;
    else {
      whole.text += choice.text;
      whole.finish_reason = choice.finish_reason;
      if (choice.quire !== undefined) whole.quire = choice.quire;
      whole.logprobs = joined(whole.logprobs, choice.logprobs);
    }
    last = result;
  }
  return { choice: whole as Choice, result: last as EngineResult };
}

function joined(a: Logprobs | null, b: Logprobs | null): Logprobs | null {
  if (a === null || b === null) return a ?? b;
  a.tokens.push(...b.tokens);
  a.token_logprobs.push(...b.token_logprobs);
  a.top_logprobs.push(...b.top_logprobs);
  a.text_offset.push(...b.text_offset);
  return a;
}

/** Each prompt counts once, however many answers it got. */
function usageOfAll(made: readonly { readonly result: EngineResult }[], draws: number) {
  const all = made.map(({ result }) => result.usage);
  const prompts = all.filter((_, i) => i % draws === 0);
  const total = (field: "promptTokens" | "cachedTokens") => prompts.reduce((sum, usage) => sum + usage[field], 0);
  const first = { droppedTokens: 0, promptTokens: total("promptTokens"), cachedTokens: total("cachedTokens") };
  return usageOf(all.map((usage) => ({ ...first, completionTokens: usage.completionTokens })));
}

function quireOf({ usage, stats }: EngineResult) {
  const { secondsToFirstToken, seconds } = usage;
  return quireStats(usage, { ...stats, secondsToFirstToken, seconds });
}
