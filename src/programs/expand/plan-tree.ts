import type { QuireError } from "../../errors.js";

/** The tree of a plan that is being carried out: plain data, so that a run can be written down and gone on with. */

export type PlanStatus = "pending" | "completed" | "stub" | "error" | "skip";

export interface PlanNode {
  readonly id: number;
  readonly parent: number | undefined;
  /** 0 for the root. */
  readonly depth: number;
  /** One statement. */
  readonly code: string;
  status: PlanStatus;
  /** What the model thought when it wrote the children. */
  thought?: string;
  /** Printed lines and results of actions. */
  observations: string[];
  /** Actions made by the statement, in order: a statement that is run again after a stop makes none of them twice. */
  actions: PlanAction[];
  error?: string;
  children: number[];
}

export interface PlanAction {
  readonly name: string;
  readonly args: readonly unknown[];
  readonly result: unknown;
}

export interface PlanTree {
  readonly nodes: PlanNode[];
  /** The node to work on; undefined when there is none left. */
  current: number | undefined;
  variables: Record<string, unknown>;
  notes: string[];
}

export type PlanEnd = "finished" | "answered" | "depth" | "rewrite" | "error" | "actions";

export interface PlanResult {
  readonly reason: PlanEnd;
  readonly answer: unknown;
  readonly tree: PlanTree;
  readonly actions: number;
  readonly calls: number;
  readonly error?: QuireError;
}

export function newTree(root: string, variables: Record<string, unknown>): PlanTree {
  const tree: PlanTree = { nodes: [], current: 0, variables: { ...variables }, notes: [] };
  addNode(tree, root, undefined);
  return tree;
}

export function addNode(tree: PlanTree, code: string, parent: PlanNode | undefined): PlanNode {
  const node: PlanNode = {
    id: tree.nodes.length,
    parent: parent?.id,
    depth: parent === undefined ? 0 : parent.depth + 1,
    code,
    status: "pending",
    observations: [],
    actions: [],
    children: [],
  };
  tree.nodes.push(node);
  parent?.children.push(node.id);
  return node;
}

export function nodeOf(tree: PlanTree, id: number): PlanNode {
  return tree.nodes[id] as PlanNode;
}

/** Depth first, left to right: a pending child, else a pending later sibling of it or of those above. */
export function nextOf(tree: PlanTree, node: PlanNode): PlanNode | undefined {
  const child = node.children.map((id) => nodeOf(tree, id)).find(({ status }) => status === "pending");
  if (child !== undefined) return child;
  return later(tree, node);
}

function later(tree: PlanTree, node: PlanNode): PlanNode | undefined {
  if (node.parent === undefined) return undefined;
  const parent = nodeOf(tree, node.parent);
  const after = parent.children.slice(parent.children.indexOf(node.id) + 1);
  const sibling = after.map((id) => nodeOf(tree, id)).find(({ status }) => status === "pending");
  return sibling ?? later(tree, parent);
}

/** Stubs all of whose children are done once this node is, innermost first. */
export function closedBy(tree: PlanTree, node: PlanNode): PlanNode[] {
  const closed: PlanNode[] = [];
  let inner = node;
  while (inner.parent !== undefined) {
    const parent = nodeOf(tree, inner.parent);
    if (parent.children.at(-1) !== inner.id) break;
    closed.push(parent);
    inner = parent;
  }
  return closed;
}

const signs: Record<PlanStatus, string> = { pending: "○", completed: "●", stub: "▸", error: "✗", skip: "–" };

/** The tree as an outline. */
export function outlineOf(tree: PlanTree): string {
  const lines: string[] = [];
  const write = (node: PlanNode): void => {
    const isCurrent = node.id === tree.current && node.status === "pending";
    lines.push(`${"  ".repeat(node.depth)}${isCurrent ? "→" : signs[node.status]} ${oneLine(node.code)}`);
    if (node.error !== undefined) lines.push(`${"  ".repeat(node.depth + 1)}${oneLine(node.error)}`);
    for (const child of node.children) write(nodeOf(tree, child));
  };
  const [root] = tree.nodes;
  if (root !== undefined) write(root);
  return lines.join("\n");
}

function oneLine(code: string): string {
  const line = code.replace(/\s+/g, " ").trim();
  return line.length > 120 ? `${line.slice(0, 119)}…` : line;
}
