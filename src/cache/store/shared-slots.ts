import { QuireError } from "../../errors.js";

/** Where the entries of layers lie whose heads all hold the same tokens: one map from slots to text positions. A freed slot takes
 *  any later entry. */

export const free = -1;

export class SharedSlots {
  /** Text position of what a slot holds, -1 where it is free. */
  positions: Int32Array;
  /** Slots up to here may be occupied. */
  extent = 0;
  /** Entries held. */
  entries = 0;
  #inOrder = true;

  constructor(capacity: number) {
    this.positions = new Int32Array(capacity).fill(free);
  }

  get capacity(): number {
    return this.positions.length;
  }

  /** Slot and position agree for everything held, and there are no holes: masks can be filled by ranges. */
  get isDense(): boolean {
    return this.extent === this.entries && this.#inOrder;
  }

  /** Takes a free slot for each position. */
  take(positions: Int32Array): Int32Array {
    const slots = new Int32Array(positions.length);
    let slot = this.isDense ? this.extent : 0;
    for (const [i, position] of positions.entries()) {
      while (this.positions[slot] !== free) slot++;
      this.positions[slot] = position;
      this.#inOrder &&= slot === position;
      slots[i] = slot;
      this.extent = Math.max(this.extent, slot + 1);
    }
    this.entries += positions.length;
    return slots;
  }

  /** Occupied slots in ascending order of position. */
  occupied(): Int32Array {
    const slots = new Int32Array(this.entries);
    let count = 0;
    for (let slot = 0; slot < this.extent; slot++) if (this.positions[slot] !== free) slots[count++] = slot;
    if (!this.#inOrder) slots.sort((a, b) => (this.positions[a] ?? 0) - (this.positions[b] ?? 0));
    return slots;
  }

  /** Frees what `stays` does not want; gives the freed slots. */
  filter(stays: (slot: number, position: number) => boolean): Int32Array {
    const freed: number[] = [];
    for (let slot = 0; slot < this.extent; slot++) {
      const position = this.positions[slot] ?? free;
      if (position === free || stays(slot, position)) continue;
      this.positions[slot] = free;
      freed.push(slot);
    }
    this.entries -= freed.length;
    while (this.extent > 0 && this.positions[this.extent - 1] === free) this.extent--;
    if (this.entries === 0) this.#inOrder = true;
    return Int32Array.from(freed);
  }

  /** Frees all slots but these. */
  keep(slots: Int32Array): Int32Array {
    const stay = new Uint8Array(this.capacity);
    for (const slot of slots) {
      if (slot < 0 || slot >= this.extent || this.positions[slot] === free) throw holdsNothing(slot);
      stay[slot] = 1;
    }
    return this.filter((slot) => stay[slot] === 1);
  }

  copy(): SharedSlots {
    const copy = new SharedSlots(0);
    copy.positions = this.positions.slice();
    copy.extent = this.extent;
    copy.entries = this.entries;
    copy.#inOrder = this.#inOrder;
    return copy;
  }

  /** The map after the entries have moved to slots 0, 1, ... in ascending order of position. */
  compacted(capacity: number): SharedSlots {
    const moved = new SharedSlots(capacity);
    for (const [to, slot] of this.occupied().entries()) {
      moved.positions[to] = this.positions[slot] ?? free;
      moved.#inOrder &&= moved.positions[to] === to;
    }
    moved.entries = this.entries;
    moved.extent = this.entries;
    return moved;
  }
}

export function holdsNothing(slot: number): QuireError {
  return new QuireError("bad-input", `A cache policy named slot ${slot}, which holds nothing.`, { got: slot });
}
