import type { RowsRequest, RowsResult } from "../decoder.js";
import type { Draft, Proposal } from "../draft/draft.js";
import { indexDrawn } from "./law.js";
import { Lottery } from "./lottery.js";
import type { DraftTree, TreeNode } from "./tree.js";

/** Grows the tree of a round, level by level. How many children a node gets may depend on what was drawn before them and on scores,
 *  never on the tokens themselves: else the output would no longer have the target's law. Only the end of the text is different,
 *  because nothing follows it. */

export type TreeShape =
  /** Every node of a level has the same number of children, drawn without replacement. */
  | { readonly kind: "constant"; readonly branches: readonly number[] }
  /** The same with replacement: a token drawn twice has twice the children. */
  | { readonly kind: "independent"; readonly branches: readonly number[] }
  /** The likeliest children, not drawn. */
  | { readonly kind: "likeliest"; readonly branches: readonly number[] }
  /** Stochastic beam search: the `width` best of each level by perturbed log-probability. */
  | { readonly kind: "beam"; readonly width: number; readonly depth: number };

export interface GrowOptions {
  readonly draft: Draft;
  readonly shape: TreeShape;
  /** Levels that are of use at most. */
  readonly deepest: number;
  readonly endTokens: ReadonlySet<number>;
  /** Nothing is drawn: lists of the likeliest are wanted. */
  readonly greedy: boolean;
  /** Uniform numbers of a level, by index. */
  uniform(depth: number, index: number): number;
}

export type Growth = Generator<RowsRequest, void, RowsResult>;

export function depthOf(shape: TreeShape): number {
  return shape.kind === "beam" ? shape.depth : shape.branches.length;
}

export function* growTree(tree: DraftTree, options: GrowOptions): Growth {
  const { draft, shape, endTokens, greedy } = options;
  const depth = Math.min(depthOf(shape), options.deepest);
  const as = greedy || shape.kind === "likeliest" ? "ranked" : "law";
  let level: TreeNode[] = [tree.root];
  for (let above = 0; above < depth; above++) {
    const open = level.filter((node) => node.depth === 0 || !endTokens.has(node.token));
    if (open.length === 0) return;
    const count = shape.kind === "beam" ? shape.width : shape.branches[above]!;
    const proposals = yield* draft.propose(open, { as, count });
    for (const [i, node] of open.entries()) node.proposal = proposals[i];
    const numbers = (index: number) => options.uniform(above + 1, index);
    const from = tree.nodes.length;
    if (shape.kind === "beam") growBeam(tree, open, count, numbers);
    else if (shape.kind === "independent") growIndependent(tree, open, count, numbers);
    else growConstant(tree, open, count, numbers);
    level = tree.nodes.slice(from);
  }
}

/** Numbers are told apart by node of the level, draw, and use (0: which token, 1: its score). */
function numberOf(node: number, draw: number, use: 0 | 1): number {
  return 2 * (1024 * node + draw) + use;
}

type Numbers = (index: number) => number;

function growConstant(tree: DraftTree, level: readonly TreeNode[], count: number, numbers: Numbers): void {
  for (const [at, node] of level.entries()) {
    const { proposal } = node;
    if (proposal?.kind !== "law") {
      for (const token of listed(proposal).subarray(0, count)) tree.draw(node, token);
      continue;
    }
    const lottery = new Lottery(proposal.law);
    for (let draw = 0; draw < count && !lottery.isEmpty; draw++) {
      const { rest } = lottery;
      const index = lottery.draw(numbers(numberOf(at, draw, 0)));
      if (index >= 0) tree.draw(node, proposal.law.tokens[index]!, rest);
    }
  }
}

function growIndependent(tree: DraftTree, level: readonly TreeNode[], count: number, numbers: Numbers): void {
  for (const [at, node] of level.entries()) {
    const { proposal } = node;
    if (proposal?.kind !== "law") {
      for (const token of listed(proposal).subarray(0, count)) tree.draw(node, token);
      continue;
    }
    const { tokens, weights, total } = proposal.law;
    for (let draw = 0; draw < count * node.copies; draw++) {
      const index = indexDrawn(weights, numbers(numberOf(at, draw, 0)), total);
      if (index >= 0) tree.draw(node, tokens[index]!, total);
    }
  }
}

/** A node of the beam with the score of the child that it would give next. */
interface Candidate {
  readonly node: TreeNode;
  readonly lottery: Lottery | undefined;
  readonly list: Int32Array;
  given: number;
  score: number;
}

/** Scores under a parent descend as arrivals of a Poisson process do: the first child arrives when its parent did, by whom its score
 *  is conditioned, each next one an exponential time later at the rate of what is left. In law this is Gumbel noise on every token,
 *  conditioned on the greatest being the parent's (Kool et al. 2019), but only children that are looked at cost anything. */
function growBeam(tree: DraftTree, level: readonly TreeNode[], width: number, numbers: Numbers): void {
  const candidates: Candidate[] = level.map((node) => {
    const { proposal } = node;
    const lottery = proposal?.kind === "law" ? new Lottery(proposal.law) : undefined;
    return { node, lottery, list: listed(proposal), given: 0, score: lottery === undefined ? 0 : node.score };
  });
  for (let kept = 0; kept < width; kept++) {
    let best = -1;
    for (const [at, { lottery, list, given, score }] of candidates.entries()) {
      if (lottery === undefined ? given >= list.length : lottery.isEmpty) continue;
      if (best < 0 || score > candidates[best]!.score) best = at;
    }
    if (best < 0) return;
    const candidate = candidates[best]!;
    const { node, lottery, list } = candidate;
    if (lottery === undefined) {
      // Lists take turns: first choices of all come before second ones.
      tree.draw(node, list[candidate.given++]!);
      candidate.score = -candidate.given;
      continue;
    }
    const { law } = node.proposal as Extract<Proposal, { kind: "law" }>;
    const { rest } = lottery;
    const index = lottery.draw(numbers(numberOf(best, candidate.given, 0)));
    tree.draw(node, law.tokens[index]!, rest);
    const child = tree.nodes.at(-1)!;
    child.logProb = node.logProb + Math.log(law.weights[index]! / law.total);
    child.score = candidate.score;
    candidate.given++;
    const wait = -Math.log(1 - numbers(numberOf(best, candidate.given, 1)));
    const rate = node.logProb + Math.log(lottery.rest / law.total);
    candidate.score = -logOfSum(-candidate.score, Math.log(wait) - rate);
  }
}

/** ln(e^a + e^b). */
function logOfSum(a: number, b: number): number {
  const greater = Math.max(a, b);
  return greater + Math.log1p(Math.exp(Math.min(a, b) - greater));
}

function listed(proposal: Proposal | undefined): Int32Array {
  return proposal?.kind === "list" ? proposal.tokens : new Int32Array(0);
}
