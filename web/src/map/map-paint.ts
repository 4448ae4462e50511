import { type FittedLabel, fitLabel, lineHeight } from "../../../src/corpus/map/label-fit.js";
import { css, mixed, night, siblingTint, topicColour, white } from "../../../src/corpus/map/map-colours.js";
import type { MapCamera } from "./map-camera.js";
import type { Box, MapGeometry } from "./map-geometry.js";
import type { MapModel } from "./map-model.js";

/** Draws what is in view: regions down to the size at which they can be seen, names where they have room, what is lit, what is pointed
 *  at. The work depends on the size of the screen, not of the map. */

export interface PaintState {
  readonly dark: boolean;
  readonly lit: ReadonlySet<number>;
  /** Topics with lit chunks in them, and how many. */
  readonly litBelow: ReadonlyMap<number, number>;
  readonly focus: number;
  readonly hover: number;
}

/** Children are shown from this many square pixels each on. */
const childPixels = 160;
const fadePixels = 500;
const smallestFont = 10;
const largestFont = 30;
const family = "Inter, system-ui, 'Helvetica Neue', Arial, sans-serif";

export class MapPainter {
  readonly #labels = new Map<number, FittedLabel | undefined>();
  readonly #fills = new Map<number, string>();
  #fillsDark = false;
  readonly #widths = new Map<string, number>();

  constructor(
    readonly context: CanvasRenderingContext2D,
    readonly model: MapModel,
    readonly geometry: MapGeometry,
  ) {}

  /** Whether a node's children are large enough to be seen. */
  opens(node: number, scale: number): boolean {
    return this.#childPixels(node, scale) > childPixels;
  }

  paint(camera: MapCamera, state: PaintState, ratio: number): void {
    const { context, geometry } = this;
    if (state.dark !== this.#fillsDark) this.#fills.clear();
    this.#fillsDark = state.dark;
    const { x, y, scale } = camera.view;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = css(state.dark ? night : white);
    context.fillRect(0, 0, camera.width, camera.height);
    context.setTransform(
      ratio * scale,
      0,
      0,
      ratio * scale,
      ratio * (camera.width / 2 - x * scale),
      ratio * (camera.height / 2 - y * scale),
    );
    geometry.beginFrame(7);
    const seen = camera.visible();
    const outlines: number[] = [];
    this.#region(0, seen, scale, state, outlines);
    outlines.sort((a, b) => this.model.depths[b]! - this.model.depths[a]!);
    for (const node of outlines) this.#outline(node, scale, state.dark);
    this.#marks(seen, scale, state);
    // Letters are drawn in pixels: browsers round the sizes of fonts.
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.#write(0, seen, scale, camera, state);
  }

  #region(node: number, seen: Box, scale: number, state: PaintState, outlines: number[]): void {
    const { model, geometry } = this;
    const box = geometry.box(node);
    if (box === undefined || box.x1 < seen.x0 || box.x0 > seen.x1 || box.y1 < seen.y0 || box.y0 > seen.y1) return;
    const isLeaf = this.#holdsChunks(node);
    const room = this.#childPixels(node, scale);
    const opened = model.childEnd[node]! > 0 && room > childPixels && geometry.open(node);
    if (node > 0 && !model.isChunk(node)) outlines.push(node);
    if (!opened || isLeaf || model.isChunk(node)) this.#fill(node, state);
    if (!opened) return;
    if (!isLeaf) {
      for (let child = model.childStart[node]!; child < model.childEnd[node]!; child++) {
        this.#region(child, seen, scale, state, outlines);
      }
      return;
    }
    const { context } = this;
    context.beginPath();
    for (let child = model.childStart[node]!; child < model.childEnd[node]!; child++) this.#trace(child, seen);
    context.globalAlpha = Math.min(1, (room - childPixels) / fadePixels) * (state.dark ? 0.5 : 0.7);
    context.strokeStyle = css(state.dark ? night : white);
    context.lineWidth = Math.min(1.6, 0.6 + room / 20_000) / scale;
    context.stroke();
    context.globalAlpha = 1;
  }

  #fill(node: number, state: PaintState): void {
    this.context.beginPath();
    this.#trace(node);
    this.context.fillStyle = this.#fillOf(node, state.dark);
    this.context.fill();
  }

  #outline(node: number, scale: number, dark: boolean): void {
    this.context.beginPath();
    this.#trace(node);
    const depth = this.model.depths[node]!;
    this.context.lineJoin = "round";
    this.context.strokeStyle = css(dark ? night : white);
    this.context.lineWidth = (depth === 1 ? 6 : depth === 2 ? 3 : 1.6) / scale;
    this.context.stroke();
  }

  /** What is lit: chunks in a colour no topic has, with a dark rim; far out, a dot where they are. */
  #marks(seen: Box, scale: number, state: PaintState): void {
    const { context, geometry } = this;
    const rim = state.dark ? "#ffffff" : "#111111";
    for (const node of state.lit) {
      const box = geometry.box(node);
      if (box === undefined || box.x1 < seen.x0 || box.x0 > seen.x1 || box.y1 < seen.y0 || box.y0 > seen.y1) continue;
      context.beginPath();
      if (geometry.area(node) * scale * scale > 90) this.#trace(node);
      else {
        const { x, y } = geometry.middle(node)!;
        context.arc(x, y, 4.5 / scale, 0, 2 * Math.PI);
      }
      context.fillStyle = "#fff04d";
      context.fill();
      context.strokeStyle = rim;
      context.lineWidth = 1.8 / scale;
      context.stroke();
    }
    for (const [node, width] of [
      [state.hover, 2],
      [state.focus, 3.2],
    ] as const) {
      if (node <= 0 || geometry.polygon(node) === undefined) continue;
      context.beginPath();
      this.#trace(node);
      context.strokeStyle = rim;
      context.lineWidth = width / scale;
      context.stroke();
    }
  }

  /** A node's parts are named where most of them have room; else the node itself. */
  #write(node: number, seen: Box, scale: number, camera: MapCamera, state: PaintState): void {
    const { model, geometry } = this;
    const box = geometry.box(node);
    if (box === undefined || box.x1 < seen.x0 || box.x0 > seen.x1 || box.y1 < seen.y0 || box.y0 > seen.y1) return;
    const start = model.childStart[node]!;
    const end = model.childEnd[node]!;
    if (end > 0 && this.opens(node, scale) && geometry.open(node)) {
      let named = 0;
      for (let child = start; child < end; child++) {
        const label = this.#labelOf(child);
        if (label !== undefined && label.font * scale >= smallestFont) named += geometry.area(child);
      }
      if (node === 0 || named > 0.55 * geometry.area(node)) {
        for (let child = start; child < end; child++) this.#write(child, seen, scale, camera, state);
        return;
      }
    }
    if (node > 0) this.#letter(node, scale, camera, state);
  }

  #letter(node: number, scale: number, camera: MapCamera, state: PaintState): void {
    const label = this.#labelOf(node);
    if (label === undefined || label.font * scale < smallestFont) return;
    const { context } = this;
    const most = this.model.isChunk(node) ? 18 : largestFont;
    const font = Math.min(most, label.font * scale);
    const { x, y } = camera.toScreen(label.x, label.y);
    if (x < -400 || x > camera.width + 400 || y < -200 || y > camera.height + 200) return;
    context.font = `${this.model.depths[node]! <= 1 ? 600 : 450} ${font.toFixed(1)}px ${family}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillStyle = state.dark && !state.lit.has(node) ? "#f4f5f7" : "#14161a";
    context.globalAlpha = Math.min(1, (label.font * scale - smallestFont + 1) / 3);
    const first = y - ((label.lines.length - 1) * lineHeight * font) / 2;
    if (state.lit.size > 0 && !state.lit.has(node)) {
      // Over what is lit letters need a rim.
      context.strokeStyle = css(state.dark ? night : white);
      context.lineWidth = 3;
      context.lineJoin = "round";
      for (const [i, line] of label.lines.entries()) context.strokeText(line, x, first + i * lineHeight * font);
    }
    for (const [i, line] of label.lines.entries()) context.fillText(line, x, first + i * lineHeight * font);
    const count = state.litBelow.get(node);
    if (count !== undefined && !this.model.isChunk(node)) {
      this.#badge(String(count), x, y + (label.lines.length * lineHeight * font) / 2 + 12, state.dark);
    }
    context.globalAlpha = 1;
  }

  /** How many lit chunks a named topic holds. */
  #badge(text: string, x: number, y: number, dark: boolean): void {
    const { context } = this;
    context.font = `600 12px ${family}`;
    const width = context.measureText(text).width + 14;
    context.beginPath();
    context.roundRect(x - width / 2, y - 9, width, 18, 9);
    context.fillStyle = "#fff04d";
    context.fill();
    context.strokeStyle = dark ? "#ffffff" : "#111111";
    context.lineWidth = 1.4;
    context.stroke();
    context.fillStyle = "#14161a";
    context.fillText(text, x, y + 0.5);
  }

  #labelOf(node: number): FittedLabel | undefined {
    if (this.#labels.has(node)) return this.#labels.get(node);
    const polygon = this.geometry.polygon(node);
    if (polygon === undefined || !this.geometry.hasTime()) return undefined;
    const name = this.model.names[node]!;
    const label = fitLabel(polygon, name, (text) => this.#width(text), { least: 1e-9, most: 1e9 });
    this.#labels.set(node, label);
    return label;
  }

  #width(text: string): number {
    let width = this.#widths.get(text);
    if (width === undefined) {
      this.context.font = `600 50px ${family}`;
      width = this.context.measureText(text).width / 50;
      if (this.#widths.size > 50_000) this.#widths.clear();
      this.#widths.set(text, width);
    }
    return width;
  }

  #fillOf(node: number, dark: boolean): string {
    let fill = this.#fills.get(node);
    if (fill !== undefined) return fill;
    const { model } = this;
    const parent = model.parents[node]!;
    if (node === 0) fill = css(dark ? { r: 40, g: 43, b: 50 } : { r: 236, g: 238, b: 241 });
    else if (model.isChunk(node) && parent > 0) fill = this.#fillOf(parent, dark);
    else {
      const top = model.tops[node]!;
      const colour = topicColour(top, model.names[model.childStart[0]! + top] === "Unlinked");
      const siblings = model.childEnd[parent]! - model.childStart[parent]!;
      const tint = model.depths[node] === 1 ? 0.5 : siblingTint(node - model.childStart[parent]!, siblings);
      fill = css(dark ? mixed(colour, night, 0.28 + tint * 0.55) : mixed(colour, white, tint));
    }
    this.#fills.set(node, fill);
    return fill;
  }

  #holdsChunks(node: number): boolean {
    const start = this.model.childStart[node]!;
    return this.model.childEnd[node]! > 0 && this.model.isChunk(start);
  }

  #childPixels(node: number, scale: number): number {
    const children = this.model.childEnd[node]! - this.model.childStart[node]!;
    return children <= 0 ? 0 : (this.geometry.area(node) * scale * scale) / children;
  }

  #trace(node: number, seen?: Box): void {
    const points = this.geometry.polygon(node);
    if (points === undefined) return;
    if (seen !== undefined) {
      const box = this.geometry.box(node)!;
      if (box.x1 < seen.x0 || box.x0 > seen.x1 || box.y1 < seen.y0 || box.y0 > seen.y1) return;
    }
    const { context } = this;
    context.moveTo(points[0]!, points[1]!);
    for (let i = 2; i < points.length; i += 2) context.lineTo(points[i]!, points[i + 1]!);
    context.closePath();
  }
}
