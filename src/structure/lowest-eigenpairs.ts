import { throwIfAborted } from "../errors.js";
import type { SeededRandom } from "./random.js";
import { type EigenPairs, symmetricEigen } from "./symmetric-eigen.js";

/** The smallest eigenvalues of a large sparse symmetric operator with their vectors: Lanczos with full orthogonalisation and thick
 *  restarts. The projected matrix is kept explicitly, so that a search may start from any vectors and, once it has converged, be
 *  tried again from a random one: a single chain sees one vector of a repeated eigenvalue only. */
export interface LowestOptions {
  readonly size: number;
  readonly count: number;
  apply(x: Float64Array, y: Float64Array): void;
  readonly random: SeededRandom;
  /** Residual, relative to the largest Ritz value seen; default 1e-6. */
  readonly tolerance?: number;
  readonly maxRestarts?: number;
  /** Rows to start from, such as the vectors of a nearby operator. */
  readonly start?: Float64Array;
  /** Only eigenvalues below this matter: the rest need not converge. */
  readonly below?: number;
  /** Try again from a random vector; default true. */
  readonly verify?: boolean;
  /** Vectors held at most; default 2 count + 16, at least 40. */
  readonly basis?: number;
  readonly signal?: AbortSignal;
}

export interface LowestPairs extends EigenPairs {
  readonly residuals: Float64Array;
  readonly applications: number;
}

const denseLimit = 160;

export function lowestEigenpairs(options: LowestOptions): LowestPairs {
  const { size, count } = options;
  if (size <= denseLimit || 2 * count + 16 >= size) return denseLowest(options);
  return new RestartedLanczos(options).run();
}

function denseLowest({ size, count, apply }: LowestOptions): LowestPairs {
  const matrix = new Float64Array(size * size);
  const unit = new Float64Array(size);
  for (let i = 0; i < size; i++) {
    unit[i] = 1;
    apply(unit, matrix.subarray(i * size, i * size + size));
    unit[i] = 0;
  }
  const all = symmetricEigen(matrix, size);
  const kept = Math.min(count, size);
  return {
    values: all.values.slice(0, kept),
    vectors: all.vectors.slice(0, kept * size),
    residuals: new Float64Array(kept),
    applications: size,
  };
}

class RestartedLanczos {
  readonly #options: LowestOptions;
  readonly #n: number;
  readonly #count: number;
  readonly #limit: number;
  /** Row i: basis vector i, and the operator applied to it. */
  readonly #basis: Float64Array;
  readonly #image: Float64Array;
  readonly #projected: Float64Array;
  #size = 0;
  #applications = 0;

  constructor(options: LowestOptions) {
    this.#options = options;
    this.#n = options.size;
    this.#count = options.count;
    this.#limit = Math.min(options.size, options.basis ?? Math.max(40, 2 * options.count + 16));
    this.#basis = new Float64Array(this.#limit * this.#n);
    this.#image = new Float64Array(this.#limit * this.#n);
    this.#projected = new Float64Array(this.#limit * this.#limit);
  }

  run(): LowestPairs {
    const { start, random, maxRestarts = 120, tolerance = 1e-6, below = Infinity, verify = true } = this.#options;
    const next = new Float64Array(this.#n);
    for (let i = 0; start !== undefined && i < start.length / this.#n && i < this.#count; i++) {
      next.set(start.subarray(i * this.#n, (i + 1) * this.#n));
      this.#append(next);
    }
    this.#randomise(next, random);
    let verified = !verify;
    let unchanged = 0;
    let lastNegative = -1;
    for (let restart = 0; ; restart++) {
      throwIfAborted(this.#options.signal);
      while (this.#size < this.#limit) {
        this.#append(next);
        next.set(this.#row(this.#image, this.#size - 1));
      }
      const values = this.#restart();
      const residuals = this.#residuals(values);
      const scale = Math.max(Math.abs(values[0]!), Math.abs(values[values.length - 1]!), 1e-300);
      const wanted = firstUnsettled(values, residuals, { count: this.#count, bound: tolerance * scale, below });
      const negative = values.findIndex((value) => !(value < below));
      unchanged = negative === lastNegative ? unchanged + 1 : 0;
      lastNegative = negative;
      const settled = wanted === -1 || (below < Infinity && unchanged >= 12 && wanted >= negative);
      if ((settled && verified) || restart >= maxRestarts) return this.#result(values, residuals);
      if (settled) {
        verified = true;
        this.#randomise(next, random);
      } else {
        if (verify) verified = false;
        this.#residualOf(wanted, values[wanted]!, next);
      }
    }
  }

  #row(rows: Float64Array, i: number): Float64Array {
    return rows.subarray(i * this.#n, (i + 1) * this.#n);
  }

  #randomise(into: Float64Array, random: SeededRandom): void {
    for (let i = 0; i < this.#n; i++) into[i] = random.uniform() - 0.5;
  }

  /** Makes the direction orthogonal to the basis (twice, for rounding), applies the operator, extends the projected matrix. */
  #append(direction: Float64Array): void {
    const vector = this.#row(this.#basis, this.#size);
    vector.set(direction);
    for (let attempt = 0; ; attempt++) {
      const before = norm(vector);
      for (let pass = 0; pass < 2; pass++) {
        for (let i = 0; i < this.#size; i++) {
          const row = this.#row(this.#basis, i);
          addScaled(vector, row, -dot(row, vector));
        }
      }
      const after = norm(vector);
      if (after > 1e-10 * before && after > 0) {
        for (let i = 0; i < this.#n; i++) vector[i]! /= after;
        break;
      }
      if (attempt > 5) throw new Error("no direction is left outside the basis");
      this.#randomise(vector, this.#options.random);
    }
    const image = this.#row(this.#image, this.#size);
    this.#options.apply(vector, image);
    this.#applications++;
    for (let i = 0; i <= this.#size; i++) {
      const value = dot(this.#row(this.#basis, i), image);
      this.#projected[i * this.#limit + this.#size] = value;
      this.#projected[this.#size * this.#limit + i] = value;
    }
    this.#size++;
  }

  /** Replaces the basis by the lowest Ritz vectors and gives their values. */
  #restart(): Float64Array {
    const size = this.#size;
    const dense = new Float64Array(size * size);
    for (let i = 0; i < size; i++)
      dense.set(this.#projected.subarray(i * this.#limit, i * this.#limit + size), i * size);
    const { values, vectors } = symmetricEigen(dense, size);
    const keep = Math.min(size - 1, this.#count + Math.ceil((this.#limit - this.#count) / 3));
    rotate(this.#basis, vectors, { size, keep, n: this.#n });
    rotate(this.#image, vectors, { size, keep, n: this.#n });
    this.#projected.fill(0);
    for (let i = 0; i < keep; i++) this.#projected[i * this.#limit + i] = values[i]!;
    this.#size = keep;
    return values.slice(0, keep);
  }

  #residuals(values: Float64Array): Float64Array {
    const residuals = new Float64Array(Math.min(this.#count, values.length));
    for (let j = 0; j < residuals.length; j++) {
      let sum = 0;
      const vector = this.#row(this.#basis, j);
      const image = this.#row(this.#image, j);
      for (let i = 0; i < this.#n; i++) sum += (image[i]! - values[j]! * vector[i]!) ** 2;
      residuals[j] = Math.sqrt(sum);
    }
    return residuals;
  }

  #residualOf(j: number, value: number, into: Float64Array): void {
    into.set(this.#row(this.#image, j));
    addScaled(into, this.#row(this.#basis, j), -value);
  }

  #result(values: Float64Array, residuals: Float64Array): LowestPairs {
    return {
      values: values.slice(0, this.#count),
      vectors: this.#basis.slice(0, this.#count * this.#n),
      residuals,
      applications: this.#applications,
    };
  }
}

/** The first wanted pair that has not converged. Above `below` it is enough that the value is safely there. */
function firstUnsettled(
  values: Float64Array,
  residuals: Float64Array,
  { count, bound, below }: { count: number; bound: number; below: number },
): number {
  for (let j = 0; j < Math.min(count, values.length); j++) {
    if (values[j]! - residuals[j]! > below) return -1;
    if (residuals[j]! > bound) return j;
    if (values[j]! >= below) return -1;
  }
  return -1;
}

/** rows[0 .. keep) = turn · rows[0 .. size), in place, a strip of columns at a time. */
function rotate(
  rows: Float64Array,
  turn: Float64Array,
  { size, keep, n }: { size: number; keep: number; n: number },
): void {
  const strip = 256;
  const held = new Float64Array(size * strip);
  for (let from = 0; from < n; from += strip) {
    const width = Math.min(strip, n - from);
    for (let i = 0; i < size; i++) held.set(rows.subarray(i * n + from, i * n + from + width), i * strip);
    for (let j = 0; j < keep; j++) {
      const out = rows.subarray(j * n + from, j * n + from + width);
      out.fill(0);
      for (let i = 0; i < size; i++) {
        const factor = turn[j * size + i]!;
        const base = i * strip;
        for (let c = 0; c < width; c++) out[c]! += factor * held[base + c]!;
      }
    }
  }
}

export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function norm(a: Float64Array): number {
  return Math.sqrt(dot(a, a));
}

function addScaled(into: Float64Array, from: Float64Array, factor: number): void {
  for (let i = 0; i < into.length; i++) into[i]! += factor * from[i]!;
}
