import type { Hono } from "hono";
import { z } from "zod";
import { asError, type ErrorRecord, type JobInput, type JobResult, type JobView } from "../../queue/job.js";
import type { JobQueue } from "../../queue/job-queue.js";
import { ApiError, asApiError, withoutPaths } from "../http/api-error.js";
import { readJson } from "../http/body.js";
import type { HostedCorpus } from "../library/hosted-corpus.js";
import type { AppContext, AppEnv, Service } from "../service.js";

/** /v1/jobs: corpora indexed or read, and batches answered, by workers on a queue. Jobs name corpora, never folders. */

const message = z.object({ role: z.enum(["system", "user", "assistant", "tool"]), content: z.string() });
const model = z.string().max(200).nullish().describe("only workers with this model take it");

export const jobRequest = z.discriminatedUnion("type", [
  z.object({ type: z.literal("index"), corpus: z.string() }),
  z.object({
    type: z.literal("read"),
    corpus: z.string(),
    instruction: z.string().min(1).max(20_000),
    part: z.int().min(50).nullish().describe("most tokens read by one call"),
    max_tokens: z.int().min(16).max(4096).nullish().describe("of each answer"),
    model,
  }),
  z.object({
    type: z.literal("batch"),
    requests: z
      .array(
        z.object({
          custom_id: z.string().min(1).max(200),
          messages: z.array(message).min(1),
          max_tokens: z.int().min(1).max(1_000_000).nullish(),
          temperature: z.number().min(0).nullish(),
          seed: z.int().min(0).nullish(),
        }),
      )
      .min(1)
      .max(50_000),
    model,
  }),
]);

export function jobRoutes(app: Hono<AppEnv>, service: Service): void {
  const { jobs: queue, library, settings } = service;
  const owned = (context: AppContext) => {
    const { key } = context.get("caller");
    return key === undefined ? {} : { owner: key };
  };

  app.get("/v1/jobs", async (context) => {
    const data = (await given(queue).list(owned(context))).map(asData);
    return context.json({ object: "list", data });
  });

  app.post("/v1/jobs", async (context) => {
    const request = await readJson(context, jobRequest, settings.maxBodyBytes);
    const opened = given(queue);
    const corpus = request.type === "batch" ? undefined : library.get(context.get("caller"), request.corpus);
    const wanted = request.type === "index" ? undefined : (request.model ?? undefined);
    const added = await opened.add(inputOf(request, corpus, service), {
      ...owned(context),
      model: wanted,
      shown: corpus?.record.name,
    });
    return context.json(asData(added), 202);
  });

  app.get("/v1/jobs/:id", async (context) => {
    return context.json(asData(await given(queue).show(context.req.param("id"), owned(context))));
  });

  app.delete("/v1/jobs/:id", async (context) => {
    return context.json(asData(await given(queue).cancel(context.req.param("id"), owned(context))));
  });
}

function given(queue: JobQueue | undefined): JobQueue {
  if (queue !== undefined) return queue;
  throw new ApiError(404, "This server has no queue of jobs. It has one when it is started with --queue.", {
    code: "no_queue",
  });
}

function inputOf(
  request: z.output<typeof jobRequest>,
  corpus: HostedCorpus | undefined,
  { engine, settings }: Service,
): JobInput {
  if (request.type === "batch") {
    const requests = request.requests.map(({ custom_id: id, messages, max_tokens, temperature, seed }) => {
      const drawn = { temperature: temperature ?? undefined, seed: seed ?? undefined };
      return { id, messages, maxTokens: max_tokens ?? settings.defaultMaxTokens, ...drawn };
    });
    return { type: "batch", requests };
  }
  const { folder, indexFolder, names } = corpus!.place;
  const shared = { folder, names: names === undefined ? undefined : { ...names } };
  if (request.type === "index") {
    return { ...shared, type: "index", indexFolder, embedder: engine.info.embedder?.name ?? "none" };
  }
  const { instruction, part, max_tokens: answer } = request;
  return { ...shared, type: "read", instruction, part: part ?? undefined, answer: answer ?? undefined };
}

function asData({ id, type, state, progress, calls, createdAt, finishedAt, ...job }: JobView) {
  return {
    id,
    object: "job",
    type,
    status: state,
    progress,
    calls,
    created_at: seconds(createdAt),
    ...(finishedAt === undefined ? {} : { finished_at: seconds(finishedAt) }),
    ...(job.model === undefined ? {} : { model: job.model }),
    ...(job.target === undefined ? {} : { corpus: job.target }),
    ...(job.instruction === undefined ? {} : { instruction: job.instruction }),
    ...(job.result === undefined ? {} : { result: resultData(job.result) }),
    ...(job.error === undefined ? {} : errorData(job.error)),
  };
}

function resultData(result: JobResult) {
  if (result.type === "index") return result;
  const { promptTokens, cachedTokens, completionTokens, calls } = result.usage;
  const usage = {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
    calls,
  };
  if (result.type === "read") {
    const parts = result.parts.map(({ sources, ...rest }) => ({
      ...rest,
      sources: sources.map(({ uri, startByte, endByte, startLine, endLine }) => {
        return { file: uri, start_line: startLine, end_line: endLine, start_byte: startByte, end_byte: endByte };
      }),
    }));
    return { ...result, parts, usage };
  }
  const answers = result.answers.map((one) =>
    "error" in one
      ? { custom_id: one.id, ...errorData(one.error) }
      : { custom_id: one.id, content: one.text, finish_reason: one.finishReason },
  );
  return { ...result, answers, usage };
}

/** As any other error of the API, and without any folder: who asks has named none. */
function errorData(record: ErrorRecord) {
  const { error } = asApiError(asError(record)).toJSON();
  return { error: { ...error, message: withoutPaths(error.message) } };
}

function seconds(iso: string): number {
  return Math.floor(Date.parse(iso) / 1000);
}
