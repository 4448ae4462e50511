import { QuireError } from "../../errors.js";
import type { RandomStream } from "../../tensor/random.js";

/** Binary trees with labels: `.` is the empty tree, `( v L R )` a node. Written and read, traversed, counted, all of a size listed,
 *  and drawn uniformly among the shapes of a size (Rémy's algorithm). */

export interface TreeNode {
  readonly label: string;
  readonly left: Tree;
  readonly right: Tree;
}

/** null is the empty tree. */
export type Tree = TreeNode | null;

export type Traversal = "pre" | "in" | "post";

export function node(label: string, left: Tree = null, right: Tree = null): TreeNode {
  return { label, left, right };
}

export function traverse(tree: Tree, order: Traversal): string[] {
  if (tree === null) return [];
  const [left, right] = [traverse(tree.left, order), traverse(tree.right, order)];
  if (order === "pre") return [tree.label, ...left, ...right];
  return order === "in" ? [...left, tree.label, ...right] : [...left, ...right, tree.label];
}

export function treeSize(tree: Tree): number {
  return tree === null ? 0 : 1 + treeSize(tree.left) + treeSize(tree.right);
}

export function treeHeight(tree: Tree): number {
  return tree === null ? 0 : 1 + Math.max(treeHeight(tree.left), treeHeight(tree.right));
}

export function writeTree(tree: Tree): string[] {
  return tree === null ? ["."] : ["(", tree.label, ...writeTree(tree.left), ...writeTree(tree.right), ")"];
}

export function readTree(symbols: readonly string[]): Tree {
  const { tree, end } = readTreeAt(symbols, 0);
  if (end < symbols.length) throw wrongSymbol(symbols, end, "the end");
  return tree;
}

/** The tree that begins at a symbol, and where it ends. */
export function readTreeAt(symbols: readonly string[], start: number): { tree: Tree; end: number } {
  if (symbols[start] === ".") return { tree: null, end: start + 1 };
  if (symbols[start] !== "(") throw wrongSymbol(symbols, start, "( or .");
  const label = symbols[start + 1];
  if (label === undefined || !isLabel(label)) throw wrongSymbol(symbols, start + 1, "a label");
  const left = readTreeAt(symbols, start + 2);
  const right = readTreeAt(symbols, left.end);
  if (symbols[right.end] !== ")") throw wrongSymbol(symbols, right.end, ")");
  return { tree: node(label, left.tree, right.tree), end: right.end + 1 };
}

export function isLabel(symbol: string): boolean {
  return !/^[().[\];]$/.test(symbol);
}

export function wrongSymbol(symbols: readonly string[], place: number, expected: string): QuireError {
  return new QuireError("bad-input", `Symbol ${place} of "${symbols.join(" ")}" is wrong.`, {
    got: symbols[place] ?? "the end",
    expected: `${expected} at symbol ${place}`,
  });
}

/** A tree without labels: two subtrees, or null. */
export type Shape = readonly [Shape, Shape] | null;

/** Gives the labels to the nodes in preorder. */
export function labelled(shape: Shape, labels: readonly string[]): Tree {
  let given = 0;
  const build = (part: Shape): Tree => {
    if (part === null) return null;
    const label = labels[given++];
    if (label === undefined) {
      throw new QuireError("bad-option", "There are fewer labels than nodes.", { got: labels.length });
    }
    const left = build(part[0]);
    return { label, left, right: build(part[1]) };
  };
  return build(shape);
}

export function allShapes(nodes: number): Shape[] {
  if (nodes === 0) return [null];
  const shapes: Shape[] = [];
  for (let left = 0; left < nodes; left++) {
    const rights = allShapes(nodes - 1 - left);
    for (const a of allShapes(left)) for (const b of rights) shapes.push([a, b]);
  }
  return shapes;
}

/** Every shape of the size with the same probability. The tree grows by one node at a time: a random part of it, leaf or not, is
 *  put under a new node, left or right, with a leaf on the other side. */
export function randomShape(random: RandomStream, nodes: number): Shape {
  // Parts by number: even ones are leaves, odd ones nodes; `place[i]` says which part stands at slot i.
  const place = [0];
  for (let grown = 0; grown < nodes; grown++) {
    const choice = random.below(4 * grown + 2);
    const [slot, right] = [choice >> 1, choice & 1];
    // The new node is part 2·grown + 1; its children's slots are those two.
    const [first, second] = [2 * grown + 1, 2 * grown + 2];
    const moved = place[slot] as number;
    place[slot] = first;
    place[right === 1 ? second : first] = 2 * grown + 2;
    place[right === 1 ? first : second] = moved;
  }
  const build = (slot: number): Shape => {
    const part = place[slot] as number;
    return part % 2 === 0 ? null : [build(part), build(part + 1)];
  };
  return build(0);
}

/** Shapes that random trees hardly ever have. */
export function leftComb(nodes: number): Shape {
  return nodes === 0 ? null : [leftComb(nodes - 1), null];
}

export function rightComb(nodes: number): Shape {
  return nodes === 0 ? null : [null, rightComb(nodes - 1)];
}

export function zigzag(nodes: number, leftFirst: boolean): Shape {
  if (nodes === 0) return null;
  const below = zigzag(nodes - 1, !leftFirst);
  return leftFirst ? [below, null] : [null, below];
}

/** All places filled down to a height. */
export function fullShape(height: number): Shape {
  return height === 0 ? null : [fullShape(height - 1), fullShape(height - 1)];
}

/** One path that turns at random, with single nodes hanging from some of its places: deep, and shallow everywhere else. */
export function deepPath(random: RandomStream, height: number, extra: number): Shape {
  if (height === 0) return null;
  const hangs = extra > 0 && height > 1 && random.below(2) === 0;
  const below = deepPath(random, height - 1, extra - (hangs ? 1 : 0));
  const side: Shape = hangs ? [null, null] : null;
  return random.below(2) === 0 ? [below, side] : [side, below];
}
