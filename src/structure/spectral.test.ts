import fc from "fast-check";
import { expect, test } from "vitest";
import { leadingNonBacktracking } from "./bethe-hessian.js";
import { compressGraph } from "./compressed-graph.js";
import { kMeans } from "./k-means.js";
import { lowestEigenpairs } from "./lowest-eigenpairs.js";
import { seededRandom } from "./random.js";
import { symmetricEigen } from "./symmetric-eigen.js";

/** Eigenvalues by cyclic Jacobi rotations: slow, plain, and nothing like the code under test. */
function jacobiEigenvalues(matrix: number[][]): number[] {
  const a = matrix.map((row) => [...row]);
  const n = a.length;
  for (let sweep = 0; sweep < 60; sweep++) {
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        if (Math.abs(a[p]![q]!) < 1e-300) continue;
        const theta = 0.5 * Math.atan2(2 * a[p]![q]!, a[q]![q]! - a[p]![p]!);
        const [c, s] = [Math.cos(theta), Math.sin(theta)];
        for (let k = 0; k < n; k++) {
          const [x, y] = [a[k]![p]!, a[k]![q]!];
          a[k]![p] = c * x - s * y;
          a[k]![q] = s * x + c * y;
        }
        for (let k = 0; k < n; k++) {
          const [x, y] = [a[p]![k]!, a[q]![k]!];
          a[p]![k] = c * x - s * y;
          a[q]![k] = s * x + c * y;
        }
      }
    }
  }
  return a.map((row, i) => row[i]!).sort((x, y) => x - y);
}

test("dense eigenpairs: values as by Jacobi, A x = λ x, orthonormal", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 14 }), fc.integer({ min: 0, max: 1e6 }), (n, seed) => {
      const random = seededRandom(seed);
      const rows = Array.from({ length: n }, () => new Array<number>(n).fill(0));
      // Small integers: repeated and zero eigenvalues occur.
      for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) rows[i]![j] = rows[j]![i] = random.below(5) - 2;
      const { values, vectors } = symmetricEigen(Float64Array.from(rows.flat()), n);
      for (const [i, value] of jacobiEigenvalues(rows).entries()) expect(values[i]!).toBeCloseTo(value, 9);
      for (let a = 0; a < n; a++) {
        for (let i = 0; i < n; i++) {
          let image = 0;
          for (let j = 0; j < n; j++) image += rows[i]![j]! * vectors[a * n + j]!;
          expect(image).toBeCloseTo(values[a]! * vectors[a * n + i]!, 9);
        }
        for (let b = 0; b < n; b++) {
          let product = 0;
          for (let i = 0; i < n; i++) product += vectors[a * n + i]! * vectors[b * n + i]!;
          expect(product).toBeCloseTo(a === b ? 1 : 0, 9);
        }
      }
    }),
    { numRuns: 60, seed: 1 },
  );
});

test("restarted Lanczos finds the smallest eigenvalues, repeated ones too", () => {
  const n = 400;
  // A diagonal operator turned by one reflection: its spectrum is known, its vectors are full.
  const spectrum = Float64Array.from({ length: n }, (_, i) => (i < 3 ? -5 : i < 5 ? -2 : i < 6 ? -0.5 : 1 + i / 50));
  const mirror = Float64Array.from({ length: n }, (_, i) => Math.sin(i + 1));
  const squares = mirror.reduce((sum, x) => sum + x * x, 0);
  const reflect = (x: Float64Array): Float64Array => {
    const share = (2 * x.reduce((sum, value, i) => sum + value * mirror[i]!, 0)) / squares;
    return x.map((value, i) => value - share * mirror[i]!);
  };
  const apply = (x: Float64Array, y: Float64Array): void => {
    y.set(reflect(reflect(x).map((value, i) => value * spectrum[i]!)));
  };
  const { values, residuals } = lowestEigenpairs({ size: n, count: 8, apply, random: seededRandom(1) });
  for (let i = 0; i < 8; i++) expect(values[i]!).toBeCloseTo(spectrum[i]!, 5);
  for (const residual of residuals) expect(residual).toBeLessThan(1e-4);
});

test("leading eigenvalue of the non-backtracking matrix: degree less one on regular graphs, with its companion matrix else", () => {
  const ring = Array.from({ length: 24 }, (_, i) => i);
  const regular = compressGraph({
    nodeCount: 24,
    sources: [...ring, ...ring],
    targets: [...ring.map((i) => (i + 1) % 24), ...ring.map((i) => (i + 3) % 24)],
  });
  expect(leadingNonBacktracking(regular)).toBeCloseTo(3, 6);
  const bipartite = compressGraph({
    nodeCount: 7,
    sources: [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2],
    targets: [3, 4, 5, 6, 3, 4, 5, 6, 3, 4, 5, 6],
  }); // prettier-ignore
  expect(leadingNonBacktracking(bipartite)).toBeCloseTo(Math.sqrt(6), 6);
});

test("k-means: every row is nearest to its own cluster's mean, and clear clusters are found", () => {
  const random = seededRandom(4);
  const rows = new Float64Array(300 * 2);
  for (let i = 0; i < 300; i++) {
    rows[2 * i] = 10 * (i % 3) + random.normal();
    rows[2 * i + 1] = 7 * (i % 3 === 1 ? 1 : 0) + random.normal();
  }
  const { labels, clusters } = kMeans(rows, { width: 2, clusters: 3, random });
  expect(clusters).toBe(3);
  for (let i = 0; i < 300; i++) expect(labels[i]).toBe(i % 3);
});

test("k-means ends where plain Lloyd rounds change nothing", () => {
  const random = seededRandom(9);
  const rows = Float64Array.from({ length: 200 * 3 }, () => random.uniform());
  const { labels, clusters } = kMeans(rows, { width: 3, clusters: 7, random, restarts: 2 });
  const means = Array.from({ length: clusters }, (_, c) => {
    const own = Array.from(labels.keys()).filter((i) => labels[i] === c);
    return [0, 1, 2].map((j) => own.reduce((sum, i) => sum + rows[3 * i + j]!, 0) / own.length);
  });
  for (let i = 0; i < 200; i++) {
    const distances = means.map((mean) => mean.reduce((sum, x, j) => sum + (x - rows[3 * i + j]!) ** 2, 0));
    expect(distances[labels[i]!]!).toBeCloseTo(Math.min(...distances), 12);
  }
});
