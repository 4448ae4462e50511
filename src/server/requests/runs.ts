import { randomUUID } from "node:crypto";
import { AsyncQueue } from "../../engine/async-queue.js";
import type { EngineClient, EngineJob, EnginePiece, EngineResult, JobOptions } from "../engine/client.js";
import { asApiError } from "../http/api-error.js";
import type { Tracer } from "../tracing/tracer.js";
import type { FairQueue, Ticket } from "./fair-queue.js";

/** Every generation on its way through queue and engine, whichever route it came from. The engine never waits for a reader: pieces
 *  are kept here until they are read, and a run's place is free as soon as the engine is done with it. */

export interface RunRequest {
  /** Shown to people and told to the engine; a new one where it is left out. */
  readonly id?: string;
  /** Whose line it waits in. */
  readonly user: string;
  readonly prompt: Int32Array;
  readonly options: JobOptions;
  readonly signal?: AbortSignal;
}

export interface Run {
  readonly id: string;
  readonly user: string;
  readonly startedAt: number;
  readonly state: "queued" | "running";
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cachedTokens: number;
  readonly cache: { readonly policy: string; readonly entries: number; readonly bytes: number };
  /** Leaving it early cancels the run. */
  pieces(): AsyncGenerator<EnginePiece, EngineResult>;
  cancel(): void;
}

/** What is measured on the way. */
export interface RunObserver {
  onQueued?(seconds: number): void;
  onFirstToken?(seconds: number): void;
  onNextToken?(seconds: number): void;
  onEnd?(outcome: {
    readonly user: string;
    readonly result?: EngineResult;
    readonly error?: unknown;
    readonly seconds: number;
  }): void;
}

export interface RunsOptions {
  readonly engine: EngineClient;
  readonly queue: FairQueue;
  readonly observer?: RunObserver;
  readonly tracer?: Tracer;
}

interface MutableRun extends Run {
  state: "queued" | "running";
  completionTokens: number;
  cachedTokens: number;
  cache: Run["cache"];
}

export class Runs {
  readonly #options: RunsOptions;
  readonly #runs = new Map<string, MutableRun>();

  constructor(options: RunsOptions) {
    this.#options = options;
    options.engine.onPass(({ requests }) => {
      for (const { request, cachedTokens, cacheEntries: entries, cacheBytes: bytes } of requests) {
        const run = this.#runs.get(request);
        if (run === undefined) continue;
        run.cachedTokens = cachedTokens;
        run.cache = { policy: run.cache.policy, entries, bytes };
      }
    });
  }

  get all(): readonly Run[] {
    return [...this.#runs.values()];
  }

  get(id: string): Run | undefined {
    return this.#runs.get(id);
  }

  /** Throws at once when the queue is full. */
  start({ id = `run-${randomUUID()}`, user, prompt, options, signal }: RunRequest): Run {
    const controller = new AbortController();
    const all = signal === undefined ? controller.signal : AbortSignal.any([controller.signal, signal]);
    const ticket = this.#options.queue.enter(user, all);
    const pieces = new AsyncQueue<EnginePiece>();
    let result: EngineResult | undefined;
    const run: MutableRun = {
      id,
      user,
      startedAt: Date.now(),
      state: "queued",
      promptTokens: prompt.length,
      completionTokens: 0,
      cachedTokens: 0,
      cache: { policy: options.cache ?? "full", entries: 0, bytes: 0 },
      async *pieces() {
        let whole = false;
        try {
          yield* pieces;
          whole = true;
        } finally {
          if (!whole) controller.abort();
        }
        return result as EngineResult;
      },
      cancel: () => controller.abort(),
    };
    this.#runs.set(id, run);
    void this.#pump(run, { id, user, prompt, options }, ticket, pieces, all).then(
      (made) => {
        result = made;
        pieces.end();
      },
      (error: unknown) => pieces.end(error),
    );
    return run;
  }

  cancelAll(): void {
    for (const run of this.#runs.values()) run.cancel();
  }

  async #pump(
    run: MutableRun,
    job: EngineJob,
    ticket: Ticket,
    pieces: AsyncQueue<EnginePiece>,
    signal: AbortSignal,
  ): Promise<EngineResult> {
    const { engine, observer, tracer } = this.#options;
    const { model } = engine.info;
    const span = tracer?.begin(`generate ${model}`, {
      "gen_ai.operation.name": "generate_content",
      "gen_ai.provider.name": "quire",
      "gen_ai.request.model": model,
      "gen_ai.request.max_tokens": job.options.maxTokens,
      "gen_ai.request.temperature": job.options.temperature,
    });
    const arrived = performance.now();
    const since = (time: number): number => (performance.now() - time) / 1000;
    let last: number | undefined;
    try {
      await ticket.turn;
      await engine.whenReady(signal);
      observer?.onQueued?.(since(arrived));
      run.state = "running";
      const stream = engine.generate(job, signal);
      for (;;) {
        const next = await stream.next();
        if (next.done === true) {
          observer?.onEnd?.({ user: run.user, result: next.value, seconds: since(arrived) });
          const { finishReason, usage } = next.value;
          span?.end({
            "gen_ai.response.finish_reasons": finishReason,
            "gen_ai.usage.input_tokens": usage.promptTokens,
            "gen_ai.usage.output_tokens": usage.completionTokens,
            "quire.cached_tokens": usage.cachedTokens,
            "quire.seconds_to_first_token": usage.secondsToFirstToken,
          });
          return next.value;
        }
        if (next.value.token >= 0) {
          run.completionTokens++;
          if (last === undefined) observer?.onFirstToken?.(since(arrived));
          else observer?.onNextToken?.(since(last));
          last = performance.now();
        }
        pieces.push(next.value);
      }
    } catch (error) {
      const known = asApiError(error);
      observer?.onEnd?.({ user: run.user, error: known, seconds: since(arrived) });
      span?.end({ "error.type": known.code ?? "error" }, known.code ?? "error");
      throw error;
    } finally {
      this.#runs.delete(run.id);
      ticket.leave();
    }
  }
}
