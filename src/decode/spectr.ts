import { z } from "zod";
import { decoder } from "./decoder.js";
import { draftOption, engineDraft, openDraft } from "./draft/choose-draft.js";
import { fixedShape } from "./speculate/plan.js";
import { sequentialSelection } from "./speculate/rules.js";
import { branchesOf, branchesOption } from "./speculate/shape-options.js";
import { speculate } from "./speculate/speculate.js";

/** SpecTr: several sequences drafted independently, chosen among by one measure, checked in one pass.
 *  Method   Sun et al. 2023, arXiv 2310.15141, k-sequential selection. A baseline of rsd.
 *  Takes    logits f32 [1 + nodes, V]; the draft's law q at every node
 *  Gives    accepts the first draw x that passes with probability min(1, t(x)/(ρ q(x))), ρ solved for at each node; else draws from
 *           (t - ρq)₊
 *  Cost     1 + nodes rows a pass, and a bisection over the tokens of q at each node that is reached
 *  Not      specinfer (what is left of the law after each rejection), rsd (draws without replacement) */
export const spectr = decoder({
  name: "spectr",
  title: "Several drafts in a row side by side, checked in one pass",
  options: z.object({ draft: draftOption.default("lookup"), branches: branchesOption("3-1-1-1") }),
  exact: true,
  rewinds: true,
  draft: ({ draft }) => engineDraft(draft),
  decode: (context, { draft, branches }) =>
    speculate(context, {
      draft: openDraft(draft, context),
      plan: fixedShape({ kind: "independent", branches: branchesOf(branches) }),
      rule: sequentialSelection,
    }),
});
