import type { CachePolicy } from "../cache/policy.js";
import { QuireError, throwIfAborted } from "../errors.js";
import type { Tokenizer } from "../text/tokenizer.js";
import { Admission, draftBytes, mostEntries, noRoom } from "./admission.js";
import type { DraftModel } from "./drafts/draft-model.js";
import { DraftModels } from "./drafts/draft-models.js";
import type { EngineObserver } from "./engine-observer.js";
import type { EngineOptions, SequenceRequest } from "./engine-options.js";
import { ForwardPass } from "./forward.js";
import type { CacheMemory } from "./memory/cache-memory.js";
import { openCacheMemory } from "./memory/open-cache-memory.js";
import { type LoadedModel, mustBeCausal } from "./model.js";
import { Output } from "./output.js";
import { noLoad, type PassCosts, withRows } from "./schedule/pass-costs.js";
import type { Planner, SequenceDemand } from "./schedule/planner.js";
import { sarathi } from "./schedule/sarathi.js";
import { Sequence } from "./sequence.js";
import type { HeldMemory } from "./sequence-options.js";

/** The loop: gather what the live decoders want, plan, run one pass, resume each decoder with its logits. It knows no phases and no
 *  methods; all sequences of all users go through it together. */

export class Engine {
  readonly model: LoadedModel;
  readonly tokenizer: Tokenizer;
  readonly contextTokens: number;
  /** The same for cache policies that renumber what is read; only these go beyond what the model was trained for. */
  readonly longestTokens: number;
  readonly maxSequences: number;
  readonly pass: ForwardPass;
  readonly memory: CacheMemory;
  readonly planner: Planner;
  /** Models that decoders draft with; one has to be opened before a sequence starts that names it. */
  readonly drafts: DraftModels;
  observer: EngineObserver;
  readonly #adapter: string | undefined;
  readonly #admission: Admission;
  readonly #costs: PassCosts | undefined;
  readonly #now: () => number;
  readonly #live = new Map<number, Sequence>();
  #inPass: readonly Sequence[] = [];
  #loop: Promise<void> | undefined;
  #step: Promise<void> = Promise.resolve();
  #nextId = 0;
  #closed = false;

  constructor(model: LoadedModel, tokenizer: Tokenizer, options: EngineOptions = {}) {
    mustBeCausal(model);
    const { maxSequences = 8, schedule = sarathi(), costs, observer = {} } = options;
    const limit = model.config.maxPositions;
    const contextTokens = options.contextTokens ?? limit;
    if (!Number.isInteger(contextTokens) || contextTokens < 8 || contextTokens > limit * mostTimesTrained) {
      throw new QuireError("bad-option", "The context cannot have this length.", {
        got: contextTokens,
        expected: `8 to ${limit} tokens; more, up to ${mostTimesTrained} times as many, for cache policies that renumber`,
      });
    }
    if (!Number.isInteger(maxSequences) || maxSequences < 1) {
      throw new QuireError("bad-option", "So many sequences cannot run at once.", {
        got: maxSequences,
        expected: "a whole number of at least 1",
      });
    }
    this.model = model;
    this.tokenizer = tokenizer;
    this.contextTokens = Math.min(contextTokens, limit);
    this.longestTokens = contextTokens;
    this.maxSequences = maxSequences;
    this.observer = observer;
    this.#adapter = options.adapter;
    this.#adapterOf({});
    this.planner = schedule.planner({ maxSequences, costs });
    this.#costs = costs;
    this.#now = options.now ?? (() => performance.now());
    this.pass = new ForwardPass(model);
    this.drafts = new DraftModels({ model, tokenizer, cacheType: options.cacheType ?? "f16" });
    this.memory = openCacheMemory(model, options, (store) => {
      this.pass.forget(store);
      this.drafts.forget(store);
    });
    const { numLayers, numKvHeads, numHeads, headDim } = model.config;
    const managedLayers = this.memory.shape.layers.flatMap(({ window }, layer) =>
      window === undefined ? [layer] : [],
    );
    this.#admission = new Admission({
      memory: this.memory,
      cacheShape: {
        layers: numLayers,
        kvHeads: numKvHeads,
        queryHeads: numHeads,
        headDim,
        managedLayers,
        trainedTokens: limit,
      },
    });
  }

  /** Sequences that run or wait. */
  get live(): number {
    return this.#live.size;
  }

  get running(): readonly Sequence[] {
    return this.#admission.running;
  }

  get waiting(): readonly Sequence[] {
    return this.#admission.waiting;
  }

  /** Times that a sequence gave up its memory for others. */
  get preemptions(): number {
    return this.#admission.preemptions;
  }

  /** Puts a sequence to work. Read its `pieces`; whoever stops reading early calls `settle`. */
  start(request: SequenceRequest): Sequence {
    if (this.#closed) throw new QuireError("bad-input", "The engine was closed.");
    throwIfAborted(request.signal);
    const draft = request.decoder.draft === undefined ? undefined : this.drafts.get(request.decoder.draft);
    const maxTokens = this.#check(request, draft);
    const { tokenizer } = this;
    const id = this.#nextId++;
    const { user = "", keepMemory = false } = request;
    const adapter = this.#adapterOf(request);
    // Keys and values made through different adapters differ.
    const scope = adapter === undefined ? request.scope : `${request.scope ?? ""}\n${adapter}`;
    const sequence = new Sequence(id, {
      ...request,
      ...{ maxTokens, user, keepMemory, tokenizer, draft, adapter, scope },
      blocks: {
        limit: this.contextTokens,
        open: (entries) => this.memory.open(entries),
        close: (store) => this.memory.close(store),
      },
      openOutput: () => new Output(tokenizer, { maxTokens, stop: request.stop, ignoreEnd: request.ignoreEnd }),
      onToken: (seconds, first) => this.observer.onToken?.({ request: id, user, seconds, first }),
    });
    this.#live.set(id, sequence);
    this.#admission.enter(sequence, request.resume);
    this.#loop ??= this.#run();
    return sequence;
  }

  #adapterOf({ adapter = this.#adapter }: Pick<SequenceRequest, "adapter">): string | undefined {
    if (adapter === undefined || adapter === null) return undefined;
    const { adapters } = this.model;
    if (adapters !== undefined) return adapters.mustHave(adapter);
    throw new QuireError("not-found", `There is no adapter called ${adapter}.`, {
      got: adapter,
      expected: "no adapter: none was opened with the model",
    });
  }

  /** Ends a sequence that nobody reads any more, and waits until no pass uses its memory. */
  async settle(sequence: Sequence): Promise<void> {
    sequence.end(new QuireError("cancelled", "Nobody reads the sequence any more."));
    await this.#step;
    this.#sweep();
  }

  /** Ends a live sequence by its number; false where there is none. */
  cancel(id: number): boolean {
    const sequence = this.#live.get(id);
    sequence?.end(new QuireError("cancelled", "Stopped on request."));
    if (this.#inPass.length === 0) this.#sweep();
    return sequence !== undefined;
  }

  /** Frees the memory that a sequence left for a next turn. */
  release(left: Sequence | HeldMemory): void {
    if (left.store !== undefined) this.memory.close(left.store);
  }

  /** Stops what is running, then frees graphs and caches. The model stays open. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const sequence of this.#live.values()) sequence.end(new QuireError("cancelled", "The engine was closed."));
    await this.#loop;
    this.#sweep();
    this.memory.closeAll();
    await this.drafts.close();
    this.pass.close();
  }

  /** Most tokens of a sequence with this cache policy. */
  contextFor({ renumbers }: Pick<CachePolicy, "renumbers">): number {
    return renumbers ? this.longestTokens : this.contextTokens;
  }

  #check({ prompt, maxTokens, decoder, policy }: SequenceRequest, draft: DraftModel | undefined): number {
    if (prompt.length === 0)
      throw new QuireError("bad-input", "The prompt is empty.", { expected: "at least one token" });
    if (!Number.isInteger(maxTokens) || maxTokens < 1) {
      throw new QuireError("bad-option", "maxTokens cannot be used.", {
        got: maxTokens,
        expected: "a whole number of at least 1",
      });
    }
    const contextTokens = this.contextFor(policy);
    if (prompt.length >= contextTokens) {
      throw new QuireError(
        "context-overflow",
        `The prompt has ${prompt.length} tokens, the context holds ${contextTokens}.`,
        {
          got: prompt.length,
          expected: `at most ${contextTokens - 1}`,
          fix: 'Shorten it, use `quire read`, or choose overflow: "drop-middle".',
        },
      );
    }
    if (this.pass.stages !== undefined && (!policy.rewinds || Object.keys(policy.needs).length > 0)) {
      throw new QuireError("bad-option", `The model decides what it holds of each token: ${policy.name} cannot too.`, {
        got: policy.name,
        expected: "the cache policy full",
      });
    }
    if (decoder.rewinds && !policy.rewinds) {
      throw new QuireError(
        "bad-option",
        `The decoder ${decoder.name} takes rows back, the cache policy ${policy.name} cannot.`,
        {
          fix: "Use the decoder autoregressive or the cache policy full.",
        },
      );
    }
    if (decoder.shapesMemory !== undefined && (!policy.rewinds || Object.keys(policy.needs).length > 0)) {
      throw new QuireError(
        "bad-option",
        `The decoder ${decoder.name} gives memory a shape of its own, the cache policy ${policy.name} edits it.`,
        { fix: "Use the cache policy full, or another decoder." },
      );
    }
    const most = Math.min(maxTokens, contextTokens - prompt.length);
    const entries = mostEntries({ prompt, decoder, maxTokens: most });
    const beside = draftBytes(this.memory, { prompt, decoder, maxTokens: most, draft });
    if (policy.rewinds && this.memory.bytesFor(entries) + beside > this.memory.limitBytes)
      throw noRoom(entries, this.memory);
    const limit = draft?.model.config.maxPositions ?? entries;
    if (entries > limit) {
      throw new QuireError("context-overflow", `The draft ${draft?.name} reads at most ${limit} tokens.`, {
        got: `${prompt.length} tokens and ${most} more`,
        expected: `at most ${limit}`,
        fix: "Ask for fewer tokens, or draft with lookup or ngram.",
      });
    }
    return most;
  }

  async #run(): Promise<void> {
    // Everything that was started in the same turn of the event loop shares the first pass.
    await Promise.resolve();
    while (this.#live.size > 0) {
      try {
        this.#step = this.#runStep();
        await this.#step;
      } catch (error) {
        for (const sequence of this.#live.values()) sequence.end(error);
        this.#inPass = [];
        this.#sweep();
      }
    }
    this.#loop = undefined;
  }

  async #runStep(): Promise<void> {
    const admission = this.#admission;
    this.#sweep();
    const someoneGaveWay = admission.makeRoomForDecodes();
    const seats = someoneGaveWay ? 0 : this.maxSequences - admission.running.length;
    const shares = this.planner.plan({
      running: admission.running.map(demandOf),
      waiting: seats > 0 ? admission.candidates(seats).map(demandOf) : [],
      seats,
      admit: (id) => {
        const sequence = this.#live.get(id);
        return sequence !== undefined && admission.admit(sequence) ? demandOf(sequence) : undefined;
      },
    });
    if (shares.length === 0) {
      // Nothing moved: somebody ended while being admitted, or gave way. Others get a turn before it is tried again.
      await new Promise(setImmediate);
      return;
    }
    // Always in the same order, so that a graph built for them can be used again.
    const chosen = shares
      .map(({ id, rows }): ChosenRows => {
        const sequence = this.#live.get(id) as Sequence;
        return { sequence, rows, decoding: sequence.decoding };
      })
      .sort((a, b) => a.sequence.id - b.sequence.id);
    this.#inPass = chosen.map(({ sequence }) => sequence);
    const load = chosen.reduce((sum, { sequence, rows }) => withRows(sum, rows, sequence.heldCount), noLoad);
    const start = this.#now();
    const drafting = chosen.map(({ sequence }) => sequence.drafting);
    for (const draft of new Set(drafting)) {
      const group = chosen.filter((_, index) => drafting[index] === draft);
      await this.#runPass(draft, group);
    }
    this.#inPass = [];
    const ms = this.#now() - start;
    if (drafting.every((draft) => draft === undefined)) this.#costs?.observe(load, ms);
    this.#sweep();
    this.observer.onPass?.({
      at: Date.now(),
      ms,
      decodeRows: chosen.reduce((sum, { rows, decoding }) => sum + (decoding ? rows : 0), 0),
      slices: chosen
        .filter(({ decoding }) => !decoding)
        .map(({ sequence, rows }) => ({ request: sequence.id, user: sequence.options.user, rows })),
      running: admission.running.length,
      waiting: admission.waiting.length,
      cacheBytes: this.memory.heldBytes,
      cacheLimitBytes: this.memory.limitBytes,
    });
  }

  /** One pass of one model: the engine's own, or a draft. */
  async #runPass(draft: DraftModel | undefined, chosen: readonly ChosenRows[]): Promise<void> {
    const admission = this.#admission;
    try {
      const segments = chosen.map(({ sequence, rows }) => ({
        ...sequence.segment(rows),
        ...(draft === undefined ? { adapter: sequence.options.adapter } : {}),
      }));
      const signal = commonSignal(chosen.map(({ sequence }) => sequence));
      const result = await (draft?.pass ?? this.pass).run(segments, signal);
      for (const [index, { sequence, rows, decoding }] of chosen.entries()) {
        if (sequence.over) continue;
        const own = (row: number) => result.logits(index, row);
        sequence.noteDepths(result.depths?.(index));
        await sequence.resume(rows, draft === undefined ? own : (row) => draft.widen(own(row)), {
          weights: (layer) => result.weights(index, layer),
          outputs: () => result.outputs(index),
        });
        admission.fair.serve(sequence.options.user, rows);
        if (draft === undefined && !decoding && !sequence.over) admission.learn(sequence);
      }
    } catch (error) {
      // Only those in the pass are lost; their memory may hold half-written rows.
      for (const { sequence } of chosen) sequence.end(sequence.signal?.aborted === true ? cancelled(sequence) : error);
    }
  }

  /** Takes out those who are over. Memory that a pass is using stays until it has ended. */
  #sweep(): void {
    for (const [id, sequence] of this.#live) {
      if (sequence.signal?.aborted === true) sequence.end(cancelled(sequence));
      if (!sequence.over || this.#inPass.includes(sequence)) continue;
      this.#live.delete(id);
      this.#admission.leave(sequence);
      this.observer.onEnd?.({
        request: id,
        user: sequence.options.user,
        outcome: sequence.error === undefined ? "finished" : isCancelled(sequence.error) ? "cancelled" : "failed",
        stats: sequence.stats,
      });
    }
  }
}

/** Longer texts are surely a mistake. */
const mostTimesTrained = 128;

/** Rows of a sequence in the next pass, and whether its reader waits for a token. */
interface ChosenRows {
  readonly sequence: Sequence;
  readonly rows: number;
  readonly decoding: boolean;
}

function demandOf(sequence: Sequence): SequenceDemand {
  const { id, wantedRows: rows, decoding, wantsWhole: whole, heldCount: held } = sequence;
  return { id, rows, decoding, whole, held };
}

function isCancelled(error: unknown): boolean {
  return error instanceof QuireError && error.code === "cancelled";
}

function cancelled(sequence: Sequence): QuireError {
  return new QuireError("cancelled", "Stopped on request.", { cause: sequence.signal?.reason });
}

/** A pass is stopped in its midst only when nobody else needs it. */
function commonSignal(sequences: readonly Sequence[]): AbortSignal | undefined {
  return sequences.length === 1 ? sequences[0]?.signal : undefined;
}
