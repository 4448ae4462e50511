/** LazyEviction's record of an entry: when it was last attended to, and the longest silence it ever came back from. */

export class RecurrenceRecord {
  /** Step of the last use. */
  lastUse: Int32Array;
  /** Longest interval between two uses; 0 before the first. */
  longest: Int32Array;
  length: number;

  constructor(lastUse = new Int32Array(64), longest = new Int32Array(64), length = 0) {
    this.lastUse = lastUse;
    this.longest = longest;
    this.length = length;
  }

  /** Records of entries that came in since, as if last used at `step`. */
  extend(length: number, step: number): void {
    if (length > this.lastUse.length) {
      const room = Math.max(length, 2 * this.lastUse.length);
      this.lastUse = grown(this.lastUse, room);
      this.longest = grown(this.longest, room);
    }
    this.lastUse.fill(step, this.length, length);
    this.longest.fill(0, this.length, length);
    this.length = length;
  }

  /** An entry with a weight of at least `threshold` was used at `step`. */
  track(weights: Float32Array, threshold: number, step: number): void {
    for (let entry = 0; entry < this.length; entry++) {
      if (!((weights[entry] as number) >= threshold)) continue;
      const interval = step - (this.lastUse[entry] as number);
      if (interval > (this.longest[entry] as number)) this.longest[entry] = interval;
      this.lastUse[entry] = step;
    }
  }

  /** How much each of the first `count` entries is worth keeping at `step`. */
  scores(count: number, step: number, form: "code" | "paper"): Float32Array {
    return Float32Array.from({ length: count }, (_, entry) =>
      recurrenceScore(step - (this.lastUse[entry] as number), this.longest[entry] as number, form),
    );
  }

  /** Only the entries at these indices, ascending, are left. */
  keep(indices: Int32Array): void {
    for (const [to, from] of indices.entries()) {
      this.lastUse[to] = this.lastUse[from] as number;
      this.longest[to] = this.longest[from] as number;
    }
    this.length = indices.length;
  }

  clone(): RecurrenceRecord {
    return new RecurrenceRecord(this.lastUse.slice(), this.longest.slice(), this.length);
  }
}

/** Falls as the silence outlasts the record (first part) and is higher for entries used often (second part). */
export function recurrenceScore(silence: number, longest: number, form: "code" | "paper" = "code"): number {
  const argument = Math.min(80, (form === "code" ? 1 : 0) + silence / (longest + 1e-5));
  return 2 * sigmoid(-argument) + (longest === 0 ? 0 : 2 * sigmoid(1 - longest));
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

function grown(values: Int32Array, length: number): Int32Array {
  const result = new Int32Array(length);
  result.set(values);
  return result;
}
