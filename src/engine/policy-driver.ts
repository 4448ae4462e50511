import type { CachePolicy, CacheView, Edit, PolicyRun } from "../cache/policy.js";
import { type KeyValueStore, slotStep } from "../cache/store/key-values.js";
import { QuireError } from "../errors.js";

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
    const view = cacheView(this.#options);
    let edits: Edit[] | undefined;
    if (store.tokens < promptTokens) edits = run.afterPrefillSlice?.(view);
    else if (store.tokens === promptTokens) edits = run.afterPrefill?.(view);
    else edits = run.afterStep?.(view, ++this.#steps);
    const room = left === 0 ? slotStep : Math.min(left, largestSlice);
    for (const edit of edits ?? []) applyEdit(store, edit, policy.name, room);
  }
}

function cacheView({ store, promptTokens, maxNewTokens }: PolicyDriverOptions): CacheView {
  return {
    tokens: store.tokens,
    promptTokens,
    maxNewTokens,
    entries: () => {
      const slots = store.occupied();
      return {
        slots,
        positions: slots.map((slot) => store.positions[slot] ?? 0),
        mass: new Float32Array(slots.length).fill(1),
      };
    },
  };
}

/** `room`: entries that will be added soon, for which memory is kept. */
function applyEdit(store: KeyValueStore, edit: Edit, policy: string, room: number): void {
  if (edit.kind !== "keep" || edit.layer !== undefined || edit.kvHead !== undefined) {
    throw new QuireError(
      "unsupported",
      `The cache policy ${policy} asked for an edit that the cache cannot make yet.`,
      {
        got: edit.kind,
        expected: "keep, for all layers and heads alike",
      },
    );
  }
  store.keep(edit.slots, room);
}
