import { layOutChildren } from "../../../src/corpus/map/map-layout.js";
import type { MapModel } from "./map-model.js";

/** Where things are on the map. A node's children are laid out when they are first looked at, so that a map of any size is there at
 *  once, and zooming in costs only what comes into view. */

export interface Box {
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
}

export class MapGeometry {
  readonly width: number;
  readonly height: number;
  readonly #model: MapModel;
  readonly #polygons: (Float64Array | undefined)[];
  readonly #boxes: (Box | undefined)[];
  readonly #areas: Float64Array;
  readonly #done: Uint8Array;
  /** Laying out what comes into view may take this long in one frame. */
  #budgetEnds = Number.POSITIVE_INFINITY;
  /** Something was left for the next frame. */
  unfinished = false;

  constructor(model: MapModel, aspect: number) {
    this.#model = model;
    this.width = 1000 * Math.sqrt(aspect);
    this.height = 1000 / Math.sqrt(aspect);
    this.#polygons = new Array(model.count);
    this.#boxes = new Array(model.count);
    this.#areas = new Float64Array(model.count);
    this.#done = new Uint8Array(model.count);
    this.#set(0, Float64Array.of(0, 0, this.width, 0, this.width, this.height, 0, this.height));
  }

  beginFrame(milliseconds: number): void {
    this.#budgetEnds = performance.now() + milliseconds;
    this.unfinished = false;
  }

  /** Whether there is time left in this frame; where there is none, another frame is asked for. */
  hasTime(): boolean {
    if (performance.now() <= this.#budgetEnds) return true;
    this.unfinished = true;
    return false;
  }

  polygon(node: number): Float64Array | undefined {
    return this.#polygons[node];
  }

  box(node: number): Box | undefined {
    return this.#boxes[node];
  }

  area(node: number): number {
    return this.#areas[node]!;
  }

  /** Whether the children have their places; where there is no time left now, they get them in a later frame. */
  open(node: number, now = false): boolean {
    if (this.#done[node] === 1) return true;
    const polygon = this.#polygons[node];
    if (polygon === undefined) return false;
    if (!now && !this.hasTime()) return false;
    this.#done[node] = 1;
    const start = this.#model.childStart[node]!;
    const sizes = Array.from(this.#model.sizes.subarray(start, this.#model.childEnd[node]!));
    try {
      for (const { index, polygon: child } of layOutChildren(polygon, sizes)) this.#set(start + index, child);
    } catch {
      // A region below what numbers can resolve stays whole.
    }
    return true;
  }

  /** Opens everything above a node. */
  reveal(node: number): void {
    for (const above of this.#model.path(node)) if (above !== node) this.open(above, true);
  }

  contains(node: number, x: number, y: number): boolean {
    const box = this.#boxes[node];
    const points = this.#polygons[node];
    if (box === undefined || points === undefined || x < box.x0 || x > box.x1 || y < box.y0 || y > box.y1) return false;
    let side = 0;
    for (let i = 0; i < points.length; i += 2) {
      const j = (i + 2) % points.length;
      const cross =
        (points[j]! - points[i]!) * (y - points[i + 1]!) - (points[j + 1]! - points[i + 1]!) * (x - points[i]!);
      if (cross === 0) continue;
      if (side === 0) side = Math.sign(cross);
      else if (Math.sign(cross) !== side) return false;
    }
    return true;
  }

  /** From the root down to the deepest node at a place for which `enters` holds. */
  chainAt(x: number, y: number, enters: (node: number) => boolean): number[] {
    const chain: number[] = [];
    let node = 0;
    if (!this.contains(0, x, y)) return chain;
    for (;;) {
      chain.push(node);
      if (!enters(node) || !this.open(node)) return chain;
      const end = this.#model.childEnd[node]!;
      let next = this.#model.childStart[node]!;
      while (next < end && !this.contains(next, x, y)) next++;
      if (next >= end) return chain;
      node = next;
    }
  }

  middle(node: number): { x: number; y: number } | undefined {
    const points = this.#polygons[node];
    if (points === undefined) return undefined;
    let x = 0;
    let y = 0;
    for (let i = 0; i < points.length; i += 2) {
      x += points[i]!;
      y += points[i + 1]!;
    }
    return { x: (2 * x) / points.length, y: (2 * y) / points.length };
  }

  #set(node: number, polygon: Float64Array): void {
    let [x0, y0, x1, y1] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, -Infinity, -Infinity];
    let area = 0;
    for (let i = 0; i < polygon.length; i += 2) {
      const j = (i + 2) % polygon.length;
      x0 = Math.min(x0, polygon[i]!);
      x1 = Math.max(x1, polygon[i]!);
      y0 = Math.min(y0, polygon[i + 1]!);
      y1 = Math.max(y1, polygon[i + 1]!);
      area += polygon[i]! * polygon[j + 1]! - polygon[j]! * polygon[i + 1]!;
    }
    this.#polygons[node] = polygon;
    this.#boxes[node] = { x0, y0, x1, y1 };
    this.#areas[node] = Math.abs(area) / 2;
  }
}
