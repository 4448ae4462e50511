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
  /** Layers with the same number hold the rows that joined their list, and no others; such layers are not edited. */
  readonly list?: number;
}

export interface LayerParts {
  readonly type: CacheType;
  /** Attention received, f32 [K, capacity]. */
  readonly sums: boolean;
  /** Keys a second time, without rotation. */
  readonly raw: boolean;
  /** ln(tokens that the entry stands for), f32 [K, capacity]. */
  readonly bias: boolean;
}

type Part = "keys" | "values" | "raw" | "sums" | "bias";

export class LayerMemory {
  readonly shape: LayerShape;
  readonly parts: LayerParts;
  readonly capacity: number;
  readonly keys: Tensor;
  readonly values: Tensor;
  readonly raw: Tensor | undefined;
  readonly sums: Tensor | undefined;
  readonly bias: Tensor | undefined;
  readonly #storage: Storage;
  readonly #host = new Map<Part, Uint8Array>();

  constructor(device: Device, shape: LayerShape, parts: LayerParts, capacity: number) {
    const { kvHeads, headDim } = shape;
    const whole: TensorSpec[] = ["keys", "values", ...(parts.raw ? ["raw"] : [])].map((name) => ({
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
    this.raw = this.#storage.tensors.get("raw");
    this.sums = this.#storage.tensors.get("sums");
    this.bias = this.#storage.tensors.get("bias");
  }

  get sizeBytes(): number {
    return this.#storage.sizeBytes;
  }

  close(): void {
    this.#host.clear();
    this.#storage.close();
  }

  clear(): void {
    this.#storage.clear();
  }

  /** Copies the entries in `order(head)` to slots 0, 1, ... of `target`, which may be this memory itself. */
  copyTo(target: LayerMemory, order: (head: number) => Int32Array): void {
    for (let head = 0; head < this.shape.kvHeads; head++) {
      const slots = order(head);
      if (slots.length === 0 || (target === this && isIdentity(slots))) continue;
      for (const part of ["keys", "values", "raw", "sums", "bias"] as const) {
        if (this.#tensor(part) === undefined || target.#tensor(part) === undefined) continue;
        const bytes = this.#readHead(part, head, extentOf(slots));
        target.#writeHead(part, head, 0, pack(bytes, slots, this.#entryBytes(part)));
      }
    }
  }

  /** Moves what these slots hold to slots `first`, `first` + 1, ... */
  moveTo(first: number, slots: Int32Array): void {
    for (let head = 0; head < this.shape.kvHeads; head++) {
      for (const part of ["keys", "values", "raw", "sums", "bias"] as const) {
        if (this.#tensor(part) === undefined) continue;
        const bytes = this.#readHead(part, head, extentOf(slots));
        this.#writeHead(part, head, first, pack(bytes, slots, this.#entryBytes(part)));
      }
    }
  }

  /** Forgets what was kept beside these slots. */
  blank(head: number, slots: ArrayLike<number>): void {
    for (const part of ["sums", "bias"] as const) {
      if (this.#tensor(part) === undefined) continue;
      const host = this.#hostBytes(part);
      const values = host && new Float32Array(host.buffer, host.byteOffset, host.byteLength / 4);
      for (let i = 0; i < slots.length; i++) {
        const slot = slots[i] as number;
        if (values === undefined) this.#writeHead(part, head, slot, zero);
        else values[head * this.capacity + slot] = 0;
      }
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
    if (slots.length === 0) return new Float32Array(0);
    const packed = pack(this.#readHead(part, head, extentOf(slots)), slots, this.#entryBytes(part));
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

  /** In place where that is possible: copy before writing. */
  #readHead(part: Part, head: number, slots: number): Uint8Array {
    const tensor = this.#tensor(part);
    const entryBytes = this.#entryBytes(part);
    const start = head * this.capacity * entryBytes;
    const host = this.#hostBytes(part);
    if (host !== undefined) return host.subarray(start, start + slots * entryBytes);
    const bytes = new Uint8Array(slots * entryBytes);
    if (tensor !== undefined) this.#storage.read(tensor, bytes, start);
    return bytes;
  }

  #hostBytes(part: Part): Uint8Array | undefined {
    let found = this.#host.get(part);
    const tensor = this.#tensor(part);
    if (found === undefined && tensor !== undefined) {
      found = this.#storage.bytes(tensor);
      if (found !== undefined) this.#host.set(part, found);
    }
    return found;
  }

  #writeHead(part: Part, head: number, slot: number, bytes: ArrayBufferView): void {
    const tensor = this.#tensor(part);
    if (tensor === undefined) return;
    const start = (head * this.capacity + slot) * this.#entryBytes(part);
    const host = this.#hostBytes(part);
    if (host === undefined) this.#storage.write(tensor, bytes, start);
    else host.set(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength), start);
  }
}

const zero = new Float32Array(1);

function isIdentity(slots: Int32Array): boolean {
  for (let place = 0; place < slots.length; place++) if (slots[place] !== place) return false;
  return true;
}

function extentOf(slots: Int32Array): number {
  let most = -1;
  for (let place = 0; place < slots.length; place++) most = Math.max(most, slots[place] as number);
  return most + 1;
}

/** The entries at these slots, one after the other. */
function pack(bytes: Uint8Array, slots: Int32Array, entryBytes: number): Uint8Array {
  const packed = new Uint8Array(slots.length * entryBytes);
  if (entryBytes === 4) {
    const from = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    const to = new Float32Array(packed.buffer);
    for (let place = 0; place < slots.length; place++) to[place] = from[slots[place] as number] as number;
    return packed;
  }
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
