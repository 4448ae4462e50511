import type { CacheView, EntryView, PolicyNeeds } from "../cache/policy.js";
import type { HeadMap } from "../cache/store/head-slots.js";
import { type KeyValueStore, roundUp } from "../cache/store/key-values.js";
import { QuireError } from "../errors.js";
import type { PromptWeights } from "./prompt-weights.js";

/** What a policy sees of a memory. Everything is read when it is asked for. */

export interface Observed {
  /** f32 [H, rows, slots read] of the newest pass. */
  readonly step?: (layer: number) => Float32Array | undefined;
  readonly stepRows?: number;
  readonly prompt?: PromptWeights;
}

export interface ViewOptions {
  readonly store: KeyValueStore;
  readonly needs: PolicyNeeds;
  readonly promptTokens: number;
  readonly maxNewTokens: number;
}

export class MemoryView implements CacheView {
  readonly tokens: number;
  readonly promptTokens: number;
  readonly maxNewTokens: number;
  readonly #options: ViewOptions;
  readonly #observed: Observed;
  readonly #entries = new Map<string, HeadView>();
  /** Of layers whose heads hold the same. */
  #shared: { slots: Int32Array; positions: Int32Array; mass: Float32Array } | undefined;

  constructor(options: ViewOptions, observed: Observed) {
    this.#options = options;
    this.#observed = observed;
    this.tokens = options.store.tokens;
    this.promptTokens = options.promptTokens;
    this.maxNewTokens = options.maxNewTokens;
  }

  entries(layer: number, kvHead: number): EntryView {
    const { store, needs } = this.#options;
    const kvHeads = store.shape.layers[layer]?.kvHeads ?? 0;
    if (!store.managed.includes(layer) || !(kvHead >= 0 && kvHead < kvHeads)) {
      throw new QuireError("bad-input", `A cache policy looked at head ${kvHead} of layer ${layer}.`, {
        got: [layer, kvHead],
        expected: "a layer of managedLayers, and one of its heads",
      });
    }
    const key = `${layer} ${kvHead}`;
    let found = this.#entries.get(key);
    if (found === undefined) {
      found = new HeadView(store, needs, this.#observed, layer, kvHead, this.#held(layer, kvHead));
      this.#entries.set(key, found);
    }
    return found;
  }

  #held(layer: number, kvHead: number) {
    const { store } = this.#options;
    const map: HeadMap | undefined = store.heads.get(layer)?.heads[kvHead];
    if (map === undefined && this.#shared !== undefined) return this.#shared;
    const slots = store.occupied(layer, kvHead);
    const { positions } = map ?? store.groupOf(layer).slots;
    const held = {
      slots,
      positions: slots.map((slot) => positions[slot] as number),
      mass: Float32Array.from(slots, (slot) => map?.massOf(slot) ?? 1),
    };
    if (map === undefined) this.#shared = held;
    return held;
  }
}

class HeadView implements EntryView {
  readonly slots: Int32Array;
  readonly positions: Int32Array;
  readonly mass: Float32Array;
  readonly #store: KeyValueStore;
  readonly #needs: PolicyNeeds;
  readonly #observed: Observed;
  readonly #layer: number;
  readonly #head: number;
  #rows: Float32Array | undefined;

  constructor(
    store: KeyValueStore,
    needs: PolicyNeeds,
    observed: Observed,
    layer: number,
    head: number,
    held: { slots: Int32Array; positions: Int32Array; mass: Float32Array },
  ) {
    this.slots = held.slots;
    this.positions = held.positions;
    this.mass = held.mass;
    this.#store = store;
    this.#needs = needs;
    this.#observed = observed;
    this.#layer = layer;
    this.#head = head;
  }

  get columnSums(): Float32Array | undefined {
    return this.#needs.columnSums === true ? this.#read("sums") : undefined;
  }

  get keys(): Float32Array | undefined {
    return this.#needs.keys === true ? this.#read("keys") : undefined;
  }

  get values(): Float32Array | undefined {
    return this.#needs.values === true ? this.#read("values") : undefined;
  }

  get rowCount(): number | undefined {
    const { prompt, step, stepRows } = this.#observed;
    if (prompt !== undefined) return prompt.rows;
    return step?.(this.#layer) === undefined ? undefined : stepRows;
  }

  get rows(): Float32Array | undefined {
    this.#rows ??= this.#gatherRows();
    return this.#rows;
  }

  #read(part: "sums" | "keys" | "values"): Float32Array {
    return this.#store.layer(this.#layer).read(part, this.#head, this.slots);
  }

  #gatherRows(): Float32Array | undefined {
    const { prompt, step, stepRows = 1 } = this.#observed;
    const kvHeads = this.#store.layer(this.#layer).shape.kvHeads;
    const weights = prompt === undefined ? step?.(this.#layer) : prompt.layer(this.#layer);
    if (weights === undefined) return undefined;
    const wanted = prompt?.rows ?? stepRows;
    const stored = prompt === undefined ? stepRows : (this.#store.ring?.rows ?? 1);
    const extent = this.#store.heads.get(this.#layer)?.extent ?? this.#store.groupOf(this.#layer).slots.extent;
    const read = roundUp(extent);
    const group = weights.length / (stored * read * kvHeads);
    const result = new Float32Array(group * wanted * this.slots.length);
    let at = 0;
    for (let member = 0; member < group; member++) {
      for (let row = 0; row < wanted; row++) {
        const start = ((this.#head * group + member) * stored + (prompt?.place(row) ?? row)) * read;
        for (const slot of this.slots) result[at++] = weights[start + slot] as number;
      }
    }
    return result;
  }
}
