import { z } from "zod";
import { decoder } from "./decoder.js";
import { draftOption, engineDraft, openDraft } from "./draft/choose-draft.js";
import { fixedShape, luckyChain } from "./speculate/plan.js";
import { recursiveRejection } from "./speculate/rules.js";
import { speculate } from "./speculate/speculate.js";

/** Chain speculation: several tokens drafted in a row, checked in one pass.
 *  Method   Leviathan et al. 2023, arXiv 2211.17192; Chen et al. 2023, arXiv 2302.01318. The baseline of trees.
 *  Takes    logits f32 [1 + depth, V]; the draft's law q at every token
 *  Gives    accepts x with probability min(1, t(x)/q(x)); after the first rejection draws from (t - q)₊; else one token more
 *  Cost     1 + depth rows a pass, and `depth` calls of the draft. With `adapt` drafts follow their luck: twice as long after a full
 *           hit, as long as what was accepted after a miss
 *  Not      prompt-lookup (the same with one draft and one n-gram), rsd (trees) */
export const chain = decoder({
  name: "chain",
  title: "Several tokens drafted in a row, checked in one pass",
  options: z.object({
    draft: draftOption.default("lookup"),
    depth: z.int().min(1).max(64).default(8).describe("most tokens drafted at once"),
    adapt: z.boolean().default(true).describe("shorter drafts after misses, longer ones after hits"),
  }),
  exact: true,
  rewinds: true,
  draft: ({ draft }) => engineDraft(draft),
  decode: (context, { draft, depth, adapt }) =>
    speculate(context, {
      draft: openDraft(draft, context),
      plan: adapt ? luckyChain(depth) : fixedShape({ kind: "constant", branches: new Array<number>(depth).fill(1) }),
      rule: recursiveRejection,
    }),
});
