import { useEffect, useRef } from "react";
import type { MapNode, Place } from "../api/contract.js";
import { type MapView, mount } from "../map/map-view.js";
import { chunksHolding } from "./chunks-holding.js";

interface MapCanvasProps {
  readonly root: MapNode;
  readonly title: string;
  readonly lit: readonly Place[];
  onOpen(place: Place): void;
  /** Another topic fills the view. */
  onFocus(id: string): void;
}

/** The map viewer, which knows no React, in the page. */
export function MapCanvas({ root, title, lit, onOpen, onFocus }: MapCanvasProps) {
  const frame = useRef<HTMLDivElement>(null);
  const view = useRef<MapView | undefined>(undefined);
  const open = useRef(onOpen);
  open.current = onOpen;
  const focused = useRef(onFocus);
  focused.current = onFocus;

  useEffect(() => {
    const element = frame.current;
    if (element === null) return;
    const mounted = mount(element, root, {
      title,
      onFocus: (id) => focused.current(id),
      onOpen: ({ file, startLine, endLine }) => open.current({ file, start_line: startLine, end_line: endLine }),
    });
    view.current = mounted;
    return () => mounted.destroy();
  }, [root, title]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a view mounted anew is lit anew
  useEffect(() => {
    view.current?.highlight(lit.length === 0 ? [] : chunksHolding(root, lit));
  }, [root, title, lit]);

  return <div className="map-canvas" ref={frame} />;
}
