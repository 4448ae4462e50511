import { z } from "zod";
import { errorCodes, isQuireError, QuireError } from "../errors.js";

/** What travels through the queue, as schemas: jobs, the calls they are made of, results and errors. Whatever is read from Redis is
 *  checked against these before anything is done with it. */

const message = z.object({ role: z.enum(["system", "user", "assistant", "tool"]), content: z.string() });

const batchRequest = z.object({
  /** Names the answer. */
  id: z.string().min(1),
  messages: z.array(message).min(1),
  maxTokens: z.number().int().min(1),
  temperature: z.number().min(0).optional(),
  seed: z.number().int().min(0).optional(),
  stop: z.array(z.string()).optional(),
  schema: z.record(z.string(), z.unknown()).optional(),
});

const files = z.object({ include: z.array(z.string()).optional(), exclude: z.array(z.string()).optional() });

/** Folders are paths that the workers see too: of one machine, or of a file system that all of them mount. */
const folderJob = z.object({
  folder: z.string().min(1),
  files: files.optional(),
  chunker: z.string().optional(),
  /** What to call files whose names on disk are not their own. */
  names: z.record(z.string(), z.string()).optional(),
});

export const jobInput = z.discriminatedUnion("type", [
  folderJob.extend({ type: z.literal("index"), indexFolder: z.string().optional(), embedder: z.string().optional() }),
  folderJob.extend({
    type: z.literal("read"),
    instruction: z.string().refine((text) => text.trim() !== "", "It is empty"),
    part: z.number().int().min(50).optional(),
    answer: z.number().int().min(16).optional(),
    group: z.number().int().min(2).max(50).optional(),
  }),
  z.object({ type: z.literal("batch"), requests: z.array(batchRequest).min(1).max(50_000) }),
]);

export type JobInput = z.input<typeof jobInput>;
export type IndexJob = Extract<JobInput, { type: "index" }>;
export type ReadJob = Extract<JobInput, { type: "read" }>;
export type BatchJob = Extract<JobInput, { type: "batch" }>;

/** `model`: only workers with this model take it; left out, the first worker's model is used for all of the job. `owner`: whose it is
 *  on a server with keys. `shown`: what stands in lists in place of a folder. */
export const jobData = z.object({
  input: jobInput,
  model: z.string().optional(),
  owner: z.string().optional(),
  shown: z.string().optional(),
});

export type JobData = z.output<typeof jobData>;

export const errorRecord = z.object({
  code: z.enum(errorCodes),
  message: z.string(),
  got: z.unknown().optional(),
  expected: z.unknown().optional(),
  fix: z.string().optional(),
});

export type ErrorRecord = z.output<typeof errorRecord>;

const usage = z.object({
  promptTokens: z.number(),
  cachedTokens: z.number(),
  completionTokens: z.number(),
  seconds: z.number(),
});

/** One call of a model: the child jobs. */
export const callData = z.object({
  job: z.string(),
  model: z.string(),
  request: batchRequest.omit({ id: true }),
});

export type CallData = z.output<typeof callData>;

const generation = z.object({ text: z.string(), finishReason: z.enum(["stop", "length"]), usage });

/** A call that cannot succeed is answered with its error, so that the program that asked decides what that means. */
export const callOutcome = z.union([z.object({ generation }), z.object({ error: errorRecord })]);

export type CallOutcome = z.output<typeof callOutcome>;

const readPart = z.object({
  sources: z
    .array(
      z.object({
        uri: z.string(),
        startByte: z.number(),
        endByte: z.number(),
        startLine: z.number(),
        endLine: z.number(),
      }),
    )
    .readonly(),
  tokens: z.number(),
  answer: z.string(),
  empty: z.boolean(),
  cut: z.boolean(),
});

const skipped = z.array(z.object({ uri: z.string(), reason: z.string(), detail: z.string() }));
const cost = z.object({ ...usage.shape, calls: z.number() });

export const jobResult = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("index"),
    documents: z.number(),
    /** Written by the run that finished the job. */
    chunks: z.number(),
    added: z.number(),
    changed: z.number(),
    removed: z.number(),
    unchanged: z.number(),
    skipped,
  }),
  z.object({
    type: z.literal("read"),
    answer: z.string(),
    unsupported: z.boolean(),
    parts: z.array(readPart).readonly(),
    read: z.object({ documents: z.number(), bytes: z.number(), tokens: z.number() }),
    skipped,
    usage: cost,
    model: z.string(),
  }),
  z.object({
    type: z.literal("batch"),
    /** In the order of the requests. */
    answers: z.array(
      z.union([generation.extend({ id: z.string() }), z.object({ id: z.string(), error: errorRecord })]),
    ),
    usage: cost,
    model: z.string(),
  }),
]);

export type JobResult = z.output<typeof jobResult>;

export const jobProgress = z.object({
  phase: z.string(),
  done: z.number(),
  total: z.number().optional(),
});

export type JobProgress = z.output<typeof jobProgress>;

export type JobState = "waiting" | "running" | "done" | "failed" | "cancelled";

export interface JobView {
  readonly id: string;
  readonly type: JobInput["type"];
  readonly state: JobState;
  readonly progress: JobProgress;
  /** Calls of the model that are done, and those that are queued or running. Index jobs have none. */
  readonly calls: { readonly done: number; readonly open: number };
  readonly createdAt: string;
  readonly finishedAt?: string;
  readonly model?: string;
  readonly target?: string;
  readonly instruction?: string;
  readonly result?: JobResult;
  readonly error?: ErrorRecord;
}

export function asRecord(error: unknown): ErrorRecord {
  if (!isQuireError(error)) {
    return { code: "native", message: error instanceof Error ? error.message : String(error) };
  }
  const { code, message: said, got, expected, fix } = error;
  // What JSON cannot hold would be lost in the queue anyway.
  return JSON.parse(JSON.stringify({ code, message: said, got, expected, fix })) as ErrorRecord;
}

export function asError({ code, message: said, got, expected, fix }: ErrorRecord): QuireError {
  return new QuireError(code, said, { got, expected, fix });
}

/** BullMQ keeps a failure as one text. */
export function readFailure(reason: string): ErrorRecord {
  try {
    const parsed = errorRecord.safeParse(JSON.parse(reason));
    if (parsed.success) return parsed.data;
  } catch {
    // Not written by a worker of ours.
  }
  return { code: "native", message: reason };
}

export function checked<Schema extends z.ZodType>(schema: Schema, value: unknown, what: string): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new QuireError("bad-input", `${what} cannot be used: ${issue?.path.join(".")} ${issue?.message}.`, {
    got: issue?.path.join("."),
    expected: issue?.message,
  });
}
