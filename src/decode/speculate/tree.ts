import type { Sampler } from "../decoder.js";
import type { DraftNode, Proposal } from "../draft/draft.js";
import type { DrawnToken } from "./rules.js";

/** The tree of one round: the root is the newest token of the text, everything else was drafted. */
export class DraftTree {
  /** Parents before their children; row i of the call that verifies is node i. */
  readonly nodes: TreeNode[];

  constructor(token: number, sampler: Sampler) {
    this.nodes = [new TreeNode(0, token, undefined, sampler)];
  }

  get root(): TreeNode {
    return this.nodes[0]!;
  }

  /** Every node follows the one before. */
  get isChain(): boolean {
    return this.nodes.every(({ parent }, index) => (parent?.index ?? -1) === index - 1);
  }

  /** Adds what was drawn at a node; a token that was drawn there before stays one node. True where it is a new one. */
  draw(parent: TreeNode, token: number, rest = 1): boolean {
    const known = parent.child(token);
    const node = known ?? new TreeNode(this.nodes.length, token, parent);
    if (known === undefined) this.nodes.push(node);
    else known.copies++;
    parent.draws.push({ token, rest, node });
    return known === undefined;
  }

  /** Frees what the nodes' samplers hold. */
  close(): void {
    for (const node of this.nodes) node.close();
  }
}

export class TreeNode implements DraftNode {
  readonly index: number;
  readonly token: number;
  readonly parent: TreeNode | undefined;
  readonly depth: number;
  /** In the order of drawing. */
  readonly draws: (DrawnToken & { readonly node: TreeNode })[] = [];
  /** How often it was drawn. */
  copies = 1;
  /** What the draft said of the token after it. */
  proposal: Proposal | undefined;
  /** Of stochastic beam search: log-probability of the path, and its perturbed form. */
  logProb = 0;
  score = 0;
  #sampler: Sampler | undefined;

  constructor(index: number, token: number, parent: TreeNode | undefined, sampler?: Sampler) {
    this.index = index;
    this.token = token;
    this.parent = parent;
    this.depth = parent === undefined ? 0 : parent.depth + 1;
    this.#sampler = sampler;
  }

  child(token: number): TreeNode | undefined {
    for (const draw of this.draws) if (draw.token === token) return draw.node;
    return undefined;
  }

  sampler(): Sampler {
    if (this.#sampler === undefined) {
      this.#sampler = this.parent!.sampler().fork();
      this.#sampler.accept(this.token);
    }
    return this.#sampler;
  }

  close(): void {
    // The root's belongs to the sequence.
    if (this.parent !== undefined) this.#sampler?.close();
  }
}
