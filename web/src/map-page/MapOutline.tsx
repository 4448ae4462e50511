import { type KeyboardEvent, useMemo, useRef, useState } from "react";
import type { MapNode } from "../api/contract.js";
import { counted } from "../ui/amounts.js";
import { Icon } from "../ui/Icon.js";
import { isGroup } from "./map-tree.js";

interface MapOutlineProps {
  readonly root: MapNode;
  readonly current: string;
  readonly lit: ReadonlySet<string>;
  onOpen(node: MapNode): void;
}

interface Row {
  readonly node: MapNode;
  readonly level: number;
  readonly parent: string | undefined;
}

const mostChildren = 300;

/** The same map as a tree of words: the path for the keyboard and for those who hear the page. */
export function MapOutline({ root, current, lit, onOpen }: MapOutlineProps) {
  const [expanded, setExpanded] = useState<ReadonlySet<string>>(new Set([root.id]));
  const [focused, setFocused] = useState(root.id);
  const tree = useRef<HTMLDivElement>(null);
  const rows = useMemo(() => visibleRows(root, expanded), [root, expanded]);

  const focus = (id: string | undefined) => {
    if (id === undefined) return;
    setFocused(id);
    requestAnimationFrame(() => tree.current?.querySelector<HTMLElement>(`[data-id="${CSS.escape(id)}"]`)?.focus());
  };
  const toggle = (id: string, open: boolean) =>
    setExpanded((old) => {
      const next = new Set(old);
      if (open) next.add(id);
      else next.delete(id);
      return next;
    });

  const key = (event: KeyboardEvent) => {
    const index = rows.findIndex(({ node }) => node.id === focused);
    const row = rows[index];
    if (row === undefined) return;
    const open = expanded.has(row.node.id);
    const actions: Record<string, () => void> = {
      ArrowDown: () => focus(rows[index + 1]?.node.id),
      ArrowUp: () => focus(rows[index - 1]?.node.id),
      Home: () => focus(rows[0]?.node.id),
      End: () => focus(rows.at(-1)?.node.id),
      ArrowRight: () => {
        if (!isGroup(row.node)) return;
        if (open) focus(rows[index + 1]?.node.id);
        else toggle(row.node.id, true);
      },
      ArrowLeft: () => {
        if (open && isGroup(row.node)) toggle(row.node.id, false);
        else focus(row.parent);
      },
      Enter: () => onOpen(row.node),
      " ": () => onOpen(row.node),
    };
    const act = actions[event.key];
    if (act === undefined) return;
    event.preventDefault();
    act();
  };

  const focusable = rows.some(({ node }) => node.id === focused) ? focused : root.id;
  return (
    <div className="outline" role="tree" aria-label="Map as a tree" ref={tree} onKeyDown={key}>
      {rows.map(({ node, level }) => {
        const group = isGroup(node);
        const open = expanded.has(node.id);
        return (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the tree takes the keys
          <div
            key={node.id}
            role="treeitem"
            data-id={node.id}
            data-lit={lit.has(node.id)}
            aria-level={level}
            aria-expanded={group ? open : undefined}
            aria-selected={node.id === current}
            tabIndex={node.id === focusable ? 0 : -1}
            style={{ paddingLeft: `${(level - 1) * 0.9 + 0.25}rem` }}
            onFocus={() => setFocused(node.id)}
            onClick={() => {
              if (group) toggle(node.id, node.id === current ? !open : true);
              onOpen(node);
            }}
          >
            <span className="outline-arrow" data-open={open}>
              {group && <Icon name="chevron" size={14} />}
            </span>
            <span className="outline-name">{node.name}</span>
            <span className="outline-size figure">
              <span className="visually-hidden">{counted(node.size, "character")}</span>
              <span aria-hidden="true">{share(node.size, root.size)}</span>
            </span>
          </div>
        );
      })}
    </div>
  );
}

function visibleRows(root: MapNode, expanded: ReadonlySet<string>): Row[] {
  const rows: Row[] = [];
  const stack: Row[] = [{ node: root, level: 1, parent: undefined }];
  for (let row = stack.pop(); row !== undefined; row = stack.pop()) {
    rows.push(row);
    if (!expanded.has(row.node.id)) continue;
    const children = [...(row.node.children ?? [])].sort((a, b) => b.size - a.size).slice(0, mostChildren);
    for (const node of children.reverse()) stack.push({ node, level: row.level + 1, parent: row.node.id });
  }
  return rows;
}

function share(size: number, whole: number): string {
  const percent = whole > 0 ? (size / whole) * 100 : 0;
  return percent >= 10 ? `${Math.round(percent)}%` : percent >= 0.1 ? `${percent.toFixed(1)}%` : "<0.1%";
}
