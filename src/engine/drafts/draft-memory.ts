import type { KeyValueStore, Reservation } from "../../cache/store/key-values.js";
import type { DraftContext, MemoryBranches, RowsRequest, SequenceMemory } from "../../decode/decoder.js";
import { QuireError } from "../../errors.js";
import { BranchMemory } from "../branch-memory.js";
import type { Segment } from "../forward.js";
import type { DraftModel } from "./draft-model.js";

/** The draft's memory of one sequence: a line of text and, within a round, branches that end with the round. */
export class DraftMemory implements SequenceMemory {
  readonly model: DraftModel;
  #store: KeyValueStore;
  #round: RoundBranches | undefined;
  #newest: Reservation | undefined;

  constructor(model: DraftModel, store: KeyValueStore) {
    this.model = model;
    this.#store = store;
  }

  /** Goes on in another memory, empty unless it is the target's. */
  attach(store: KeyValueStore): void {
    this.#endRound();
    this.#store = store;
  }

  get context(): DraftContext {
    const { model } = this;
    const { vocabSize } = model.model.config;
    return { memory: this, parameters: model.parameters, vocabSize, shared: model.shape === undefined };
  }

  get length(): number {
    return this.#round?.begun === true ? this.#round.lengthOf(this.#round.line) : this.#store.tokens;
  }

  get branches(): MemoryBranches {
    this.#round ??= new RoundBranches(this.#store);
    return this.#round;
  }

  rewind(length: number): void {
    const round = this.#round;
    if (round?.begun === true) round.rewindLine(length);
    this.#endRound();
    this.#store.rewind(length);
    this.#store.putInOrder();
  }

  keepRows(rows: number, kept: Int32Array): void {
    const slots = this.#newest;
    if (slots?.positions.length !== rows || this.#round?.begun === true)
      throw new QuireError("bad-input", "Only the rows of the newest request can be kept or taken back.");
    this.#store.keepOf(slots, kept);
    this.#store.putInOrder();
  }

  /** The rows `done` to `done + rows` of a request, with slots reserved for them. */
  segment({ tokens: all, sees, want }: RowsRequest, done: number, rows: number): Segment {
    const store = this.#store;
    const tokens = all.subarray(done, done + rows);
    const wanted =
      want === "all"
        ? Int32Array.from({ length: rows }, (_, row) => row)
        : new Int32Array(want === "last" && done + rows === all.length ? [rows - 1] : []);
    if (sees?.kind === "branches") {
      const { memory } = this.branches as RoundBranches;
      memory.check(rows, sees.of);
      const positions = memory.positions(sees.of);
      const slots = store.reserve(rows, positions);
      memory.append(sees.of, slots.shared[0] as Int32Array);
      return { store, tokens, positions, slots, wanted, sees, branches: { memory, of: sees.of } };
    }
    if (this.#round?.begun === true || sees?.kind === "views")
      throw new QuireError("bad-input", "The draft's memory has branches: rows must say which they continue.");
    const base = store.tokens;
    const positions = Int32Array.from(tokens, (_, row) => base + row);
    if (sees?.kind === "tree") {
      for (const [row, parent] of sees.parents.entries())
        positions[row] = parent < 0 ? base : (positions[parent] as number) + 1;
    }
    const slots = store.reserve(rows, positions);
    this.#newest = slots;
    return { store, tokens, positions, slots, wanted, sees };
  }

  #endRound(): void {
    if (this.#round?.begun === true) this.#store.moved = undefined;
    this.#round = undefined;
  }
}

/** Branches of one round. */
class RoundBranches implements MemoryBranches {
  readonly memory: BranchMemory;
  readonly #live = new Set([0]);

  constructor(store: KeyValueStore) {
    this.memory = new BranchMemory(() => store);
  }

  get begun(): boolean {
    return this.memory.begun;
  }

  get entries(): number {
    return this.memory.entries;
  }

  /** The branch that is left when the round ends. */
  get line(): number {
    const [first = 0] = this.#live;
    return this.#live.size === 1 ? first : 0;
  }

  lengthOf(branch: number): number {
    return this.memory.lengthOf(branch);
  }

  fork(branch: number, copies: number): Int32Array {
    const made = this.memory.fork(branch, copies);
    for (const each of made) this.#live.add(each);
    return made;
  }

  free(branch: number): void {
    this.memory.free(branch);
    this.#live.delete(branch);
  }

  rewind(branch: number, length: number): void {
    this.memory.rewind(branch, length);
  }

  rewindLine(length: number): void {
    const { line } = this;
    for (const branch of [...this.#live]) if (branch !== line) this.free(branch);
    if (length < this.lengthOf(line)) this.rewind(line, length);
  }
}
