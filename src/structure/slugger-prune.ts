import type { CompressedGraph } from "./compressed-graph.js";
import { PairTable } from "./pair-table.js";
import { leafOrder, type SignedForest } from "./signed-forest.js";

/** The pruning phase of slugger: nodes, roots and whole pairs of trees that do not pay for themselves. Every step keeps the graph
 *  exactly and never lengthens the description. */
export function pruneForest(
  graph: CompressedGraph,
  forest: SignedForest,
  afterStep: (name: string) => void = () => {},
): void {
  afterStep("merged");
  dropBareNodes(forest);
  afterStep("bare nodes");
  splitSingleEdgeRoots(forest);
  afterStep("single-edge roots");
  flattenPairs(graph, forest);
  afterStep("flat pairs");
  dropBareNodes(forest);
  afterStep("bare nodes again");
}

/** Internal nodes without an edge of their own: their children move up. */
export function dropBareNodes(forest: SignedForest): void {
  const { parent, removed, degree, leafCount } = forest;
  for (let node = leafCount; node < forest.nodeCount; node++) if (degree[node] === 0) removed[node] = 1;
  for (let node = forest.nodeCount - 1; node >= 0; node--) {
    const up = parent[node]!;
    // Parents have larger numbers, so a removed parent already points at what stays above it.
    if (up !== -1 && removed[up] === 1) parent[node] = parent[up]!;
  }
}

/** A root with one edge, not a loop, hands that edge to its children and goes. */
export function splitSingleEdgeRoots(forest: SignedForest): void {
  const { parent, removed, degree, leafCount, edgeXor } = forest;
  const { offsets, nodes } = forest.children();
  for (let root = forest.nodeCount - 1; root >= leafCount; root--) {
    if (removed[root] === 1 || parent[root] !== -1 || degree[root] !== 1) continue;
    const edge = edgeXor[root]!;
    if (forest.x[edge] === forest.y[edge]) continue;
    const far = forest.x[edge]! ^ forest.y[edge]! ^ root;
    const sign = forest.sign[edge]!;
    const kids = nodes.subarray(offsets[root]!, offsets[root + 1]!);
    // One link falls away with each child's edge that comes; the root's own edge is the gain. A second edge of one sign cannot be stored.
    if (kids.some((kid) => forest.signOf(kid, far) === sign)) continue;
    forest.cancel(edge);
    removed[root] = 1;
    for (const kid of kids) {
      parent[kid] = -1;
      forest.add(kid, far, sign);
    }
  }
}

/** Two trees (or one with itself) whose edges are no fewer than in the flat form get the flat form: either the edges of the graph
 *  between their leaves, or one plus edge between the roots and a minus edge for each pair that is missing. */
export function flattenPairs(graph: CompressedGraph, forest: SignedForest): void {
  const roots = forest.roots();
  const { order, first, size } = leafOrder(graph.nodeCount, forest.parent);
  const slots = new PairTable(forest.count);
  const rootX: number[] = [];
  const rootY: number[] = [];
  const used: number[] = [];
  const present: number[] = [];
  const slotOf = (x: number, y: number): number => {
    let slot = slots.get(x, y);
    if (slot === -1) {
      slot = rootX.length;
      slots.set(x, y, slot);
      rootX.push(x);
      rootY.push(y);
      used.push(0);
      present.push(0);
    }
    return slot;
  };
  const slotOfEdge = new Int32Array(forest.count);
  for (let e = 0; e < forest.count; e++) {
    if (forest.sign[e] === 0) continue;
    slotOfEdge[e] = slotOf(roots[forest.x[e]!]!, roots[forest.y[e]!]!);
    used[slotOfEdge[e]!]!++;
  }
  const eachEdge = (visit: (u: number, v: number, slot: number) => void): void => {
    for (let v = 0; v < graph.nodeCount; v++) {
      for (let i = graph.offsets[v]!; i < graph.offsets[v + 1]!; i++) {
        const u = graph.neighbors[i]!;
        if (u > v) visit(v, u, slotOf(roots[v]!, roots[u]!));
      }
    }
  };
  eachEdge((_u, _v, slot) => present[slot]!++);

  const form = rootX.map((x, slot): "kept" | "leaves" | "roots" => {
    const y = rootY[slot]!;
    if (size[x] === 1 && size[y] === 1) return "kept";
    const possible = x === y ? (size[x]! * (size[x]! - 1)) / 2 : size[x]! * size[y]!;
    const byLeaves = present[slot]!;
    const byRoots = possible - byLeaves + 1;
    if (Math.min(byLeaves, byRoots) > used[slot]!) return "kept";
    return byLeaves <= byRoots ? "leaves" : "roots";
  });
  const before = forest.count;
  for (let e = 0; e < before; e++) if (forest.sign[e] !== 0 && form[slotOfEdge[e]!] !== "kept") forest.cancel(e);
  eachEdge((u, v, slot) => {
    if (form[slot] === "leaves") forest.add(u, v, 1);
  });
  for (const [slot, x] of rootX.entries()) {
    if (form[slot] !== "roots") continue;
    const y = rootY[slot]!;
    forest.add(x, y, 1);
    for (let i = first[x]!; i < first[x]! + size[x]!; i++) {
      for (let j = x === y ? i + 1 : first[y]!; j < first[y]! + size[y]!; j++) {
        if (!hasEdge(graph, order[i]!, order[j]!)) forest.add(order[i]!, order[j]!, -1);
      }
    }
  }
}

function hasEdge({ offsets, neighbors }: CompressedGraph, u: number, v: number): boolean {
  let low = offsets[u]!;
  let high = offsets[u + 1]! - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (neighbors[middle] === v) return true;
    if (neighbors[middle]! < v) low = middle + 1;
    else high = middle - 1;
  }
  return false;
}
