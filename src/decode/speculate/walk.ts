import type { Choice, DecodeContext, RowsResult, Sampler } from "../decoder.js";
import { probabilityOf } from "./law.js";
import type { RoundOutcome } from "./plan.js";
import type { VerificationRule } from "./rules.js";
import type { DraftTree, TreeNode } from "./tree.js";

/** Down the tree with what the target says of each node: tokens are accepted, drawn and handed out. */

export interface Walk {
  /** What came out. */
  readonly tokens: readonly number[];
  /** The drafted nodes among it, which are all but the last, or all where the sequence ended at one. */
  readonly accepted: readonly TreeNode[];
  readonly over: boolean;
  readonly tests: RoundOutcome["tests"];
}

/** `position` is that of the first token to come. The sampler goes along, so that only nodes that are reached cost anything. */
export function walk(
  { sampler, emit }: Pick<DecodeContext, "sampler" | "emit">,
  tree: DraftTree,
  result: RowsResult,
  position: number,
  rule: VerificationRule,
): Walk {
  const tokens: number[] = [];
  const accepted: TreeNode[] = [];
  const tests: { accepted: boolean; draw: number; draws: number }[] = [];
  let node = tree.root;
  for (;;) {
    const { choice, draw } = chosen(sampler, node, result.logits(node.index), position + node.depth, rule);
    const child = draw < 0 ? undefined : node.draws[draw]!.node;
    if (node.draws.length > 0) tests.push({ accepted: draw >= 0, draw, draws: node.draws.length });
    tokens.push(choice.token);
    if (child !== undefined) accepted.push(child);
    const over = emit(choice);
    if (over || child === undefined) return { tokens, accepted, over, tests };
    node = child;
  }
}

/** The token after a node, and which of its draws it is. */
function chosen(
  sampler: Sampler,
  { proposal, draws }: TreeNode,
  logits: Float32Array,
  position: number,
  rule: VerificationRule,
): { choice: Choice; draw: number } {
  if (draws.length === 0 || proposal?.kind !== "law") {
    const choice = sampler.next(logits, position);
    return { choice, draw: draws.findIndex(({ token }) => token === choice.token) };
  }
  const target = sampler.law(logits);
  const accept = (probability: number, draw: number) => sampler.uniform(position, "accept", draw) < probability;
  const verdict = rule(target, proposal.law, draws, accept);
  const token =
    verdict.residual === undefined
      ? draws[verdict.accepted]!.token
      : verdict.residual.draw(sampler.uniform(position, "correct"));
  const logProb = Math.log(probabilityOf(target, token));
  return { choice: sampler.take(logits, token, logProb), draw: verdict.accepted };
}
