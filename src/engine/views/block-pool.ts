import type { KeyValueStore } from "../../cache/store/key-values.js";

/** Blocks of like size side by side in one memory, a region each, so that a pass reads all of them with one operation. */

export interface PoolMemory {
  open(entries: number): KeyValueStore;
  close(store: KeyValueStore): void;
}

/** Slots of the smallest region. */
export const smallestRegion = 32;

export class BlockPool {
  /** Slots of a region. */
  size: number;
  store: KeyValueStore;
  readonly #memory: PoolMemory;
  /** Block by region. */
  readonly #owners: (number | undefined)[] = [];

  constructor(memory: PoolMemory, size: number, regions: number) {
    this.#memory = memory;
    this.size = size;
    this.store = this.#opened(size, regions);
  }

  /** Block by region, as far as regions are in use. */
  get owners(): readonly (number | undefined)[] {
    return this.#owners;
  }

  /** A region for a block. */
  take(block: number): number {
    const free = this.#owners.indexOf(undefined);
    const region = free < 0 ? this.#owners.length : free;
    if ((region + 1) * this.size > this.store.capacity) this.#layOut(this.size, 2 * region);
    this.#owners[region] = block;
    return region;
  }

  leave(region: number): void {
    this.#owners[region] = undefined;
    while (this.#owners.length > 0 && this.#owners.at(-1) === undefined) this.#owners.pop();
  }

  /** Makes all regions large enough for so many entries. */
  fit(entries: number): void {
    let { size } = this;
    while (size < entries) size *= 2;
    if (size > this.size) this.#layOut(size, Math.max(1, this.#owners.length));
  }

  /** Copies the first entries of a region of another pool into one of this. */
  copy(from: BlockPool, fromRegion: number, toRegion: number, count: number): void {
    const slots = Int32Array.from({ length: count }, (_, i) => fromRegion * from.size + i);
    for (const layer of this.store.shape.layers.keys()) {
      const [source, target] = [from.store.layer(layer), this.store.layer(layer)];
      for (let head = 0; head < source.shape.kvHeads; head++) {
        for (const part of ["keys", "values"] as const)
          target.write(part, head, toRegion * this.size, source.read(part, head, slots));
      }
    }
  }

  #layOut(size: number, regions: number): void {
    const old = this.store;
    const next = this.#opened(size, regions);
    const used = this.#owners.length;
    // What lies behind the entries of a region does not matter.
    const order = Int32Array.from({ length: used * size }, (_, slot) => {
      const within = slot % size;
      return Math.floor(slot / size) * this.size + (within < this.size ? within : within % this.size);
    });
    for (const layer of next.shape.layers.keys()) old.layer(layer).copyTo(next.layer(layer), () => order);
    this.store = next;
    this.size = size;
    this.#memory.close(old);
  }

  /** A memory that regions divide without a rest. */
  #opened(size: number, regions: number): KeyValueStore {
    const store = this.#memory.open(size * regions);
    if (store.capacity % size !== 0) store.makeRoom(Math.ceil(store.capacity / size) * size);
    return store;
  }
}
