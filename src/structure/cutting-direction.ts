/** Which way to cut a convex polygon, from the directions of its edges (angles modulo π). A direction far from all edges makes no sharp corner.
 *  widest-angle  the middle of the widest gap between edge directions
 *  dyadic        the first multiple of π/2, π/4, π/8, ... that keeps at least that step from every edge: tidy, repeating directions */

export function widestAngle(directions: ArrayLike<number>): number {
  const sorted = sortedDirections(directions);
  let best = 0;
  let middle = 0;
  for (let i = 0; i < sorted.length; i++) {
    const next = i + 1 < sorted.length ? sorted[i + 1]! : sorted[0]! + Math.PI;
    const gap = next - sorted[i]!;
    // The first of equal gaps, whatever rounding did to the others.
    if (gap > best + 1e-12) {
      best = gap;
      middle = sorted[i]! + gap / 2;
    }
  }
  return foldDirection(middle);
}

export function dyadicAngle(directions: ArrayLike<number>): number {
  const sorted = sortedDirections(directions);
  for (let parts = 2; ; parts *= 2) {
    const step = Math.PI / parts;
    for (let i = 0; i < parts; i++) if (distanceTo(sorted, i * step) >= step - 1e-9) return i * step;
    // Beyond what floating angles tell apart no multiple is free; the widest gap then is.
    if (parts > 4 * sorted.length + 4) return widestAngle(sorted);
  }
}

/** Edges are few as a rule, and sorting few by insertion is many times faster. */
function sortedDirections(directions: ArrayLike<number>): Float64Array {
  const sorted = new Float64Array(directions.length);
  for (let i = 0; i < sorted.length; i++) sorted[i] = directions[i]!;
  if (sorted.length > 48) return sorted.sort();
  for (let i = 1; i < sorted.length; i++) {
    const value = sorted[i]!;
    let at = i;
    for (; at > 0 && sorted[at - 1]! > value; at--) sorted[at] = sorted[at - 1]!;
    sorted[at] = value;
  }
  return sorted;
}

function distanceTo(sorted: Float64Array, angle: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < angle) low = middle + 1;
    else high = middle;
  }
  const above = low < sorted.length ? sorted[low]! : sorted[0]! + Math.PI;
  const below = low > 0 ? sorted[low - 1]! : sorted[sorted.length - 1]! - Math.PI;
  return Math.min(above - angle, angle - below);
}

/** An angle as a direction of a line: 0 up to, not including, π. */
export function foldDirection(angle: number): number {
  const folded = angle % Math.PI;
  const positive = folded < 0 ? folded + Math.PI : folded;
  return positive >= Math.PI ? 0 : positive;
}
