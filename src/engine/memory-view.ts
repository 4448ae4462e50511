import type { CacheView, EntryView, PolicyNeeds } from "../cache/policy.js";
import { type KeyValueStore, roundUp } from "../cache/store/key-values.js";
import { QuireError } from "../errors.js";
import type { PromptWeights } from "./prompt-weights.js";

/** What a policy sees of a memory. Everything is read when it is asked for. */

export interface Observed {
  /** f32 [H, rows, slots read] of the newest pass. */
  readonly step?: (layer: number) => Float32Array | undefined;
  readonly stepRows?: number;
  readonly prompt?: PromptWeights;
  readonly outputs?: ReadonlyMap<string, Float32Array>;
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
  readonly #entries = new Map<number, EntryView>();
  readonly #mostHeads: number;
  /** Of layers whose heads hold the same. */
  #shared: Held | undefined;

  constructor(options: ViewOptions, observed: Observed) {
    const { store, promptTokens, maxNewTokens } = options;
    this.#options = options;
    this.#observed = observed;
    this.#mostHeads = Math.max(...store.shape.layers.map(({ kvHeads }) => kvHeads));
    this.tokens = store.tokens;
    this.promptTokens = promptTokens;
    this.maxNewTokens = maxNewTokens;
  }

  get outputs(): ReadonlyMap<string, Float32Array> | undefined {
    return this.#observed.outputs;
  }

  entries(layer: number, kvHead: number): EntryView {
    const { store, needs } = this.#options;
    const kvHeads = store.shape.layers[layer]?.kvHeads ?? 0;
    if (!store.managed.includes(layer) || !Number.isInteger(kvHead) || kvHead < 0 || kvHead >= kvHeads) {
      throw new QuireError("bad-input", `A cache policy looked at head ${kvHead} of layer ${layer}.`, {
        got: [layer, kvHead],
        expected: "a layer of managedLayers, and one of its heads",
      });
    }
    const key = layer * this.#mostHeads + kvHead;
    let found = this.#entries.get(key);
    if (found === undefined) {
      found = new HeadView(store, needs, this.#observed, layer, kvHead, this.#held(layer, kvHead));
      this.#entries.set(key, found);
    }
    return found;
  }

  #held(layer: number, kvHead: number): Held {
    const { store } = this.#options;
    const map = store.heads.get(layer)?.heads[kvHead];
    if (map !== undefined) return new Held(map.order.slice(), map.positions, map.mass);
    // Managed layers share one map until one of them is edited.
    this.#shared ??= new Held(store.occupied(layer, kvHead), store.groupOf(layer).slots.positions, undefined);
    return this.#shared;
  }
}

/** Slots of a head, and what is known of them. */
class Held {
  readonly slots: Int32Array;
  readonly #bySlot: Int32Array;
  readonly #massBySlot: Float32Array | undefined;
  #positions: Int32Array | undefined;
  #mass: Float32Array | undefined;

  constructor(slots: Int32Array, bySlot: Int32Array, massBySlot: Float32Array | undefined) {
    this.slots = slots;
    this.#bySlot = bySlot;
    this.#massBySlot = massBySlot;
  }

  get positions(): Int32Array {
    if (this.#positions === undefined) {
      this.#positions = new Int32Array(this.slots.length);
      for (let i = 0; i < this.slots.length; i++) this.#positions[i] = this.#bySlot[this.slots[i] as number] as number;
    }
    return this.#positions;
  }

  get mass(): Float32Array {
    if (this.#mass === undefined) {
      this.#mass = new Float32Array(this.slots.length).fill(1);
      const mass = this.#massBySlot;
      if (mass !== undefined)
        for (let i = 0; i < this.slots.length; i++) this.#mass[i] = mass[this.slots[i] as number] as number;
    }
    return this.#mass;
  }
}

class HeadView implements EntryView {
  readonly #store: KeyValueStore;
  readonly #needs: PolicyNeeds;
  readonly #observed: Observed;
  readonly #layer: number;
  readonly #head: number;
  readonly #held: Held;
  #rows: Float32Array | undefined;

  constructor(store: KeyValueStore, needs: PolicyNeeds, observed: Observed, layer: number, head: number, held: Held) {
    this.#store = store;
    this.#needs = needs;
    this.#observed = observed;
    this.#layer = layer;
    this.#head = head;
    this.#held = held;
  }

  get slots(): Int32Array {
    return this.#held.slots;
  }

  get positions(): Int32Array {
    return this.#held.positions;
  }

  get mass(): Float32Array {
    return this.#held.mass;
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
    const { slots } = this;
    const weights = prompt === undefined ? step?.(this.#layer) : prompt.layer(this.#layer);
    if (weights === undefined) return undefined;
    const wanted = prompt?.rows ?? stepRows;
    const stored = prompt === undefined ? stepRows : (this.#store.ring?.rows ?? 1);
    const extent = this.#store.heads.get(this.#layer)?.extent ?? this.#store.groupOf(this.#layer).slots.extent;
    const read = roundUp(extent);
    const group = weights.length / (stored * read * this.#store.layer(this.#layer).shape.kvHeads);
    const result = new Float32Array(group * wanted * slots.length);
    let at = 0;
    for (let member = 0; member < group; member++) {
      for (let row = 0; row < wanted; row++) {
        const start = ((this.#head * group + member) * stored + (prompt?.place(row) ?? row)) * read;
        for (let i = 0; i < slots.length; i++) result[at++] = weights[start + (slots[i] as number)] as number;
      }
    }
    return result;
  }
}
