import type { KeyValueStore } from "../cache/store/key-values.js";
import type { AttendOptions } from "../models/architecture.js";
import type { Graph } from "../tensor/graph.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Segment } from "./forward.js";
import { type LayerClass, layerClasses } from "./layer-classes.js";
import { fillMask } from "./mask.js";

/** What the rows of one sequence need in a pass: the slots that they go to, what they may look at, and the attention over it. */
export class SegmentInputs {
  readonly #graph: Graph;
  readonly #store: KeyValueStore;
  readonly #rows: number;
  readonly #name: string;
  readonly #classes: readonly LayerClass[];
  readonly #classOf: number[] = [];
  /** By group of layers that share a map. */
  readonly #sharedSlots: Tensor[];
  /** i64 [all heads of all layers with slots a head, rows], and the row at which a layer begins. */
  readonly #headSlots: Tensor | undefined;
  readonly #headStarts = new Map<number, number>();
  readonly #masks = new Map<string, { mask: Tensor; layers: number; window: number }>();
  /** All masks of layers with slots a head, one after the other. */
  readonly #headMasks: Tensor | undefined;

  constructor(graph: Graph, { store, tokens }: Segment, index: number) {
    this.#graph = graph;
    this.#store = store;
    this.#rows = tokens.length;
    this.#name = String(index);
    this.#classes = layerClasses(store);
    for (const [number, { layers }] of this.#classes.entries())
      for (const layer of layers) this.#classOf[layer] = number;
    this.#sharedSlots = store.groups.map((_, group) => graph.input(`slots ${index} ${group}`, "i64", [this.#rows]));
    let heads = 0;
    for (const [layer, slots] of store.heads) {
      this.#headStarts.set(layer, heads);
      heads += slots.heads.length;
    }
    if (heads > 0) this.#headSlots = graph.input(`head slots ${index}`, "i64", [heads, this.#rows]);
    const width = this.#classes.reduce((sum, { read, group }) => sum + (group === undefined ? read : 0), 0);
    if (width > 0) this.#headMasks = graph.input(`head masks ${index}`, "f16", [this.#rows * width]);
  }

  /** Writes keys and values [K, R, D] to their slots and attends with queries [H, R, D]; gives [R, H·D]. */
  attend(layer: number, queries: Tensor, keys: Tensor, values: Tensor, { scale, softcap, window = 0 }: AttendOptions) {
    const memory = this.#store.layer(layer);
    const { read } = this.#classes[this.#classOf[layer] ?? 0] as LayerClass;
    const slots = this.#slotsOf(layer);
    const mask = this.#maskOf(layer, window);
    const allKeys = memory.keys.setRows(slots, keys).slice(1, 0, read);
    const allValues = memory.values.setRows(slots, values).slice(1, 0, read);
    const attended = queries.flashAttention(allKeys, allValues, { mask, scale, softcap });
    return attended.reshape(this.#rows, attended.size(1) * attended.size(2));
  }

  fill(segment: Segment): void {
    const { shared, byHead } = segment.slots;
    for (const [group, input] of this.#sharedSlots.entries()) copy(shared[group], this.#graph.host(input), 0);
    if (this.#headSlots !== undefined) {
      const target = this.#graph.host<BigInt64Array>(this.#headSlots);
      for (const [layer, slots] of byHead) copy(slots, target, (this.#headStarts.get(layer) ?? 0) * this.#rows);
    }
    // The graph may be an older one of the same form; what is held has changed since.
    const classes = layerClasses(this.#store);
    const heads = this.#headMasks === undefined ? undefined : this.#graph.host<Uint16Array>(this.#headMasks);
    let start = 0;
    for (const own of classes) {
      if (own.group !== undefined) continue;
      const size = this.#rows * own.read;
      fillMask((heads as Uint16Array).subarray(start, start + size), segment, own, 0);
      start += size;
    }
    for (const { mask, layers, window } of this.#masks.values())
      fillMask(this.#graph.host<Uint16Array>(mask), segment, classes[layers] as LayerClass, window);
  }

  #slotsOf(layer: number): Tensor {
    const { group } = this.#classes[this.#classOf[layer] ?? 0] as LayerClass;
    if (group !== undefined) return this.#sharedSlots[group.index] as Tensor;
    const { kvHeads } = this.#store.layer(layer).shape;
    return (this.#headSlots as Tensor).slice(0, this.#headStarts.get(layer) ?? 0, kvHeads);
  }

  #maskOf(layer: number, window: number): Tensor {
    const number = this.#classOf[layer] ?? 0;
    const { read, group } = this.#classes[number] as LayerClass;
    if (group === undefined) {
      let start = 0;
      for (const other of this.#classes.slice(0, number))
        start += other.group === undefined ? other.read * this.#rows : 0;
      return (this.#headMasks as Tensor).slice(0, start, read * this.#rows).reshape(this.#rows, read);
    }
    const key = `${number} ${window}`;
    let found = this.#masks.get(key);
    if (found === undefined) {
      const mask = this.#graph.input(`mask ${this.#name} ${key}`, "f16", [this.#rows, read]);
      found = { mask, layers: number, window };
      this.#masks.set(key, found);
    }
    return found.mask;
  }
}

function copy(slots: Int32Array | undefined, target: BigInt64Array, start: number): void {
  for (const [i, slot] of (slots ?? []).entries()) target[start + i] = BigInt(slot);
}
