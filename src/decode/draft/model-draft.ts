import { QuireError } from "../../errors.js";
import type { DraftContext, RowsRequest, RowsResult } from "../decoder.js";
import type { Draft, DraftNode, Proposal, ProposalWanted } from "./draft.js";
import { proposalOf } from "./proposal-of.js";

/** A model that drafts. Its memory follows the text: what it lacks is fed with the next root. Within a round a chain simply goes on in
 *  that memory; from the first level with several nodes on, each node is a branch. What became text stays where it was drafted, except
 *  where the memory is the target's own: there nothing of a round may be left when the target verifies. */
export class ModelDraft implements Draft {
  readonly #draft: DraftContext;
  readonly #text: number[] = [];
  /** Nodes of this round whose rows are in the memory, by index. */
  #evaluated = new Map<number, Evaluated>();
  #shape: "none" | "chain" | "tree" = "none";

  constructor(draft: DraftContext) {
    this.#draft = draft;
  }

  push(tokens: ArrayLike<number>): void {
    const news = Array.from(tokens);
    if (this.#shape !== "none") this.#settle(news);
    this.#text.push(...news);
  }

  *propose(
    nodes: readonly DraftNode[],
    wanted: ProposalWanted,
  ): Generator<RowsRequest, readonly Proposal[], RowsResult> {
    const { memory } = this.#draft;
    const [first] = nodes;
    if (first === undefined) return [];
    let request: RowsRequest;
    if (first.parent === undefined) {
      if (this.#shape !== "none") this.#settle([]);
      // All of the text but what is held; at least its last token.
      const known = Math.min(memory.length, this.#text.length - 1);
      if (known < memory.length) memory.rewind(known);
      request = { tokens: Int32Array.from(this.#text.slice(known)), want: "last", by: "draft" };
      this.#shape = "chain";
    } else if (nodes.length === 1 && this.#shape === "chain" && first.depth === this.#evaluated.size) {
      request = { tokens: Int32Array.of(first.token), want: "last", by: "draft" };
    } else {
      request = this.#branchOut(nodes);
    }
    const result = yield request;
    for (const node of nodes)
      if (!this.#evaluated.has(node.index)) this.#evaluated.set(node.index, { node, branch: 0 });
    const rowOf = request.want === "all" ? (at: number) => at : () => request.tokens.length - 1;
    return nodes.map((node, at) => proposalOf(node, result.logits(rowOf(at)), wanted));
  }

  finish(): void {
    if (this.#draft.shared) this.#drop();
  }

  /** Every node goes on from its parent's branch in one of its own. */
  #branchOut(nodes: readonly DraftNode[]): RowsRequest {
    const { branches } = this.#draft.memory;
    if (branches === undefined) throw new QuireError("bad-input", "The draft's memory has no branches.");
    this.#shape = "tree";
    const of = Int32Array.from(nodes, (node) => {
      const parent = this.#evaluated.get(node.parent?.index ?? -1);
      if (parent === undefined) throw new QuireError("bad-input", "A drafted token follows none that was evaluated.");
      const branch = branches.fork(parent.branch, 1)[0] as number;
      this.#evaluated.set(node.index, { node, branch });
      return branch;
    });
    return {
      tokens: Int32Array.from(nodes, ({ token }) => token),
      want: "all",
      sees: { kind: "branches", of },
      by: "draft",
    };
  }

  /** Keeps what became text of a round, takes back the rest. */
  #settle(news: readonly number[]): void {
    const { memory } = this.#draft;
    const rootLength = this.#text.length;
    if (this.#shape === "none" || memory.length < rootLength) {
      // The memory was given up in between: the text will be fed anew.
      this.#forget();
      return;
    }
    let last: Evaluated | undefined = [...this.#evaluated.values()].find(({ node }) => node.parent === undefined);
    let kept = 0;
    for (const token of news) {
      const next = [...this.#evaluated.values()].find(
        ({ node }) => node.parent !== undefined && node.parent.index === last?.node.index && node.token === token,
      );
      if (next === undefined) break;
      last = next;
      kept++;
    }
    const line = last?.branch ?? 0;
    const others = new Set([...this.#evaluated.values()].map(({ branch }) => branch));
    if (this.#shape === "tree") for (const branch of others) if (branch !== line) memory.branches?.free(branch);
    memory.rewind(rootLength + kept);
    this.#forget();
  }

  #drop(): void {
    const { memory } = this.#draft;
    memory.rewind(Math.min(memory.length, this.#text.length - 1));
    this.#forget();
  }

  #forget(): void {
    this.#evaluated = new Map();
    this.#shape = "none";
  }
}

interface Evaluated {
  readonly node: DraftNode;
  /** 0: it lies on the line that the text takes. */
  readonly branch: number;
}
