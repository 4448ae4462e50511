import type { CachePolicy } from "../cache/policy.js";
import { type CacheType, KeyValueStore } from "../cache/store/key-values.js";
import type { Decoder, Sampler } from "../decode/decoder.js";
import { QuireError, throwIfAborted } from "../errors.js";
import type { Tokenizer } from "../text/tokenizer.js";
import { ForwardPass } from "./forward.js";
import { type LoadedModel, mustBeCausal } from "./model.js";
import { Output } from "./output.js";
import type { Planner } from "./schedule/planner.js";
import { stallFree } from "./schedule/stall-free.js";
import { type HeldMemory, Sequence } from "./sequence.js";

/** The loop: gather what the live decoders want, plan, run one pass, resume each decoder with its logits. It knows no phases and no
 *  methods; all sequences of all users go through it together. */

export interface EngineOptions {
  /** Most tokens of a sequence, prompt and answer together; default the model's own limit. */
  readonly contextTokens?: number;
  readonly cacheType?: CacheType;
  readonly planner?: Planner;
}

export interface SequenceRequest {
  readonly prompt: Int32Array;
  readonly decoder: Decoder;
  readonly policy: CachePolicy;
  readonly sampler: Sampler;
  readonly maxTokens: number;
  readonly stop?: readonly string[];
  /** Go on after an end token, for timing. */
  readonly ignoreEnd?: boolean;
  readonly signal?: AbortSignal;
  /** Memory of an earlier sequence; it belongs to the new one from here on. */
  readonly resume?: HeldMemory;
}

export class Engine {
  readonly model: LoadedModel;
  readonly tokenizer: Tokenizer;
  readonly contextTokens: number;
  readonly pass: ForwardPass;
  readonly #planner: Planner;
  readonly #cacheType: CacheType;
  readonly #live = new Set<Sequence>();
  #loop: Promise<void> | undefined;
  #step: Promise<void> = Promise.resolve();
  #nextId = 0;
  #closed = false;

  constructor(model: LoadedModel, tokenizer: Tokenizer, options: EngineOptions = {}) {
    mustBeCausal(model);
    const limit = model.config.maxPositions;
    const contextTokens = options.contextTokens ?? limit;
    if (!Number.isInteger(contextTokens) || contextTokens < 8 || contextTokens > limit) {
      throw new QuireError("bad-option", "The context cannot have this length.", {
        got: contextTokens,
        expected: `8 to ${limit} tokens`,
      });
    }
    this.model = model;
    this.tokenizer = tokenizer;
    this.contextTokens = contextTokens;
    this.pass = new ForwardPass(model);
    this.#planner = options.planner ?? stallFree({ budget: 512 });
    this.#cacheType = options.cacheType ?? "f16";
  }

  /** Sequences that are being worked on. */
  get live(): number {
    return this.#live.size;
  }

  /** Puts a sequence to work. Read its `pieces`; afterwards give its memory back with `release` (or `resume` it). */
  start(request: SequenceRequest): Sequence {
    if (this.#closed) throw new QuireError("bad-input", "The engine was closed.");
    throwIfAborted(request.signal);
    const maxTokens = this.#check(request);
    const { tokenizer } = this;
    const memory = this.#memoryFor(request, maxTokens);
    const output = new Output(tokenizer, { maxTokens, stop: request.stop, ignoreEnd: request.ignoreEnd });
    const sequence = new Sequence(this.#nextId++, { ...request, output }, memory);
    if (!sequence.over) this.#live.add(sequence);
    this.#loop ??= this.#run();
    return sequence;
  }

  /** Ends a sequence that nobody reads any more, and waits until no pass uses its memory. */
  async settle(sequence: Sequence): Promise<void> {
    sequence.end(new QuireError("cancelled", "Nobody reads the sequence any more."));
    this.#live.delete(sequence);
    await this.#step;
  }

  /** Frees the memory of a sequence that is over. */
  release(memory: Sequence | HeldMemory): void {
    this.pass.forget(memory.store);
    memory.store.close();
  }

  /** Stops what is running, then frees graphs. The model stays open. */
  async close(): Promise<void> {
    this.#closed = true;
    const running = [...this.#live];
    for (const sequence of running) sequence.end(new QuireError("cancelled", "The engine was closed."));
    this.#live.clear();
    await this.#loop;
    this.pass.close();
  }

  #check({ prompt, maxTokens, decoder, policy }: SequenceRequest): number {
    if (prompt.length === 0)
      throw new QuireError("bad-input", "The prompt is empty.", { expected: "at least one token" });
    if (!Number.isInteger(maxTokens) || maxTokens < 1) {
      throw new QuireError("bad-option", "maxTokens cannot be used.", {
        got: maxTokens,
        expected: "a whole number of at least 1",
      });
    }
    if (prompt.length >= this.contextTokens) {
      throw new QuireError(
        "context-overflow",
        `The prompt has ${prompt.length} tokens, the context holds ${this.contextTokens}.`,
        {
          got: prompt.length,
          expected: `at most ${this.contextTokens - 1}`,
          fix: 'Shorten it, use `quire read`, or choose overflow: "drop-middle".',
        },
      );
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
    if (Object.keys(policy.needs).length > 0) {
      throw new QuireError(
        "unsupported",
        `The cache policy ${policy.name} observes attention, which the engine does not offer yet.`,
        {
          got: JSON.stringify(policy.needs),
          fix: "Use full or window.",
        },
      );
    }
    return Math.min(maxTokens, this.contextTokens - prompt.length);
  }

  /** The memory to begin with: as much of an earlier sequence's as has the same tokens, or none. */
  #memoryFor({ prompt, policy, resume }: SequenceRequest, maxTokens: number) {
    const room = Math.min(prompt.length + maxTokens, prompt.length + 512) + 1;
    if (resume !== undefined) {
      let shared = 0;
      // The last token of the prompt is always evaluated: its logits are needed.
      while (shared < prompt.length - 1 && shared < resume.tokens.length && resume.tokens[shared] === prompt[shared])
        shared++;
      const usable = policy.rewinds || shared === resume.tokens.length;
      if (usable && shared > 0 && resume.policyLabel === policy.label) {
        resume.store.rewind(shared);
        if (policy.rewinds) resume.store.makeRoom(room);
        return { store: resume.store, tokens: resume.tokens.subarray(0, shared), policyRun: resume.policyRun };
      }
      this.release(resume);
    }
    const { architecture, config, device } = this.model;
    const layers = architecture.memory(config).map((need) => {
      if (need.kind !== "keys-values")
        throw new QuireError("unsupported", `${architecture.name} has layers without keys and values.`);
      return need;
    });
    const shape = { layers, type: this.#cacheType };
    const store = new KeyValueStore(device, shape, policy.rewinds ? room : Math.min(room, 1024));
    const policyRun = policy.create({
      layers: config.numLayers,
      kvHeads: config.numKvHeads,
      queryHeads: config.numHeads,
      headDim: config.headDim,
      managedLayers: layers.flatMap((need, layer) => (need.window === undefined ? [layer] : [])),
    });
    return { store, tokens: new Int32Array(0), policyRun };
  }

  async #run(): Promise<void> {
    // Everything that was started in the same turn of the event loop shares the first pass.
    await Promise.resolve();
    while (this.#live.size > 0) {
      this.#dropCancelled();
      if (this.#live.size === 0) break;
      try {
        this.#step = this.#runStep();
        await this.#step;
      } catch (error) {
        for (const sequence of this.#live)
          sequence.end(sequence.signal?.aborted === true ? cancelled(sequence) : error);
        this.#live.clear();
      }
    }
    this.#loop = undefined;
  }

  async #runStep(): Promise<void> {
    const demands = [...this.#live].map((sequence) => ({
      id: sequence.id,
      rows: sequence.wantedRows,
      whole: sequence.wantsWhole,
      arrival: sequence.id,
    }));
    const shares = this.#planner.plan(demands);
    const byId = new Map([...this.#live].map((sequence) => [sequence.id, sequence]));
    const chosen = shares.map(({ id, rows }) => ({ sequence: byId.get(id) as Sequence, rows }));
    try {
      const segments = chosen.map(({ sequence, rows }) => sequence.segment(rows));
      const result = await this.pass.run(segments, commonSignal(chosen.map(({ sequence }) => sequence)));
      for (const [index, { sequence, rows }] of chosen.entries()) {
        if (!sequence.over) sequence.resume(rows, (row) => result.logits(index, row));
      }
    } catch (error) {
      // Only those in the pass are lost; their memory may hold half-written rows.
      for (const { sequence } of chosen) sequence.end(sequence.signal?.aborted === true ? cancelled(sequence) : error);
    }
    this.#dropCancelled();
  }

  #dropCancelled(): void {
    for (const sequence of this.#live) {
      if (sequence.signal?.aborted === true) sequence.end(cancelled(sequence));
      if (sequence.over) this.#live.delete(sequence);
    }
  }
}

function cancelled(sequence: Sequence): QuireError {
  return new QuireError("cancelled", "Stopped on request.", { cause: sequence.signal?.reason });
}

/** A pass is stopped in its midst only when nobody else needs it. */
function commonSignal(sequences: readonly Sequence[]): AbortSignal | undefined {
  return sequences.length === 1 ? sequences[0]?.signal : undefined;
}
