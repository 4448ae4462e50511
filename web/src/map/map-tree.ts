import { css, topicColour } from "../../../src/corpus/map/map-colours.js";
import type { MapModel } from "./map-model.js";

/** The same map as a tree of words, for the keyboard and for those who hear the page. Branches are made when they are opened. */

export interface TreeView {
  readonly element: HTMLElement;
  /** Opens the way to a node and marks it. */
  show(node: number): void;
  light(litBelow: ReadonlyMap<number, number>, lit: ReadonlySet<number>): void;
}

const mostChildren = 500;

export function treeView(model: MapModel, onChoose: (node: number) => void): TreeView {
  const element = document.createElement("div");
  element.className = "qm-tree";
  element.setAttribute("role", "tree");
  element.setAttribute("aria-label", "Map as a tree");
  const items = new Map<number, HTMLElement>();
  const open = new Set<number>();
  let focusable = 0;
  let current = 0;
  let counts: ReadonlyMap<number, number> = new Map();
  let lit: ReadonlySet<number> = new Set();

  const makeItem = (node: number): HTMLElement => {
    const item = document.createElement("div");
    item.setAttribute("role", "treeitem");
    item.setAttribute("aria-level", String(model.depths[node]! + 1));
    item.tabIndex = node === focusable ? 0 : -1;
    item.dataset["node"] = String(node);
    item.style.setProperty("--level", String(model.depths[node]));
    const row = document.createElement("div");
    row.className = "qm-row";
    const name = document.createElement("span");
    name.className = "qm-name";
    name.textContent = model.names[node]!;
    const size = document.createElement("span");
    size.className = "qm-size";
    size.textContent = model.isChunk(node) ? (model.place(node)?.startLine.toString() ?? "") : share(node);
    if (model.childEnd[node]! > 0) item.setAttribute("aria-expanded", "false");
    if (model.depths[node] === 1 && !model.isChunk(node)) row.append(swatch(node));
    row.append(name, size);
    item.append(row);
    items.set(node, item);
    mark(node, item);
    return item;
  };

  const share = (node: number): string => {
    const percent = (100 * model.sizes[node]!) / Math.max(1, model.sizes[0]!);
    return percent >= 1 ? `${Math.round(percent)} %` : "<1 %";
  };

  const swatch = (node: number): HTMLElement => {
    const mark = document.createElement("span");
    mark.className = "qm-swatch";
    mark.style.background = css(topicColour(model.tops[node]!, model.names[node] === "Unlinked"));
    return mark;
  };

  const mark = (node: number, item: HTMLElement): void => {
    item.setAttribute("aria-selected", String(node === current));
    const count = counts.get(node);
    item.classList.toggle("qm-lit", lit.has(node) || count !== undefined);
    const row = item.firstElementChild as HTMLElement;
    if (count === undefined) delete row.dataset["lit"];
    else row.dataset["lit"] = String(count);
  };

  const expand = (node: number): void => {
    if (model.childEnd[node]! === 0 || open.has(node)) return;
    const item = items.get(node);
    if (item === undefined) return;
    open.add(node);
    item.setAttribute("aria-expanded", "true");
    const group = document.createElement("div");
    group.setAttribute("role", "group");
    const end = Math.min(model.childEnd[node]!, model.childStart[node]! + mostChildren);
    for (let child = model.childStart[node]!; child < end; child++) group.append(makeItem(child));
    item.append(group);
  };

  const collapse = (node: number): void => {
    const item = items.get(node);
    const group = item?.querySelector(":scope > [role=group]");
    if (item === undefined || group == null) return;
    for (const inner of group.querySelectorAll<HTMLElement>("[data-node]")) {
      const number = Number(inner.dataset["node"]);
      items.delete(number);
      open.delete(number);
    }
    group.remove();
    open.delete(node);
    item.setAttribute("aria-expanded", "false");
  };

  const focus = (node: number): void => {
    const item = items.get(node);
    if (item === undefined) return;
    const before = items.get(focusable);
    if (before !== undefined) before.tabIndex = -1;
    focusable = node;
    item.tabIndex = 0;
    item.focus({ preventScroll: true });
    item.querySelector(".qm-row")?.scrollIntoView({ block: "nearest" });
  };

  const nodeOf = (event: Event): number | undefined => {
    const item = (event.target as Element).closest<HTMLElement>("[data-node]");
    return item === null ? undefined : Number(item.dataset["node"]);
  };

  const shown = (): number[] =>
    Array.from(element.querySelectorAll<HTMLElement>("[data-node]"), (item) => Number(item.dataset["node"]));

  element.addEventListener("click", (event) => {
    const node = nodeOf(event);
    if (node === undefined) return;
    if (open.has(node) && node === current) collapse(node);
    else expand(node);
    focus(node);
    onChoose(node);
  });

  element.addEventListener("keydown", (event) => {
    const node = nodeOf(event);
    if (node === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    const rows = shown();
    const at = rows.indexOf(node);
    const actions = new Map<string, () => void>([
      ["ArrowDown", () => focus(rows[at + 1] ?? node)],
      ["ArrowUp", () => focus(rows[at - 1] ?? node)],
      ["ArrowRight", () => (open.has(node) ? focus(model.childStart[node]!) : expand(node))],
      ["ArrowLeft", () => (open.has(node) ? collapse(node) : focus(Math.max(0, model.parents[node]!)))],
      ["Home", () => focus(0)],
      ["End", () => focus(rows.at(-1) ?? node)],
      ["Enter", () => onChoose(node)],
      [" ", () => onChoose(node)],
    ]);
    const act = actions.get(event.key);
    if (act === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  });

  element.append(makeItem(0));
  expand(0);
  return {
    element,
    show(node) {
      const before = current;
      current = node;
      for (const above of model.path(node)) if (above !== node) expand(above);
      for (const one of [before, node]) {
        const item = items.get(one);
        if (item !== undefined) mark(one, item);
      }
      const item = items.get(node);
      // Only within the tree: the page itself must not jump.
      if (item !== undefined && element.contains(item) && element.scrollHeight > element.clientHeight) {
        const row = item.firstElementChild as HTMLElement;
        const inside = row.offsetTop - element.offsetTop;
        if (inside < element.scrollTop || inside > element.scrollTop + element.clientHeight - 40) {
          element.scrollTop = Math.max(0, inside - element.clientHeight / 3);
        }
      }
    },
    light(below, chunks) {
      counts = below;
      lit = chunks;
      for (const [node, item] of items) mark(node, item);
    },
  };
}
