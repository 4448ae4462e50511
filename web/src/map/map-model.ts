import { type MapColumns, mapColumns } from "../../../src/corpus/map/map-columns.js";
import type { MapNode } from "../../../src/corpus/map/map-node.js";

/** The map as the viewer holds it: flat columns, so that 100,000 chunks are a few arrays. */
export interface MapModel {
  readonly count: number;
  readonly names: readonly string[];
  readonly parents: Int32Array;
  /** Children of a node: childStart[node] .. childEnd[node), which are node numbers. */
  readonly childStart: Int32Array;
  readonly childEnd: Int32Array;
  readonly sizes: Float64Array;
  readonly depths: Int32Array;
  /** Number of the topic below the root that a node is in; -1 for the root. */
  readonly tops: Int32Array;
  /** Chunks below a node, itself included. */
  readonly chunkCounts: Int32Array;
  isChunk(node: number): boolean;
  idOf(node: number): string;
  nodeOf(id: string): number | undefined;
  place(node: number): { readonly file: string; readonly startLine: number; readonly endLine: number } | undefined;
  termsOf(node: number): readonly string[];
  excerptOf(node: number): string | undefined;
  /** From the root down to the node. */
  path(node: number): number[];
}

export function mapModel(data: MapNode | MapColumns): MapModel {
  const columns = "parents" in data ? data : mapColumns(data);
  const { names, ids, files, terms, excerpts } = columns;
  const parents = Int32Array.from(columns.parents);
  const fileOf = Int32Array.from(columns.fileOf);
  const startLines = Int32Array.from(columns.startLines);
  const endLines = Int32Array.from(columns.endLines);
  const count = parents.length;
  const childStart = new Int32Array(count);
  const childEnd = new Int32Array(count);
  const depths = new Int32Array(count);
  const tops = new Int32Array(count).fill(-1);
  const chunkCounts = new Int32Array(count);
  // Parents stand before their children, and siblings follow each other.
  for (let node = 1; node < count; node++) {
    const parent = parents[node]!;
    if (childEnd[parent] === 0) childStart[parent] = node;
    childEnd[parent] = node + 1;
    depths[node] = depths[parent]! + 1;
    tops[node] = parent === 0 ? node - childStart[0]! : tops[parent]!;
  }
  for (let node = count - 1; node >= 0; node--) {
    if (fileOf[node]! >= 0) chunkCounts[node]!++;
    if (node > 0) chunkCounts[parents[node]!]! += chunkCounts[node]!;
  }
  const chunkId = (node: number): string => `${files[fileOf[node]!]}:${startLines[node]}`;
  const idOf = (node: number): string => ids[node] || chunkId(node);
  let numbers: Map<string, number> | undefined;
  return {
    count,
    names,
    parents,
    childStart,
    childEnd,
    sizes: Float64Array.from(columns.sizes),
    depths,
    tops,
    chunkCounts,
    isChunk: (node) => fileOf[node]! >= 0,
    idOf,
    nodeOf(id) {
      numbers ??= new Map(Array.from({ length: count }, (_, node) => [idOf(node), node]));
      return numbers.get(id);
    },
    place: (node) =>
      fileOf[node]! < 0
        ? undefined
        : { file: files[fileOf[node]!]!, startLine: startLines[node]!, endLine: endLines[node]! },
    termsOf: (node) => terms[node] ?? [],
    excerptOf: (node) => excerpts[node],
    path(node) {
      const above: number[] = [];
      for (let at = node; at >= 0; at = parents[at]!) above.push(at);
      return above.reverse();
    },
  };
}
