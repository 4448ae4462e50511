import type { MapModel } from "./map-model.js";
import { searchMap } from "./map-search.js";
import { treeView } from "./map-tree.js";
import type { MapViewOptions } from "./map-view.js";

/** What stands beside and over the canvas: search, tree, details, the path to where one is, buttons. */

interface PanelParts extends MapViewOptions {
  readonly root: HTMLElement;
  readonly stage: HTMLElement;
  readonly inner: HTMLElement;
  readonly signal: AbortSignal;
}

interface PanelActions {
  choose(node: number): void;
  search(nodes: readonly number[]): void;
  zoom(factor: number, px?: number, py?: number, smooth?: boolean): void;
}

export interface MapPanel {
  show(node: number): void;
  light(below: ReadonlyMap<number, number>, lit: ReadonlySet<number>): void;
}

export function mapPanel(model: MapModel, parts: PanelParts, actions: PanelActions): MapPanel {
  const { root, stage, inner, signal } = parts;
  const crumbs = made("nav", "qm-crumbs");
  crumbs.setAttribute("aria-label", "Where you are");
  const tools = made("div", "qm-tools");
  const tool = (sign: string, label: string, act: () => void, kind = "") => {
    const button = made("button", kind, sign);
    button.setAttribute("type", "button");
    button.setAttribute("aria-label", label);
    button.title = label;
    button.addEventListener("click", act, { signal });
    tools.append(button);
  };
  tool("+", "Zoom in", () => actions.zoom(1.7, undefined, undefined, true));
  tool("−", "Zoom out", () => actions.zoom(1 / 1.7, undefined, undefined, true));
  tool("⤢", "Show everything", () => actions.choose(0));
  const said = made("div", "qm-silent");
  said.setAttribute("aria-live", "polite");
  const bar = made("div", "qm-bar");
  bar.append(crumbs, tools);
  stage.prepend(bar);
  stage.append(said);

  const showPath = (node: number): void => {
    crumbs.replaceChildren(
      ...model.path(node).map((above) => {
        const button = made("button", "", model.names[above]!);
        button.setAttribute("type", "button");
        button.addEventListener("click", () => actions.choose(above), { signal });
        return button;
      }),
    );
  };
  showPath(0);
  if (parts.panel === false) return { show: showPath, light: () => {} };

  root.dataset["panel"] = "closed";
  tool(
    "☰",
    "Search and tree",
    () => {
      root.dataset["panel"] = root.dataset["panel"] === "open" ? "closed" : "open";
    },
    "qm-panel-toggle",
  );
  const panel = made("aside", "qm-panel");
  panel.setAttribute("aria-label", "Search, tree and details");
  const head = made("div", "qm-head");
  head.append(made("h1", "qm-title", parts.title ?? model.names[0]!));
  if (parts.subtitle !== undefined) head.append(made("p", "qm-subtitle", parts.subtitle));
  const box = made("div", "qm-search");
  const input = document.createElement("input");
  input.type = "search";
  input.placeholder = "Search the map";
  input.setAttribute("aria-label", "Search the map");
  const found = made("div", "qm-found");
  found.setAttribute("role", "status");
  box.append(input);
  head.append(box, found);
  const tree = treeView(model, actions.choose);
  const info = made("section", "qm-info");
  info.setAttribute("aria-label", "Details");
  panel.append(head, tree.element, info);
  inner.append(panel);

  let waiting: ReturnType<typeof setTimeout> | undefined;
  const search = () => {
    const nodes = searchMap(model, input.value);
    actions.search(nodes);
    const chunks = nodes.filter((node) => model.isChunk(node)).length;
    const topics = nodes.length - chunks;
    found.textContent = input.value.trim() === "" ? "" : `${counted(chunks, "passage")}, ${counted(topics, "topic")}`;
    return nodes;
  };
  input.addEventListener(
    "input",
    () => {
      clearTimeout(waiting);
      waiting = setTimeout(search, 120);
    },
    { signal },
  );
  input.addEventListener(
    "keydown",
    (event) => {
      if (event.key === "Escape") input.value = "";
      else if (event.key !== "Enter") return;
      clearTimeout(waiting);
      const [first] = search();
      if (first !== undefined) actions.choose(first);
    },
    { signal },
  );
  signal.addEventListener("abort", () => clearTimeout(waiting));

  const details = (node: number): void => {
    const place = model.place(node);
    const lines: HTMLElement[] = [made("h3", "", model.names[node]!)];
    if (place !== undefined) {
      lines.push(made("p", "qm-place", `${place.file}:${place.startLine}-${place.endLine}`));
      const excerpt = model.excerptOf(node);
      if (excerpt !== undefined) lines.push(made("p", "", `${excerpt}…`));
    } else {
      const terms = model.termsOf(node);
      const share = Math.round((100 * model.sizes[node]!) / Math.max(1, model.sizes[0]!));
      lines.push(made("p", "", `${counted(model.chunkCounts[node]!, "passage")}, ${share} % of the text`));
      if (terms.length > 0) lines.push(made("p", "", terms.join(" · ")));
    }
    info.replaceChildren(...lines);
  };
  details(0);

  return {
    show(node) {
      showPath(node);
      tree.show(node);
      details(node);
      said.textContent = `${model.names[node]}, ${model.chunkCounts[node]} passages`;
    },
    light: (below, lit) => tree.light(below, lit),
  };
}

function counted(value: number, one: string): string {
  return `${value.toLocaleString("en-US")} ${one}${value === 1 ? "" : "s"}`;
}

function made(tag: string, className: string, text?: string): HTMLElement {
  const element = document.createElement(tag);
  if (className !== "") element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}
