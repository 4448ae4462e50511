import type { MapColumns } from "../../../src/corpus/map/map-columns.js";
import type { MapNode } from "../../../src/corpus/map/map-node.js";
import { MapCamera } from "./map-camera.js";
import { MapGeometry } from "./map-geometry.js";
import { listenToCanvas } from "./map-input.js";
import { mapModel } from "./map-model.js";
import { MapPainter } from "./map-paint.js";
import { mapPanel } from "./map-panel.js";
import { litChunks } from "./map-search.js";
import { mapStyle } from "./map-style.js";

/** The map in a page: `mount` puts it into an element. Without any framework, so that a file and any page can use it. */

export interface MapViewOptions {
  readonly title?: string;
  readonly subtitle?: string;
  /** auto follows `data-theme` of the page where it has one, else the system. Default "auto". */
  readonly theme?: "light" | "dark" | "auto";
  /** Search, tree and details beside the map. Default true; without, the page must offer the tree itself. */
  readonly panel?: boolean;
  /** A chunk was chosen: show its source. */
  onOpen?(chunk: {
    readonly id: string;
    readonly file: string;
    readonly startLine: number;
    readonly endLine: number;
  }): void;
  /** Another topic is in view. */
  onFocus?(id: string): void;
}

export interface MapView {
  destroy(): void;
  /** Lights up chunks by id, or all chunks of topics; none = nothing is lit. */
  highlight(ids: readonly string[]): void;
  /** Goes to a topic or chunk; an unknown id changes nothing. */
  focus(id: string): void;
}

const flightMs = 650;

export function mount(element: HTMLElement, data: MapNode | MapColumns, options: MapViewOptions = {}): MapView {
  const model = mapModel(data);
  const stop = new AbortController();
  const { signal } = stop;
  const root = document.createElement("div");
  root.className = "qm";
  const style = document.createElement("style");
  style.textContent = mapStyle;
  const frame = document.createElement("div");
  frame.className = "qm-frame";
  const inner = document.createElement("div");
  inner.className = "qm-inner";
  const stage = document.createElement("div");
  stage.className = "qm-stage";
  const canvas = document.createElement("canvas");
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  canvas.setAttribute(
    "aria-label",
    `Map of ${model.names[0]}: ${model.chunkCounts[0]} passages. The tree holds the same. Arrow keys move, plus and minus zoom, Escape goes up.`,
  );
  const view = document.createElement("div");
  view.className = "qm-view";
  view.append(canvas);
  stage.append(view);
  inner.append(stage);
  frame.append(inner);
  root.append(style, frame);
  element.append(root);

  const context = canvas.getContext("2d", { alpha: false });
  if (context === null) throw new Error("This browser cannot draw on a canvas.");
  let geometry = new MapGeometry(model, 1.4);
  let camera = new MapCamera(geometry);
  let painter = new MapPainter(context, model, geometry);
  let lit: Set<number> = new Set();
  let below: Map<number, number> = new Map();
  let focused = 0;
  let hovered = -1;
  let wanted = 0;
  let ratio = 1;
  let themed = false;

  const panel = mapPanel(model, { ...options, root, stage, inner, signal }, { choose, search: light, zoom });
  const resizes = new ResizeObserver(resize);
  resizes.observe(view);
  const schemes = matchMedia("(prefers-color-scheme: dark)");
  schemes.addEventListener("change", retheme, { signal });
  const themeOfPage = new MutationObserver(retheme);
  themeOfPage.observe(document.documentElement, {
    attributes: true,
    attributeFilter: ["data-theme", "class", "style"],
  });
  listenToCanvas(canvas, signal, {
    pan: (dx, dy) => {
      camera.pan(dx, dy);
      settle();
    },
    zoom,
    hover: (px, py) => {
      const chain = chainAt(px, py);
      const next = chain.at(-1) ?? -1;
      if (next === hovered) return;
      hovered = next;
      canvas.title = next > 0 ? titleOf(next) : "";
      draw();
    },
    leave: () => {
      hovered = -1;
      draw();
    },
    press: (px, py) => {
      const chain = chainAt(px, py);
      const at = chain.indexOf(focused);
      const node = at >= 0 && at + 1 < chain.length ? chain[at + 1]! : at >= 0 ? focused : chain[1];
      choose(node ?? 0);
    },
    up: () => choose(Math.max(0, model.parents[focused]!)),
  });
  retheme();
  resize();

  function resize(): void {
    const width = Math.max(1, view.clientWidth);
    const height = Math.max(1, view.clientHeight);
    const aspect = Math.min(2.2, Math.max(0.5, width / height));
    const first = camera.width === 1;
    // Turned or much reshaped: the map takes the new shape.
    if (first || Math.abs(Math.log(aspect / (geometry.width / geometry.height))) > 0.25) {
      geometry = new MapGeometry(model, aspect);
      camera = new MapCamera(geometry);
      painter = new MapPainter(context!, model, geometry);
      for (const node of lit) geometry.reveal(node);
    }
    ratio = Math.min(2, window.devicePixelRatio || 1);
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    camera.resize(width, height);
    go(focused, 0);
    paint();
  }

  function retheme(): void {
    const page = document.documentElement.dataset["theme"];
    const asked = options.theme === undefined || options.theme === "auto" ? page : options.theme;
    themed = asked === "dark" || (asked !== "light" && schemes.matches);
    root.dataset["theme"] = themed ? "dark" : "light";
    draw();
  }

  function draw(): void {
    if (wanted === 0 && !signal.aborted) wanted = requestAnimationFrame(tick);
  }

  function tick(now: number): void {
    wanted = 0;
    const moving = camera.step(now);
    paint();
    if (moving || geometry.unfinished) draw();
  }

  function paint(): void {
    painter.paint(camera, { dark: themed, lit, litBelow: below, focus: focused, hover: hovered }, ratio);
    if (geometry.unfinished) draw();
  }

  function chainAt(px: number, py: number): number[] {
    const { x, y } = camera.toMap(px, py);
    return geometry.chainAt(x, y, (node) => painter.opens(node, camera.view.scale));
  }

  function zoom(factor: number, px = camera.width / 2, py = camera.height / 2, smooth = false): void {
    if (smooth) {
      const { x, y, scale } = camera.view;
      camera.fly({ x, y, scale: scale * factor }, calm() ? 0 : 200);
    } else camera.zoom(factor, px, py);
    settle();
  }

  /** After moving by hand, the topic that fills the view is the one that the tree and the path show. */
  function settle(): void {
    const chain = chainAt(camera.width / 2, camera.height / 2);
    const view = camera.width * camera.height;
    const filling = chain.filter((node) => geometry.area(node) * camera.view.scale ** 2 > 0.35 * view);
    const node = filling.filter((one) => !model.isChunk(one)).at(-1) ?? 0;
    if (node !== focused) changeFocus(node);
    draw();
  }

  function choose(node: number): void {
    go(node, calm() ? 0 : flightMs);
    if (node !== focused) changeFocus(node);
    const place = model.place(node);
    if (place !== undefined) options.onOpen?.({ id: model.idOf(node), ...place });
  }

  function changeFocus(node: number): void {
    focused = node;
    panel.show(node);
    options.onFocus?.(model.idOf(node));
  }

  function go(node: number, lasts: number): void {
    geometry.reveal(node);
    const box = geometry.box(node);
    if (box === undefined) return;
    camera.fly(node === 0 ? camera.whole() : camera.viewOf(box, model.isChunk(node) ? 0.5 : 0.94), lasts);
    draw();
  }

  function light(nodes: readonly number[]): void {
    ({ lit, below } = litChunks(model, nodes));
    // Everything lit has a place, or it could not be seen; of very many, those that come first.
    for (const node of [...lit].slice(0, 2000)) geometry.reveal(node);
    panel.light(below, lit);
    draw();
  }

  function titleOf(node: number): string {
    const place = model.place(node);
    return place === undefined ? model.names[node]! : `${model.names[node]}\n${place.file}:${place.startLine}`;
  }

  function calm(): boolean {
    return matchMedia("(prefers-reduced-motion: reduce)").matches;
  }

  return {
    destroy() {
      stop.abort();
      cancelAnimationFrame(wanted);
      resizes.disconnect();
      themeOfPage.disconnect();
      root.remove();
    },
    highlight(ids) {
      const nodes: number[] = [];
      for (const id of ids) {
        const node = model.nodeOf(id);
        if (node === undefined) continue;
        const open = [node];
        for (let at = 0; at < open.length; at++) {
          nodes.push(open[at]!);
          for (let child = model.childStart[open[at]!]!; child < model.childEnd[open[at]!]!; child++) open.push(child);
        }
      }
      light(nodes);
    },
    focus(id) {
      const node = model.nodeOf(id);
      if (node === undefined) return;
      go(node, calm() ? 0 : flightMs);
      if (node !== focused) changeFocus(node);
    },
  };
}
