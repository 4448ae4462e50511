import type { CachePolicy, CacheView, Edit, PolicyRun } from "../cache/policy.js";
import { editStore } from "../cache/store/edit-store.js";
import type { KeyValueStore } from "../cache/store/key-values.js";

/** Shows a sequence's memory to its cache policy after every pass, and makes the edits that it asks for. */

export interface PolicyDriverOptions {
  readonly policy: CachePolicy;
  readonly run: PolicyRun;
  readonly store: KeyValueStore;
  readonly promptTokens: number;
  readonly maxNewTokens: number;
}

const largestSlice = 512;

export class PolicyDriver {
  readonly #options: PolicyDriverOptions;
  #steps = 0;

  constructor(options: PolicyDriverOptions) {
    this.#options = options;
  }

  get run(): PolicyRun {
    return this.#options.run;
  }

  /** `left`: rows of the request that were not evaluated yet. */
  afterPass(left: number): void {
    const { policy, run, store, promptTokens } = this.#options;
    const inPrompt = store.tokens <= promptTokens;
    const view = cacheView(this.#options);
    let edits: Edit[] | undefined;
    if (store.tokens < promptTokens) edits = run.afterPrefillSlice?.(view);
    else if (store.tokens === promptTokens) edits = run.afterPrefill?.(view);
    else edits = run.afterStep?.(view, ++this.#steps);
    const room = left === 0 ? 1 : Math.min(left, largestSlice);
    editStore(store, edits ?? [], { policy: policy.name, room, slack: inPrompt ? 0 : 0.5 });
  }
}

function cacheView({ store, promptTokens, maxNewTokens }: PolicyDriverOptions): CacheView {
  return {
    tokens: store.tokens,
    promptTokens,
    maxNewTokens,
    entries: (layer, kvHead) => {
      const slots = store.occupied(layer, kvHead);
      const map = store.heads.get(layer)?.heads[kvHead];
      const { positions } = map ?? store.groupOf(layer).slots;
      return {
        slots,
        positions: slots.map((slot) => positions[slot] ?? 0),
        mass: Float32Array.from(slots, (slot) => map?.massOf(slot) ?? 1),
      };
    },
  };
}
