import { z } from "zod";
import { decoder } from "./decoder.js";
import { draftOption, engineDraft, openDraft } from "./draft/choose-draft.js";
import { autoPlan } from "./speculate/auto-plan.js";
import { fixedShape, type ShapePlan } from "./speculate/plan.js";
import { recursiveRejection } from "./speculate/rules.js";
import { branchesOf, branchesOption, rowLimit } from "./speculate/shape-options.js";
import { speculate } from "./speculate/speculate.js";

/** RSD: a tree of drafts drawn without replacement, checked in one pass, with the target's law kept exactly.
 *  Paper    Jeon et al. 2024, "Recursive Speculative Decoding: Accelerating LLM Inference via Sampling Without Replacement", arXiv
 *           2402.14160. Page: docs/methods/rsd.md
 *  Takes    logits f32 [1 + nodes, V]; the draft's law q at every node
 *  Does     constant: every node has `branches` children, drawn one after the other without putting back; beam: stochastic beam
 *           search, the `width` best of each level. Down the tree, child x_j is accepted with probability min(1, r(x_j)/Q(x_j)), Q the
 *           law that it was drawn from; a rejection leaves r := (r - Q)₊. auto: a beam or a chain as wide and deep as pays here
 *  Cost     1 + Σ Π branches or 1 + width·depth rows a pass; `depth` calls of the draft, the last level is not evaluated; a scan of
 *           the vocabulary a draw, and one or two a rejection
 *  Differs  children come from sequential draws and scores from exponential waits instead of a Gumbel number a token: the same law,
 *           without a logarithm for each of V tokens. Drafts that only list tokens are followed as plain decoding draws
 *  Not      specinfer and spectr (siblings drawn independently), top-k-tree (siblings not drawn), chain (one child)
 *  Errors   bad-option for counts below 1, trees above 512 rows, drafts of no known kind */
export const rsd = decoder({
  name: "rsd",
  title: "A tree of drafts drawn without replacement, checked in one pass",
  arxiv: "2402.14160",
  options: z
    .object({
      shape: z
        .enum(["auto", "beam", "constant"])
        .default("auto")
        .describe("auto: as large as pays, or none; beam: by width and depth; constant: by branches"),
      width: z.int().min(1).max(64).default(3).describe("nodes a level; with auto the most"),
      depth: z.int().min(1).max(64).optional().describe("levels, default 4; with auto the most, default 15"),
      branches: branchesOption("2-2-2"),
      draft: draftOption.default("lookup"),
    })
    .refine(({ width, depth = 4 }) => width * depth < rowLimit, {
      path: ["width"],
      message: `times depth makes more than the ${rowLimit} rows of a call`,
    }),
  exact: true,
  rewinds: true,
  draft: ({ draft }) => engineDraft(draft),
  decode: (context, options) =>
    speculate(context, {
      draft: openDraft(options.draft, context),
      plan: planOf(options),
      rule: recursiveRejection,
    }),
});

interface ShapeChoice {
  readonly shape: "auto" | "beam" | "constant";
  readonly width: number;
  readonly depth?: number;
  readonly branches: string | number;
  readonly draft: string;
}

function planOf({ shape, width, depth, branches, draft }: ShapeChoice): ShapePlan {
  switch (shape) {
    case "auto":
      return autoPlan({ width, depth: depth ?? 15, isFree: draft === "lookup" });
    case "beam":
      return fixedShape({ kind: "beam", width, depth: depth ?? 4 });
    case "constant":
      return fixedShape({ kind: "constant", branches: branchesOf(branches) });
    default:
      return shape satisfies never;
  }
}
