import type { MapNode, Place } from "../api/contract.js";

/** Which parts of a map hold given places of the sources. */
export function chunksHolding(root: MapNode, places: readonly Place[]): string[] {
  const holding: string[] = [];
  // A stack of its own: a map may be thousands of levels deep.
  const stack = [root];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    const { chunk } = node;
    if (chunk !== undefined && places.some((place) => overlaps(place, chunk))) holding.push(node.id);
    for (const child of node.children ?? []) stack.push(child);
  }
  return holding;
}

const overlaps = (a: Place, b: Place): boolean =>
  a.file === b.file && a.start_line <= b.end_line && b.start_line <= a.end_line;
