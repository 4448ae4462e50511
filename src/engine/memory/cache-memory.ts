import { type KeyValueShape, KeyValueStore, roundUp } from "../../cache/store/key-values.js";
import type { Device } from "../../tensor/device.js";
import { entryWidths } from "./entry-run.js";
import type { SharedPrefixes } from "./shared-prefixes.js";

/** One limit for the memory of all caches together: of running sequences, of those kept for a next turn, and of shared prefixes. When
 *  room is needed, prefixes go first (least recently used), then memories kept for a next turn (oldest first); running sequences are
 *  the engine's to preempt. */

export interface CacheMemoryOptions {
  readonly device: Device;
  readonly shape: KeyValueShape;
  readonly limitBytes: number;
  readonly prefixes?: SharedPrefixes;
  /** Called before a memory is freed. */
  beforeClose(store: KeyValueStore): void;
}

/** Memories that are ready to be used again, at most so many. */
const mostIdle = 4;

export class CacheMemory {
  readonly limitBytes: number;
  readonly prefixes: SharedPrefixes | undefined;
  readonly #options: CacheMemoryOptions;
  readonly #tokenBytes: number;
  /** Bytes that a memory will need at most, where that was promised to it. */
  readonly #open = new Map<KeyValueStore, { promised: number; kept: boolean }>();
  /** Given back, oldest first. The next sequence of like length uses the graphs that were built on them again; they belong to nobody
   *  and go first when room is needed. */
  readonly #idle: KeyValueStore[] = [];

  constructor(options: CacheMemoryOptions) {
    this.#options = options;
    this.limitBytes = options.limitBytes;
    this.prefixes = options.prefixes;
    this.#tokenBytes = tokenBytesOf(options.shape);
  }

  get shape(): KeyValueShape {
    return this.#options.shape;
  }

  get usedBytes(): number {
    let sum = this.prefixes?.bytes ?? 0;
    for (const [store, { promised }] of this.#open) sum += Math.max(store.sizeBytes, promised);
    return sum;
  }

  /** Bytes held, without what is only promised. */
  get heldBytes(): number {
    let sum = this.prefixes?.bytes ?? 0;
    for (const store of this.#open.keys()) sum += store.sizeBytes;
    return sum;
  }

  /** Memories that are open. */
  get stores(): number {
    return this.#open.size;
  }

  /** `shape`: of a memory of another form, such as a draft's. */
  bytesFor(entries: number, shape = this.#options.shape): number {
    const isUsual = shape === this.#options.shape;
    return roundUp(entries) * (isUsual ? this.#tokenBytes : tokenBytesOf(shape));
  }

  open(entries: number, shape = this.#options.shape): KeyValueStore {
    const store = this.#reused(entries, shape) ?? this.#allocated(entries, shape);
    this.#open.set(store, { promised: 0, kept: false });
    return store;
  }

  #reused(entries: number, shape: KeyValueShape): KeyValueStore | undefined {
    const wanted = roundUp(entries);
    const fits = (store: KeyValueStore) =>
      store.shape === shape && store.capacity >= wanted && store.capacity <= 2 * wanted;
    const at = this.#idle.findLastIndex(fits);
    return at < 0 ? undefined : this.#idle.splice(at, 1)[0];
  }

  #allocated(entries: number, shape: KeyValueShape): KeyValueStore {
    this.#dropIdle(this.bytesFor(entries, shape));
    return new KeyValueStore(this.#options.device, shape, entries);
  }

  /** Frees memories that nobody uses until so many more bytes fit beside those that are left. */
  #dropIdle(bytes: number): void {
    let idle = this.#idle.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    while (this.#idle.length > 0 && this.usedBytes + idle + bytes > this.limitBytes) {
      const store = this.#idle.shift() as KeyValueStore;
      idle -= store.sizeBytes;
      this.#free(store);
    }
  }

  #free(store: KeyValueStore): void {
    this.#options.beforeClose(store);
    store.close();
  }

  isOpen(store: KeyValueStore): boolean {
    return this.#open.has(store);
  }

  /** Counts a memory as if it had grown to so many bytes already; 0 takes the promise back. */
  promise(store: KeyValueStore, bytes: number): void {
    const entry = this.#open.get(store);
    if (entry !== undefined) entry.promised = Math.min(bytes, this.limitBytes);
  }

  /** A memory that waits for a next turn may be taken away when others need room. */
  keep(store: KeyValueStore, kept: boolean): void {
    const entry = this.#open.get(store);
    if (entry === undefined) return;
    // The newest comes last, and goes last.
    this.#open.delete(store);
    this.#open.set(store, { promised: 0, kept });
  }

  close(store: KeyValueStore): void {
    if (!this.#open.delete(store)) return;
    const emptied = store.emptied();
    if (emptied === undefined) {
      this.#free(store);
      return;
    }
    this.#idle.push(emptied);
    if (this.#idle.length > mostIdle) this.#free(this.#idle.shift() as KeyValueStore);
    this.#dropIdle(0);
  }

  /** Whether so many more bytes fit, once what nobody uses has been given up. */
  makeRoom(bytes: number): boolean {
    this.#dropIdle(bytes);
    const missing = () => this.usedBytes + bytes - this.limitBytes;
    if (missing() > 0) this.prefixes?.evict(missing());
    for (const [store, { kept }] of this.#open) {
      if (missing() <= 0) break;
      if (kept) this.close(store);
    }
    return missing() <= 0;
  }

  /** The same, giving up prefixes only. */
  makeRoomAmongPrefixes(bytes: number): boolean {
    const missing = this.usedBytes + bytes - this.limitBytes;
    if (missing > 0) this.prefixes?.evict(missing);
    return this.usedBytes + bytes <= this.limitBytes;
  }

  closeAll(): void {
    for (const store of [...this.#open.keys()]) this.close(store);
    for (const store of this.#idle.splice(0)) this.#free(store);
    this.prefixes?.evict(Number.POSITIVE_INFINITY);
  }
}

function tokenBytesOf(shape: KeyValueShape): number {
  return entryWidths(shape).reduce((sum, bytes) => sum + bytes, 0);
}
