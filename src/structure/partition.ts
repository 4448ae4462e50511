import { polygonAspect } from "./convex-polygon.js";
import type { Piece } from "./polygon-cut.js";

/** What a partition gives back: the polygons of a tree's nodes with their figures, as flat arrays. */

/** Polygons of all nodes in one array. A node without weight has none; a node with one child shares the child's. */
export interface Partition {
  readonly points: Float64Array;
  /** Node v's corners: points[2 · starts[v] .. 2 · (starts[v] + counts[v])). */
  readonly starts: Int32Array;
  readonly counts: Int32Array;
  readonly areas: Float64Array;
  /** diam² / area: 2 for a square. */
  readonly aspects: Float64Array;
  /** Cuts between the root polygon and the node's: the proven bound is `aspectBound(cuts)`. */
  readonly cuts: Int32Array;
  readonly depths: Int32Array;
  polygon(node: number): Float64Array;
}

/** All polygons in one growing array. */
export class PolygonStore {
  private points: Float64Array;
  private used = 0;
  private readonly starts: Int32Array;
  private readonly counts: Int32Array;
  private readonly areas: Float64Array;
  private readonly aspects: Float64Array;
  private readonly cuts: Int32Array;

  constructor(size: number) {
    this.points = new Float64Array(Math.max(64, 12 * size));
    this.starts = new Int32Array(size);
    this.counts = new Int32Array(size);
    this.areas = new Float64Array(size);
    this.aspects = new Float64Array(size);
    this.cuts = new Int32Array(size);
  }

  add(node: number, piece: Piece, cuts: number): void {
    const length = piece.points.length;
    if (this.used + length > this.points.length) {
      const larger = new Float64Array(Math.max(2 * this.points.length, this.used + length));
      larger.set(this.points);
      this.points = larger;
    }
    for (let i = 0; i < length; i += 2) {
      this.points[this.used + i] = piece.x + piece.points[i]!;
      this.points[this.used + i + 1] = piece.y + piece.points[i + 1]!;
    }
    this.starts[node] = this.used >> 1;
    this.counts[node] = length >> 1;
    this.areas[node] = piece.area;
    this.aspects[node] = polygonAspect(piece.points);
    this.cuts[node] = cuts;
    this.used += length;
  }

  share(node: number, other: number): void {
    for (const column of [this.starts, this.counts, this.areas, this.aspects, this.cuts]) column[node] = column[other]!;
  }

  partition(depths: Int32Array): Partition {
    const { starts, counts, areas, aspects, cuts } = this;
    const points = this.points.slice(0, this.used);
    const polygon = (node: number) => points.subarray(2 * starts[node]!, 2 * (starts[node]! + counts[node]!));
    return { points, starts, counts, areas, aspects, cuts, depths, polygon };
  }
}
