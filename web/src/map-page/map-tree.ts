import type { MapNode, Place } from "../api/contract.js";

/** Finding one's way in a corpus map. */

/** The nodes from the root to the one with this id, both included. */
export function pathTo(root: MapNode, id: string): MapNode[] | undefined {
  // A stack of its own: a map may be thousands of levels deep.
  const stack: { node: MapNode; path: Trail }[] = [{ node: root, path: { node: root, above: undefined } }];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    if (next.node.id === id) return unroll(next.path);
    for (const child of next.node.children ?? []) stack.push({ node: child, path: { node: child, above: next.path } });
  }
  return undefined;
}

interface Trail {
  readonly node: MapNode;
  readonly above: Trail | undefined;
}

function unroll(trail: Trail): MapNode[] {
  const path: MapNode[] = [];
  for (let at: Trail | undefined = trail; at !== undefined; at = at.above) path.unshift(at.node);
  return path;
}

export const isGroup = (node: MapNode): boolean => (node.children?.length ?? 0) > 0;

/** Ids of the nodes that hold one of the places, groups above them included. */
export function nodesHolding(root: MapNode, places: readonly Place[]): ReadonlySet<string> {
  const holding = new Set<string>();
  const stack: Trail[] = [{ node: root, above: undefined }];
  for (let trail = stack.pop(); trail !== undefined; trail = stack.pop()) {
    const { chunk } = trail.node;
    if (chunk !== undefined && places.some((place) => overlaps(place, chunk))) {
      for (let at: Trail | undefined = trail; at !== undefined; at = at.above) holding.add(at.node.id);
    }
    for (const child of trail.node.children ?? []) stack.push({ node: child, above: trail });
  }
  return holding;
}

const overlaps = (a: Place, b: Place): boolean =>
  a.file === b.file && a.start_line <= b.end_line && b.start_line <= a.end_line;
