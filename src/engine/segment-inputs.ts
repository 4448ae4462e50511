import { type KeyValueStore, roundUp } from "../cache/store/key-values.js";
import type { AttendOptions } from "../models/architecture.js";
import { isQuantised } from "../tensor/dtype.js";
import type { Graph } from "../tensor/graph.js";
import type { Tensor } from "../tensor/tensor.js";
import { attentionWeights, columnSums, openNodes, sumOfRows, weightedAttention } from "./attention-weights.js";
import type { Segment } from "./forward.js";
import { type LayerClass, layerClasses } from "./layer-classes.js";
import { fillMask } from "./mask.js";
import { PolicyReading } from "./policy-reading.js";

/** Operations that a policy may use to read a layer. */
const readingNodes = 400;

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
  /** Where the newest of the queries go, while they are wanted. */
  readonly #ringSlots: Tensor | undefined;
  readonly #stepRow: boolean;
  readonly #readStep: number;
  /** f32 [H, R, read] by layer, where the attention of the rows is wanted. */
  readonly weights = new Map<number, Tensor>();
  /** Where a policy reads by its own rule. */
  readonly reading: PolicyReading | undefined;

  constructor(graph: Graph, { store, tokens, stepRow = false, reader }: Segment, index: number, readStep: number) {
    this.reading = reader && new PolicyReading(graph, reader, `read ${index}`);
    this.#graph = graph;
    this.#store = store;
    this.#rows = tokens.length;
    this.#name = String(index);
    this.#readStep = readStep;
    this.#classes = layerClasses(store, readStep);
    for (const [number, { layers }] of this.#classes.entries())
      for (const layer of layers) this.#classOf[layer] = number;
    this.#sharedSlots = store.groups.map((_, group) => graph.input(`slots ${index} ${group}`, "i64", [this.#rows]));
    let heads = 0;
    for (const [layer, slots] of store.heads) {
      this.#headStarts.set(layer, heads);
      heads += slots.heads.length;
    }
    this.#stepRow = stepRow;
    if (store.ring !== undefined) {
      this.#ringSlots = graph.input(`ring ${index}`, "i64", [Math.min(this.#rows, store.ring.rows)]);
    }
    if (heads > 0) this.#headSlots = graph.input(`head slots ${index}`, "i64", [heads, this.#rows]);
    const width = this.#classes.reduce((sum, { read, group }) => sum + (group === undefined ? read : 0), 0);
    if (width > 0) this.#headMasks = graph.input(`head masks ${index}`, "f16", [this.#rows * width]);
  }

  /** Nodes of a graph that a layer may need for a segment. */
  static nodes({ store, tokens, reader }: Segment): number {
    const open = openNodes(tokens.length);
    const weighted = [...store.heads.values()].some(({ isWeighted }) => isWeighted);
    return 24 + (store.watchesSums ? open : 0) + (weighted ? open : 0) + (reader === undefined ? 0 : readingNodes);
  }

  /** Writes keys and values [K, R, D] to their slots and attends with queries [H, R, D]; gives [R, H·D]. */
  attend(layer: number, queries: Tensor, keys: Tensor, values: Tensor, options: AttendOptions) {
    const { scale, softcap, window = 0 } = options;
    const memory = this.#store.layer(layer);
    const { read } = this.#classes[this.#classOf[layer] ?? 0] as LayerClass;
    const slots = this.#slotsOf(layer);
    const mask = this.#maskOf(layer, window);
    const allKeys = memory.keys.setRows(slots, keys).slice(1, 0, read);
    const stored = memory.values.setRows(slots, values);
    for (const other of options.alsoIn ?? []) {
      const { keys: otherKeys, values: otherValues } = this.#store.layer(other);
      this.#graph.effect(otherKeys.setRows(slots, keys));
      this.#graph.effect(otherValues.setRows(slots, values));
    }
    const allValues = stored.slice(1, 0, read);
    const bias = memory.bias && this.#graph.use(memory.bias).slice(1, 0, read).cont();
    this.#observe(layer, queries, allKeys, mask, options, bias);
    const usual = (): Tensor => {
      if (bias !== undefined) {
        const whole = isQuantised(memory.values.dtype) ? stored.cast("f32") : allValues.cast("f32");
        return weightedAttention(queries, allKeys, whole.slice(1, 0, read), mask, options, bias);
      }
      const attended = queries.flashAttention(allKeys, allValues, { mask, scale, softcap });
      return attended.reshape(this.#rows, attended.size(1) * attended.size(2));
    };
    if (this.reading === undefined || !this.#store.managed.includes(layer)) return usual();
    const rawKeys =
      memory.raw && options.unrotated && memory.raw.setRows(slots, options.unrotated().keys).slice(1, 0, read);
    const tensors = { queries, keys: allKeys, values: allValues, mask, rawKeys, usual };
    return this.reading.attend(layer, tensors, options) ?? usual();
  }

  /** Attends with queries [H, R, D] to what the layer holds already; gives [R, H·D]. */
  attendStored(layer: number, queries: Tensor, { scale, softcap, window = 0 }: AttendOptions): Tensor {
    const { keys, values } = this.#store.layer(layer);
    const { read } = this.#classes[this.#classOf[layer] ?? 0] as LayerClass;
    const part = (stored: Tensor): Tensor => this.#graph.use(stored).slice(1, 0, read);
    const mask = this.#maskOf(layer, window);
    const attended = queries.flashAttention(part(keys), part(values), { mask, scale, softcap });
    return attended.reshape(this.#rows, attended.size(1) * attended.size(2));
  }

  /** What a policy wants to know of a layer, computed beside the attention itself. */
  #observe(
    layer: number,
    queries: Tensor,
    keys: Tensor,
    mask: Tensor,
    scoring: AttendOptions,
    bias: Tensor | undefined,
  ): void {
    const { sums } = this.#store.layer(layer);
    const { ring, managed } = this.#store;
    if (this.#ringSlots !== undefined && ring !== undefined && managed.includes(layer)) {
      const count = this.#ringSlots.size(0);
      const newest = queries.slice(1, this.#rows - count, count);
      const place = ring.open(layer, queries.size(0), queries.size(2), scoring);
      this.#graph.effect(place.setRows(this.#ringSlots, newest));
    }
    const wanted = this.#stepRow && managed.includes(layer);
    if (!wanted && sums === undefined) return;
    let received: Tensor;
    if (wanted) {
      const weights = attentionWeights(queries, keys, mask, scoring, bias);
      this.weights.set(layer, this.#graph.output(weights, `weights ${this.#name} ${layer}`));
      if (sums === undefined) return;
      received = sumOfRows(this.#graph, weights, keys.size(0));
    } else {
      received = columnSums(this.#graph, queries, keys, mask, scoring, { reach: this.#reach(layer), bias });
    }
    const held = this.#graph.use(sums as Tensor).slice(1, 0, keys.size(1));
    this.#graph.effect(received.add(held).copyInto(held));
  }

  /** Where rows come after everything held, those before a number see nothing behind themselves. Holds for every state in which a
   *  graph of this form is used again: what is read ends less than a step behind the newest row. */
  #reach(layer: number): (rows: number) => number {
    const { read, group } = this.#classes[this.#classOf[layer] ?? 0] as LayerClass;
    const inOrder = (group === undefined || group.slots.isDense) && this.#rows > 1;
    return (rows) => (inOrder ? roundUp(read - this.#rows + rows) : read);
  }

  fill(segment: Segment): void {
    this.reading?.fill(segment.store, segment.positions);
    // The graph may be an older one of the same form, made for an earlier state or an earlier sequence.
    const { store } = segment;
    const { shared, byHead } = segment.slots;
    for (const [group, input] of this.#sharedSlots.entries()) copy(shared[group], this.#graph.host(input), 0);
    if (this.#headSlots !== undefined) {
      const target = this.#graph.host<BigInt64Array>(this.#headSlots);
      for (const [layer, slots] of byHead) copy(slots, target, (this.#headStarts.get(layer) ?? 0) * this.#rows);
    }
    const { ring } = store;
    if (this.#ringSlots !== undefined && ring !== undefined) {
      const newest = segment.positions.subarray(this.#rows - this.#ringSlots.size(0));
      copy(
        newest.map((position) => position % ring.rows),
        this.#graph.host(this.#ringSlots),
        0,
      );
    }
    const classes = layerClasses(store, this.#readStep);
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
