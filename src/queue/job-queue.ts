import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type Job, type JobType, Queue } from "bullmq";
import type { Redis } from "ioredis";
import { isQuireError, QuireError, throwIfAborted } from "../errors.js";
import {
  checked,
  type JobInput,
  type JobProgress,
  type JobState,
  type JobView,
  jobData,
  jobInput,
  jobProgress,
  jobResult,
  readFailure,
} from "./job.js";
import { keyPrefix, openRedis, unreachable } from "./redis-link.js";

/** The side of those who ask: puts jobs in, looks at them, cancels them. Everything is in Redis, so any number of processes can. */

export const jobQueueName = "jobs";
export const callQueueName = "calls";

export interface AddOptions {
  readonly model?: string;
  readonly owner?: string;
  readonly shown?: string;
}

export interface ListOptions {
  /** Only jobs of this owner; left out, all. */
  readonly owner?: string;
  readonly state?: JobState;
  /** Newest first; default 100. */
  readonly most?: number;
}

const weekSeconds = 7 * 24 * 3600;
const everyState: JobType[] = ["active", "wait", "waiting-children", "delayed", "prioritized", "completed", "failed"];
const attempts = 3;

export class JobQueue {
  readonly #address: string;
  readonly #redis: Redis;
  readonly #queue: Queue;

  static async open(address: string): Promise<JobQueue> {
    return new JobQueue(address, await openRedis(address, { patient: false }));
  }

  private constructor(address: string, redis: Redis) {
    this.#address = address;
    this.#redis = redis;
    this.#queue = new Queue(jobQueueName, { connection: redis, prefix: keyPrefix, skipWaitingForReady: true });
    this.#queue.on("error", () => {});
  }

  async add(input: JobInput, { model, owner, shown }: AddOptions = {}): Promise<JobView> {
    const job = checked(jobInput, input, "The job");
    return this.#reach(async () => {
      const id = `${job.type}_${randomBytes(8).toString("hex")}`;
      const added = await this.#queue.add(
        job.type,
        { input: job, model, owner, shown },
        {
          jobId: id,
          attempts,
          backoff: { type: "exponential", delay: 1000 },
          removeOnComplete: { age: weekSeconds, count: 1000 },
          removeOnFail: { age: weekSeconds, count: 1000 },
        },
      );
      return this.#view(added);
    });
  }

  async list({ owner, state, most = 100 }: ListOptions = {}): Promise<JobView[]> {
    return this.#reach(async () => {
      const jobs = (await this.#queue.getJobs(everyState, 0, 10_000)).filter((job) => job !== undefined);
      jobs.sort((a, b) => b.timestamp - a.timestamp);
      const views: JobView[] = [];
      for (const job of jobs) {
        if (views.length >= most) break;
        if (owner !== undefined && (job.data as { owner?: unknown }).owner !== owner) continue;
        const { result: _, ...view } = await this.#view(job);
        if (state === undefined || view.state === state) views.push(view);
      }
      return views;
    });
  }

  async show(id: string, { owner }: { owner?: string } = {}): Promise<JobView> {
    return this.#reach(async () => this.#view(await this.#find(id, owner)));
  }

  /** What waits never begins, calls at work are stopped within about a second, and what is done is let go. */
  async cancel(id: string, { owner }: { owner?: string } = {}): Promise<JobView> {
    return this.#reach(async () => {
      const job = await this.#find(id, owner);
      const { state } = await this.#view(job);
      if (state === "done" || state === "failed") {
        throw new QuireError("bad-input", `The job ${id} is over.`, { got: state, expected: "a job that is not" });
      }
      await this.#redis.set(cancelKey(id), "1", "EX", weekSeconds);
      await job.removeUnprocessedChildren();
      return this.#view(await this.#find(id, owner));
    });
  }

  /** Waits for the end of a job, and through times without a connection. */
  async wait(id: string, options: { signal?: AbortSignal; onProgress?(view: JobView): void } = {}): Promise<JobView> {
    const { signal, onProgress } = options;
    for (;;) {
      throwIfAborted(signal);
      try {
        const view = await this.show(id);
        onProgress?.(view);
        if (isOver(view.state)) return view;
      } catch (error) {
        if (!isQuireError(error) || error.code !== "network") throw error;
      }
      await sleep(300, undefined, { signal }).catch(() => throwIfAborted(signal));
    }
  }

  async close(): Promise<void> {
    await this.#queue.close().catch(() => {});
    this.#redis.disconnect();
  }

  async #find(id: string, owner: string | undefined): Promise<Job> {
    const job = await this.#queue.getJob(id);
    if (job !== undefined && (owner === undefined || (job.data as { owner?: unknown }).owner === owner)) return job;
    throw new QuireError("not-found", `There is no job ${id}.`, {
      got: id,
      fix: "`quire jobs list` shows what there is.",
    });
  }

  async #view(job: Job): Promise<JobView> {
    const { input, model, shown } = checked(jobData, job.data, `The job ${job.id}`);
    const id = String(job.id);
    const [state, cancelled] = await Promise.all([job.getState(), this.#redis.exists(cancelKey(id))]);
    const counts =
      input.type === "index"
        ? {}
        : await job.getDependenciesCount({ processed: true, unprocessed: true, ignored: true });
    const calls = { done: (counts.processed ?? 0) + (counts.ignored ?? 0), open: counts.unprocessed ?? 0 };
    const result = state === "completed" ? checked(jobResult, job.returnvalue, `The result of ${id}`) : undefined;
    const error = state === "failed" ? readFailure(job.failedReason) : undefined;
    const wasCancelled =
      error?.code === "cancelled" || (cancelled === 1 && state !== "completed" && state !== "failed");
    const running = state === "active" || state === "waiting-children" || calls.done + calls.open > 0;
    return {
      id,
      type: input.type,
      state: wasCancelled
        ? "cancelled"
        : result !== undefined
          ? "done"
          : error !== undefined
            ? "failed"
            : running
              ? "running"
              : "waiting",
      progress: progressOf(job, calls, result !== undefined),
      calls,
      createdAt: new Date(job.timestamp).toISOString(),
      ...(job.finishedOn === undefined ? {} : { finishedAt: new Date(job.finishedOn).toISOString() }),
      ...(model === undefined ? {} : { model }),
      ...(input.type === "batch" ? {} : { target: shown ?? input.folder }),
      ...(input.type === "read" ? { instruction: input.instruction } : {}),
      ...(result === undefined ? {} : { result }),
      ...(error === undefined || wasCancelled ? {} : { error }),
    };
  }

  /** Lost connections come out as typed errors. */
  async #reach<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      if (isQuireError(error)) throw error;
      throw unreachable(this.#address, error);
    }
  }
}

export function cancelKey(id: string): string {
  return `${keyPrefix}:cancelled:${id}`;
}

export function isOver(state: JobState): boolean {
  return state === "done" || state === "failed" || state === "cancelled";
}

function progressOf(job: Job, calls: JobView["calls"], done: boolean): JobProgress {
  const kept = jobProgress.safeParse(job.progress);
  const said: JobProgress = kept.success ? kept.data : { phase: "waiting", done: 0 };
  if (said.phase !== "calls") return said;
  // Calls that need no join, or come back a second time, change what was planned.
  const total = done ? calls.done : Math.max(said.total ?? 0, calls.done + calls.open);
  return { phase: "calls", done: calls.done, total };
}
