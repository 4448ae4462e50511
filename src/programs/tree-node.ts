import { isQuireError, QuireError } from "../errors.js";
import type { CallSlots } from "./call-slots.js";
import type { CallUsage, Generation, GenerationRequest, LanguageModel } from "./language-model.js";
import type { Purse, Reservation } from "./limits.js";
import type { ProgramContext, TraceNode } from "./program.js";
import { type ReplayLog, replayKey } from "./replay-log.js";
import { messageOverheadTokens } from "./token-estimate.js";

/** One node of a running program: makes its calls, runs its children, books what they cost on itself and all above it. */

export interface TreeRun {
  readonly model: LanguageModel | undefined;
  readonly shownModel: ProgramContext["model"];
  readonly purse: Purse;
  readonly parallel: number;
  readonly slots: CallSlots;
  readonly log: ReplayLog | undefined;
  changed(node: TraceNode): void;
}

export const noUsage: CallUsage = { promptTokens: 0, cachedTokens: 0, completionTokens: 0, seconds: 0 };

export function addUsage(a: CallUsage, b: CallUsage): CallUsage {
  return {
    promptTokens: a.promptTokens + b.promptTokens,
    cachedTokens: a.cachedTokens + b.cachedTokens,
    completionTokens: a.completionTokens + b.completionTokens,
    seconds: a.seconds + b.seconds,
  };
}

export class TreeNode {
  readonly trace: TraceNode;
  private readonly pending = new Set<Promise<unknown>>();
  private readonly names = new Map<string, number>();
  private readonly ending = new AbortController();
  private readonly signal: AbortSignal;
  private readonly seed: number;
  private ownCalls = 0;

  constructor(
    private readonly run: TreeRun,
    name: string,
    path: string,
    parentSignal: AbortSignal,
    private readonly seedOf: (path: string) => number,
    private readonly parent?: TreeNode,
  ) {
    this.trace = { name, path, status: "running", calls: 0, replayed: 0, usage: noUsage, children: [] };
    this.signal = AbortSignal.any([parentSignal, this.ending.signal]);
    this.seed = seedOf(path);
    parent?.trace.children.push(this.trace);
  }

  /** Runs the node's own function, then sees to it that nothing it started outlives it. */
  async work<Result>(body: (context: ProgramContext) => Promise<Result>): Promise<Result> {
    this.run.changed(this.trace);
    try {
      this.throwIfStopped();
      const result = await body(this.context());
      await this.settleRest();
      this.close("done");
      return result;
    } catch (error) {
      await this.settleRest();
      const shown = this.signal.aborted && !isQuireError(error) ? this.stopped(error) : error;
      this.trace.error = shown instanceof Error ? shown.message : String(shown);
      this.close(isQuireError(shown) && shown.code === "cancelled" ? "cancelled" : "failed");
      throw shown;
    }
  }

  private context(): ProgramContext {
    return {
      ask: (request) => this.track(this.ask(request)),
      child: (name, body) => this.track(this.child(this.pathOf(name), name, body)),
      map: (name, items, body) => this.track(this.map(name, items, body)),
      model: this.run.shownModel,
      signal: this.signal,
      seed: this.seed,
    };
  }

  private async ask(asked: Omit<GenerationRequest, "signal">): Promise<Generation> {
    const { model, log, purse, slots } = this.run;
    this.throwIfStopped();
    if (model === undefined) {
      throw new QuireError("unsupported", `${this.trace.path} needs a language model, and none was given.`, {
        expected: "a model",
        fix: "Name a model, or the address of an endpoint.",
      });
    }
    const call = this.ownCalls++;
    // Greedy calls take no seed, so that equal prompts stay equal calls wherever they stand in the tree.
    const sampled = (asked.temperature ?? 0) > 0;
    const request = { ...asked, seed: sampled ? (asked.seed ?? this.seedOf(`${this.trace.path}#${call}`)) : undefined };
    const key = log === undefined ? "" : replayKey(model.id, request);
    const known = log?.get(key);
    if (known !== undefined) {
      request.onText?.(known.text);
      this.book(noUsage, 0, 1);
      return { ...known, usage: noUsage };
    }
    const promptTokens = request.messages.reduce(
      (sum, message) => sum + model.countTokens(message.content) + messageOverheadTokens,
      0,
    );
    if (!(await slots.take(this.signal))) throw this.stopped();
    let reservation: Reservation | undefined;
    let usage: CallUsage | undefined;
    try {
      reservation = purse.reserve(promptTokens + request.maxTokens);
      const generation = await model.generate({ ...request, signal: this.signal });
      usage = generation.usage;
      await log?.put(key, generation);
      return generation;
    } catch (error) {
      throw this.signal.aborted ? this.stopped(error) : error;
    } finally {
      slots.give();
      reservation?.settle(usage);
      if (reservation !== undefined) this.book(usage ?? noUsage, 1, 0);
    }
  }

  private child<Result>(path: string, name: string, body: (context: ProgramContext) => Promise<Result>) {
    return new TreeNode(this.run, name, path, this.signal, this.seedOf, this).work(body);
  }

  /** After the first failure no further item starts; those in flight end, and the error carries what is ready. */
  private async map<Item, Result>(
    name: string,
    items: readonly Item[],
    body: (item: Item, context: ProgramContext, index: number) => Promise<Result>,
  ): Promise<Result[]> {
    const base = this.pathOf(name);
    const results = new Array<Result | undefined>(items.length).fill(undefined);
    const ready: number[] = [];
    let next = 0;
    let failure: { error: unknown } | undefined;
    const worker = async (): Promise<void> => {
      while (next < items.length && failure === undefined) {
        const index = next++;
        const path = `${base}[${index}]`;
        try {
          results[index] = await this.child(path, `${name}[${index}]`, (context) =>
            body(items[index] as Item, context, index),
          );
          ready.push(index);
        } catch (error) {
          failure ??= { error };
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(this.run.parallel, items.length) }, worker));
    if (failure !== undefined) throw withResults(failure.error, results, ready);
    return results as Result[];
  }

  private pathOf(name: string): string {
    const times = this.names.get(name) ?? 0;
    this.names.set(name, times + 1);
    return `${this.trace.path}/${name}${times === 0 ? "" : `~${times}`}`;
  }

  private book(real: CallUsage, calls: number, replayed: number): void {
    // Whole steps of 2^-20 s add up exactly in any order, so that a node's seconds are its children's to the last bit.
    const usage = { ...real, seconds: Math.round(real.seconds * 2 ** 20) / 2 ** 20 };
    for (let node: TreeNode | undefined = this; node !== undefined; node = node.parent) {
      node.trace.usage = addUsage(node.trace.usage, usage);
      node.trace.calls += calls;
      node.trace.replayed += replayed;
    }
    this.run.changed(this.trace);
  }

  private track<Result>(promise: Promise<Result>): Promise<Result> {
    this.pending.add(promise);
    const forget = () => void this.pending.delete(promise);
    promise.then(forget, forget);
    return promise;
  }

  /** What was started and not waited for has lost its purpose: it is stopped, and waited for. */
  private async settleRest(): Promise<void> {
    if (this.pending.size === 0) return;
    this.ending.abort(new QuireError("cancelled", `${this.trace.path} ended before its children.`));
    while (this.pending.size > 0) await Promise.allSettled([...this.pending]);
  }

  private close(status: "done" | "failed" | "cancelled"): void {
    this.trace.status = status;
    this.ending.abort(new QuireError("cancelled", `${this.trace.path} is over.`));
    this.run.changed(this.trace);
  }

  private throwIfStopped(): void {
    if (this.signal.aborted) throw this.stopped();
  }

  private stopped(cause?: unknown): QuireError {
    const reason = this.signal.reason as unknown;
    if (isQuireError(reason)) return reason;
    return new QuireError("cancelled", "Stopped on request.", { cause: cause ?? reason });
  }
}

function withResults(error: unknown, results: readonly unknown[], ready: readonly number[]): unknown {
  if (!isQuireError(error)) return error;
  const { code, message, got, expected, fix } = error;
  const partial = { results, ready: [...ready].sort((a, b) => a - b), inner: error.partial };
  return new QuireError(code, message, { got, expected, fix, cause: error, partial });
}
