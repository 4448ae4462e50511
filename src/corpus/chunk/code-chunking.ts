/** Code chunking: source files are cut between syntactic units, by packing, along the tree, or where a model says that a new part
 *  begins; any language, also those without a grammar.
 *  Paper    Glasz et al. 2025, "Can LLMs Replace Humans During Code Chunking?", arXiv 2506.19897; `by=ast` after cAST, arXiv
 *           2506.15655. Page: docs/methods/code-chunking.md
 *  Takes    a document's text, its language by name or looks; for by=llm a model's JSON answers, or probabilities of two answers
 *  Does     units by grammar, line rules (MUMPS, HLASM, COBOL, SQL, shell), indentation, or 20 lines; then structure: packs them up
 *           to `tokens`; ast: splits and packs nodes of the tree; llm: wished cuts, completed by dynamic programming so that no
 *           part is above `tokens`
 *  Gives    chunks of at most `tokens` tokens by one tokenisation of the file; their headers are the signatures above them
 *  Cost     a parse; by=llm list: one reading of the file and some 8 tokens a cut; score: one prompt of about 1,300 tokens a unit
 *  Differs  the study publishes no prompt, so the prompts are ours; comments are kept; scores of unchanged units are not kept
 *  Not      recursive (any text, by blank lines), meta-chunking (prose)
 *  Errors   bad-option for a language without a grammar at rule=grammar; unsupported for by=llm without a model; an answer that
 *           cannot be used leads to the next way, and is said */

import { z } from "zod";
import { QuireError } from "../../errors.js";
import type { TextScoring } from "../../text/text-scoring.js";
import { chunksFromRanges, type IndexRange } from "./build-chunk.js";
import { type ChunkContext, type ChunkModel, chunker, chunkerName } from "./chunker.js";
import { chooseCuts } from "./code/choose-cuts.js";
import { codeUnits, type Units } from "./code/code-units.js";
import { type AskedFile, isUnusableAnswer, listedCuts, scoredCuts } from "./code/partition-points.js";
import { pack, tokenMeasure } from "./code/token-measure.js";

const options = z.object({
  by: z.enum(["structure", "ast", "llm"]).default("structure").describe("structure, ast or llm"),
  tokens: z.int().min(64).max(100_000).default(1024).describe("most tokens of a part, 64 to 100,000"),
  mode: z.enum(["auto", "list", "score"]).default("auto").describe("llm: auto (score below 3B weights), list or score"),
  rule: z
    .enum(["auto", "grammar", "lines", "generic"])
    .default("auto")
    .describe("units: auto, grammar, lines or generic"),
  language: z
    .string()
    .optional()
    .describe("the language, by its extension or name, where the file's name does not say it"),
  share: z
    .number()
    .min(0.1)
    .max(0.8)
    .default(0.6)
    .describe("llm list: share of the context that the file takes, 0.1 to 0.8"),
  seed: z.int().min(0).default(0).describe("llm list: of the units' ids"),
});

type Options = z.output<typeof options>;

export const codeChunking = chunker({
  name: "code-chunking",
  title: "A language model chooses cuts among syntactic units",
  arxiv: "2506.19897",
  options,
  asksModel: ({ by }) => by === "llm",
  create: (chosen, label) =>
    async function* (document, context) {
      const { text, uri } = document;
      if (text === "") return;
      const { tokens: limit, rule, language, by } = chosen;
      if (by === "llm" && context.model === undefined) throw noModel();
      const measure = tokenMeasure(text, context);
      const note = context.note?.bind(context);
      const along = by === "ast";
      const found = await codeUnits({ text, uri }, { rule, language, limit, measure, along, note });
      const file: AskedFile = { ...{ text, measure, limit }, ...found, signal: context.signal };
      const ranges =
        by === "llm" ? await chosenByModel(file, uri, found, context, chosen) : pack(found.units, limit, measure);
      yield* chunksFromRanges(
        document,
        chunkerName({ label, asksModel: by === "llm" }, context.model),
        ranges,
        context.signal,
      );
    },
});

function noModel(): QuireError {
  return new QuireError("unsupported", "code-chunking:by=llm asks a language model.", {
    got: "no model",
    expected: "a model on this machine or an endpoint",
    fix: "Choose a model (--model), or by=structure, which needs none.",
  });
}

/** Ways in the order in which they are tried. */
async function chosenByModel(
  file: AskedFile,
  uri: string,
  { isPiece }: Units,
  { model, note }: ChunkContext,
  { mode, seed, share }: Options,
): Promise<readonly IndexRange[]> {
  const { units, measure, limit } = file;
  const tokens = units.map(({ start, end }) => measure.tokens(start, end));
  if (units.length < 2 || model === undefined) return pack(units, limit, measure);
  for (const way of waysOf(model, mode)) {
    try {
      const scores = await (way === "list"
        ? listedCuts(file, model, model.answer!, { seed, share })
        : scoredCuts(file, model as ChunkModel & { readonly scoring: TextScoring }));
      const starts = chooseCuts(
        tokens,
        scores.map((score, i) => (isPiece[i] ? 0 : score)),
        limit,
      );
      return starts.map((unit, i) => ({
        start: units[unit]!.start,
        end: units[starts[i + 1] ?? units.length]?.start ?? file.text.length,
      }));
    } catch (error) {
      if (!isUnusableAnswer(error)) throw error;
      note?.(`${uri}: ${model.id} could not choose cuts by ${way} (${(error as Error).message})`);
    }
  }
  note?.(`${uri}: units are packed instead, without a model.`);
  return pack(units, limit, measure);
}

function waysOf(
  { answer, scoring, parameters = Number.POSITIVE_INFINITY }: ChunkModel,
  mode: Options["mode"],
): ("list" | "score")[] {
  const wanted = mode === "auto" ? (parameters < 3e9 && scoring !== undefined ? "score" : "list") : mode;
  const ways: ("list" | "score")[] = wanted === "list" ? ["list", "score"] : ["score"];
  return ways.filter((way) => (way === "list" ? answer : scoring) !== undefined);
}
