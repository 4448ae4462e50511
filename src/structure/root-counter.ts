import type { Draw } from "./counter-tree.js";

/** Running counts by the square root of the matrix of prefix sums: y = R x + noise is formed with R = (1 - z)^(-1/2) as a series, and the counts are
 *  linear in y. About a third of the tree's worst error, for T numbers per coordinate and O(t) work a tick.
 *  R's entries are rounded to whole multiples of 1/grid, so y · grid is whole and takes discrete noise; the factor that turns y into counts is
 *  the exact partner of the rounded R, and its own rounding is post-processing. Sensitivity is that of the rounded R. */

/** f_0 = 1, f_{k+1} = f_k (2k + 1) / (2k + 2). */
export function rootCoefficients(count: number): Float64Array {
  const f = new Float64Array(count);
  f[0] = 1;
  for (let k = 0; k + 1 < count; k++) f[k + 1] = (f[k]! * (2 * k + 1)) / (2 * k + 2);
  return f;
}

export function sumOfSquares(values: ArrayLike<number>, count = values.length): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += values[i]! * values[i]!;
  return sum;
}

export interface RootState {
  readonly ticks: number;
  readonly row: number[];
  readonly rows: number[];
  readonly noisy: number[];
}

export class RootCounter {
  ticks = 0;
  private readonly row: Float64Array;
  private readonly rows: Float64Array;
  private readonly noisy: Float64Array;
  private readonly factor: Float64Array;
  private readonly inverse: Float64Array;
  private readonly back: Float64Array;
  private known = 0;

  /** `draw`: noise for grid · y. */
  constructor(
    readonly dims: number,
    readonly horizon: number,
    private readonly grid: number,
    private readonly draw: Draw,
  ) {
    this.row = new Float64Array(dims);
    this.rows = new Float64Array(dims * horizon);
    this.noisy = new Float64Array(dims * horizon);
    this.factor = roundedFactor(horizon, grid);
    this.inverse = new Float64Array(horizon);
    this.back = new Float64Array(horizon);
  }

  add(coordinate: number, amount: number): void {
    this.row[coordinate]! += amount;
  }

  close(): void {
    const { dims, rows, noisy, factor, ticks } = this;
    rows.set(this.row, dims * ticks);
    this.row.fill(0);
    for (let j = 0; j < dims; j++) {
      let sum = 0;
      for (let i = 0; i <= ticks; i++) sum += factor[i]! * rows[dims * (ticks - i) + j]!;
      noisy[dims * ticks + j] = sum + this.draw();
    }
    this.ticks++;
  }

  read(): Float64Array {
    const counts = new Float64Array(this.dims);
    const { dims, noisy, back, ticks } = this;
    this.extend(ticks);
    for (let j = 0; j < dims; j++) {
      let sum = 0;
      for (let i = 0; i < ticks; i++) sum += back[i]! * noisy[dims * (ticks - 1 - i) + j]!;
      counts[j] = sum / this.grid;
    }
    return counts;
  }

  /** Variance of a count now, in units of the variance of the noise on y. */
  spread(): { variance: number; terms: number } {
    this.extend(this.ticks);
    return { variance: sumOfSquares(this.back, this.ticks), terms: this.ticks };
  }

  state(): RootState {
    const used = this.dims * this.ticks;
    return {
      ticks: this.ticks,
      row: Array.from(this.row),
      rows: Array.from(this.rows.subarray(0, used)),
      noisy: Array.from(this.noisy.subarray(0, used)),
    };
  }

  restore(state: RootState): void {
    this.ticks = state.ticks;
    this.row.set(state.row);
    this.rows.set(state.rows);
    this.noisy.set(state.noisy);
  }

  /** Series of 1 / R and of prefix sums over R, as far as asked. */
  private extend(count: number): void {
    const { factor, inverse, back, grid } = this;
    for (let t = this.known; t < count; t++) {
      let sum = t === 0 ? 1 : 0;
      for (let i = 1; i <= t; i++) sum -= (factor[i]! / grid) * inverse[t - i]!;
      inverse[t] = sum;
      back[t] = sum + (t > 0 ? back[t - 1]! : 0);
    }
    this.known = Math.max(this.known, count);
  }
}

/** R's first column in units of 1/grid: whole numbers. */
export function roundedFactor(count: number, grid: number): Float64Array {
  return rootCoefficients(count).map((value) => Math.round(value * grid));
}
