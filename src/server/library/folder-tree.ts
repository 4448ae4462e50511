import type { MapNode } from "../../corpus/map/map-node.js";

/** Folders and files as a tree of sizes. */

export interface SizedFile {
  readonly name: string;
  readonly bytes: number;
}

interface Folder {
  readonly folders: Map<string, Folder>;
  readonly files: MapNode[];
}

export function folderTree(title: string, files: readonly SizedFile[]): MapNode {
  const root: Folder = { folders: new Map(), files: [] };
  for (const { name, bytes } of files) {
    const parts = name.split("/");
    const last = parts.pop()!;
    let at = root;
    for (const part of parts) {
      let next = at.folders.get(part);
      if (next === undefined) {
        next = { folders: new Map(), files: [] };
        at.folders.set(part, next);
      }
      at = next;
    }
    at.files.push({ id: `file:${name}`, name: last, size: bytes, chunk: { file: name, start_line: 1, end_line: 1 } });
  }
  return toNode(root, title, "folder:");
}

function toNode({ folders, files }: Folder, name: string, id: string): MapNode {
  const inner = [...folders].map(([part, folder]) => toNode(folder, part, `${id}${part}/`));
  const children = [...inner, ...files].sort((a, b) => b.size - a.size);
  return { id, name, size: children.reduce((sum, { size }) => sum + size, 0), children };
}
