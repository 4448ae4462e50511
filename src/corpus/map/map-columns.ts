/** A map as columns: what a page holds of 100,000 chunks without an object for each, and what a map file carries. Node 0 is the root,
 *  parents stand before their children, and the children of a node follow each other. */

import type { MapNode } from "./map-node.js";

export interface MapColumns {
  readonly names: readonly string[];
  /** Of topics; "" for chunks where a file leaves them out. */
  readonly ids: readonly string[];
  /** -1 for the root. */
  readonly parents: ArrayLike<number>;
  readonly sizes: ArrayLike<number>;
  /** Number of the chunk's file in `files`; -1 for topics. */
  readonly fileOf: ArrayLike<number>;
  readonly startLines: ArrayLike<number>;
  readonly endLines: ArrayLike<number>;
  readonly files: readonly string[];
  /** Words of topics, by node. */
  readonly terms: Readonly<Record<number, readonly string[]>>;
  /** Beginnings of chunks, by node; empty where left out. */
  readonly excerpts: Readonly<Record<number, string>>;
}

export interface ColumnOptions {
  /** Ids of chunks are long and compress badly; a file that nothing points into does without. */
  readonly chunkIds?: boolean;
  excerptOf?(node: MapNode): string | undefined;
}

export function mapColumns(root: MapNode, { chunkIds = true, excerptOf }: ColumnOptions = {}): MapColumns {
  const names: string[] = [];
  const ids: string[] = [];
  const parents: number[] = [];
  const sizes: number[] = [];
  const fileOf: number[] = [];
  const startLines: number[] = [];
  const endLines: number[] = [];
  const files = new Map<string, number>();
  const terms: Record<number, readonly string[]> = {};
  const excerpts: Record<number, string> = {};
  const waiting: { node: MapNode; parent: number }[] = [{ node: root, parent: -1 }];
  for (let at = 0; at < waiting.length; at++) {
    const { node, parent } = waiting[at]!;
    names.push(node.name);
    ids.push(node.chunk === undefined || chunkIds ? node.id : "");
    parents.push(parent);
    sizes.push(node.size);
    if (node.terms !== undefined) terms[at] = node.terms;
    if (node.chunk === undefined) fileOf.push(-1);
    else {
      const { file } = node.chunk;
      const number = files.get(file) ?? files.size;
      files.set(file, number);
      fileOf.push(number);
      const excerpt = excerptOf?.(node);
      if (excerpt !== undefined) excerpts[at] = excerpt;
    }
    startLines.push(node.chunk?.start_line ?? 0);
    endLines.push(node.chunk?.end_line ?? 0);
    for (const child of node.children ?? []) waiting.push({ node: child, parent: at });
  }
  return { names, ids, parents, sizes, fileOf, startLines, endLines, files: [...files.keys()], terms, excerpts };
}
