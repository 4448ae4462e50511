import type { Device } from "../../tensor/device.js";
import { Storage, type TensorSpec } from "../../tensor/storage.js";
import type { Tensor } from "../../tensor/tensor.js";
import { type CacheType, decodeEntries, encodeEntries } from "./entry-codec.js";

/** The tensors of one layer: keys and values [K, capacity, D], a head's entries together, and what is kept beside them a slot.
 *  A slot that holds nothing is blank in the latter. */

export interface LayerShape {
  readonly kvHeads: number;
  readonly headDim: number;
  /** Built-in sliding window; such layers are not edited. */
  readonly window?: number;
}

export interface LayerParts {
  readonly type: CacheType;
  /** Attention received, f32 [K, capacity]. */
  readonly sums: boolean;
  /** ln(tokens that the entry stands for), f32 [K, capacity]. */
  readonly bias: boolean;
}

type Part = "keys" | "values" | "sums" | "bias";

export class LayerMemory {
  readonly shape: LayerShape;
  readonly parts: LayerParts;
  readonly capacity: number;
  readonly keys: Tensor;
  readonly values: Tensor;
  readonly sums: Tensor | undefined;
  readonly bias: Tensor | undefined;
  readonly #storage: Storage;

  constructor(device: Device, shape: LayerShape, parts: LayerParts, capacity: number) {
    const { kvHeads, headDim } = shape;
    const whole: TensorSpec[] = ["keys", "values"].map((name) => ({
      name,
      dtype: parts.type,
      shape: [kvHeads, capacity, headDim],
    }));
    const beside = (["sums", "bias"] as const).filter((name) => parts[name]);
    this.shape = shape;
    this.parts = parts;
    this.capacity = capacity;
    this.#storage = Storage.allocate(device, [
      ...whole,
      ...beside.map((name): TensorSpec => ({ name, dtype: "f32", shape: [kvHeads, capacity] })),
    ]);
    // What was never written is multiplied by zero weights, and zero times NaN would be NaN.
    this.#storage.clear();
    this.keys = this.#storage.tensor("keys");
    this.values = this.#storage.tensor("values");
    this.sums = this.#storage.tensors.get("sums");
    this.bias = this.#storage.tensors.get("bias");
  }

  get sizeBytes(): number {
    return this.#storage.sizeBytes;
  }

  close(): void {
    this.#storage.close();
  }

  /** Copies the entries in `order(head)` to slots 0, 1, ... of `target`, which may be this memory itself. */
  copyTo(target: LayerMemory, order: (head: number) => Int32Array): void {
    for (let head = 0; head < this.shape.kvHeads; head++) {
      const slots = order(head);
      if (slots.length === 0 || (target === this && isIdentity(slots))) continue;
      for (const part of ["keys", "values", "sums", "bias"] as const) {
        if (this.#tensor(part) === undefined || target.#tensor(part) === undefined) continue;
        const bytes = this.#readHead(part, head, slots.reduce((most, slot) => Math.max(most, slot), 0) + 1);
        target.#writeHead(part, head, 0, pack(bytes, slots, this.#entryBytes(part)));
      }
    }
  }

  /** Forgets what was kept beside these slots. */
  blank(head: number, slots: Iterable<number>): void {
    if (this.sums === undefined && this.bias === undefined) return;
    for (const slot of slots) {
      this.#writeHead("sums", head, slot, zero);
      this.#writeHead("bias", head, slot, zero);
    }
  }

  blankFrom(start: number): void {
    if (start >= this.capacity) return;
    const zeros = new Float32Array(this.capacity - start);
    for (let head = 0; head < this.shape.kvHeads; head++) {
      this.#writeHead("sums", head, start, zeros);
      this.#writeHead("bias", head, start, zeros);
    }
  }

  /** f32 [slots, D] or, for what is kept beside, [slots]. */
  read(part: Part, head: number, slots: Int32Array): Float32Array {
    const end = slots.reduce((most, slot) => Math.max(most, slot), -1) + 1;
    if (end === 0) return new Float32Array(0);
    const packed = pack(this.#readHead(part, head, end), slots, this.#entryBytes(part));
    return decodeEntries(this.#isBeside(part) ? "f32" : this.parts.type, packed);
  }

  write(part: Part, head: number, slot: number, values: Float32Array): void {
    this.#writeHead(part, head, slot, encodeEntries(this.#isBeside(part) ? "f32" : this.parts.type, values));
  }

  #isBeside(part: Part): boolean {
    return part === "sums" || part === "bias";
  }

  #tensor(part: Part): Tensor | undefined {
    return this.#storage.tensors.get(part);
  }

  #entryBytes(part: Part): number {
    return (this.#tensor(part)?.sizeBytes ?? 0) / (this.shape.kvHeads * this.capacity);
  }

  #readHead(part: Part, head: number, slots: number): Uint8Array {
    const tensor = this.#tensor(part);
    const entryBytes = this.#entryBytes(part);
    const bytes = new Uint8Array(slots * entryBytes);
    if (tensor !== undefined) this.#storage.read(tensor, bytes, head * this.capacity * entryBytes);
    return bytes;
  }

  #writeHead(part: Part, head: number, slot: number, bytes: ArrayBufferView): void {
    const tensor = this.#tensor(part);
    if (tensor !== undefined)
      this.#storage.write(tensor, bytes, (head * this.capacity + slot) * this.#entryBytes(part));
  }
}

const zero = new Float32Array(1);

function isIdentity(slots: Int32Array): boolean {
  return slots.every((slot, place) => slot === place);
}

function pack(bytes: Uint8Array, slots: Int32Array, entryBytes: number): Uint8Array {
  const packed = new Uint8Array(slots.length * entryBytes);
  let place = 0;
  while (place < slots.length) {
    // Runs of neighbouring slots are copied at once.
    const first = slots[place] as number;
    let run = 1;
    while (place + run < slots.length && slots[place + run] === first + run) run++;
    packed.set(bytes.subarray(first * entryBytes, (first + run) * entryBytes), place * entryBytes);
    place += run;
  }
  return packed;
}
