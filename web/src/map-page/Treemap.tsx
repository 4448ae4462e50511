import { hierarchy, treemap, treemapSquarify } from "d3-hierarchy";
import { type CSSProperties, useEffect, useMemo, useRef, useState } from "react";
import type { MapNode } from "../api/contract.js";
import { counted } from "../ui/amounts.js";
import { isGroup } from "./map-tree.js";

interface TreemapProps {
  /** The node that fills the view. */
  readonly top: MapNode;
  /** Which hue a node of the first level below the root has; its descendants share it. */
  readonly hues: ReadonlyMap<string, number>;
  readonly hue: number | undefined;
  readonly lit: ReadonlySet<string>;
  onOpen(node: MapNode): void;
  onUp(): void;
}

interface Tile {
  readonly node: MapNode;
  readonly depth: number;
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly hue: number | undefined;
}

/** Two levels of the map at once: groups with their names, and in them what they hold. Area is the amount of text. */
export function Treemap({ top, hues, hue, lit, onOpen, onUp }: TreemapProps) {
  const frame = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });

  useEffect(() => {
    const shown = frame.current;
    if (shown === null) return;
    const observer = new ResizeObserver(() => setSize({ width: shown.clientWidth, height: shown.clientHeight }));
    observer.observe(shown);
    return () => observer.disconnect();
  }, []);

  const tiles = useMemo(() => layOut(top, size, hues, hue), [top, size, hues, hue]);

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the keys act on the buttons inside
    <div
      className="treemap"
      ref={frame}
      onKeyDown={(event) => {
        if (event.key === "Escape" || event.key === "Backspace") onUp();
        if (event.key.startsWith("Arrow")) {
          const moved = neighbour(frame.current, event.key);
          if (moved !== undefined) {
            event.preventDefault();
            moved.focus();
          }
        }
      }}
    >
      {tiles.map((tile) => (
        <TileView key={tile.node.id} tile={tile} lit={lit.has(tile.node.id)} dim={lit.size > 0} onOpen={onOpen} />
      ))}
    </div>
  );
}

function TileView({
  tile,
  lit,
  dim,
  onOpen,
}: {
  tile: Tile;
  lit: boolean;
  dim: boolean;
  onOpen: (node: MapNode) => void;
}) {
  const { node, depth, left, top, width, height, hue } = tile;
  const style: CSSProperties & Record<"--hue", string> = {
    transform: `translate(${left}px, ${top}px)`,
    width,
    height,
    "--hue": hue === undefined ? "var(--ink-3)" : `var(--person-${hue})`,
  };
  const named = width > 46 && height > 22;
  const group = isGroup(node);
  return (
    <button
      type="button"
      className="tile"
      style={style}
      data-depth={depth}
      data-lit={lit}
      data-dim={dim && !lit}
      data-group={group}
      // The inner level is reached by opening the group; in the tab order it would be thousands of stops.
      tabIndex={depth === 1 ? 0 : -1}
      aria-hidden={depth === 1 ? undefined : true}
      aria-label={`${node.name}, ${counted(node.size, "character")}${group ? `, ${counted(node.children?.length ?? 0, "part")}` : ""}${lit ? ", found" : ""}`}
      title={`${node.name}${node.terms === undefined ? "" : `: ${node.terms.join(", ")}`}`}
      onClick={() => onOpen(node)}
    >
      {named && <span className="tile-name">{node.name}</span>}
    </button>
  );
}

function layOut(
  top: MapNode,
  { width, height }: { width: number; height: number },
  hues: ReadonlyMap<string, number>,
  hue: number | undefined,
): Tile[] {
  if (width === 0 || height === 0) return [];
  // Two levels are cut out of the tree, so that a map of any size costs what is seen of it.
  const cut: MapNode = {
    ...top,
    children: top.children?.map((child) => ({ ...child, children: child.children?.map(withoutChildren) })),
  };
  const root = hierarchy(cut, (node) => node.children)
    .sum((node) => (isGroup(node) ? 0 : Math.max(1, node.size)))
    .sort((a, b) => (b.value ?? 0) - (a.value ?? 0));
  const placed = treemap<MapNode>()
    .tile(treemapSquarify.ratio(1.3))
    .size([width, height])
    .round(true)
    .paddingInner((node) => (node.depth === 0 ? 6 : 2))
    .paddingTop((node) => (node.depth === 1 && node.children !== undefined ? 26 : 0))
    .paddingLeft((node) => (node.depth === 1 && node.children !== undefined ? 4 : 0))
    .paddingRight((node) => (node.depth === 1 && node.children !== undefined ? 4 : 0))
    .paddingBottom((node) => (node.depth === 1 && node.children !== undefined ? 4 : 0))(root);
  const originals = new Map<string, MapNode>();
  for (const child of top.children ?? []) {
    originals.set(child.id, child);
    for (const inner of child.children ?? []) originals.set(inner.id, inner);
  }
  return placed
    .descendants()
    .filter((one) => one.depth > 0 && one.x1 - one.x0 > 2 && one.y1 - one.y0 > 2)
    .map((one) => ({
      node: originals.get(one.data.id) ?? one.data,
      depth: one.depth,
      left: one.x0,
      top: one.y0,
      width: one.x1 - one.x0,
      height: one.y1 - one.y0,
      hue: hue ?? hues.get((one.depth === 1 ? one : one.parent)?.data.id ?? ""),
    }));
}

const withoutChildren = (node: MapNode): MapNode => ({ ...node, children: undefined });

/** The nearest tile of the first level in the direction of an arrow key. */
function neighbour(frame: HTMLElement | null, key: string): HTMLElement | undefined {
  const from = document.activeElement?.getBoundingClientRect();
  if (frame === null || from === undefined) return undefined;
  const horizontal = key === "ArrowLeft" || key === "ArrowRight";
  const sign = key === "ArrowRight" || key === "ArrowDown" ? 1 : -1;
  let best: { element: HTMLElement; cost: number } | undefined;
  for (const element of frame.querySelectorAll<HTMLElement>('.tile[data-depth="1"]')) {
    const box = element.getBoundingClientRect();
    const dx = box.left + box.width / 2 - (from.left + from.width / 2);
    const dy = box.top + box.height / 2 - (from.top + from.height / 2);
    const along = (horizontal ? dx : dy) * sign;
    if (along <= 1) continue;
    const cost = along + 2 * Math.abs(horizontal ? dy : dx);
    if (best === undefined || cost < best.cost) best = { element, cost };
  }
  return best?.element;
}
