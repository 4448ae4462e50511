/** For each of many things its best few others, kept while candidates come in: flat arrays, no object per candidate. */

export interface Neighbours {
  /** Others of thing v, best first: others[v · most .. v · most + counts[v]). */
  readonly others: Int32Array;
  readonly scores: Float32Array;
  readonly counts: Int32Array;
  readonly most: number;
}

export class NeighbourLists implements Neighbours {
  readonly others: Int32Array;
  readonly scores: Float32Array;
  readonly counts: Int32Array;
  readonly most: number;

  constructor(things: number, most: number) {
    this.most = most;
    this.others = new Int32Array(things * most).fill(-1);
    this.scores = new Float32Array(things * most).fill(Number.NEGATIVE_INFINITY);
    this.counts = new Int32Array(things);
  }

  /** Below this a candidate of v is not kept. */
  least(v: number): number {
    return this.counts[v] === this.most ? this.scores[v * this.most + this.most - 1]! : Number.NEGATIVE_INFINITY;
  }

  /** True where the candidate is kept; one that is there already is not taken twice. Equal scores: the smaller number first. */
  offer(v: number, other: number, score: number): boolean {
    const start = v * this.most;
    const count = this.counts[v]!;
    const kept = Math.fround(score);
    let at = start + count;
    while (
      at > start &&
      (this.scores[at - 1]! < kept || (this.scores[at - 1] === kept && this.others[at - 1]! > other))
    )
      at--;
    if (at === start + this.most) return false;
    for (let i = start; i < start + count; i++) if (this.others[i] === other) return false;
    const end = count === this.most ? start + count - 1 : start + count;
    for (let i = end; i > at; i--) {
      this.others[i] = this.others[i - 1]!;
      this.scores[i] = this.scores[i - 1]!;
    }
    this.others[at] = other;
    this.scores[at] = kept;
    if (count < this.most) this.counts[v]!++;
    return true;
  }
}
