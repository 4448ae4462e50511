import type { CompressedGraph } from "./compressed-graph.js";

/** The graph among some nodes, renumbered in their order (ascending). `number` is room for a number a node, -1 everywhere, left so:
 *  whoever takes many parts hands the same room in. */
export function subgraph(
  graph: CompressedGraph,
  nodes: Int32Array,
  number: Int32Array = new Int32Array(graph.nodeCount).fill(-1),
): CompressedGraph {
  for (const [i, v] of nodes.entries()) number[v] = i;
  const offsets = new Int32Array(nodes.length + 1);
  for (const [i, v] of nodes.entries()) {
    let inside = 0;
    for (let s = graph.offsets[v]!; s < graph.offsets[v + 1]!; s++) if (number[graph.neighbors[s]!] !== -1) inside++;
    offsets[i + 1] = offsets[i]! + inside;
  }
  const neighbors = new Int32Array(offsets[nodes.length]!);
  const weights = graph.weights && new Float64Array(neighbors.length);
  let end = 0;
  for (const v of nodes) {
    for (let s = graph.offsets[v]!; s < graph.offsets[v + 1]!; s++) {
      const u = number[graph.neighbors[s]!]!;
      if (u === -1) continue;
      if (weights !== undefined) weights[end] = graph.weights![s]!;
      neighbors[end++] = u;
    }
  }
  for (const v of nodes) number[v] = -1;
  return {
    nodeCount: nodes.length,
    edgeCount: end / 2,
    offsets,
    neighbors,
    weights,
    ids: graph.ids && Array.from(nodes, (v) => graph.ids![v]!),
    droppedLoops: 0,
    mergedEdges: 0,
  };
}
