import { z } from "zod";
import { decoder } from "./decoder.js";
import { draftOption, engineDraft, openDraft } from "./draft/choose-draft.js";
import { fixedShape } from "./speculate/plan.js";
import { independentRejection } from "./speculate/rules.js";
import { branchesOf, branchesOption } from "./speculate/shape-options.js";
import { speculate } from "./speculate/speculate.js";

/** SpecInfer: a tree of drafts drawn independently, checked in one pass.
 *  Method   Miao et al. 2024, arXiv 2305.09781. A baseline of rsd.
 *  Takes    logits f32 [1 + nodes, V]; the draft's law q at every node
 *  Gives    tests the draws of a node in turn: accepts x with probability min(1, r(x)/q(x)), else r := (r - q)₊; draws from r in the end
 *  Cost     1 + nodes rows a pass; a token drawn twice is one row, tested twice, with twice the children
 *  Not      spectr (one measure for all draws), rsd (draws without replacement) */
export const specinfer = decoder({
  name: "specinfer",
  title: "A tree of independent drafts, checked in one pass",
  options: z.object({ draft: draftOption.default("lookup"), branches: branchesOption("2-2-2") }),
  exact: true,
  rewinds: true,
  draft: ({ draft }) => engineDraft(draft),
  decode: (context, { draft, branches }) =>
    speculate(context, {
      draft: openDraft(draft, context),
      plan: fixedShape({ kind: "independent", branches: branchesOf(branches) }),
      rule: independentRejection,
    }),
});
