import type { KeyValueStore } from "../../cache/store/key-values.js";
import type { MemoryBlocks, RowsRequest } from "../../decode/decoder.js";
import { QuireError } from "../../errors.js";
import type { Unrotated } from "../../models/architecture.js";
import { type Move, moveEntries } from "./move-entries.js";
import { checkViews, placeRows, type ViewRows, type Views } from "./view-rows.js";

/** The memory of a sequence as blocks that can be read in several orders at once: block 0 is the sequence's own memory, every other
 *  has one of its own. All are dense: an entry's slot is its index in its block. */

export interface BlockMemoryOptions {
  /** Tokens that a view may hold. */
  readonly limit: number;
  open(): KeyValueStore;
}

export class BlockMemory implements MemoryBlocks {
  readonly limit: number;
  /** How each layer rotates, known from the first pass on. */
  rotations: ReadonlyMap<number, Unrotated["rotate"]> = new Map();
  readonly #first: () => KeyValueStore;
  readonly #open: () => KeyValueStore;
  readonly #opened: KeyValueStore[] = [];
  readonly #moves: Move[] = [];

  constructor(first: () => KeyValueStore, { limit, open }: BlockMemoryOptions) {
    this.limit = limit;
    this.#first = first;
    this.#open = open;
  }

  /** Memories of all blocks but the first. */
  get opened(): readonly KeyValueStore[] {
    return this.#opened;
  }

  get windowed(): boolean {
    const { managed, shape } = this.#first();
    return managed.length < shape.layers.length;
  }

  open(): number {
    if (!this.#first().isDense) {
      throw new QuireError("unsupported", "A memory that was edited cannot be a block of views.", {
        fix: "Use the cache policy full.",
      });
    }
    return this.#opened.push(this.#open());
  }

  store(block: number): KeyValueStore {
    const found = block === 0 ? this.#first() : this.#opened[block - 1];
    if (found === undefined) throw new QuireError("bad-input", `There is no block ${block}.`, { got: block });
    return found;
  }

  lengthOf(block: number): number {
    return this.store(block).tokens;
  }

  /** Slots for new rows at the end of a block. */
  reserve(block: number, rows: number): Int32Array {
    return this.store(block).reserve(rows).shared[0] as Int32Array;
  }

  /** Throws where a request cannot be. `intact`: tokens of block 0 that stand there as ordinary text. */
  check({ sees, tokens }: RowsRequest, intact: number): void {
    if (sees?.kind === "views") {
      checkViews(this, sees, tokens.length);
    } else if (this.#opened.length > 0 && (sees !== undefined || this.lengthOf(0) !== intact)) {
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
    const start = this.lengthOf(to);
    if (count === 0) return;
    this.reserve(to, count);
    this.#moves.push({ to: this.store(to), from: this.store(from), start, count });
    this.store(from).rewind(0);
  }

  /** Makes the moves that were asked for. */
  async settle(): Promise<void> {
    for (const move of this.#moves.splice(0)) await moveEntries(move, this.rotations);
  }
}
