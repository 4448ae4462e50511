/** All eigenvalues and eigenvectors of a small dense symmetric matrix: Householder reflections to tridiagonal form, then implicit
 *  QL with shifts. Row-major, n up to some hundreds. */
export interface EigenPairs {
  /** Ascending. */
  readonly values: Float64Array;
  /** Row i is the unit eigenvector of `values[i]`. */
  readonly vectors: Float64Array;
}

export function symmetricEigen(matrix: Float64Array, n: number): EigenPairs {
  const a = matrix.slice();
  const z = new Float64Array(n * n);
  for (let i = 0; i < n; i++) z[i * n + i] = 1;
  const diagonal = new Float64Array(n);
  const beside = new Float64Array(n);
  tridiagonalise(a, z, n);
  for (let i = 0; i < n; i++) {
    diagonal[i] = a[i * n + i]!;
    if (i + 1 < n) beside[i] = a[i * n + i + 1]!;
  }
  for (let l = 0; l < n; l++) diagonaliseFrom(l, diagonal, beside, z, n);
  return ascending(diagonal, z, n);
}

/** A becomes Q^T A Q, tridiagonal; the rows of z become the columns of Q. */
function tridiagonalise(a: Float64Array, z: Float64Array, n: number): void {
  const v = new Float64Array(n);
  const w = new Float64Array(n);
  for (let k = 0; k + 2 < n; k++) {
    let norm = 0;
    for (let i = k + 1; i < n; i++) {
      v[i] = a[i * n + k]!;
      norm = Math.hypot(norm, v[i]!);
    }
    if (norm === 0) continue;
    v[k + 1]! += v[k + 1]! < 0 ? -norm : norm;
    const beta = 1 / (norm * Math.abs(v[k + 1]!));
    // w = beta A v - (beta/2 · v·beta A v) v, over the whole matrix: rows up to k hold only what the reflection clears.
    let overlap = 0;
    for (let i = k; i < n; i++) {
      let sum = 0;
      for (let j = k + 1; j < n; j++) sum += a[i * n + j]! * v[j]!;
      w[i] = beta * sum;
      if (i > k) overlap += w[i]! * v[i]!;
    }
    v[k] = 0;
    for (let i = k + 1; i < n; i++) w[i]! -= 0.5 * beta * overlap * v[i]!;
    for (let i = k; i < n; i++) {
      for (let j = k; j < n; j++) a[i * n + j]! -= v[i]! * w[j]! + w[i]! * v[j]!;
    }
    for (let column = 0; column < n; column++) {
      let sum = 0;
      for (let i = k + 1; i < n; i++) sum += v[i]! * z[i * n + column]!;
      sum *= beta;
      for (let i = k + 1; i < n; i++) z[i * n + column]! -= sum * v[i]!;
    }
  }
}

function diagonaliseFrom(l: number, d: Float64Array, e: Float64Array, z: Float64Array, n: number): void {
  for (let round = 0; round < 60; round++) {
    let m = l;
    while (m + 1 < n && Math.abs(e[m]!) > 1e-16 * (Math.abs(d[m]!) + Math.abs(d[m + 1]!))) m++;
    if (m === l) return;
    let g = (d[l + 1]! - d[l]!) / (2 * e[l]!);
    g = d[m]! - d[l]! + e[l]! / (g + (g < 0 ? -1 : 1) * Math.hypot(g, 1));
    let sine = 1;
    let cosine = 1;
    let shift = 0;
    let split = false;
    for (let i = m - 1; i >= l; i--) {
      const f = sine * e[i]!;
      const b = cosine * e[i]!;
      const r = Math.hypot(f, g);
      e[i + 1] = r;
      if (r === 0) {
        d[i + 1]! -= shift;
        e[m] = 0;
        split = true;
        break;
      }
      sine = f / r;
      cosine = g / r;
      g = d[i + 1]! - shift;
      const t = (d[i]! - g) * sine + 2 * cosine * b;
      shift = sine * t;
      d[i + 1] = g + shift;
      g = cosine * t - b;
      rotateRows(z, n, i, cosine, sine);
    }
    if (split) continue;
    d[l]! -= shift;
    e[l] = g;
    e[m] = 0;
  }
}

function rotateRows(z: Float64Array, n: number, i: number, cosine: number, sine: number): void {
  const upper = i * n;
  const lower = upper + n;
  for (let k = 0; k < n; k++) {
    const f = z[lower + k]!;
    z[lower + k] = sine * z[upper + k]! + cosine * f;
    z[upper + k] = cosine * z[upper + k]! - sine * f;
  }
}

function ascending(values: Float64Array, rows: Float64Array, n: number): EigenPairs {
  const order = Array.from(values.keys()).sort((i, j) => values[i]! - values[j]! || i - j);
  const vectors = new Float64Array(n * n);
  for (const [to, from] of order.entries()) vectors.set(rows.subarray(from * n, from * n + n), to * n);
  return { values: Float64Array.from(order, (i) => values[i]!), vectors };
}
