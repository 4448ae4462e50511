import type { CachePolicy, CacheView, Edit, PolicyRun } from "../cache/policy.js";
import { editStore } from "../cache/store/edit-store.js";
import type { KeyValueStore } from "../cache/store/key-values.js";
import { isQuireError, QuireError } from "../errors.js";
import type { Segment } from "./forward.js";
import { MemoryView, type Observed } from "./memory-view.js";
import { PromptWeights } from "./prompt-weights.js";

/** Has observed what a sequence's cache policy asks for, shows it the memory after every pass, and makes the edits that it wants. */

export interface PolicyDriverOptions {
  readonly policy: CachePolicy;
  readonly run: PolicyRun;
  readonly store: KeyValueStore;
  readonly promptTokens: number;
  readonly maxNewTokens: number;
}

/** What the newest pass brought for the policy. */
export interface PassObservations {
  /** f32 [H, rows, slots read], where it was asked for. */
  weights(layer: number): Float32Array | undefined;
  outputs(): ReadonlyMap<string, Float32Array> | undefined;
}

const largestSlice = 512;
/** Decoders that evaluate more rows at once are not decoding step by step. */
const mostStepRows = 64;

let nextId = 0;

export class PolicyDriver {
  readonly #options: PolicyDriverOptions;
  /** Tokens that were in the memory before. */
  readonly #start: number;
  readonly #id = nextId++;
  #steps = 0;

  constructor(options: PolicyDriverOptions) {
    const { policy, store, promptTokens } = options;
    this.#options = options;
    this.#start = store.tokens;
    const { columnSums = false, promptRows = 0, raw = false } = policy.needs;
    if (raw) store.keepRaw();
    if (columnSums) store.watchSums();
    if (promptRows > 0 && store.tokens < promptTokens) store.watchQueries(promptRows);
  }

  get run(): PolicyRun {
    return this.#options.run;
  }

  /** Rows that the next pass may bring. */
  get mostRows(): number {
    return this.#options.run.mostRows?.() ?? Number.POSITIVE_INFINITY;
  }

  /** What the next pass of `rows` rows shall bring. */
  wants(rows: number): Pick<Segment, "stepRow" | "reader"> {
    const { policy, run, store, promptTokens } = this.#options;
    const stepRow = policy.needs.stepRow === true && rows <= mostStepRows && store.tokens >= promptTokens;
    if (run.read === undefined && run.watchLayer === undefined) return stepRow ? { stepRow } : {};
    const key = `${this.#id}:${encodeURIComponent(run.readKey?.(rows) ?? "")}`;
    return { stepRow, reader: { run, key, promptTokens } };
  }

  /** `left`: rows of the request that were not evaluated yet. Waits only where something has still to be computed. */
  afterPass(rows: number, left: number, pass?: PassObservations): Promise<void> | undefined {
    const { run, store, promptTokens } = this.#options;
    const { tokens } = store;
    const outputs = this.#outputs(pass);
    if (tokens > promptTokens) {
      this.#steps++;
      this.#apply((view) => run.afterStep?.(view, this.#steps), left, { step: pass?.weights, stepRows: rows, outputs });
      return undefined;
    }
    const isLast = tokens === promptTokens;
    const hook = (view: CacheView) => (isLast ? run.afterPrefill?.(view) : run.afterPrefillSlice?.(view));
    if (store.ring === undefined) {
      this.#apply(hook, left, { outputs });
      return undefined;
    }
    const hasHook = (isLast ? run.afterPrefill : run.afterPrefillSlice) !== undefined;
    if (!hasHook) {
      if (isLast) store.dropQueries();
      return undefined;
    }
    return store.device.exclusive(() => {
      this.#apply(hook, left, { prompt: new PromptWeights(store, tokens - this.#start), outputs });
      if (isLast) store.dropQueries();
    });
  }

  #outputs(pass: PassObservations | undefined): ReadonlyMap<string, Float32Array> | undefined {
    try {
      return pass?.outputs();
    } catch (error) {
      throw this.#failed(error);
    }
  }

  #failed(error: unknown): QuireError {
    if (isQuireError(error)) return error;
    const { name } = this.#options.policy;
    return new QuireError("bad-input", `The cache policy ${name} failed: ${(error as Error).message}`, {
      cause: error,
    });
  }

  #apply(hook: (view: CacheView) => Edit[] | undefined, left: number, observed: Observed): void {
    const { policy, store, promptTokens, maxNewTokens } = this.#options;
    const view = new MemoryView({ store, needs: policy.needs, promptTokens, maxNewTokens }, observed);
    let edits: Edit[] | undefined;
    try {
      edits = hook(view);
    } catch (error) {
      throw this.#failed(error);
    }
    if (edits === undefined || edits.length === 0) return;
    const inPrompt = store.tokens <= promptTokens;
    const room = left === 0 ? 1 : Math.min(left, largestSlice);
    editStore(store, edits, { policy: policy.name, room, slack: inPrompt ? 0 : 0.5 });
  }
}
