import { QuireError } from "../../errors.js";
import type { Device } from "../../tensor/device.js";
import { dtypes } from "../../tensor/dtype.js";
import { Storage, type TensorSpec } from "../../tensor/storage.js";
import type { Tensor } from "../../tensor/tensor.js";

/** Keys and values of one sequence, for all layers, in slots. Keys are stored rotated at their text position, so the order of
 *  slots means nothing and a freed slot can take any later entry. Each layer holds keys and values as [K, capacity, D]: a head's
 *  entries lie together, and attention reads a prefix of the capacity. Grows by steps; shrinks when a policy has dropped much.
 *  All layers and heads share one map of slots. */

export type CacheType = "f16" | "f32" | "q8_0";

export interface LayerKeysValues {
  readonly keys: Tensor;
  readonly values: Tensor;
}

export interface KeyValueShape {
  readonly layers: readonly { readonly kvHeads: number; readonly headDim: number }[];
  readonly type: CacheType;
}

/** Capacities and reads are multiples of this, so that graphs fit many lengths. */
export const slotStep = 64;

const free = -1;

export class KeyValueStore {
  readonly shape: KeyValueShape;
  readonly device: Device;
  /** Text position of what a slot holds, -1 where it is free. */
  positions: Int32Array;
  /** Changes whenever the memory lies elsewhere: graphs built on the old one are stale. */
  generation = 0;
  /** Slots up to here may be occupied. */
  extent = 0;
  /** Entries held. */
  entries = 0;
  /** Tokens seen: the position of the next one. Not the entries held. */
  tokens = 0;
  readonly id: number;
  #storage: Storage;
  #layers: LayerKeysValues[];
  static #ids = 0;

  constructor(device: Device, shape: KeyValueShape, capacity: number) {
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
    this.id = KeyValueStore.#ids++;
    const rounded = roundUp(capacity);
    this.positions = new Int32Array(rounded).fill(free);
    this.#storage = allocate(device, shape, rounded);
    this.#layers = layersOf(this.#storage, shape);
  }

  get capacity(): number {
    return this.positions.length;
  }

  get sizeBytes(): number {
    return this.#storage.sizeBytes;
  }

  /** Slot and position agree for everything held: masks can be filled by ranges. */
  get isDense(): boolean {
    return this.entries === this.tokens && this.extent === this.entries && this.#inOrder;
  }
  #inOrder = true;

  layer(index: number): LayerKeysValues {
    const found = this.#layers[index];
    if (found === undefined) throw new QuireError("bad-input", `The cache has no layer ${index}.`);
    return found;
  }

  /** Takes slots for the next `count` tokens at the given positions (default: the next ones). Grows where needed. */
  reserve(count: number, positions?: Int32Array): Int32Array {
    if (this.entries + count > this.capacity) this.#relocate(grown(this.entries + count));
    const slots = new Int32Array(count);
    let slot = this.isDense ? this.extent : 0;
    for (let i = 0; i < count; i++) {
      while (this.positions[slot] !== free) slot++;
      const position = positions?.[i] ?? this.tokens + i;
      this.positions[slot] = position;
      this.#inOrder &&= slot === position;
      slots[i] = slot;
      this.extent = Math.max(this.extent, slot + 1);
    }
    this.entries += count;
    this.tokens += count;
    return slots;
  }

  /** Makes room ahead of time, so that a long sequence does not grow step by step. */
  makeRoom(tokens: number): void {
    if (tokens > this.capacity) this.#relocate(roundUp(tokens));
  }

  /** Takes back everything at or after a position. */
  rewind(length: number): void {
    if (length >= this.tokens) return;
    for (let slot = 0; slot < this.extent; slot++) {
      if ((this.positions[slot] ?? free) >= length) this.#release(slot);
    }
    this.tokens = length;
    this.#trim();
  }

  /** Of given slots (the newest rows, in order) keeps some and takes the others back; `tokens` follows. */
  keepOf(slots: Int32Array, kept: Int32Array): void {
    const stay = new Set(Array.from(kept, (row) => slots[row]));
    for (const slot of slots) if (!stay.has(slot)) this.#release(slot);
    this.tokens -= slots.length - stay.size;
    this.#trim();
  }

  /** Frees all slots but these. Memory is given back when less than half of it is still needed. */
  keep(slots: Int32Array, room: number): void {
    const stay = new Uint8Array(this.capacity);
    for (const slot of slots) {
      if (slot < 0 || slot >= this.extent || this.positions[slot] === free) {
        throw new QuireError("bad-input", `A cache policy kept slot ${slot}, which holds nothing.`, { got: slot });
      }
      stay[slot] = 1;
    }
    for (let slot = 0; slot < this.extent; slot++) {
      if (stay[slot] === 0 && this.positions[slot] !== free) this.#release(slot);
    }
    this.#trim();
    const needed = roundUp(this.entries + room);
    if (needed * 2 <= this.capacity || roundUp(this.extent) >= 2 * needed) this.#relocate(needed);
  }

  /** Occupied slots in ascending order of position. */
  occupied(): Int32Array {
    const slots: number[] = [];
    for (let slot = 0; slot < this.extent; slot++) if (this.positions[slot] !== free) slots.push(slot);
    if (!this.#inOrder) slots.sort((a, b) => (this.positions[a] ?? 0) - (this.positions[b] ?? 0));
    return Int32Array.from(slots);
  }

  /** An independent copy, for branches and shared prefixes. */
  clone(room = 0): KeyValueStore {
    const copy = new KeyValueStore(this.device, this.shape, this.entries + room);
    const slots = this.occupied();
    this.#copyTo(copy.#layers, copy.#storage, slots);
    copy.#settle(slots, this.positions);
    copy.tokens = this.tokens;
    return copy;
  }

  close(): void {
    this.#storage.close();
  }

  #release(slot: number): void {
    this.positions[slot] = free;
    this.entries--;
  }

  #trim(): void {
    while (this.extent > 0 && this.positions[this.extent - 1] === free) this.extent--;
    if (this.entries === 0) this.#inOrder = true;
  }

  /** Moves what is held to memory of another size, in ascending order of position. */
  #relocate(capacity: number): void {
    const slots = this.occupied();
    const storage = allocate(this.device, this.shape, capacity);
    const layers = layersOf(storage, this.shape);
    this.#copyTo(layers, storage, slots);
    this.#storage.close();
    this.#storage = storage;
    this.#layers = layers;
    const old = this.positions;
    this.positions = new Int32Array(capacity).fill(free);
    this.#settle(slots, old);
    this.generation++;
  }

  #settle(slots: Int32Array, from: Int32Array): void {
    this.#inOrder = true;
    for (const [to, slot] of slots.entries()) {
      this.positions[to] = from[slot] ?? free;
      this.#inOrder &&= this.positions[to] === to;
    }
    this.entries = slots.length;
    this.extent = slots.length;
  }

  #copyTo(layers: LayerKeysValues[], storage: Storage, slots: Int32Array): void {
    if (slots.length === 0) return;
    for (const [index, { keys, values }] of this.#layers.entries()) {
      const target = layers[index] as LayerKeysValues;
      for (const [from, to] of [
        [keys, target.keys],
        [values, target.values],
      ] as const) {
        const [heads = 0, capacity = 0] = from.shape;
        const entryBytes = from.sizeBytes / (heads * capacity);
        const bytes = new Uint8Array(from.sizeBytes);
        this.#storage.read(from, bytes);
        const packed = new Uint8Array(slots.length * entryBytes);
        for (let head = 0; head < heads; head++) {
          const start = head * capacity * entryBytes;
          for (const [at, slot] of slots.entries()) {
            packed.set(bytes.subarray(start + slot * entryBytes, start + (slot + 1) * entryBytes), at * entryBytes);
          }
          storage.write(to, packed, head * (to.size(1) * entryBytes));
        }
      }
    }
  }
}

export function roundUp(tokens: number): number {
  return Math.max(slotStep, Math.ceil(tokens / slotStep) * slotStep);
}

function grown(needed: number): number {
  return roundUp(Math.ceil(needed * 1.5));
}

function allocate(device: Device, shape: KeyValueShape, capacity: number): Storage {
  const specs = shape.layers.flatMap(({ kvHeads, headDim }, layer): TensorSpec[] =>
    ["keys", "values"].map((part) => ({
      name: `${layer}.${part}`,
      dtype: shape.type,
      shape: [kvHeads, capacity, headDim],
    })),
  );
  const storage = Storage.allocate(device, specs);
  // What was never written is multiplied by zero weights, and zero times NaN would be NaN.
  storage.clear();
  return storage;
}

function layersOf(storage: Storage, shape: KeyValueShape): LayerKeysValues[] {
  return shape.layers.map((_, layer) => ({
    keys: storage.tensor(`${layer}.keys`),
    values: storage.tensor(`${layer}.values`),
  }));
}
