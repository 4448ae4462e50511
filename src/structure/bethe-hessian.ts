import type { CompressedGraph } from "./compressed-graph.js";
import { kMeans } from "./k-means.js";
import { dot, lowestEigenpairs } from "./lowest-eigenpairs.js";
import type { SeededRandom } from "./random.js";

/** Groups of a connected graph from the lowest eigenvectors of its Bethe-Hessian H_r = (r² - 1) I + D - r A: each group that can be
 *  told apart has a negative eigenvalue. Weights are not looked at. */
export interface SpectralOptions {
  /** Number of groups; estimated when absent. */
  readonly groups?: number;
  /** "short" takes one r from the degrees; "exact" takes √ρ of the non-backtracking matrix and, for each vector, the r at which its
   *  eigenvalue is zero, so that degrees cannot hide a group. */
  readonly form: "short" | "exact";
  readonly random: SeededRandom;
  readonly signal?: AbortSignal;
}

export interface SpectralResult {
  readonly labels: Int32Array;
  readonly groups: number;
  /** There may be more groups than memory let it look for. */
  readonly capped: boolean;
}

export function spectralGroups(graph: CompressedGraph, options: SpectralOptions): SpectralResult {
  const n = graph.nodeCount;
  const one = { labels: new Int32Array(n), groups: 1, capped: false };
  const squared = options.form === "short" ? degreeRadius(graph) : leadingNonBacktracking(graph);
  const known = options.groups;
  if (known === 1) return one;
  // No more than a tree's worth of cycles: nothing to be seen, and H is singular at r = 1.
  const r = squared > 1 + 1e-9 ? Math.sqrt(squared) : known === undefined ? 0 : 1 + 1e-6;
  if (r === 0) return one;
  const found = known === undefined ? negativePairs(graph, r, options) : lowest(graph, r, known, options);
  const groups = known ?? found.groups;
  if (groups < 2) return one;
  const rows =
    options.form === "short"
      ? found.vectors.subarray(0, groups * n)
      : rootVectors(graph, { r, groups, values: found.values, vectors: found.vectors }, options);
  const { labels, clusters } = kMeans(unitRows(rows, n, groups), {
    width: groups,
    clusters: groups,
    random: options.random,
    signal: options.signal,
  });
  return { labels, groups: clusters, capped: found.capped };
}

/** y = H_r x. */
function betheHessian({ nodeCount, offsets, neighbors }: CompressedGraph, r: number) {
  return (x: Float64Array, y: Float64Array): void => {
    for (let v = 0; v < nodeCount; v++) {
      let sum = 0;
      const end = offsets[v + 1]!;
      for (let i = offsets[v]!; i < end; i++) sum += x[neighbors[i]!]!;
      y[v] = (r * r - 1 + end - offsets[v]!) * x[v]! - r * sum;
    }
  };
}

/** Σd² / Σd - 1, the square of r by degrees alone. */
function degreeRadius({ nodeCount, offsets }: CompressedGraph): number {
  let squares = 0;
  for (let v = 0; v < nodeCount; v++) squares += (offsets[v + 1]! - offsets[v]!) ** 2;
  return squares / offsets[nodeCount]! - 1;
}

/** ρ, the leading eigenvalue of [[A, I - D], [I, 0]], by shifted power iteration (the shift keeps bipartite graphs from swinging). */
export function leadingNonBacktracking({ nodeCount, offsets, neighbors }: CompressedGraph): number {
  let x = new Float64Array(nodeCount).fill(1);
  // Not ones: on a regular graph (1, 1) is an eigenvector itself, of eigenvalue 1.
  let y = new Float64Array(nodeCount);
  const shift = offsets[nodeCount]! / Math.max(1, nodeCount) / 2;
  let value = 0;
  for (let round = 0; round < 3000; round++) {
    const nextX = new Float64Array(nodeCount);
    const nextY = new Float64Array(nodeCount);
    let squares = 0;
    for (let v = 0; v < nodeCount; v++) {
      let sum = 0;
      const end = offsets[v + 1]!;
      for (let i = offsets[v]!; i < end; i++) sum += x[neighbors[i]!]!;
      nextX[v] = sum + (1 - (end - offsets[v]!)) * y[v]! + shift * x[v]!;
      nextY[v] = x[v]! + shift * y[v]!;
      squares += nextX[v]! ** 2 + nextY[v]! ** 2;
    }
    const length = Math.sqrt(squares);
    for (let v = 0; v < nodeCount; v++) {
      nextX[v]! /= length;
      nextY[v]! /= length;
    }
    const settled = Math.abs(length - value) <= 1e-10 * length;
    value = length;
    x = nextX;
    y = nextY;
    if (settled && round > 3) break;
  }
  return value - shift;
}

interface FoundPairs {
  groups: number;
  capped: boolean;
  values: Float64Array;
  vectors: Float64Array;
}

function lowest(graph: CompressedGraph, r: number, count: number, { random, signal }: SpectralOptions): FoundPairs {
  const pairs = lowestEigenpairs({ size: graph.nodeCount, count, apply: betheHessian(graph, r), random, signal });
  return { groups: count, capped: false, values: pairs.values, vectors: pairs.vectors };
}

/** The pairs below zero, found by asking for more until one is not. */
function negativePairs(graph: CompressedGraph, r: number, { random, signal }: SpectralOptions): FoundPairs {
  const n = graph.nodeCount;
  const most = Math.min(n - 1, Math.max(8, Math.floor((6e7 / n - 16) / 2)));
  let start: Float64Array | undefined;
  for (let count = Math.min(8, most); ; count = Math.min(most, 2 * count)) {
    const apply = betheHessian(graph, r);
    const pairs = lowestEigenpairs({ size: n, count, apply, random, start, below: 0, signal });
    let groups = 0;
    // An eigenvalue of rounding size is zero: it tells nothing apart.
    while (groups < count && pairs.values[groups]! < -1e-9 * (r * r + 1)) groups++;
    if (groups < count || count === most) {
      return { groups, capped: groups === most && most < n - 1, values: pairs.values, vectors: pairs.vectors };
    }
    start = pairs.vectors;
  }
}

/** For p = K..2 the eigenvector of the p-th smallest eigenvalue at the r where that is zero, r found by guarded Newton steps:
 *  dλ/dr = 2r - x·Ax. The first vector is the one at √ρ. Each search starts from the vectors of the one before. */
function rootVectors(
  graph: CompressedGraph,
  { r: top, groups, values, vectors }: { r: number; groups: number; values: Float64Array; vectors: Float64Array },
  { random, signal }: SpectralOptions,
): Float64Array {
  const n = graph.nodeCount;
  const rows = new Float64Array(groups * n);
  rows.set(vectors.subarray(0, n));
  const image = new Float64Array(n);
  let r = top;
  let pairs = { values, vectors };
  for (let p = groups; p >= 2; p--) {
    let low = 1;
    let high = top;
    for (let step = 0; ; step++) {
      const value = pairs.values[p - 1]!;
      const x = pairs.vectors.subarray((p - 1) * n, p * n);
      // A given K may ask for more vectors than the graph tells apart: then the eigenvalue is not negative even at √ρ.
      if (step === 15 || Math.abs(value) <= rootTolerance * r * r || (value > 0 && r >= top)) {
        rows.set(x, (p - 1) * n);
        break;
      }
      if (value < 0) high = r;
      else low = r;
      const apply = betheHessian(graph, r);
      apply(x, image);
      const slope = 2 * r - (degreeMean(graph, x) + r * r - 1 - dot(x, image)) / r;
      const newton = r - value / slope;
      r = newton > low && newton < high ? newton : (low + high) / 2;
      pairs = lowestEigenpairs({
        size: n,
        count: p,
        apply: betheHessian(graph, r),
        random,
        start: pairs.vectors,
        signal,
        verify: false,
        tolerance: rootTolerance,
        basis: p + 20,
      });
    }
  }
  return rows;
}

/** How near zero, in parts of r², and how small a residual, in parts of the largest eigenvalue: far finer than what k-means sees. */
const rootTolerance = 1e-4;

function degreeMean({ nodeCount, offsets }: CompressedGraph, x: Float64Array): number {
  let sum = 0;
  for (let v = 0; v < nodeCount; v++) sum += (offsets[v + 1]! - offsets[v]!) * x[v]! ** 2;
  return sum;
}

/** Vectors as rows to nodes as rows, each of length 1; a zero row stays zero. */
function unitRows(vectors: Float64Array, n: number, width: number): Float64Array {
  const rows = new Float64Array(n * width);
  for (let v = 0; v < n; v++) {
    let squares = 0;
    for (let j = 0; j < width; j++) squares += vectors[j * n + v]! ** 2;
    const factor = squares > 0 ? 1 / Math.sqrt(squares) : 0;
    for (let j = 0; j < width; j++) rows[v * width + j] = vectors[j * n + v]! * factor;
  }
  return rows;
}

/** Whether the short form sees at least two groups. */
export function isDivisible(graph: CompressedGraph, random: SeededRandom): boolean {
  const squared = graph.edgeCount === 0 ? 0 : degreeRadius(graph);
  if (graph.nodeCount < 3 || squared <= 1) return false;
  const apply = betheHessian(graph, Math.sqrt(squared));
  const { values } = lowestEigenpairs({ size: graph.nodeCount, count: 2, apply, random, below: 0 });
  return values[1]! < -1e-9 * squared;
}
