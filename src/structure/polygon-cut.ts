import { polygonArea, polygonDiameter } from "./convex-polygon.js";
import { foldDirection } from "./cutting-direction.js";

/** Cuts a convex polygon along a given direction so that one side has a given area.
 *  A piece keeps its corners relative to one of them (`x`, `y` is where that one lies), so a region 1e-30 of the whole is as exact as the
 *  whole; and it keeps each edge's direction as an angle, so short edges do not blur it. */

export interface Piece {
  readonly x: number;
  readonly y: number;
  readonly points: Float64Array;
  /** Direction, modulo π, of the edge from each corner to the next. */
  readonly directions: Float64Array;
  readonly area: number;
}

export function wholePiece(points: ArrayLike<number>): Piece {
  const count = points.length >> 1;
  const own = Float64Array.from({ length: 2 * count }, (_, i) => points[i]! - points[i % 2]!);
  const directions = Float64Array.from({ length: count }, (_, i) => {
    const j = (i + 1) % count;
    return foldDirection(Math.atan2(own[2 * j + 1]! - own[2 * i + 1]!, own[2 * j]! - own[2 * i]!));
  });
  return { x: points[0]!, y: points[1]!, points: own, directions, area: polygonArea(own) };
}

/** Parts `piece` by a line of direction `angle`. The small part has `share` (at most 1/2) of the area and lies on the left of the line
 *  when `leftSide`, else on the right. Measuring starts at the small part's far corner, so that its digits are not lost. */
export function cutPiece(piece: Piece, angle: number, share: number, leftSide: boolean): { small: Piece; rest: Piece } {
  // Height runs from the far corner of the small part towards the line: the low side is the small part.
  const sign = leftSide ? -1 : 1;
  const nx = -Math.sin(angle) * sign;
  const ny = Math.cos(angle) * sign;
  const count = piece.points.length >> 1;
  const start = lowestCorner(piece.points, nx, ny);
  const xs = new Float64Array(count);
  const ys = new Float64Array(count);
  const heights = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const from = (start + i) % count;
    xs[i] = piece.points[2 * from]! - piece.points[2 * start]!;
    ys[i] = piece.points[2 * from + 1]! - piece.points[2 * start + 1]!;
    heights[i] = nx * xs[i]! + ny * ys[i]!;
  }
  const { ahead, behind, level } = findLevel(xs, ys, heights, nx, ny, share * piece.area);
  // The line leaves between corner `ahead` and the next going round, and between `behind` and the one before it.
  const next = (ahead + 1) % count;
  const before = (behind + count - 1) % count;
  const a = crossing(xs, ys, heights, ahead, next, level);
  const b = crossing(xs, ys, heights, behind % count, before, level);
  const low = new Corners();
  const high = new Corners();
  const direction = (corner: number) => piece.directions[(start + corner) % count]!;
  const cutDirection = foldDirection(angle);
  for (let i = 0; i <= ahead; i++) low.add(xs[i]!, ys[i]!, direction(i));
  low.add(a.x, a.y, cutDirection);
  low.add(b.x, b.y, direction(before));
  for (let i = behind; i < count; i++) low.add(xs[i]!, ys[i]!, direction(i));
  high.add(a.x, a.y, direction(ahead));
  for (let i = ahead + 1; i < behind; i++) high.add(xs[i]!, ys[i]!, direction(i));
  high.add(b.x, b.y, cutDirection);
  const x = piece.x + piece.points[2 * start]!;
  const y = piece.y + piece.points[2 * start + 1]!;
  return { small: low.piece(x, y, 0), rest: high.piece(x, y, high.size >> 1) };
}

function lowestCorner(points: Float64Array, nx: number, ny: number): number {
  let lowest = 0;
  let height = Number.POSITIVE_INFINITY;
  for (let i = 0; i < points.length; i += 2) {
    const here = nx * points[i]! + ny * points[i + 1]!;
    if (here < height) {
      height = here;
      lowest = i >> 1;
    }
  }
  return lowest;
}

/** Sweeps a line upwards from corner 0. Between two corners' heights the chord's length is linear, so the swept area is a quadratic with one
 *  root to take. The last slab ends the search even if rounding leaves the target unreached. */
function findLevel(xs: Float64Array, ys: Float64Array, heights: Float64Array, nx: number, ny: number, target: number) {
  const count = xs.length;
  let ahead = 0;
  let behind = count;
  let height = heights[0]!;
  let width = 0;
  let need = target;
  for (;;) {
    const nextAhead = heights[ahead + 1]!;
    const nextBehind = heights[behind - 1]!;
    const top = Math.max(height, Math.min(nextAhead, nextBehind));
    const a = crossing(xs, ys, heights, ahead, ahead + 1, top);
    const b = crossing(xs, ys, heights, behind % count, behind - 1, top);
    // The line's own axis is (ny, -nx); widths along it are differences of points of equal height.
    const topWidth = Math.abs(ny * (a.x - b.x) - nx * (a.y - b.y));
    const slab = ((width + topWidth) / 2) * (top - height);
    const last = ahead + 1 === behind - 1;
    if (slab >= need || last) {
      const rise = top - height;
      const slope = rise > 0 ? (topWidth - width) / rise : 0;
      const root = Math.sqrt(Math.max(0, width * width + 2 * slope * need));
      const step = width + root > 0 ? (2 * need) / (width + root) : 0;
      return { ahead, behind, level: height + Math.min(rise, Math.max(0, step)) };
    }
    need -= slab;
    height = top;
    width = topWidth;
    if (nextAhead <= nextBehind) ahead++;
    else behind--;
  }
}

function crossing(xs: Float64Array, ys: Float64Array, heights: Float64Array, from: number, to: number, level: number) {
  const rise = heights[to]! - heights[from]!;
  // An edge along the line is passed at once, so that its whole length counts as width.
  const t = rise > 0 ? Math.min(1, Math.max(0, (level - heights[from]!) / rise)) : 1;
  return { x: xs[from]! + t * (xs[to]! - xs[from]!), y: ys[from]! + t * (ys[to]! - ys[from]!) };
}

/** Gathers a part's corners, then drops those that fell together. */
class Corners {
  private readonly xs: number[] = [];
  private readonly ys: number[] = [];
  private readonly directions: number[] = [];

  get size(): number {
    return this.xs.length;
  }

  add(x: number, y: number, direction: number): void {
    this.xs.push(x);
    this.ys.push(y);
    this.directions.push(direction);
  }

  /** `anchor`: the corner that becomes the new zero, unless it is merged into the one before it. */
  piece(x: number, y: number, anchor: number): Piece {
    const count = this.xs.length;
    const all = new Float64Array(2 * count);
    for (let i = 0; i < count; i++) {
      all[2 * i] = this.xs[i]! - this.xs[anchor]!;
      all[2 * i + 1] = this.ys[i]! - this.ys[anchor]!;
    }
    const tiny = 1e-12 * polygonDiameter(all);
    const kept: number[] = [];
    for (let i = 0; i < count; i++) {
      const next = (i + 1) % count;
      const length = Math.hypot(all[2 * next]! - all[2 * i]!, all[2 * next + 1]! - all[2 * i + 1]!);
      // A short edge goes with its first corner, so the edge before it now ends at the second.
      if (length > tiny) kept.push(i);
    }
    const points = new Float64Array(2 * kept.length);
    const directions = new Float64Array(kept.length);
    for (let i = 0; i < kept.length; i++) {
      points[2 * i] = all[2 * kept[i]!]!;
      points[2 * i + 1] = all[2 * kept[i]! + 1]!;
      directions[i] = this.directions[kept[i]!]!;
    }
    return { x: x + this.xs[anchor]!, y: y + this.ys[anchor]!, points, directions, area: polygonArea(points) };
  }
}
