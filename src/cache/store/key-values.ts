import { QuireError } from "../../errors.js";
import type { Device } from "../../tensor/device.js";
import { dtypes } from "../../tensor/dtype.js";
import type { CacheType } from "./entry-codec.js";
import { HeadSlots } from "./head-slots.js";
import { LayerMemory, type LayerParts, type LayerShape } from "./layer-memory.js";
import { QueryRing } from "./query-ring.js";
import { firstGroups, type SlotGroup } from "./slot-groups.js";

/** Keys and values of one sequence, for all layers, in slots. Keys are stored rotated at their text position, so the order of
 *  slots means nothing and a freed slot can take any later entry. Attention reads a prefix of a layer's capacity.
 *  As long as nothing but all managed layers together was edited, layers share one map of slots; from the first edit of a layer or
 *  head on, each managed layer has its own, head by head (`heads`), and its own size. */

export type { CacheType } from "./entry-codec.js";
export type { SlotGroup } from "./slot-groups.js";

export interface KeyValueShape {
  /** Those with a built-in window are not managed: edits leave them alone. */
  readonly layers: readonly LayerShape[];
  readonly type: CacheType;
}

/** Where new rows go. */
export interface Reservation {
  readonly positions: Int32Array;
  /** By group. */
  readonly shared: readonly Int32Array[];
  /** [K, rows] by layer with slots a head. */
  readonly byHead: ReadonlyMap<number, Int32Array>;
}

/** Capacities and reads are multiples of this, so that graphs fit many lengths. */
export const slotStep = 64;

export class KeyValueStore {
  readonly shape: KeyValueShape;
  readonly device: Device;
  readonly id: number;
  readonly managed: readonly number[];
  /** Changes whenever the memory lies elsewhere: graphs built on the old one are stale. */
  generation: number;
  /** Tokens seen: the position of the next one. Not the entries held. */
  tokens = 0;
  /** The most bytes that were in use at once. */
  peakBytes = 0;
  /** Rewinding further is refused: a layer with a window has forgotten what it would see again. */
  rewindsTo = 0;
  groups: SlotGroup[];
  heads: Map<number, HeadSlots> = new Map();
  /** The newest queries, while a policy wants to know what they attend to. */
  ring: QueryRing | undefined;
  /** Told when entries have moved: what was in slot order[i] of a group is in slot i now. */
  moved: ((order: Int32Array) => void) | undefined;
  #layers: LayerMemory[];
  #sums = false;
  #raw = false;
  static #ids = 0;

  /** `from`: what an earlier one left. */
  constructor(
    device: Device,
    shape: KeyValueShape,
    capacity: number,
    from?: { readonly id: number; readonly generation: number; readonly layers: LayerMemory[] },
  ) {
    for (const { headDim } of shape.layers) {
      if (headDim % dtypes[shape.type].block !== 0) {
        throw new QuireError(
          "unsupported",
          `A cache of type ${shape.type} needs heads of a multiple of ${dtypes[shape.type].block}.`,
          {
            got: headDim,
            fix: 'Use the cache type "f16".',
          },
        );
      }
    }
    this.device = device;
    this.shape = shape;
    this.id = from?.id ?? KeyValueStore.#ids++;
    this.generation = from?.generation ?? 0;
    this.managed = shape.layers.flatMap(({ window, list }, layer) =>
      window === undefined && list === undefined ? [layer] : [],
    );
    const rounded = roundUp(capacity);
    this.groups = firstGroups(shape.layers, { whole: rounded, list: slotStep });
    this.#layers = from?.layers ?? [];
    if (from === undefined) {
      for (const layer of shape.layers.keys())
        this.#layers.push(this.#allocate(layer, this.groupOf(layer).slots.capacity, this.#parts(layer, false)));
    }
    this.#notePeak();
  }

  get sizeBytes(): number {
    return this.#layers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  /** Entries that fit without growing, where all layers are alike. */
  get capacity(): number {
    return this.#layers.reduce((least, { capacity }) => Math.min(least, capacity), Number.POSITIVE_INFINITY);
  }

  /** Entries held: the mean over layers. */
  get entries(): number {
    const sum = this.#layers.reduce((total, _, layer) => total + this.entriesOf(layer), 0);
    return sum / this.#layers.length;
  }

  /** Everything seen is held, in every layer, with slot and position agreeing. */
  get isDense(): boolean {
    const holdsAll = ({ slots, list }: SlotGroup) =>
      list === undefined && slots.isDense && slots.entries === this.tokens;
    return this.heads.size === 0 && this.groups.every(holdsAll);
  }

  entriesOf(layer: number): number {
    return this.heads.get(layer)?.entries ?? this.groupOf(layer).slots.entries;
  }

  groupOf(layer: number): SlotGroup {
    const found = this.groups.find(({ layers }) => layers.includes(layer));
    if (found === undefined) throw new QuireError("bad-input", `The cache has no layer ${layer}.`, { got: layer });
    return found;
  }

  layer(index: number): LayerMemory {
    const found = this.#layers[index];
    if (found === undefined) throw new QuireError("bad-input", `The cache has no layer ${index}.`, { got: index });
    return found;
  }

  /** Slots that a head of a layer holds, ascending by position. */
  occupied(layer: number, head: number): Int32Array {
    return this.heads.get(layer)?.heads[head]?.order.slice() ?? this.groupOf(layer).slots.occupied();
  }

  /** Positions in the text of what a head of a layer holds, in the order of `occupied`. */
  positionsOf(layer: number, head: number): Int32Array {
    const { positions } = this.heads.get(layer)?.heads[head] ?? this.groupOf(layer).slots;
    return this.occupied(layer, head).map((slot) => positions[slot] ?? -1);
  }

  /** Takes slots for the next `count` tokens at the given positions (default: the next ones). Grows where needed. */
  reserve(count: number, positions?: Int32Array): Reservation {
    const at = positions ?? Int32Array.from({ length: count }, (_, i) => this.tokens + i);
    const shared = this.groups.map((group) => {
      if (group.list !== undefined) return new Int32Array(0);
      const needed = group.slots.entries + count;
      if (needed > group.slots.capacity) this.relocate(group, grown(needed));
      return group.slots.take(at);
    });
    const byHead = new Map<number, Int32Array>();
    for (const [layer, slots] of this.heads) {
      if (!slots.canTake(count)) {
        const needed = slots.entries + count;
        this.relocateHeads(layer, Math.max(slots.capacity, roundUp(needed)));
      }
      byHead.set(layer, (this.heads.get(layer) as HeadSlots).take(at));
    }
    this.tokens += count;
    return { positions: at, shared, byHead };
  }

  /** Lets rows, whose positions were reserved before, into the layers of a list, which grow where needed. */
  join(list: number, positions: Int32Array): Int32Array {
    const group = this.groups.find((found) => found.list === list);
    if (group === undefined) throw new QuireError("bad-input", `The cache has no list ${list}.`, { got: list });
    const needed = group.slots.entries + positions.length;
    if (needed > group.slots.capacity) this.relocate(group, grown(needed));
    return group.slots.take(positions);
  }

  /** Makes room ahead of time, so that a long sequence does not grow step by step. Lists grow by what joins them. */
  makeRoom(tokens: number): void {
    for (const group of this.groups)
      if (group.list === undefined && tokens > group.slots.capacity) this.relocate(group, roundUp(tokens));
  }

  /** Takes back everything at or after a position. Refused where the heads of a layer would then differ in size. */
  rewind(length: number): void {
    if (length >= this.tokens) return;
    const even = [...this.heads.values()].every(({ heads }) => {
      const counts = heads.map((map) => map.order.filter((slot) => (map.positions[slot] ?? 0) < length).length);
      return counts.every((count) => count === counts[0]);
    });
    if (!even || length < this.rewindsTo) {
      throw new QuireError("unsupported", `The memory was edited and cannot be rewound to ${length} tokens.`, {
        got: length,
        expected: `at least ${this.rewindsTo} of ${this.tokens}, and heads that hold equally many`,
        fix: "Begin with a fresh memory.",
      });
    }
    for (const group of this.groups)
      this.#blank(
        group,
        group.slots.filter((_, position) => position < length),
      );
    for (const [layer, { heads }] of this.heads) {
      for (const [head, map] of heads.entries())
        this.layer(layer).blank(
          head,
          map.filter((slot) => (map.positions[slot] ?? 0) < length),
        );
    }
    this.tokens = length;
  }

  /** Of the newest rows keeps some (in order) and takes the others back; `tokens` follows. */
  keepOf({ positions, shared, byHead }: Reservation, kept: Int32Array): void {
    const stay = new Set(kept);
    const rows = positions.length;
    const lost = [...positions.keys()].filter((row) => !stay.has(row));
    if (lost.length === 0) return;
    const lostPositions = new Set(lost.map((row) => positions[row] as number));
    for (const [index, group] of this.groups.entries()) {
      const out = new Set(lost.map((row) => shared[index]?.[row]));
      const stays = (slot: number, position: number) =>
        group.list === undefined ? !out.has(slot) : !lostPositions.has(position);
      this.#blank(group, group.slots.filter(stays));
    }
    for (const [layer, slots] of byHead) {
      for (const [head, map] of (this.heads.get(layer)?.heads ?? []).entries()) {
        const out = new Set(lost.map((row) => slots[head * rows + row]));
        this.layer(layer).blank(
          head,
          map.filter((slot) => !out.has(slot)),
        );
      }
    }
    this.tokens -= lost.length;
  }

  /** Puts entries that are out of the text's order, and those behind holes, where they would be had they come one by one: sums over
   *  them are then added in the same order, to the last bit. Layers with slots a head stay as they are. */
  putInOrder(): void {
    for (const group of this.groups) {
      if (group.slots.isDense) continue;
      const order = group.slots.occupied();
      let first = 0;
      while (first < order.length && order[first] === first) first++;
      const rest = order.subarray(first);
      for (const index of rest.length > 0 ? group.layers : []) {
        const memory = this.layer(index);
        memory.moveTo(first, rest);
        if (memory.parts.sums || memory.parts.bias) memory.blankFrom(order.length);
      }
      group.slots = group.slots.compacted(group.slots.capacity);
      this.moved?.(order);
    }
  }

  /** Drops all but these slots in the layers of a group. */
  keepShared(group: SlotGroup, slots: Int32Array): void {
    this.#blank(group, group.slots.keep(slots));
  }

  /** Managed layers get a map of their own, apart from the others. */
  splitGroups(): void {
    if (this.groups.length !== 1 || this.managed.length === this.#layers.length) return;
    const [whole] = this.groups as [SlotGroup];
    const rest = whole.layers.filter((layer) => !this.managed.includes(layer));
    this.groups = [
      { layers: this.managed, slots: whole.slots.copy() },
      { layers: rest, slots: whole.slots },
    ];
    this.generation++;
  }

  /** Managed layers get a map a head. */
  splitHeads(): void {
    if (this.heads.size > 0 || this.managed.length === 0) return;
    const { slots } = this.groupOf(this.managed[0] as number);
    for (const layer of this.managed) this.heads.set(layer, HeadSlots.from(slots, this.#kvHeads(layer)));
    this.groups = this.groups.flatMap((group) => {
      const layers = group.layers.filter((layer) => !this.heads.has(layer));
      return layers.length === 0 ? [] : [{ layers, slots: group.slots }];
    });
    this.generation++;
  }

  /** Moves what the layers of a group hold to memory of another size, in ascending order of position. */
  relocate(group: SlotGroup, capacity: number): void {
    const order = group.slots.occupied();
    for (const layer of group.layers) this.#move(layer, capacity, () => order, false);
    group.slots = group.slots.compacted(capacity);
    this.moved?.(order);
  }

  /** The same for a layer with slots a head; where the size stays, within its memory. */
  relocateHeads(layer: number, capacity: number): void {
    const slots = this.heads.get(layer);
    if (slots === undefined) throw new QuireError("bad-input", `Layer ${layer} has no slots a head.`);
    this.#move(layer, capacity, (head) => slots.heads[head]?.order ?? new Int32Array(0), slots.isWeighted);
    const moved = slots.compacted(capacity);
    this.heads.set(layer, moved);
    if (!slots.isWeighted) return;
    for (const [head, { mass }] of moved.heads.entries())
      if (mass !== undefined) this.layer(layer).write("bias", head, 0, mass.map(Math.log));
  }

  get watchesSums(): boolean {
    return this.#sums;
  }

  /** Begins to keep running sums of the attention that entries of managed layers receive. */
  watchSums(): void {
    if (this.#sums) return;
    this.#sums = true;
    this.#reallocate();
  }

  /** Begins to keep keys of managed layers without rotation too. */
  keepRaw(): void {
    if (this.#raw) return;
    if (this.entries > 0) throw new QuireError("bad-input", "The memory holds entries whose raw keys are not known.");
    this.#raw = true;
    this.#reallocate();
  }

  #reallocate(): void {
    if (this.heads.size > 0) for (const [layer, { capacity }] of this.heads) this.relocateHeads(layer, capacity);
    else for (const group of this.groups) this.relocate(group, group.slots.capacity);
  }

  /** Begins to keep the newest queries of managed layers. */
  watchQueries(rows: number): void {
    this.dropQueries();
    this.ring = new QueryRing(this.device, rows);
    this.generation++;
  }

  dropQueries(): void {
    if (this.ring === undefined) return;
    this.ring.close();
    this.ring = undefined;
    this.generation++;
  }

  /** An independent copy, for branches and shared prefixes. */
  clone(room = 0): KeyValueStore {
    const copy = new KeyValueStore(this.device, this.shape, slotStep);
    copy.tokens = this.tokens;
    copy.rewindsTo = this.rewindsTo;
    copy.#sums = this.#sums;
    copy.#raw = this.#raw;
    copy.groups = this.groups.map((group) => ({
      ...group,
      slots: group.slots.compacted(roundUp(group.slots.entries + room)),
    }));
    for (const [layer, slots] of this.heads) copy.heads.set(layer, slots.compacted(roundUp(slots.entries + room)));
    for (const [layer, memory] of this.#layers.entries()) {
      const capacity = copy.heads.get(layer)?.capacity ?? copy.groupOf(layer).slots.capacity;
      copy.layer(layer).close();
      copy.#layers[layer] = copy.#allocate(layer, capacity, memory.parts);
      memory.copyTo(copy.layer(layer), (head) => this.occupied(layer, head));
    }
    copy.#notePeak();
    return copy;
  }

  /** Ends this one and gives its memory to a new, empty one, which the graphs that were built on it fit as they are. Undefined where
   *  edits have changed its form: then it is to be closed. */
  emptied(): KeyValueStore | undefined {
    if (this.groups.length !== 1 || this.heads.size > 0 || this.ring !== undefined || this.#sums || this.#raw)
      return undefined;
    for (const layer of this.#layers) layer.clear();
    const { id, generation, capacity } = this;
    const next = new KeyValueStore(this.device, this.shape, capacity, { id, generation, layers: this.#layers });
    this.#layers = [];
    return next;
  }

  close(): void {
    this.ring?.close();
    for (const layer of this.#layers) layer.close();
  }

  #blank({ layers }: SlotGroup, slots: Int32Array): void {
    for (const layer of layers)
      for (let head = 0; head < this.#kvHeads(layer); head++) this.layer(layer).blank(head, slots);
  }

  #kvHeads(layer: number): number {
    return this.shape.layers[layer]?.kvHeads ?? 0;
  }

  #parts(layer: number, bias: boolean): LayerParts {
    const managed = this.managed.includes(layer);
    return { type: this.shape.type, bias, sums: this.#sums && managed, raw: this.#raw && managed };
  }

  #allocate(layer: number, capacity: number, parts: LayerParts): LayerMemory {
    return new LayerMemory(this.device, this.shape.layers[layer] as LayerShape, parts, capacity);
  }

  #move(layer: number, capacity: number, order: (head: number) => Int32Array, bias: boolean): void {
    const old = this.layer(layer);
    const parts = this.#parts(layer, bias);
    if (old.capacity === capacity && sameParts(old.parts, parts)) {
      old.copyTo(old, order);
      old.blankFrom(order(0).length);
      return;
    }
    const moved = this.#allocate(layer, capacity, parts);
    this.peakBytes = Math.max(this.peakBytes, this.sizeBytes + moved.sizeBytes);
    old.copyTo(moved, order);
    old.close();
    this.#layers[layer] = moved;
    this.generation++;
  }

  #notePeak(): void {
    this.peakBytes = Math.max(this.peakBytes, this.sizeBytes);
  }
}

function sameParts(a: LayerParts, b: LayerParts): boolean {
  return a.bias === b.bias && a.sums === b.sums && a.raw === b.raw;
}

export function roundUp(tokens: number): number {
  return Math.max(slotStep, Math.ceil(tokens / slotStep) * slotStep);
}

function grown(needed: number): number {
  return roundUp(Math.ceil(needed * 1.5));
}
