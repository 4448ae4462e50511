import { QuireError } from "../errors.js";

/** An undirected graph in compressed rows: the neighbours of v are `neighbors[offsets[v] .. offsets[v+1])`, ascending. Made from a
 *  plain edge list; self loops are dropped, parallel edges become one, their weights added. */
export interface CompressedGraph {
  readonly nodeCount: number;
  readonly edgeCount: number;
  readonly offsets: Int32Array;
  readonly neighbors: Int32Array;
  /** Beside `neighbors`; absent where every edge counts 1. */
  readonly weights: Float64Array | undefined;
  /** The caller's name of each node, where the edge list used names; absent where nodes are numbered already. */
  readonly ids: readonly NodeId[] | undefined;
  readonly droppedLoops: number;
  readonly mergedEdges: number;
}

export type NodeId = string | number;

export interface EdgeList {
  readonly sources: ArrayLike<NodeId>;
  readonly targets: ArrayLike<NodeId>;
  /** Given: nodes are the numbers 0..nodeCount-1. Absent: ids may be anything, and are numbered in sorted order. */
  readonly nodeCount?: number;
  /** With ids: further nodes that may have no edge. */
  readonly nodes?: readonly NodeId[];
  readonly weights?: ArrayLike<number>;
  readonly directed?: boolean;
}

const largest = 2 ** 29;

export function compressGraph(edges: EdgeList): CompressedGraph {
  const length = checkLengths(edges);
  const { nodeCount, from, to, ids } = edges.nodeCount === undefined ? nameNodes(edges) : numberedNodes(edges);
  const weights = checkWeights(edges.weights, length);

  let droppedLoops = 0;
  const counts = new Int32Array(nodeCount + 1);
  const used = (i: number): boolean => from[i] !== to[i] && (weights === undefined || weights[i]! > 0);
  for (let i = 0; i < length; i++) {
    if (from[i] === to[i]) droppedLoops++;
    if (!used(i)) continue;
    counts[from[i]! + 1]!++;
    counts[to[i]! + 1]!++;
  }
  for (let v = 0; v < nodeCount; v++) counts[v + 1]! += counts[v]!;
  const half = counts[nodeCount]!;

  // Two counting sorts, by far end and then by near end, leave every row ascending without a comparison.
  const byFar = new Int32Array(half);
  const cursor = counts.slice();
  for (let i = 0; i < length; i++) {
    if (!used(i)) continue;
    byFar[cursor[to[i]!]!++] = 2 * i;
    byFar[cursor[from[i]!]!++] = 2 * i + 1;
  }
  const near = (slot: number): number => (slot & 1 ? to[slot >> 1]! : from[slot >> 1]!);
  const far = (slot: number): number => (slot & 1 ? from[slot >> 1]! : to[slot >> 1]!);
  const slots = new Int32Array(half);
  cursor.set(counts);
  for (const slot of byFar) slots[cursor[near(slot)]!++] = slot;

  const offsets = new Int32Array(nodeCount + 1);
  const neighbors = new Int32Array(half);
  const summed = weights === undefined ? undefined : new Float64Array(half);
  let end = 0;
  for (let v = 0; v < nodeCount; v++) {
    const start = end;
    for (let s = counts[v]!; s < counts[v + 1]!; s++) {
      const u = far(slots[s]!);
      if (end === start || neighbors[end - 1] !== u) neighbors[end++] = u;
      if (summed !== undefined) summed[end - 1]! += weights![slots[s]! >> 1]!;
    }
    offsets[v + 1] = end;
  }
  return {
    nodeCount,
    edgeCount: end / 2,
    offsets,
    neighbors: end === half ? neighbors : neighbors.slice(0, end),
    weights: summed === undefined || end === half ? summed : summed.slice(0, end),
    ids,
    droppedLoops,
    mergedEdges: (half - end) / 2,
  };
}

/** The edges u < v of a graph, ascending, as a numbered edge list. */
export function edgesOf(graph: CompressedGraph): { nodeCount: number; sources: Int32Array; targets: Int32Array } {
  const sources = new Int32Array(graph.edgeCount);
  const targets = new Int32Array(graph.edgeCount);
  let e = 0;
  for (let v = 0; v < graph.nodeCount; v++) {
    for (let i = graph.offsets[v]!; i < graph.offsets[v + 1]!; i++) {
      const u = graph.neighbors[i]!;
      if (u > v) {
        sources[e] = v;
        targets[e++] = u;
      }
    }
  }
  return { nodeCount: graph.nodeCount, sources, targets };
}

/** The number of each node's connected component, components in the order of their smallest node. */
export function components(graph: CompressedGraph): { count: number; of: Int32Array } {
  const of = new Int32Array(graph.nodeCount).fill(-1);
  const stack = new Int32Array(graph.nodeCount);
  let count = 0;
  for (let root = 0; root < graph.nodeCount; root++) {
    if (of[root] !== -1) continue;
    let depth = 0;
    stack[depth++] = root;
    of[root] = count;
    while (depth > 0) {
      const v = stack[--depth]!;
      for (let i = graph.offsets[v]!; i < graph.offsets[v + 1]!; i++) {
        const u = graph.neighbors[i]!;
        if (of[u] === -1) {
          of[u] = count;
          stack[depth++] = u;
        }
      }
    }
    count++;
  }
  return { count, of };
}

function checkLengths(edges: EdgeList): number {
  if (typeof edges !== "object" || edges === null || !isList(edges.sources) || !isList(edges.targets)) {
    throw new QuireError("bad-input", "A graph is given as two lists of equal length, sources and targets.", {
      expected: "{ sources, targets, nodeCount?, weights? }",
    });
  }
  const { length } = edges.sources;
  if (edges.targets.length !== length) {
    throw new QuireError("bad-input", `${length} sources, but ${edges.targets.length} targets.`, {
      got: { sources: length, targets: edges.targets.length },
      expected: "one target for each source",
    });
  }
  if (length > largest)
    throw new QuireError("unsupported", `A graph may have at most ${largest} edges.`, { got: length });
  return length;
}

function isList(value: unknown): boolean {
  return typeof value === "object" && value !== null && Number.isInteger((value as ArrayLike<unknown>).length);
}

function checkWeights(weights: ArrayLike<number> | undefined, length: number): ArrayLike<number> | undefined {
  if (weights === undefined) return undefined;
  if (weights.length !== length) {
    throw new QuireError("bad-input", `${weights.length} weights for ${length} edges.`, {
      got: weights.length,
      expected: length,
    });
  }
  for (let i = 0; i < length; i++) {
    if (!(weights[i]! >= 0 && weights[i]! < Infinity)) {
      throw new QuireError("bad-input", `Edge ${i} has the weight ${String(weights[i])}.`, {
        got: weights[i],
        expected: "a finite number, 0 or more",
        fix: "Drop the edge, or give it a weight that measures how close its ends are.",
      });
    }
  }
  return weights;
}

interface NodeNumbers {
  nodeCount: number;
  from: ArrayLike<number>;
  to: ArrayLike<number>;
  ids: readonly NodeId[] | undefined;
}

function numberedNodes({ sources, targets, nodeCount }: EdgeList): NodeNumbers {
  if (!Number.isInteger(nodeCount) || nodeCount! < 0 || nodeCount! > largest) {
    throw new QuireError("bad-input", "nodeCount is not a number of nodes.", {
      got: nodeCount,
      expected: `an integer from 0 to ${largest}`,
    });
  }
  for (const list of [sources, targets]) {
    for (let i = 0; i < list.length; i++) {
      const id = list[i]!;
      if (!Number.isInteger(id) || (id as number) < 0 || (id as number) >= nodeCount!) {
        throw new QuireError("bad-input", `Edge ${i} names the node ${String(id)}, but there are ${nodeCount} nodes.`, {
          got: id,
          expected: `an integer from 0 to ${nodeCount! - 1}`,
          fix: "Leave nodeCount out to have any ids numbered.",
        });
      }
    }
  }
  return {
    nodeCount: nodeCount!,
    from: sources as ArrayLike<number>,
    to: targets as ArrayLike<number>,
    ids: undefined,
  };
}

function nameNodes({ sources, targets, nodes }: EdgeList): NodeNumbers {
  const distinct = new Set<NodeId>();
  for (const list of [sources, targets, nodes ?? []]) {
    for (let i = 0; i < list.length; i++) distinct.add(checkId(list[i]));
  }
  const ids = [...distinct].sort(compareIds);
  const numberOf = new Map(ids.map((id, number) => [id, number]));
  const from = Int32Array.from(sources as ArrayLike<unknown> as ArrayLike<number>, (id) => numberOf.get(id as NodeId)!);
  const to = Int32Array.from(targets as ArrayLike<unknown> as ArrayLike<number>, (id) => numberOf.get(id as NodeId)!);
  return { nodeCount: ids.length, from, to, ids };
}

function checkId(id: unknown): NodeId {
  if (typeof id === "string" || (typeof id === "number" && !Number.isNaN(id))) return id;
  throw new QuireError("bad-input", `${String(id)} cannot name a node.`, { got: id, expected: "a string or a number" });
}

/** Numbers before strings, so that the numbering never depends on the order of the edges. */
function compareIds(a: NodeId, b: NodeId): number {
  if (typeof a === "number") return typeof b === "number" ? a - b : -1;
  if (typeof b === "number") return 1;
  return a < b ? -1 : a > b ? 1 : 0;
}
