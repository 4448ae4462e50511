import { QuireError } from "../errors.js";

/** Convex polygons, counter-clockwise, as flat coordinates x0 y0 x1 y1 ..., and what is measured on them. */

export function polygonArea(points: ArrayLike<number>): number {
  const count = points.length >> 1;
  const x0 = points[0]!;
  const y0 = points[1]!;
  let twice = 0;
  for (let i = 1; i + 1 < count; i++) {
    const ax = points[2 * i]! - x0;
    const ay = points[2 * i + 1]! - y0;
    twice += ax * (points[2 * i + 3]! - y0) - ay * (points[2 * i + 2]! - x0);
  }
  return twice / 2;
}

const fewCorners = 32;

/** Largest distance between two corners. All pairs of few corners; for many, every edge with the corners farthest from it. */
export function polygonDiameter(points: ArrayLike<number>): number {
  const count = points.length >> 1;
  let best = 0;
  const measure = (i: number, j: number) => {
    const dx = points[2 * i]! - points[2 * j]!;
    const dy = points[2 * i + 1]! - points[2 * j + 1]!;
    const square = dx * dx + dy * dy;
    if (square > best) best = square;
  };
  if (count <= fewCorners) {
    for (let i = 0; i < count; i++) for (let j = 0; j < i; j++) measure(i, j);
    return Math.sqrt(best);
  }
  const height = (edge: number, corner: number) => {
    const next = (edge + 1) % count;
    const ex = points[2 * next]! - points[2 * edge]!;
    const ey = points[2 * next + 1]! - points[2 * edge + 1]!;
    return ex * (points[2 * corner + 1]! - points[2 * edge + 1]!) - ey * (points[2 * corner]! - points[2 * edge]!);
  };
  let far = 1;
  for (let edge = 0; edge < count; edge++) {
    for (let steps = 0; steps < count; steps++) {
      measure(edge, far);
      measure((edge + 1) % count, far);
      const next = (far + 1) % count;
      if (height(edge, next) < height(edge, far)) break;
      far = next;
    }
  }
  return Math.sqrt(best);
}

/** diam² / area: 2 for a square, 4/π for a disc, without limit for slivers. */
export function polygonAspect(points: ArrayLike<number>): number {
  const diameter = polygonDiameter(points);
  return (diameter * diameter) / polygonArea(points);
}

/** Throws unless the polygon is convex, counter-clockwise, goes round once, and has no corner twice. */
export function checkConvexPolygon(points: ArrayLike<number>, what: string): void {
  const count = points.length / 2;
  const refuse = (reason: string, fix?: string): never => {
    throw new QuireError("bad-input", `${what} ${reason}.`, {
      got: Array.from(points).slice(0, 16),
      expected: "at least 3 corners x0, y0, x1, y1, ... of a convex polygon, counter-clockwise",
      fix,
    });
  };
  if (!Number.isInteger(count) || count < 3) refuse("has too few corners");
  for (let i = 0; i < points.length; i++)
    if (!Number.isFinite(points[i])) refuse("has a coordinate that is not a number");
  if (polygonArea(points) <= 0) refuse("is clockwise or flat", "Give the corners in the other order.");
  const tiny = 1e-12 * polygonDiameter(points);
  let turned = 0;
  for (let i = 0; i < count; i++) {
    const [a, b, c] = [i, (i + 1) % count, (i + 2) % count];
    const ax = points[2 * b]! - points[2 * a]!;
    const ay = points[2 * b + 1]! - points[2 * a + 1]!;
    const bx = points[2 * c]! - points[2 * b]!;
    const by = points[2 * c + 1]! - points[2 * b + 1]!;
    if (Math.hypot(ax, ay) <= tiny) refuse("has a corner twice");
    const turn = Math.atan2(ax * by - ay * bx, ax * bx + ay * by);
    if (turn < -1e-12 || turn > Math.PI - 1e-12) refuse("is not convex");
    turned += turn;
  }
  if (Math.abs(turned - 2 * Math.PI) > 1e-6) refuse("crosses itself");
}

/** Centre and radius of the largest circle inside: the place for a label. Insets the polygon by half-planes, halving the interval
 *  of the radius until a point is left. */
export function inscribedCircle(points: ArrayLike<number>): { x: number; y: number; radius: number } {
  const count = points.length >> 1;
  const x0 = points[0]!;
  const y0 = points[1]!;
  const own = Float64Array.from({ length: 2 * count }, (_, i) => points[i]! - (i % 2 === 0 ? x0 : y0));
  let low = 0;
  let high = Math.sqrt(polygonArea(own) / Math.PI) * 1.0000001;
  let kept: Float64Array = own;
  for (let step = 0; step < 40; step++) {
    const radius = (low + high) / 2;
    const inside = insetPolygon(own, radius);
    if (inside.length > 0) {
      low = radius;
      kept = inside;
    } else high = radius;
  }
  let x = 0;
  let y = 0;
  for (let i = 0; i < kept.length; i += 2) {
    x += kept[i]!;
    y += kept[i + 1]!;
  }
  return { x: x0 + (2 * x) / kept.length, y: y0 + (2 * y) / kept.length, radius: low };
}

function insetPolygon(points: Float64Array, by: number): Float64Array {
  const count = points.length >> 1;
  let inside: number[] = Array.from(points);
  for (let i = 0; i < count && inside.length > 0; i++) {
    const j = (i + 1) % count;
    const dx = points[2 * j]! - points[2 * i]!;
    const dy = points[2 * j + 1]! - points[2 * i + 1]!;
    const length = Math.hypot(dx, dy);
    if (length === 0) continue;
    const depth = (x: number, y: number) => (dx * (y - points[2 * i + 1]!) - dy * (x - points[2 * i]!)) / length - by;
    const clipped: number[] = [];
    for (let a = 0; a < inside.length; a += 2) {
      const b = (a + 2) % inside.length;
      const here = depth(inside[a]!, inside[a + 1]!);
      const there = depth(inside[b]!, inside[b + 1]!);
      if (here >= 0) clipped.push(inside[a]!, inside[a + 1]!);
      if (here >= 0 !== there >= 0) {
        const t = here / (here - there);
        clipped.push(
          inside[a]! + t * (inside[b]! - inside[a]!),
          inside[a + 1]! + t * (inside[b + 1]! - inside[a + 1]!),
        );
      }
    }
    inside = clipped;
  }
  return Float64Array.from(inside);
}
