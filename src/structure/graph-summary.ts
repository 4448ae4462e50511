import { QuireError } from "../errors.js";
import type { CompressedGraph, NodeId } from "./compressed-graph.js";
import { type LeafOrder, leafOrder, type SignedForest } from "./signed-forest.js";

/** A graph stored as a forest of nested groups with plus and minus edges between groups. Nothing is lost: the graph, or the
 *  neighbours of one node, are read back from it. */
export interface GraphSummary {
  readonly nodeCount: number;
  readonly edgeCount: number;
  readonly size: SummarySize;
  readonly stored: StoredSummary;
  /** Name of each node where the input had names. */
  readonly ids: readonly NodeId[] | undefined;
  /** Neighbours of a node, ascending, without reading the rest of the graph. */
  neighbors(node: number): Int32Array;
  /** The whole graph again. */
  decode(): CompressedGraph;
}

export interface SummarySize {
  readonly plusEdges: number;
  readonly minusEdges: number;
  /** Parent links: forest nodes that are not roots. */
  readonly links: number;
  readonly cost: number;
  /** cost / edges of the graph; 0 for a graph without edges. */
  readonly relativeSize: number;
  readonly height: number;
  readonly meanLeafDepth: number;
  /** Bytes of the typed arrays of this summary, and of the graph's compressed rows. */
  readonly bytes: number;
  readonly graphBytes: number;
}

/** Plain arrays: everything needed to write a summary to a file and open it again. Forest nodes 0..nodeCount-1 are the graph's nodes,
 *  the rest are groups; a parent has a larger number than its children. */
export interface StoredSummary {
  readonly nodeCount: number;
  readonly edgeCount: number;
  readonly parent: Int32Array;
  /** Signed edges, each once. */
  readonly x: Int32Array;
  readonly y: Int32Array;
  readonly sign: Int8Array;
}

export function summaryOf(graph: CompressedGraph, forest: SignedForest): GraphSummary {
  const numbers = new Int32Array(forest.nodeCount).fill(-1);
  let nodes = 0;
  for (let node = 0; node < forest.nodeCount; node++) if (forest.removed[node] === 0) numbers[node] = nodes++;
  const parent = new Int32Array(nodes);
  for (let node = 0; node < forest.nodeCount; node++) {
    if (numbers[node] !== -1) parent[numbers[node]!] = forest.parent[node] === -1 ? -1 : numbers[forest.parent[node]!]!;
  }
  let live = 0;
  for (let e = 0; e < forest.count; e++) if (forest.sign[e] !== 0) live++;
  const stored = {
    nodeCount: graph.nodeCount,
    edgeCount: graph.edgeCount,
    parent,
    x: new Int32Array(live),
    y: new Int32Array(live),
    sign: new Int8Array(live),
  };
  let at = 0;
  for (let e = 0; e < forest.count; e++) {
    if (forest.sign[e] === 0) continue;
    stored.x[at] = numbers[forest.x[e]!]!;
    stored.y[at] = numbers[forest.y[e]!]!;
    stored.sign[at++] = forest.sign[e]!;
  }
  return openSummary(stored, graph.ids);
}

/** A summary from its arrays. They may come from a file, so everything that would lead outside them is checked. */
export function openSummary(stored: StoredSummary, ids?: readonly NodeId[]): GraphSummary {
  checkStored(stored);
  const leaves = leafOrder(stored.nodeCount, stored.parent);
  const rows = edgeRows(stored);
  const sums = new Int32Array(stored.nodeCount);
  let touched = new Int32Array(64);

  const neighbors = (node: number): Int32Array => {
    if (!Number.isInteger(node) || node < 0 || node >= stored.nodeCount) {
      throw new QuireError("bad-input", `There is no node ${String(node)}.`, {
        got: node,
        expected: stored.nodeCount > 0 ? `an integer from 0 to ${stored.nodeCount - 1}` : "nothing: the graph is empty",
      });
    }
    let count = 0;
    for (let up = node; up !== -1; up = stored.parent[up]!) {
      for (let i = rows.offsets[up]!; i < rows.offsets[up + 1]!; i++) {
        const far = rows.ends[i]!;
        const end = leaves.first[far]! + leaves.size[far]!;
        if (count + leaves.size[far]! > touched.length) touched = grown(touched, count + leaves.size[far]!);
        for (let j = leaves.first[far]!; j < end; j++) {
          const leaf = leaves.order[j]!;
          sums[leaf]! += rows.signs[i]!;
          touched[count++] = leaf;
        }
      }
    }
    let kept = 0;
    sums[node] = 0;
    for (let i = 0; i < count; i++) {
      const leaf = touched[i]!;
      if (sums[leaf] === 1) touched[kept++] = leaf;
      sums[leaf] = 0;
    }
    return touched.slice(0, kept).sort();
  };

  return {
    nodeCount: stored.nodeCount,
    edgeCount: stored.edgeCount,
    size: sizeOf(stored, leaves),
    stored,
    ids,
    neighbors,
    decode: () => decodeSummary(stored, neighbors, ids),
  };
}

function decodeSummary(
  { nodeCount, edgeCount }: StoredSummary,
  neighborsOf: (node: number) => Int32Array,
  ids: readonly NodeId[] | undefined,
): CompressedGraph {
  const offsets = new Int32Array(nodeCount + 1);
  const neighbors = new Int32Array(2 * edgeCount);
  for (let v = 0; v < nodeCount; v++) {
    const row = neighborsOf(v);
    if (offsets[v]! + row.length > neighbors.length) throw damaged("more edges than it says", { edges: edgeCount });
    neighbors.set(row, offsets[v]!);
    offsets[v + 1] = offsets[v]! + row.length;
  }
  if (offsets[nodeCount] !== neighbors.length) throw damaged("fewer edges than it says", { edges: edgeCount });
  return { nodeCount, edgeCount, offsets, neighbors, weights: undefined, ids, droppedLoops: 0, mergedEdges: 0 };
}

/** Signed edges by forest node; a loop stands once. */
function edgeRows({ parent, x, y, sign }: StoredSummary): { offsets: Int32Array; ends: Int32Array; signs: Int8Array } {
  const offsets = new Int32Array(parent.length + 1);
  for (let e = 0; e < x.length; e++) {
    offsets[x[e]! + 1]!++;
    if (x[e] !== y[e]) offsets[y[e]! + 1]!++;
  }
  for (let node = 0; node < parent.length; node++) offsets[node + 1]! += offsets[node]!;
  const ends = new Int32Array(offsets[parent.length]!);
  const signs = new Int8Array(ends.length);
  const cursor = offsets.slice();
  const put = (from: number, to: number, s: number): void => {
    signs[cursor[from]!] = s;
    ends[cursor[from]!++] = to;
  };
  for (let e = 0; e < x.length; e++) {
    put(x[e]!, y[e]!, sign[e]!);
    if (x[e] !== y[e]) put(y[e]!, x[e]!, sign[e]!);
  }
  return { offsets, ends, signs };
}

function sizeOf(stored: StoredSummary, leaves: LeafOrder): SummarySize {
  const { nodeCount, edgeCount, parent, x, sign } = stored;
  const depth = new Int32Array(parent.length);
  let links = 0;
  let height = 0;
  let leafDepths = 0;
  for (let node = parent.length - 1; node >= 0; node--) {
    if (parent[node] === -1) continue;
    links++;
    depth[node] = depth[parent[node]!]! + 1;
    height = Math.max(height, depth[node]!);
    if (node < nodeCount) leafDepths += depth[node]!;
  }
  const plusEdges = sign.reduce((count, s) => count + (s > 0 ? 1 : 0), 0);
  const cost = x.length + links;
  return {
    plusEdges,
    minusEdges: x.length - plusEdges,
    links,
    cost,
    relativeSize: edgeCount === 0 ? 0 : cost / edgeCount,
    height,
    meanLeafDepth: nodeCount === 0 ? 0 : leafDepths / nodeCount,
    bytes: parent.byteLength * 2 + 9 * x.length + leaves.order.byteLength + 2 * leaves.first.byteLength + 10 * x.length,
    graphBytes: 4 * (nodeCount + 1) + 8 * edgeCount,
  };
}

function checkStored({ nodeCount, edgeCount, parent, x, y, sign }: StoredSummary): void {
  if (!Number.isInteger(nodeCount) || nodeCount < 0 || parent.length < nodeCount)
    throw damaged("a wrong number of nodes", { nodeCount });
  if (!Number.isInteger(edgeCount) || edgeCount < 0) throw damaged("a wrong number of edges", { edgeCount });
  if (x.length !== y.length || x.length !== sign.length) {
    throw damaged("edge lists of unequal length", { x: x.length, y: y.length, sign: sign.length });
  }
  for (const [node, up] of parent.entries()) {
    if (up !== -1 && (up <= node || up < nodeCount || up >= parent.length))
      throw damaged("a parent out of place", { node, up });
  }
  for (let e = 0; e < x.length; e++) {
    for (const end of [x[e]!, y[e]!]) {
      if (end < 0 || end >= parent.length) throw damaged("an edge to no node", { edge: e, end });
    }
    if (sign[e] !== 1 && sign[e] !== -1) throw damaged("an edge without a sign", { edge: e, sign: sign[e] });
  }
}

function damaged(what: string, got: unknown): QuireError {
  return new QuireError("bad-file", `The stored graph summary has ${what}.`, {
    got,
    fix: "Summarise the graph again.",
  });
}

function grown(array: Int32Array<ArrayBuffer>, least: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(Math.max(2 * array.length, least));
  larger.set(array);
  return larger;
}
