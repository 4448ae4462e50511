import type { RowsRequest, RowsResult, Sampler } from "../decoder.js";
import type { Candidates } from "../sample/candidates.js";

/** A draft inside a decoder: guesses what follows a node of a tree, for the target to check. Host drafts (lookup, n-gram) answer at
 *  once; a draft that is a model yields rows `by: "draft"` and is resumed with their logits. `choose-draft.ts` makes any of them
 *  from an option.
 *
 *  One round: `propose` for the root alone, then for the new nodes of each level, then `finish`, the target's call, and `push` of
 *  what became text. Nodes of earlier rounds are void after `push`. */
export interface Draft {
  /** Tokens that became text. The first call brings the whole prompt. The last token pushed is the root of the next round. */
  push(tokens: ArrayLike<number>): void;
  /** What may follow each of `nodes`, in the same order. */
  propose(nodes: readonly DraftNode[], wanted: ProposalWanted): Generator<RowsRequest, readonly Proposal[], RowsResult>;
  /** No more is asked for in this round: what must not be seen while the target verifies is taken back. */
  finish?(): void;
}

export interface ProposalWanted {
  /** "law": a law to draw from, by drafts that have one. "ranked": the likeliest tokens, likeliest first, as a list. Drafts that
   *  only know lists give lists in either case. */
  readonly as: "law" | "ranked";
  /** Most tokens of a list. Laws are not cut. */
  readonly count: number;
}

/** A place in the tree of one round: the root is the newest token of the text, all others are drafted. */
export interface DraftNode {
  /** 0 for the root; parents come before their children. */
  readonly index: number;
  readonly token: number;
  readonly parent: DraftNode | undefined;
  /** 0 for the root. */
  readonly depth: number;
  /** With penalties and grammar as they are when this node's token has been said; not to be advanced. Made when first asked for. */
  sampler(): Sampler;
}

/** What a draft says of the next token. */
export type Proposal =
  /** The law that tokens are drawn from. Its weights need not sum to 1; tokens ascend and weights are above 0. It must be exactly the
   *  law meant: after restriction, temperature and cuts. */
  | { readonly kind: "law"; readonly law: Candidates }
  /** Tokens to try in this order, all different, perhaps none. */
  | { readonly kind: "list"; readonly tokens: Int32Array };

export const nothingProposed: Proposal = { kind: "list", tokens: new Int32Array(0) };
