import type { Hono } from "hono";
import { z } from "zod";
import type { Candidate } from "../../corpus/select/selector.js";
import { partOf } from "../../methods.js";
import type { AskOutput } from "../../programs/ask.js";
import type { AskEvent } from "../../programs/ask-answer.js";
import type { AnswerEvidence } from "../../programs/ask-evidence.js";
import { documentName } from "../announced-names.js";
import { asApiError, badRequest } from "../http/api-error.js";
import { readJson } from "../http/body.js";
import { eventStream } from "../http/event-stream.js";
import type { HostedCorpus } from "../library/hosted-corpus.js";
import { type AppEnv, type Service, userOf } from "../service.js";

/** Asking and searching a corpus. */

export const searchRequest = z.object({
  query: z.string().min(1).max(20_000),
  limit: z.int().min(1).max(100).nullish(),
  mode: z.enum(["hybrid", "text", "vector"]).nullish(),
  selector: z.string().max(200).nullish(),
});

export const askRequest = z.object({
  question: z.string().min(1).max(20_000),
  stream: z.boolean().nullish(),
  selector: z.string().max(200).nullish(),
  max_tokens: z.int().min(16).max(4096).nullish(),
  scope: z.string().max(300).nullish().describe("only passages of this topic of the map: its id or name"),
  seed: z.int().nullish(),
  user: z.string().max(1000).nullish(),
});

const usualHits = 10;
/** More than any number of passages that can be asked for. */
const selectorTokens = 1_000_000;

export function askRoutes(app: Hono<AppEnv>, service: Service): void {
  const { library, settings } = service;

  app.post("/v1/corpora/:id/search", async (context) => {
    const hosted = library.get(context.get("caller"), context.req.param("id"));
    const request = await readJson(context, searchRequest, settings.maxBodyBytes);
    if (hosted.chunks === 0) await hosted.look();
    if (hosted.chunks === 0) return context.json({ object: "list", data: [] });
    const found = await search(service, hosted, request, context.req.raw.signal);
    return context.json({ object: "list", data: found.map(asHit) });
  });

  app.post("/v1/corpora/:id/ask", async (context) => {
    const caller = context.get("caller");
    const hosted = library.get(caller, context.req.param("id"));
    const request = await readJson(context, askRequest, settings.maxBodyBytes);
    if (request.question.trim() === "") throw badRequest("question: It is empty.", "question");
    if (request.selector) await partOf("selector", request.selector);
    const user = userOf(caller, request);
    service.queue.mustHaveRoom(user);
    const asking = (onEvent: (event: AskEvent) => void, signal: AbortSignal) =>
      ask(service, hosted, request, user, { onEvent, signal });
    if (request.stream !== true) {
      return context.json(asAnswer(await asking(() => {}, context.req.raw.signal)));
    }
    return eventStream(
      async (events, gone) => {
        await events.json({ phase: "searching", done: 0, total: 1 }, "progress");
        const output = await asking((event) => {
          if (event.type === "text") void events.json({ text: event.text }, "text");
          else if (event.type === "evidence-found") {
            void events.json({ phase: "reading", done: 1, total: 1 }, "progress");
            void events.json({ evidence: event.evidence.map(asEvidence) }, "evidence");
          }
        }, gone);
        await events.json(asAnswer(output), "done");
      },
      { onError: (error, events) => events.json(asApiError(error), "error") },
    );
  });
}

async function search(
  { library: { engine } }: Service,
  hosted: HostedCorpus,
  { query, limit, mode, selector }: z.output<typeof searchRequest>,
  signal: AbortSignal,
): Promise<Pick<Candidate, "chunk" | "score">[]> {
  const corpus = await hosted.corpus();
  const k = limit ?? usualHits;
  if (selector === null || selector === undefined) {
    return corpus.search(query, { k, mode: mode ?? undefined, signal });
  }
  const chosen = await partOf("selector", selector);
  const budget = { tokens: selectorTokens, passages: k };
  const { countTokens, embed } = engine;
  return chosen.select(query, corpus.index, budget, { countTokens, embed, signal });
}

async function ask(
  { library: { engine }, usage }: Service,
  hosted: HostedCorpus,
  request: z.output<typeof askRequest>,
  user: string,
  { onEvent, signal }: { onEvent(event: AskEvent): void; signal: AbortSignal },
): Promise<AskOutput> {
  if (hosted.chunks === 0) await hosted.look();
  if (hosted.chunks === 0) {
    const why = hosted.status === "indexing" ? "is being indexed; nothing can be asked yet" : "holds no text";
    throw badRequest(`The corpus ${hosted.record.name} ${why}.`, undefined, "corpus_empty");
  }
  const corpus = await hosted.corpus(engine.modelFor(user), request.scope ?? undefined);
  const output = await corpus.ask(request.question, {
    ask: request.max_tokens ? { answer: request.max_tokens } : {},
    selector: request.selector ?? undefined,
    seed: request.seed ?? undefined,
    signal,
    onEvent,
  });
  const cited = output.evidence.filter((one) => one.cited);
  const documents = cited.map(({ file }) => documentName(hosted.record.name, file));
  usage?.record(user, { requests: 0, documents });
  return output;
}

function asHit({ chunk, score }: Pick<Candidate, "chunk" | "score">) {
  const { uri, startLine, endLine, startByte, endByte, text, header } = chunk;
  return {
    ...{ file: uri, start_line: startLine, end_line: endLine, start_byte: startByte, end_byte: endByte },
    ...{ text, header, score },
  };
}

function asEvidence({ n, file, startLine, endLine, startByte, endByte, quote, score, reason, cited }: AnswerEvidence) {
  return {
    ...{ n, file, start_line: startLine, end_line: endLine, start_byte: startByte, end_byte: endByte },
    ...{ quote, score, reason, cited },
  };
}

function asAnswer(output: AskOutput) {
  const { answer, evidence, citations, unsupported, answeredBy, usage, model } = output;
  return {
    object: "corpus.answer",
    answer,
    evidence: evidence.map(asEvidence),
    citations: citations.map(({ n, file, at, startLine, endLine, support }) => {
      return { n, file, at, start_line: startLine, end_line: endLine, support };
    }),
    stated: !unsupported,
    answered_by: answeredBy,
    model: model ?? null,
    usage: {
      prompt_tokens: usage.promptTokens,
      completion_tokens: usage.completionTokens,
      total_tokens: usage.promptTokens + usage.completionTokens,
      prompt_tokens_details: { cached_tokens: usage.cachedTokens },
      calls: usage.calls,
    },
  };
}
