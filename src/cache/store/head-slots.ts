import { QuireError } from "../../errors.js";
import { free, holdsNothing, type SharedSlots } from "./shared-slots.js";

/** Where the entries of one layer lie when each of its heads holds tokens of its own choice. All heads hold equally many. A
 *  dropped entry leaves a hole; a single new row fills one hole in every head, and then the held slots are 0 to entries - 1 again
 *  in every head, so that one mask serves all of them. For anything else the layer is compacted first. */
export class HeadSlots {
  readonly heads: readonly HeadMap[];
  /** Slots up to here may be occupied, in any head. */
  extent: number;

  constructor(heads: readonly HeadMap[], extent: number) {
    this.heads = heads;
    this.extent = extent;
  }

  static from(shared: SharedSlots, heads: number): HeadSlots {
    const order = shared.occupied();
    const maps = Array.from({ length: heads }, () => new HeadMap(shared.positions.slice(), order));
    return new HeadSlots(maps, shared.extent);
  }

  get entries(): number {
    return this.heads[0]?.count ?? 0;
  }

  get capacity(): number {
    return this.heads[0]?.positions.length ?? 0;
  }

  get holes(): number {
    return this.extent - this.entries;
  }

  /** Some entry stands for more than one token. */
  get isWeighted(): boolean {
    return this.heads.some(({ mass }) => mass !== undefined);
  }

  /** Whether so many rows can be taken as it is. */
  canTake(rows: number): boolean {
    return this.holes === 0 ? this.extent + rows <= this.capacity : rows === 1 && this.holes === 1;
  }

  /** Takes a slot in every head for each position: [K, rows]. */
  take(positions: Int32Array): Int32Array {
    const rows = positions.length;
    const slots = new Int32Array(this.heads.length * rows);
    const fillsHole = this.holes > 0;
    for (const [head, map] of this.heads.entries()) {
      for (const [row, position] of positions.entries()) {
        const slot = fillsHole ? map.firstFree() : this.extent + row;
        map.append(slot, position);
        slots[head * rows + row] = slot;
      }
    }
    if (!fillsHole) this.extent += rows;
    return slots;
  }

  /** Throws unless all heads hold equally many. */
  checkCounts(layer: number): void {
    const counts = this.heads.map(({ count }) => count);
    if (counts.every((count) => count === counts[0])) return;
    throw new QuireError("bad-input", `The heads of layer ${layer} would hold different numbers of entries.`, {
      got: counts,
      expected: "equally many in every head of a layer",
    });
  }

  compacted(capacity: number): HeadSlots {
    return new HeadSlots(
      this.heads.map((map) => map.compacted(capacity)),
      this.entries,
    );
  }
}

/** What one head holds. */
export class HeadMap {
  /** Text position by slot, -1 where it is free. */
  readonly positions: Int32Array;
  /** Tokens that a slot stands for; undefined while all stand for one. */
  mass: Float32Array | undefined;
  #order: Int32Array;
  count: number;
  #hole = 0;

  constructor(positions: Int32Array, order: Int32Array, mass?: Float32Array) {
    this.positions = positions;
    this.mass = mass;
    this.#order = new Int32Array(positions.length);
    this.#order.set(order);
    this.count = order.length;
  }

  /** Occupied slots in ascending order of position. Valid until the next change. */
  get order(): Int32Array {
    return this.#order.subarray(0, this.count);
  }

  massOf(slot: number): number {
    return this.mass?.[slot] ?? 1;
  }

  append(slot: number, position: number): void {
    this.positions[slot] = position;
    this.#order[this.count++] = slot;
  }

  firstFree(): number {
    while (this.positions[this.#hole] !== free) this.#hole++;
    return this.#hole;
  }

  /** Frees what `stays` does not want, by place in the order; gives the freed slots. */
  filter(stays: (slot: number, place: number) => boolean): number[] {
    const freed: number[] = [];
    let kept = 0;
    for (let place = 0; place < this.count; place++) {
      const slot = this.#order[place] as number;
      if (stays(slot, place)) {
        this.#order[kept++] = slot;
        continue;
      }
      this.positions[slot] = free;
      if (this.mass !== undefined) this.mass[slot] = 1;
      this.#hole = Math.min(this.#hole, slot);
      freed.push(slot);
    }
    this.count = kept;
    return freed;
  }

  keep(slots: Int32Array): number[] {
    const stay = new Uint8Array(this.positions.length);
    for (const slot of slots) {
      this.mustHold(slot);
      stay[slot] = 1;
    }
    return this.filter((slot) => stay[slot] === 1);
  }

  mustHold(slot: number): void {
    if ((this.positions[slot] ?? free) === free) throw holdsNothing(slot);
  }

  /** Makes an entry stand for so many tokens. */
  weigh(slot: number, mass: number): void {
    this.mass ??= new Float32Array(this.positions.length).fill(1);
    this.mass[slot] = mass;
  }

  compacted(capacity: number): HeadMap {
    const positions = new Int32Array(capacity).fill(free);
    for (let place = 0; place < this.count; place++)
      positions[place] = this.positions[this.#order[place] as number] ?? free;
    let mass: Float32Array | undefined;
    if (this.mass !== undefined) {
      mass = new Float32Array(capacity).fill(1);
      for (let place = 0; place < this.count; place++) mass[place] = this.massOf(this.#order[place] as number);
    }
    return new HeadMap(
      positions,
      Int32Array.from({ length: this.count }, (_, place) => place),
      mass,
    );
  }
}
