import type { KeyValueStore } from "../../cache/store/key-values.js";
import type { MemoryBlocks, RowsRequest } from "../../decode/decoder.js";
import { QuireError } from "../../errors.js";
import type { Unrotated } from "../../models/architecture.js";
import { BlockPool, type PoolMemory, smallestRegion } from "./block-pool.js";
import { moveEntries } from "./move-entries.js";
import { checkViews, placeRows, type ViewRows, type Views } from "./view-rows.js";

/** The memory of a sequence as blocks that can be read in several orders at once. Block 0 is the sequence's own memory; the others
 *  have regions of pools, the short ones of one and those that grew of another. An entry lies at its index in its block, and its key
 *  is rotated by that index. */

export interface BlockMemoryOptions extends PoolMemory {
  /** Tokens that a view may hold. */
  readonly limit: number;
}

interface Block {
  pool: BlockPool;
  region: number;
  length: number;
}

interface QueuedMove {
  readonly to: number;
  readonly from: number;
  readonly count: number;
  readonly distance: number;
}

/** Regions that a pool begins with. */
const firstRegions = 4;

export class BlockMemory implements MemoryBlocks {
  readonly limit: number;
  /** How each layer rotates, known from the first pass on. */
  rotations: ReadonlyMap<number, Unrotated["rotate"]> = new Map();
  readonly #first: () => KeyValueStore;
  readonly #options: BlockMemoryOptions;
  readonly #blocks: Block[] = [];
  #short: BlockPool | undefined;
  /** What has once been long stays here. */
  #long: BlockPool | undefined;
  readonly #moves: QueuedMove[] = [];

  constructor(first: () => KeyValueStore, options: BlockMemoryOptions) {
    this.limit = options.limit;
    this.#first = first;
    this.#options = options;
  }

  get begun(): boolean {
    return this.#blocks.length > 0;
  }

  get pools(): readonly BlockPool[] {
    return [this.#short, this.#long].filter((pool) => pool !== undefined);
  }

  get first(): KeyValueStore {
    return this.#first();
  }

  get windowed(): boolean {
    const { managed, shape } = this.first;
    return managed.length < shape.layers.length;
  }

  /** Entries of all blocks but the first. */
  get entriesBeside(): number {
    return this.#blocks.reduce((sum, { length }) => sum + length, 0);
  }

  open(room = 0): number {
    if (!this.first.isDense) {
      throw new QuireError("unsupported", "A memory that was edited cannot be a block of views.", {
        fix: "Use the cache policy full.",
      });
    }
    const block = this.#blocks.length + 1;
    const pool = room > smallestRegion ? this.#longFor(room) : this.#shortOne();
    this.#blocks.push({ pool, region: pool.take(block), length: 0 });
    return block;
  }

  lengthOf(block: number): number {
    return block === 0 ? this.first.tokens : this.#block(block).length;
  }

  /** Slots of its store for new rows at the end of a block. */
  reserve(block: number, rows: number): Int32Array {
    if (block === 0) return this.first.reserve(rows).shared[0] as Int32Array;
    const own = this.#block(block);
    this.#makeRoom(block, own.length + rows);
    const start = own.region * own.pool.size + own.length;
    own.length += rows;
    return Int32Array.from({ length: rows }, (_, row) => start + row);
  }

  /** Throws where a request cannot be. `intact`: tokens of block 0 that stand there as ordinary text. */
  check({ sees, tokens }: RowsRequest, intact: number): void {
    if (sees?.kind === "views") {
      checkViews(this, sees, tokens.length);
    } else if (this.begun && (sees !== undefined || this.lengthOf(0) !== intact)) {
      throw new QuireError("bad-input", "Block 0 holds more than text, and rows that read no views cannot follow it.", {
        got: this.lengthOf(0),
        expected: `rewound to ${intact} tokens`,
      });
    }
  }

  place(sees: Views, rows: number): ViewRows {
    return placeRows(this, sees, rows);
  }

  /** The entries themselves are moved by `settle`, before anything is read again. */
  append(to: number, from: number): void {
    if (to === from) throw new QuireError("bad-input", "A block cannot be moved to its own end.", { got: to });
    const count = this.lengthOf(from);
    const distance = this.lengthOf(to);
    if (from === 0) throw new QuireError("bad-input", "Block 0 cannot be moved.", { got: from });
    if (this.#moves.some((move) => move.from === to)) {
      throw new QuireError("bad-input", `Block ${to} is being moved itself.`, { got: to });
    }
    if (count === 0) return;
    this.reserve(to, count);
    this.#block(from).length = 0;
    this.#moves.push({ to, from, count, distance });
  }

  /** Makes the moves that were asked for. */
  async settle(): Promise<void> {
    for (const { to, from, count, distance } of this.#moves.splice(0)) {
      const [target, source] = [this.#placeOf(to), this.#placeOf(from)];
      const toSlot = target.start + distance;
      const move = { to: target.store, toSlot, from: source.store, fromSlot: source.start, count, distance };
      await moveEntries(move, this.rotations);
    }
  }

  /** Gives back all memory but the sequence's own. */
  close(): void {
    for (const { store } of this.pools) this.#options.close(store);
    this.#short = undefined;
    this.#long = undefined;
    this.#blocks.length = 0;
  }

  #placeOf(block: number): { readonly store: KeyValueStore; readonly start: number } {
    if (block === 0) return { store: this.first, start: 0 };
    const { pool, region } = this.#block(block);
    return { store: pool.store, start: region * pool.size };
  }

  #block(block: number): Block {
    const found = this.#blocks[block - 1];
    if (found === undefined) throw new QuireError("bad-input", `There is no block ${block}.`, { got: block });
    return found;
  }

  #shortOne(): BlockPool {
    this.#short ??= new BlockPool(this.#options, smallestRegion, firstRegions);
    return this.#short;
  }

  #longFor(length: number): BlockPool {
    this.#long ??= new BlockPool(this.#options, regionFor(length), 1);
    this.#long.fit(length);
    return this.#long;
  }

  #makeRoom(block: number, length: number): void {
    const own = this.#block(block);
    if (length <= own.pool.size) return;
    if (own.pool === this.#short) {
      const long = this.#longFor(length);
      const region = long.take(block);
      long.copy(own.pool, own.region, region, own.length);
      own.pool.leave(own.region);
      own.pool = long;
      own.region = region;
    }
    own.pool.fit(length);
  }
}

function regionFor(length: number): number {
  let size = smallestRegion;
  while (size < length) size *= 2;
  return size;
}
