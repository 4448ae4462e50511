import { z } from "zod";
import { type DecodeContext, decoder } from "./decoder.js";
import { hasAnswer, patternOf, repeatsItself } from "./rollout/endings.js";
import { type Path, Paths, refuseGreedy } from "./rollout/paths.js";
import { regrowths } from "./rollout/regrowth.js";
import { evenShares, likelihoodWeights, pathsToCome, weightedShares } from "./rollout/shares.js";

/** TreePO, the sampling half: many answers to one prompt as a tree of segments.
 *  Paper    Li, Gu, Wen et al. 2025, "TreePO: Bridging the Gap of Policy Optimization and Efficacy and Inference Efficiency with
 *           Heuristic Tree-based Modeling", arXiv 2508.17445. Page: docs/methods/treepo.md
 *  Takes    logits f32 [live paths, V] of each path's newest token
 *  Does     every live path grows by a segment of tokens; then each that goes on may split, and its copies draw on with random numbers
 *           of their own. Answers that ended hand their branches to the others; when all have ended too soon, new ones begin on
 *           parts of them. Gives every answer with the segments it went through, a weight, log-probabilities and why it ended
 *  Cost     a row for each token of a distinct segment, once, however many answers go through it; entries in memory likewise
 *  Differs  answers carry weights (1 / product of the splits on the way; regrown ones 0), with which estimates are unbiased; patterns
 *           are looked for in the last two segments and repetition in the last 512 characters at least, so that borders hide
 *           nothing; cuts for regrowing are at borders of segments; the order "by finish reason" is left out
 *  Not      independent (its baseline: the same number of answers, only the prompt in common); beams: nothing is ever pruned
 *  Errors   bad-option where the first split is wider than the answers wanted, or a pattern cannot be read; temperature 0 with several
 *           answers, which would all be equal */

const options = z
  .object({
    width: z.number().int().min(1).max(256).default(8).describe("answers wanted"),
    segment: z.number().int().min(1).default(32).describe("tokens between two splits"),
    depth: z
      .number()
      .int()
      .min(1)
      .optional()
      .describe("segments of an answer at most; default as many as its tokens need"),
    branch: z.number().int().min(1).default(2).describe("copies of a path at a split"),
    firstMax: z
      .number()
      .int()
      .min(1)
      .optional()
      .describe("the first split is drawn from branch to this; default branch"),
    divergence: z.enum(["even", "likely", "unlikely"]).default("even").describe("which paths split more"),
    score: z.enum(["sum", "mean", "segment"]).default("mean").describe("log-probability that divergence goes by"),
    spread: z.number().positive().default(1).describe("how little divergence minds the score"),
    answer: z.string().optional().describe("pattern of an answer, a regular expression"),
    ends: z
      .enum(["end", "answer"])
      .default("end")
      .describe('"answer": an answer found ends a path without an end token'),
    repetitionFirst: z
      .boolean()
      .default(false)
      .describe("a path that repeats itself ends so, even where it ends anyway"),
    fallback: z
      .enum(["soft", "all", "longest", "none"])
      .default("soft")
      .describe("answers that others may begin on when all have ended too soon; soft: those that ended of themselves"),
    cut: z
      .enum(["border", "token", "segment", "root"])
      .default("border")
      .describe(
        "where they are cut: a random border, before the least likely token's segment, before an unlikely segment",
      ),
  })
  .refine(({ width, firstMax = 1 }) => firstMax <= width, {
    path: ["firstMax"],
    message: "must not exceed width",
  })
  .refine(({ branch, firstMax = branch }) => firstMax >= branch, {
    path: ["firstMax"],
    message: "must not be below branch",
  })
  .refine(({ answer }) => answer === undefined || patternOf(answer) !== undefined, {
    path: ["answer"],
    message: "must be a regular expression",
  });

type Options = z.output<typeof options>;

export const treepo = decoder({
  name: "treepo",
  title: "Many answers as one tree of segments with a shared cache",
  arxiv: "2508.17445",
  options,
  exact: false,
  rewinds: false,
  shapesMemory: "branches",
  answers: ({ width }) => width,
  draws: ({ width }) => width > 1,
  caution: ({ depth, segment }, maxTokens) =>
    depth !== undefined && depth * segment < maxTokens
      ? `treepo: ${depth} segments of ${segment} tokens are fewer than ${maxTokens} tokens: answers may end by depth.`
      : undefined,
  *decode(context, options) {
    const { width, branch, segment, fallback, depth = Number.POSITIVE_INFINITY } = options;
    const { sampler, prompt, stats } = context;
    const limit = context.remaining();
    const paths = new Paths(context);
    const done: Path[] = [];
    let drawn = 0;
    const chance = () => sampler.uniform(prompt.length, "branch", drawn++);
    /** With so many live ones answers would be missing, and could be begun anew. */
    const mayRegrow = (live: number) => fallback !== "none" && done.length + live < width;
    stats["regrown"] = 0;

    const logits = yield* paths.readPrompt();
    let live = paths.plant(firstCopies(options, chance), { holdRoot: fallback !== "none" });
    for (const path of live) paths.draw(path, logits);
    refuseGreedy(live, width);

    for (;;) {
      const before = done.length;
      const hold = mayRegrow(live.length);
      if (!hold) paths.letGo();
      const end = (path: Path, reason: string) => {
        tell(context, path, segment);
        context.watch?.({ kind: "branch-end", branch: path.ids.at(-1) ?? 0, reason });
        paths.end(path, reason, { hold });
        done.push(path);
        if (path.regrown) stats["regrown"] = (stats["regrown"] ?? 0) + 1;
      };
      // The first token of the segment is drawn.
      for (let grown = 1; ; grown++) {
        for (const path of live) if (path.over) end(path, endOf(path, context, limit, options));
        live = live.filter(({ over }) => !over);
        if (live.length === 0 || grown === segment) break;
        const result = yield* paths.evaluate(live);
        for (const [row, path] of live.entries()) paths.draw(path, result.logits(row));
      }
      const deeper: Path[] = [];
      for (const path of live) {
        const reason = cutOff(path, context, options);
        if (reason !== undefined) end(path, reason);
        else {
          tell(context, path, segment);
          deeper.push(path);
        }
      }

      let starts: readonly { path: Path; copies: number }[] = [];
      if (deeper.length > 0) {
        const ended = done.length - before;
        const total = pathsToCome({ width, done: done.length, ended, deeper: deeper.length, branch });
        const shares = sharesOf(deeper, total, options);
        starts = deeper.map((path, i) => ({ path, copies: shares[i] as number }));
      } else if (fallback !== "none" && mayRegrow(0)) {
        const rule = { ...options, fallback, depth };
        starts = regrowths(done, width - done.length, rule, chance).map(({ from, kept, segments, copies }) => ({
          path: paths.regrow(from, kept, from?.ids.slice(0, segments + 1) ?? [0]),
          copies,
        }));
      }
      if (starts.length === 0) break;
      const result = yield* paths.evaluate(starts.map(({ path }) => path));
      live = starts.flatMap(({ path, copies }, row) => {
        const split = paths.split(path, copies);
        for (const one of split) paths.draw(one, result.logits(row));
        return split;
      });
    }
    paths.close();
  },
});

function firstCopies({ width, branch, firstMax = branch }: Options, chance: () => number): number {
  const least = Math.min(branch, width);
  const most = Math.min(firstMax, width);
  return most === least ? least : least + Math.floor(chance() * (most - least + 1));
}

function sharesOf(paths: readonly Path[], total: number, { divergence, score, spread, segment }: Options): number[] {
  if (divergence === "even") return evenShares(total, paths.length);
  const scores = paths.map(({ choices }) => {
    const counted = score === "segment" ? choices.slice(-segment) : choices;
    const sum = counted.reduce((total, { logProb }) => total + logProb, 0);
    return score === "sum" ? sum : sum / counted.length;
  });
  return weightedShares(total, likelihoodWeights(scores, { favour: divergence, spread }));
}

/** Why a path whose channel takes no more has ended. */
function endOf(path: Path, { tokenizer }: DecodeContext, limit: number, options: Options): string {
  if (options.repetitionFirst && repeatsItself(path, tokenizer, options)) return "repetition";
  const isEnd = tokenizer.endTokens.has(path.choices.at(-1)?.token ?? -1);
  if (isEnd) return hasAnswer(path, tokenizer, options) ? "answer" : "end";
  return path.choices.length >= limit ? "length" : "stop";
}

/** Why a path goes no deeper after a whole segment; undefined where it does. */
function cutOff(path: Path, { tokenizer }: DecodeContext, options: Options): string | undefined {
  const { depth = Number.POSITIVE_INFINITY, repetitionFirst, ends } = options;
  if (repetitionFirst && repeatsItself(path, tokenizer, options)) return "repetition";
  if (ends === "answer" && hasAnswer(path, tokenizer, options)) return "answer";
  if (path.ids.length - 1 >= depth) return "depth";
  return repeatsItself(path, tokenizer, options) ? "repetition" : undefined;
}

/** Shows a whole segment to whoever watches. */
function tell({ watch }: DecodeContext, { ids, choices }: Path, segment: number): void {
  watch?.({
    kind: "branch",
    branch: ids.at(-1) ?? 0,
    from: ids.at(-2) ?? 0,
    tokens: choices.slice((ids.length - 2) * segment).map(({ token }) => token),
  });
}
