import { throwIfAborted } from "../errors.js";
import type { SeededRandom } from "./random.js";

/** Lloyd's k-means with a k-means++ start, the best of several restarts by inertia. Distances that bounds show to be unnecessary
 *  are not computed (Hamerly's bounds), which never changes the result. Empty clusters are dropped. */
export interface KMeansOptions {
  /** Width of a row. */
  readonly width: number;
  readonly clusters: number;
  readonly random: SeededRandom;
  readonly restarts?: number;
  readonly rounds?: number;
  readonly signal?: AbortSignal;
}

export interface KMeansResult {
  /** Cluster of each row, numbered in the order of their first rows. */
  readonly labels: Int32Array;
  readonly clusters: number;
  readonly inertia: number;
}

export function kMeans(rows: Float64Array, options: KMeansOptions): KMeansResult {
  const { restarts = 10, width, signal } = options;
  const count = rows.length / width;
  let best: { labels: Int32Array; inertia: number } | undefined;
  for (let restart = 0; restart < restarts; restart++) {
    throwIfAborted(signal);
    const found = oneStart(rows, count, options);
    // Sums of rounding size must not decide between equal results.
    if (best === undefined || found.inertia < best.inertia * (1 - 1e-12)) best = found;
  }
  const { labels, clusters } = renumber(best!.labels);
  return { labels, clusters, inertia: best!.inertia };
}

function oneStart(rows: Float64Array, count: number, { width, clusters, random, rounds = 100, signal }: KMeansOptions) {
  const centers = plusPlusStart(rows, count, { width, clusters, random });
  const k = centers.length / width;
  const labels = new Int32Array(count);
  const upper = new Float64Array(count).fill(Infinity);
  const lower = new Float64Array(count);
  const half = new Float64Array(k);
  for (let round = 0; round < rounds; round++) {
    throwIfAborted(signal);
    halfGaps(centers, k, width, half);
    let moved = round === 0;
    for (let i = 0; i < count; i++) {
      const bound = Math.max(half[labels[i]!]!, lower[i]!);
      if (upper[i]! < bound) continue;
      if (round > 0) {
        upper[i] = Math.sqrt(distance2(rows, i * width, centers, labels[i]! * width, width));
        if (upper[i]! < bound) continue;
      }
      let nearest = 0;
      let first = Infinity;
      let second = Infinity;
      for (let c = 0; c < k; c++) {
        const d = distance2(rows, i * width, centers, c * width, width);
        if (d < first) {
          second = first;
          first = d;
          nearest = c;
        } else if (d < second) second = d;
      }
      if (nearest !== labels[i]) moved = true;
      labels[i] = nearest;
      upper[i] = Math.sqrt(first);
      lower[i] = Math.sqrt(second);
    }
    if (!moved) break;
    moveCenters(rows, labels, { centers, upper, lower, width, k });
  }
  let inertia = 0;
  for (let i = 0; i < count; i++) inertia += distance2(rows, i * width, centers, labels[i]! * width, width);
  return { labels, inertia };
}

/** Each next center is a row drawn with a chance proportional to its squared distance from the centers so far. */
function plusPlusStart(
  rows: Float64Array,
  count: number,
  { width, clusters, random }: { width: number; clusters: number; random: SeededRandom },
): Float64Array {
  const centers = new Float64Array(clusters * width);
  const nearest = new Float64Array(count).fill(Infinity);
  let row = random.below(count);
  for (let c = 0; c < clusters; c++) {
    centers.set(rows.subarray(row * width, (row + 1) * width), c * width);
    let total = 0;
    for (let i = 0; i < count; i++) {
      const d = distance2(rows, i * width, centers, c * width, width);
      if (d < nearest[i]!) nearest[i] = d;
      total += nearest[i]!;
    }
    if (total === 0) return centers.slice(0, (c + 1) * width);
    let target = random.uniform() * total;
    row = 0;
    for (let i = 0; i < count; i++) {
      if (nearest[i]! > 0) row = i;
      target -= nearest[i]!;
      if (target < 0) break;
    }
  }
  return centers;
}

function halfGaps(centers: Float64Array, k: number, width: number, half: Float64Array): void {
  half.fill(Infinity);
  for (let a = 0; a < k; a++) {
    for (let b = 0; b < a; b++) {
      const gap = Math.sqrt(distance2(centers, a * width, centers, b * width, width)) / 2;
      if (gap < half[a]!) half[a] = gap;
      if (gap < half[b]!) half[b] = gap;
    }
  }
}

interface MovingCenters {
  centers: Float64Array;
  upper: Float64Array;
  lower: Float64Array;
  width: number;
  k: number;
}

function moveCenters(rows: Float64Array, labels: Int32Array, { centers, upper, lower, width, k }: MovingCenters): void {
  const sums = new Float64Array(k * width);
  const sizes = new Int32Array(k);
  for (let i = 0; i < labels.length; i++) {
    const at = labels[i]! * width;
    sizes[labels[i]!]!++;
    for (let j = 0; j < width; j++) sums[at + j]! += rows[i * width + j]!;
  }
  const shift = new Float64Array(k);
  let farthest = 0;
  for (let c = 0; c < k; c++) {
    if (sizes[c] === 0) continue;
    for (let j = 0; j < width; j++) sums[c * width + j]! /= sizes[c]!;
    shift[c] = Math.sqrt(distance2(sums, c * width, centers, c * width, width));
    farthest = Math.max(farthest, shift[c]!);
    for (let j = 0; j < width; j++) centers[c * width + j] = sums[c * width + j]!;
  }
  for (let i = 0; i < labels.length; i++) {
    upper[i]! += shift[labels[i]!]!;
    lower[i]! -= farthest;
  }
}

function distance2(a: Float64Array, from: number, b: Float64Array, at: number, width: number): number {
  let sum = 0;
  for (let j = 0; j < width; j++) sum += (a[from + j]! - b[at + j]!) ** 2;
  return sum;
}

/** Labels 0, 1, 2, … in the order in which they first occur. */
export function renumber(labels: Int32Array): { labels: Int32Array; clusters: number } {
  const numbers = new Map<number, number>();
  const renumbered = labels.map((label) => {
    const number = numbers.get(label) ?? numbers.size;
    numbers.set(label, number);
    return number;
  });
  return { labels: renumbered, clusters: numbers.size };
}
