/** The binary-tree counter over `dims` coordinates with a common clock. Ticks are leaves; at most one finished node per level is kept, as the
 *  binary digits of t; a running count is the sum of those nodes' noisy sums. One event is in at most `levels` nodes.
 *  Noise of a node is drawn when the node is first read and then stays; a node merged before anyone read it never needs any.
 *  With `reuseChildren` a node's estimate also uses its children's (Honaker's recursion from below): about half the variance. */

/** Integer noise, drawn afresh at each call. */
export type Draw = () => number;

export function treeLevels(horizon: number): number {
  return Math.floor(Math.log2(horizon)) + 1;
}

export interface TreeState {
  readonly ticks: number;
  readonly row: number[];
  /** Per level, empty where no node is kept. */
  readonly sums: number[][];
  readonly noise: number[][];
}

export class CounterTree {
  ticks = 0;
  readonly levels: number;
  private readonly row: Float64Array;
  private readonly sums: Float64Array[];
  /** Noise of each node kept, empty until drawn; with reuseChildren its estimate. */
  private readonly noise: Float64Array[];

  constructor(
    readonly dims: number,
    horizon: number,
    private readonly draw: Draw,
    private readonly reuseChildren = false,
  ) {
    this.levels = treeLevels(horizon);
    this.row = new Float64Array(dims);
    this.sums = Array.from({ length: this.levels }, () => new Float64Array(0));
    this.noise = Array.from({ length: this.levels }, () => new Float64Array(0));
  }

  add(coordinate: number, amount: number): void {
    this.row[coordinate]! += amount;
  }

  /** Ends a tick: its row becomes a node, and nodes of equal size below it merge. */
  close(): void {
    const sum = this.row.slice();
    this.row.fill(0);
    let noise = this.reuseChildren ? this.noisy(sum) : new Float64Array(0);
    let level = 0;
    for (; occupied(this.ticks, level); level++) {
      const sibling = this.sums[level]!;
      for (let j = 0; j < this.dims; j++) sum[j]! += sibling[j]!;
      if (this.reuseChildren) noise = this.combine(this.noisy(sum), this.noise[level]!, noise, nodeWeight(level + 1));
      this.forget(level);
    }
    this.sums[level] = sum;
    this.noise[level] = noise;
    this.ticks++;
  }

  /** Noisy running counts; the same again until the next tick. */
  read(): Float64Array {
    const counts = new Float64Array(this.dims);
    for (let level = 0; level < this.levels; level++) {
      if (!occupied(this.ticks, level)) continue;
      if (this.noise[level]!.length === 0) this.noise[level] = this.noisy(new Float64Array(this.dims));
      const sum = this.sums[level]!;
      const noise = this.noise[level]!;
      for (let j = 0; j < this.dims; j++) counts[j]! += this.reuseChildren ? noise[j]! : sum[j]! + noise[j]!;
    }
    return counts;
  }

  /** Variance of a count now, in units of one node's noise, and how many draws it is made of. */
  spread(): { variance: number; terms: number } {
    let variance = 0;
    let terms = 0;
    for (let level = 0; level < this.levels; level++) {
      if (!occupied(this.ticks, level)) continue;
      variance += this.reuseChildren ? nodeWeight(level) : 1;
      terms++;
    }
    return { variance, terms };
  }

  occupiedLevels(): boolean[] {
    return this.sums.map((sum) => sum.length > 0);
  }

  state(): TreeState {
    return {
      ticks: this.ticks,
      row: Array.from(this.row),
      sums: this.sums.map((sum) => Array.from(sum)),
      noise: this.noise.map((noise) => Array.from(noise)),
    };
  }

  restore(state: TreeState): void {
    this.ticks = state.ticks;
    this.row.set(state.row);
    for (let level = 0; level < this.levels; level++) {
      this.sums[level] = Float64Array.from(state.sums[level]!);
      this.noise[level] = Float64Array.from(state.noise[level]!);
    }
  }

  private forget(level: number): void {
    this.sums[level]!.fill(0);
    this.noise[level]!.fill(0);
    this.sums[level] = new Float64Array(0);
    this.noise[level] = new Float64Array(0);
  }

  private noisy(sum: Float64Array): Float64Array {
    return sum.map((value) => value + this.draw());
  }

  /** A function of noisy whole numbers alone, so that its rounding tells nothing of the exact sums. */
  private combine(own: Float64Array, left: Float64Array, right: Float64Array, weight: number): Float64Array {
    return own.map((value, j) => weight * value + (1 - weight) * (left[j]! + right[j]!));
  }
}

function occupied(ticks: number, level: number): boolean {
  return Math.floor(ticks / 2 ** level) % 2 === 1;
}

/** Weight of a node's own noise, which is also its estimate's variance against one draw: 1 / (2 - 2^-level). */
export function nodeWeight(level: number): number {
  return 1 / (2 - 2 ** -level);
}
