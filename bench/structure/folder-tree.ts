import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** A real tree to draw: folders and files, weighed by bytes. */
export interface FolderTree {
  readonly parents: number[];
  readonly weights: number[];
  readonly ids: string[];
}

export function folderTree(folder: string, name: string): FolderTree {
  const tree: FolderTree = { parents: [-1], weights: [0], ids: [name] };
  const waiting = [{ folder, node: 0 }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    for (const entry of readdirSync(next.folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (!entry.isFile() && !entry.isDirectory()) continue;
      const path = join(next.folder, entry.name);
      const node = tree.parents.length;
      tree.parents.push(next.node);
      tree.ids.push(entry.name);
      tree.weights.push(entry.isFile() ? statSync(path).size : 0);
      if (entry.isDirectory()) waiting.push({ folder: path, node });
    }
  }
  return tree;
}
