/** The map as data: one tree of topics down to chunks, as the server sends it and `quire map --json` prints it. */
export interface MapNode {
  readonly id: string;
  readonly name: string;
  /** Words that set the topic apart, best first. */
  readonly terms?: readonly string[];
  /** Characters of text. */
  readonly size: number;
  readonly children?: readonly MapNode[];
  readonly chunk?: MapChunk;
}

export interface MapChunk {
  readonly file: string;
  readonly start_line: number;
  readonly end_line: number;
}

/** Every node, parents first. */
export function* mapNodes(root: MapNode): Generator<{ node: MapNode; depth: number }> {
  const open = [{ node: root, depth: 0 }];
  while (open.length > 0) {
    const entry = open.pop()!;
    yield entry;
    const children = entry.node.children ?? [];
    for (let i = children.length - 1; i >= 0; i--) open.push({ node: children[i]!, depth: entry.depth + 1 });
  }
}

/** The tree to a depth: 1 = the root and its topics. What lies below is cut off; sizes stay. */
export function cutMap(root: MapNode, depth: number): MapNode {
  if (root.children === undefined) return root;
  if (depth > 0) return { ...root, children: root.children.map((child) => cutMap(child, depth - 1)) };
  const { children, ...rest } = root;
  return rest;
}
