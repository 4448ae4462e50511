import { hostname } from "node:os";
import { DelayedError, type Job, Queue, UnrecoverableError, WaitingChildrenError, Worker } from "bullmq";
import type { Redis } from "ioredis";
import { type ErrorCode, isQuireError, QuireError } from "../errors.js";
import type { LanguageModel } from "../programs/language-model.js";
import type { CallRequest } from "./advance.js";
import {
  asRecord,
  type CallData,
  type CallOutcome,
  callData,
  callOutcome,
  checked,
  type JobData,
  type JobResult,
  jobData,
  readFailure,
} from "./job.js";
import { callQueueName, cancelKey, jobQueueName } from "./job-queue.js";
import { keyPrefix, openRedis } from "./redis-link.js";
import { runJob } from "./run-job.js";

/** The side of those who work. A job is run until it needs calls of the model; those become its children, any worker answers them, and
 *  when all are answered the job goes on. Between turns nobody holds it. A worker that dies keeps nothing from the others: its jobs
 *  and calls are taken back when it has been silent for `lostAfterMs`, and calls that are answered are not made again. */

export interface WorkerSettings {
  readonly address: string;
  readonly model: LanguageModel;
  /** Calls at a time; default 1. */
  readonly concurrency?: number;
  /** Default 30 s. */
  readonly lostAfterMs?: number;
  onEvent?(event: WorkerEvent): void;
}

export type WorkerEvent =
  | { readonly type: "connection"; readonly state: "lost" | "back" }
  | { readonly type: "call" | "job"; readonly id: string; readonly state: "begun" | "done" }
  | { readonly type: "call" | "job"; readonly id: string; readonly state: "failed"; readonly message: string };

export interface RunningWorker {
  /** Takes nothing new; waits so long for what is being worked on, then leaves it to others. */
  stop(drainMs?: number): Promise<void>;
}

/** A call that fails so is tried again, later and perhaps elsewhere. */
const passing: ReadonlySet<ErrorCode> = new Set(["network", "native", "locked", "disk"]);
const callAttempts = 4;
const jobsAtOnce = 2;
const otherModelDelayMs = 500;
const cancelPollMs = 1000;
const addAtOnce = 100;

export async function startWorker(settings: WorkerSettings): Promise<RunningWorker> {
  const { address, concurrency = 1, lostAfterMs = 30_000, onEvent } = settings;
  const redis = await openRedis(address, { patient: true });
  const calls = new Queue(callQueueName, { connection: redis, prefix: keyPrefix });
  const stopping = new AbortController();
  const shared = {
    connection: redis,
    prefix: keyPrefix,
    name: `${hostname()}:${process.pid}`,
    lockDuration: lostAfterMs,
    stalledInterval: Math.max(250, lostAfterMs / 2),
    // Losing a worker, or Redis, is no fault of the job; one that always kills its worker has an end all the same.
    maxStalledCount: 10,
  };
  const bench: Bench = { ...settings, redis, calls, stopping: stopping.signal };
  const jobWorker = new Worker(jobQueueName, (job, token) => workOnJob(bench, job, token ?? ""), {
    ...shared,
    concurrency: jobsAtOnce,
  });
  const callWorker = new Worker(callQueueName, (job, token) => workOnCall(bench, job, token ?? ""), {
    ...shared,
    concurrency,
  });
  calls.on("error", () => {});
  for (const worker of [jobWorker, callWorker]) worker.on("error", () => {});
  let lost = false;
  redis.on("close", () => {
    if (!lost && !stopping.signal.aborted) onEvent?.({ type: "connection", state: "lost" });
    lost = true;
  });
  redis.on("ready", () => {
    if (lost) onEvent?.({ type: "connection", state: "back" });
    lost = false;
  });
  await Promise.all([jobWorker.waitUntilReady(), callWorker.waitUntilReady()]);

  return {
    async stop(drainMs = 30_000) {
      const ended = Promise.all([jobWorker.close(), callWorker.close()]);
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<"late">((resolve) => {
        timer = setTimeout(() => resolve("late"), drainMs);
      });
      const how = await Promise.race([ended, late]);
      clearTimeout(timer);
      stopping.abort(new QuireError("cancelled", "The worker is stopped."));
      if (how === "late") await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 1000))]);
      await calls.close().catch(() => {});
      redis.disconnect();
    },
  };
}

interface Bench extends WorkerSettings {
  readonly redis: Redis;
  readonly calls: Queue;
  readonly stopping: AbortSignal;
}

async function workOnJob(bench: Bench, job: Job, token: string): Promise<JobResult> {
  const { onEvent, model } = bench;
  const id = String(job.id);
  onEvent?.({ type: "job", id, state: "begun" });
  const watch = watchCancelled(bench, id);
  try {
    await watch.look();
    const data = checked(jobData, job.data, "The job");
    if (data.input.type !== "index") await claim(job, token, data, model);
    const result = await takeTurns(bench, job, token, data, watch.signal);
    onEvent?.({ type: "job", id, state: "done" });
    return result;
  } catch (error) {
    if (error instanceof WaitingChildrenError || error instanceof DelayedError) throw error;
    const shown = watch.signal.aborted && !bench.stopping.aborted ? watch.signal.reason : error;
    const record = asRecord(shown);
    onEvent?.({ type: "job", id, state: "failed", message: record.message });
    const text = JSON.stringify(record);
    // A worker that is being stopped has not failed: the job goes to another.
    if (bench.stopping.aborted || passing.has(record.code)) throw new Error(text);
    throw new UnrecoverableError(text);
  } finally {
    watch.end();
  }
}

async function takeTurns(
  bench: Bench,
  job: Job,
  token: string,
  data: JobData,
  signal: AbortSignal,
): Promise<JobResult> {
  for (;;) {
    const turn = await runJob(data, {
      model: bench.model,
      outcomes: await outcomesOf(job),
      signal,
      onProgress: throttled((progress) => void job.updateProgress(progress).catch(() => {})),
    });
    if ("result" in turn) return turn.result;
    await addCalls(bench, job, turn.needed);
    if (await job.moveToWaitingChildren(token)) throw new WaitingChildrenError();
  }
}

/** The first worker's model answers all of a job: a text read by several models would have no one author. */
async function claim(job: Job, token: string, data: JobData, model: LanguageModel): Promise<void> {
  if (data.model === undefined) await job.updateData({ ...data, model: model.id });
  else if (data.model !== model.id) await leaveToOthers(job, token);
}

async function leaveToOthers(job: Job, token: string): Promise<never> {
  await job.moveToDelayed(Date.now() + otherModelDelayMs, token);
  throw new DelayedError();
}

async function outcomesOf(job: Job): Promise<Map<string, CallOutcome>> {
  const outcomes = new Map<string, CallOutcome>();
  const [values, failures] = await Promise.all([job.getChildrenValues<unknown>(), job.getIgnoredChildrenFailures()]);
  for (const [name, value] of Object.entries(values)) {
    outcomes.set(callKey(name), checked(callOutcome, value, "The outcome of a call"));
  }
  for (const [name, reason] of Object.entries(failures)) {
    outcomes.set(callKey(name), { error: readFailure(reason) });
  }
  return outcomes;
}

function callKey(jobName: string): string {
  return jobName.slice(jobName.lastIndexOf("_") + 1);
}

/** Calls have names of their own, so adding one a second time changes nothing. */
async function addCalls({ calls, model }: Bench, parent: Job, needed: ReadonlyMap<string, CallRequest>): Promise<void> {
  const job = String(parent.id);
  const added = [...needed].map(([key, request]) => ({
    name: "call",
    data: { job, model: model.id, request },
    opts: {
      jobId: `${job}_${key}`,
      parent: { id: job, queue: parent.queueQualifiedName },
      attempts: callAttempts,
      backoff: { type: "exponential", delay: 1000 },
      ignoreDependencyOnFailure: true,
      // The outcome stays with the parent; the prompt need not.
      removeOnComplete: true,
      removeOnFail: true,
    },
  }));
  for (let at = 0; at < added.length; at += addAtOnce) await calls.addBulk(added.slice(at, at + addAtOnce));
}

async function workOnCall(bench: Bench, job: Job, token: string): Promise<CallOutcome> {
  const { model, onEvent } = bench;
  const id = String(job.id);
  let data: CallData;
  try {
    data = checked(callData, job.data, "The call");
  } catch (error) {
    return { error: asRecord(error) };
  }
  if (data.model !== model.id) return leaveToOthers(job, token);
  const watch = watchCancelled(bench, data.job);
  try {
    await watch.look();
    onEvent?.({ type: "call", id, state: "begun" });
    const { text, finishReason, usage } = await model.generate({ ...data.request, signal: watch.signal });
    onEvent?.({ type: "call", id, state: "done" });
    return { generation: { text, finishReason, usage } };
  } catch (error) {
    const record = asRecord(watch.signal.aborted ? watch.signal.reason : error);
    onEvent?.({ type: "call", id, state: "failed", message: record.message });
    const again = isQuireError(error) && passing.has(record.code) && job.attemptsMade + 1 < callAttempts;
    if (again || bench.stopping.aborted) throw new Error(JSON.stringify(record));
    return { error: record };
  } finally {
    watch.end();
  }
}

/** A signal that aborts when the job is cancelled, or the worker stopped. */
function watchCancelled({ redis, stopping }: Bench, id: string) {
  const cancelled = new AbortController();
  const look = async (): Promise<void> => {
    if ((await redis.exists(cancelKey(id))) === 1) {
      cancelled.abort(new QuireError("cancelled", "The job was cancelled.", { got: id }));
    }
    if (cancelled.signal.aborted) throw cancelled.signal.reason;
  };
  const timer = setInterval(() => void look().catch(() => {}), cancelPollMs);
  return { signal: AbortSignal.any([cancelled.signal, stopping]), look, end: () => clearInterval(timer) };
}

/** Never more often than four times a second; a new phase at once. */
function throttled<Progress extends { phase: string; done: number; total?: number }>(
  tell: (progress: Progress) => void,
) {
  let last = { phase: "", at: 0 };
  return (progress: Progress): void => {
    const now = performance.now();
    if (progress.phase === last.phase && now - last.at < 250 && progress.done !== progress.total) return;
    last = { phase: progress.phase, at: now };
    tell(progress);
  };
}
