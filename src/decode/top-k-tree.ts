import { z } from "zod";
import { decoder } from "./decoder.js";
import { draftOption, engineDraft, openDraft } from "./draft/choose-draft.js";
import { fixedShape } from "./speculate/plan.js";
import { recursiveRejection } from "./speculate/rules.js";
import { branchesOf, branchesOption } from "./speculate/shape-options.js";
import { speculate } from "./speculate/speculate.js";

/** Top-k tree: a tree of the draft's likeliest tokens, checked in one pass.
 *  Method   the tree of Medusa and others, with exact acceptance. A baseline of rsd.
 *  Takes    logits f32 [1 + nodes, V]; the draft's likeliest tokens at every node
 *  Gives    draws each token from the target and follows it where the tree has it: the tokens of plain decoding, at any temperature
 *  Cost     1 + nodes rows a pass
 *  Not      rsd, specinfer, spectr (children are drawn, and accepted with a probability) */
export const topKTree = decoder({
  name: "top-k-tree",
  title: "A tree of the draft's likeliest tokens, checked in one pass",
  options: z.object({ draft: draftOption.default("lookup"), branches: branchesOption("2-2-2") }),
  exact: true,
  rewinds: true,
  draft: ({ draft }) => engineDraft(draft),
  decode: (context, { draft, branches }) =>
    speculate(context, {
      draft: openDraft(draft, context),
      plan: fixedShape({ kind: "likeliest", branches: branchesOf(branches) }),
      // Nothing is drawn, so no rule is asked.
      rule: recursiveRejection,
    }),
});
