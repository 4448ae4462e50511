import { isQuireError } from "../../errors.js";
import { type DraftNode, nothingProposed, type Proposal, type ProposalWanted } from "./draft.js";

/** What a draft with logits proposes: with the sequence's own penalties, grammar, temperature and cuts, as the target will have it. */
export function proposalOf(node: DraftNode, logits: Float32Array, { as, count }: ProposalWanted): Proposal {
  const sampler = node.sampler();
  try {
    if (as === "law") return { kind: "law", law: sampler.law(logits) };
    const tokens = sampler.likeliest(logits, count).filter((token) => logits[token] !== Number.NEGATIVE_INFINITY);
    return { kind: "list", tokens };
  } catch (error) {
    // A grammar may forbid every token that a draft with few tokens knows.
    if (isQuireError(error) && logits.includes(Number.NEGATIVE_INFINITY)) return nothingProposed;
    throw error;
  }
}
