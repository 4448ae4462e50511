import type { CachePolicy, CacheView, Edit, PolicyRun } from "../cache/policy.js";
import { editStore } from "../cache/store/edit-store.js";
import type { KeyValueStore } from "../cache/store/key-values.js";
import { isQuireError, QuireError } from "../errors.js";
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

/** f32 [H, rows, slots read] of a layer in the newest pass, where it was asked for. */
export type StepWeights = (layer: number) => Float32Array | undefined;

const largestSlice = 512;
/** Decoders that evaluate more rows at once are not decoding step by step. */
const mostStepRows = 64;

export class PolicyDriver {
  readonly #options: PolicyDriverOptions;
  /** Tokens that were in the memory before. */
  readonly #start: number;
  #steps = 0;

  constructor(options: PolicyDriverOptions) {
    const { policy, store, promptTokens } = options;
    this.#options = options;
    this.#start = store.tokens;
    const { columnSums = false, promptRows = 0 } = policy.needs;
    if (columnSums) store.watchSums();
    if (promptRows > 0 && store.tokens < promptTokens) store.watchQueries(promptRows);
  }

  get run(): PolicyRun {
    return this.#options.run;
  }

  /** Whether the weights of the next `rows` rows are wanted. */
  wantsWeights(rows: number): boolean {
    const { policy, store, promptTokens } = this.#options;
    return policy.needs.stepRow === true && rows <= mostStepRows && store.tokens >= promptTokens;
  }

  /** `left`: rows of the request that were not evaluated yet. Waits only where something has still to be computed. */
  afterPass(rows: number, left: number, weights?: StepWeights): Promise<void> | undefined {
    const { run, store, promptTokens } = this.#options;
    const { tokens } = store;
    if (tokens > promptTokens) {
      this.#steps++;
      this.#apply((view) => run.afterStep?.(view, this.#steps), left, { step: weights, stepRows: rows });
      return undefined;
    }
    const isLast = tokens === promptTokens;
    const hook = (view: CacheView) => (isLast ? run.afterPrefill?.(view) : run.afterPrefillSlice?.(view));
    if (store.ring === undefined) {
      this.#apply(hook, left, {});
      return undefined;
    }
    const hasHook = (isLast ? run.afterPrefill : run.afterPrefillSlice) !== undefined;
    if (!hasHook) {
      if (isLast) store.dropQueries();
      return undefined;
    }
    return store.device.exclusive(() => {
      this.#apply(hook, left, { prompt: new PromptWeights(store, tokens - this.#start) });
      if (isLast) store.dropQueries();
    });
  }

  #apply(hook: (view: CacheView) => Edit[] | undefined, left: number, observed: Observed): void {
    const { policy, store, promptTokens, maxNewTokens } = this.#options;
    const view = new MemoryView({ store, needs: policy.needs, promptTokens, maxNewTokens }, observed);
    let edits: Edit[] | undefined;
    try {
      edits = hook(view);
    } catch (error) {
      if (isQuireError(error)) throw error;
      throw new QuireError("bad-input", `The cache policy ${policy.name} failed: ${(error as Error).message}`, {
        cause: error,
      });
    }
    if (edits === undefined || edits.length === 0) return;
    const inPrompt = store.tokens <= promptTokens;
    const room = left === 0 ? 1 : Math.min(left, largestSlice);
    editStore(store, edits, { policy: policy.name, room, slack: inPrompt ? 0 : 0.5 });
  }
}
