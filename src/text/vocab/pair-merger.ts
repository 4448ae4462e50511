/** Merges neighbouring symbols, best pair first (ties: leftmost first), until no pair is left that may merge: the common heart of
 *  byte-pair encoding (best = lowest rank) and of SentencePiece's variant (best = highest score). A symbol is a number. What a
 *  pair becomes is asked once and remembered. Short words go by plain search, long ones by a heap, so that a megabyte without a
 *  space costs n log n. */

export interface PairResult {
  /** The symbol that the pair becomes. */
  merged: number;
  /** Lower goes first. */
  priority: number;
}

/** Fills `result` for a pair that may merge, and says whether it may. */
export type PairRule = (left: number, right: number, result: PairResult) => boolean;

const none = -1;
const searchLimit = 48;
const mostRemembered = 1 << 20;

export class PairMerger {
  readonly #rule: PairRule;
  readonly #result: PairResult = { merged: none, priority: 0 };
  readonly #searchMerged = new Int32Array(searchLimit);
  readonly #searchPriorities = new Float64Array(searchLimit);
  readonly #heap = new PairHeap();
  #memory = new PairMemory(1 << 13);

  constructor(rule: PairRule) {
    this.#rule = rule;
  }

  /** Merges the first `count` of `symbols` in place and returns how many are left. */
  merge(symbols: Int32Array, count: number): number {
    if (count < 2) return count;
    return count <= searchLimit ? this.#bySearch(symbols, count) : this.#byHeap(symbols, count);
  }

  #bySearch(symbols: Int32Array, count: number): number {
    const merged = this.#searchMerged;
    const priorities = this.#searchPriorities;
    const look = (i: number) => {
      const slot = this.#look(symbols[i]!, symbols[i + 1]!);
      merged[i] = this.#memory.merged[slot]!;
      priorities[i] = this.#memory.priorities[slot]!;
    };
    let pairs = count - 1;
    for (let i = 0; i < pairs; i++) look(i);
    while (pairs > 0) {
      let best = none;
      let bestPriority = Number.POSITIVE_INFINITY;
      for (let i = 0; i < pairs; i++) {
        if (priorities[i]! < bestPriority) {
          bestPriority = priorities[i]!;
          best = i;
        }
      }
      if (best === none) break;
      symbols[best] = merged[best]!;
      pairs--;
      symbols.copyWithin(best + 1, best + 2, pairs + 2);
      merged.copyWithin(best, best + 1, pairs + 1);
      priorities.copyWithin(best, best + 1, pairs + 1);
      if (best > 0) look(best - 1);
      if (best < pairs) look(best);
    }
    return pairs + 1;
  }

  #byHeap(symbols: Int32Array, count: number): number {
    const next = new Int32Array(count);
    const previous = new Int32Array(count);
    for (let i = 0; i < count; i++) {
      next[i] = i + 1 < count ? i + 1 : none;
      previous[i] = i - 1;
    }
    const heap = this.#heap;
    heap.clear();
    const offer = (left: number) => {
      const slot = this.#look(symbols[left]!, symbols[next[left]!]!);
      if (this.#memory.merged[slot]! !== none) heap.push(this.#memory.priorities[slot]!, left);
    };
    for (let i = 0; i + 1 < count; i++) offer(i);
    while (heap.size > 0) {
      const { priority, left } = heap.pop();
      const right = next[left]!;
      if (symbols[left] === none || right === none) continue;
      const slot = this.#look(symbols[left]!, symbols[right]!);
      // What stood here may have changed since; a new pair of equal priority would come up at this very moment anyway.
      if (this.#memory.merged[slot] === none || this.#memory.priorities[slot] !== priority) continue;
      symbols[left] = this.#memory.merged[slot]!;
      symbols[right] = none;
      const after = next[right]!;
      next[left] = after;
      if (after !== none) previous[after] = left;
      if (previous[left]! !== none) offer(previous[left]!);
      if (after !== none) offer(left);
    }
    let kept = 0;
    for (let i = 0; i !== none; i = next[i]!) symbols[kept++] = symbols[i]!;
    return kept;
  }

  #look(left: number, right: number): number {
    const slot = this.#memory.slot(left, right);
    if (this.#memory.lefts[slot] === left) return slot;
    const result = this.#result;
    const allowed = this.#rule(left, right, result);
    if (this.#memory.isFull) {
      this.#memory = this.#memory.size < mostRemembered ? this.#memory.doubled() : new PairMemory(1 << 13);
    }
    return this.#memory.add(left, right, allowed ? result.merged : none, allowed ? result.priority : Infinity);
  }
}

/** A hash table from pairs to what they become, in flat arrays; pairs that do not merge are remembered too. */
class PairMemory {
  readonly lefts: Int32Array;
  readonly merged: Int32Array;
  readonly priorities: Float64Array;
  readonly #rights: Int32Array;
  readonly #mask: number;
  size = 0;

  constructor(capacity: number) {
    this.lefts = new Int32Array(capacity).fill(none);
    this.#rights = new Int32Array(capacity);
    this.merged = new Int32Array(capacity);
    this.priorities = new Float64Array(capacity);
    this.#mask = capacity - 1;
  }

  get isFull(): boolean {
    return this.size * 2 > this.#mask;
  }

  /** Where the pair is, or the free place where it belongs. */
  slot(left: number, right: number): number {
    let slot = (Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca77)) >>> 0;
    slot = (slot ^ (slot >>> 15)) & this.#mask;
    while (this.lefts[slot] !== none && (this.lefts[slot] !== left || this.#rights[slot] !== right)) {
      slot = (slot + 1) & this.#mask;
    }
    return slot;
  }

  add(left: number, right: number, merged: number, priority: number): number {
    const slot = this.slot(left, right);
    this.lefts[slot] = left;
    this.#rights[slot] = right;
    this.merged[slot] = merged;
    this.priorities[slot] = priority;
    this.size++;
    return slot;
  }

  doubled(): PairMemory {
    const larger = new PairMemory((this.#mask + 1) * 2);
    for (let slot = 0; slot <= this.#mask; slot++) {
      if (this.lefts[slot] === none) continue;
      larger.add(this.lefts[slot]!, this.#rights[slot]!, this.merged[slot]!, this.priorities[slot]!);
    }
    return larger;
  }
}

/** A binary heap of (priority, position), lowest first. */
class PairHeap {
  #priorities = new Float64Array(256);
  #lefts = new Int32Array(256);
  readonly #top = { priority: 0, left: 0 };
  size = 0;

  clear(): void {
    this.size = 0;
    if (this.#lefts.length > 1 << 16) {
      this.#priorities = new Float64Array(256);
      this.#lefts = new Int32Array(256);
    }
  }

  push(priority: number, left: number): void {
    if (this.size === this.#lefts.length) this.#grow();
    let at = this.size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#isBefore(priority, left, parent)) break;
      this.#move(parent, at);
      at = parent;
    }
    this.#priorities[at] = priority;
    this.#lefts[at] = left;
  }

  /** The same object each time. */
  pop(): { readonly priority: number; readonly left: number } {
    this.#top.priority = this.#priorities[0]!;
    this.#top.left = this.#lefts[0]!;
    const last = --this.size;
    const priority = this.#priorities[last]!;
    const left = this.#lefts[last]!;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= last) break;
      if (child + 1 < last && this.#isBefore(this.#priorities[child + 1]!, this.#lefts[child + 1]!, child)) child++;
      if (this.#isBefore(priority, left, child)) break;
      this.#move(child, at);
      at = child;
    }
    this.#priorities[at] = priority;
    this.#lefts[at] = left;
    return this.#top;
  }

  #isBefore(priority: number, left: number, other: number): boolean {
    const otherPriority = this.#priorities[other]!;
    return priority < otherPriority || (priority === otherPriority && left < this.#lefts[other]!);
  }

  #move(from: number, to: number): void {
    this.#priorities[to] = this.#priorities[from]!;
    this.#lefts[to] = this.#lefts[from]!;
  }

  #grow(): void {
    const priorities = new Float64Array(this.size * 2);
    priorities.set(this.#priorities);
    this.#priorities = priorities;
    const lefts = new Int32Array(this.size * 2);
    lefts.set(this.#lefts);
    this.#lefts = lefts;
  }
}
