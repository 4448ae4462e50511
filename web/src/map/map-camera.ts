import type { Box } from "./map-geometry.js";

/** What part of the map is in view, and smooth ways from one part to another. Pixels are CSS pixels. */

interface View {
  /** Place of the map in the middle of the view. */
  readonly x: number;
  readonly y: number;
  /** Pixels per unit of the map. */
  readonly scale: number;
}

const largestScale = 4000;
/** How far out: the map fills at least this share of the view. */
const leastShare = 0.7;

export class MapCamera {
  view: View = { x: 0, y: 0, scale: 1 };
  width = 1;
  height = 1;
  #map: { readonly width: number; readonly height: number };
  #flight: { readonly from: View; readonly to: View; readonly began: number; readonly lasts: number } | undefined;

  constructor(map: { readonly width: number; readonly height: number }) {
    this.#map = map;
  }

  resize(width: number, height: number): void {
    this.width = Math.max(1, width);
    this.height = Math.max(1, height);
  }

  get flying(): boolean {
    return this.#flight !== undefined;
  }

  /** The view in which a box is as large as it can be. */
  viewOf({ x0, y0, x1, y1 }: Box, room = 0.94): View {
    const scale = Math.min((this.width * room) / (x1 - x0), (this.height * room) / (y1 - y0));
    return { x: (x0 + x1) / 2, y: (y0 + y1) / 2, scale: Math.min(largestScale, scale) };
  }

  whole(): View {
    return this.viewOf({ x0: 0, y0: 0, x1: this.#map.width, y1: this.#map.height }, 0.98);
  }

  jump(view: View): void {
    this.#flight = undefined;
    this.view = this.#kept(view);
  }

  fly(view: View, lasts: number): void {
    if (lasts <= 0) this.jump(view);
    else this.#flight = { from: this.view, to: this.#kept(view), began: performance.now(), lasts };
  }

  /** Moves on along a flight; true while something changes. */
  step(now: number): boolean {
    if (this.#flight === undefined) return false;
    const { from, to, began, lasts } = this.#flight;
    const t = Math.min(1, (now - began) / lasts);
    const s = t * t * (3 - 2 * t);
    const scale = from.scale * (to.scale / from.scale) ** s;
    // The place that stays fixed on the screen while zooming moves in a straight line.
    const share =
      Math.abs(to.scale - from.scale) < 1e-9 * to.scale
        ? s
        : (1 / from.scale - 1 / scale) / (1 / from.scale - 1 / to.scale);
    this.view = { x: from.x + (to.x - from.x) * share, y: from.y + (to.y - from.y) * share, scale };
    if (t === 1) this.#flight = undefined;
    return true;
  }

  pan(dx: number, dy: number): void {
    const { x, y, scale } = this.view;
    this.jump({ x: x - dx / scale, y: y - dy / scale, scale });
  }

  /** Zooms so that the place under a pixel stays there. */
  zoom(factor: number, px: number, py: number): void {
    const at = this.toMap(px, py);
    const scale = Math.min(largestScale, Math.max(this.#least(), this.view.scale * factor));
    this.jump({ x: at.x - (px - this.width / 2) / scale, y: at.y - (py - this.height / 2) / scale, scale });
  }

  toMap(px: number, py: number): { x: number; y: number } {
    const { x, y, scale } = this.view;
    return { x: x + (px - this.width / 2) / scale, y: y + (py - this.height / 2) / scale };
  }

  toScreen(x: number, y: number): { x: number; y: number } {
    const { view } = this;
    return { x: (x - view.x) * view.scale + this.width / 2, y: (y - view.y) * view.scale + this.height / 2 };
  }

  visible(): Box {
    const a = this.toMap(0, 0);
    const b = this.toMap(this.width, this.height);
    return { x0: a.x, y0: a.y, x1: b.x, y1: b.y };
  }

  #least(): number {
    return this.whole().scale * leastShare;
  }

  /** What is smaller than the view stays in its middle; of what is larger, no more than a strip beyond its edge is seen. */
  #kept({ x, y, scale: asked }: View): View {
    const scale = Math.min(largestScale, Math.max(this.#least(), asked));
    const along = (place: number, size: number, pixels: number): number => {
      const half = pixels / scale / 2;
      const strip = half * 0.4;
      if (size + strip <= 2 * half) return size / 2;
      return Math.min(size - half + strip, Math.max(half - strip, place));
    };
    return { x: along(x, this.#map.width, this.width), y: along(y, this.#map.height, this.height), scale };
  }
}
