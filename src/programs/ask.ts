import { z } from "zod";
import type { CandidateSource, Evidence, EvidenceBudget, SelectContext, Selector } from "../corpus/select/selector.js";
import { QuireError } from "../errors.js";
import { type Answered, type AskEvent, answerFrom } from "./ask-answer.js";
import type { AnswerCitation, AnswerEvidence, ReadRange } from "./ask-evidence.js";
import { gather } from "./ask-gather.js";
import { passagesPrompt } from "./ask-prompt.js";
import { parseQuestion } from "./ask-question.js";
import type { CallUsage } from "./language-model.js";
import { program } from "./program.js";
import type { Embed } from "./rank-sentences.js";
import { noModelId } from "./run.js";
import { type SelectHooks, Selection, type SelectionNote } from "./selection.js";
import { messageOverheadTokens } from "./token-estimate.js";

/** Answers a question from documents, with numbered citations that are checked.
 *  Takes    a question and a way to select evidence within a token budget; a model, or none
 *  Gives    the answer as it streams, the evidence with exact byte ranges and quotes, and what it cost
 *  Does     selects passages, follows names they lead to, and asks the model by one of three strategies: `passages` (all in one
 *           prompt), `sentences` (very small models: the likeliest sentences one by one, an answer counts only if its words stand
 *           there), `extract` (no model: the likeliest sentences themselves)
 *  Cost     1 call; `sentences` up to 3 short ones; `extract` none
 *  Errors   bad-input for an empty question; context-overflow when not even one passage can fit the window */

export interface AskInput {
  readonly question: string;
  /** Evidence within the budget, best first; called again for names that the first passages lead to. */
  select(query: string, budget: EvidenceBudget, hooks: SelectHooks): Promise<readonly Evidence[]>;
  /** The document's text at a range as it is now: passages that have changed are left out. */
  readonly readRange?: ReadRange;
  /** Unit-length embeddings: sentences are then found by meaning too. */
  readonly embed?: Embed;
  /** The answer, piece by piece. */
  onText?(text: string): void;
  onEvent?(event: AskEvent): void;
}

export interface AskOutput {
  readonly answer: string;
  readonly evidence: readonly AnswerEvidence[];
  readonly citations: readonly AnswerCitation[];
  /** The evidence does not hold an answer; `evidence` is what came nearest. */
  readonly unsupported: boolean;
  /** Rationales, passages left out and why, what stood in for what failed: empty for the plain selectors. */
  readonly selection: readonly SelectionNote[];
  /** A model's words, a sentence of the documents, or passages only. */
  readonly answeredBy: Answered["answeredBy"];
  readonly usage: CallUsage & { readonly calls: number };
  /** Undefined where none answered. */
  readonly model: string | undefined;
  readonly checks: {
    /** Citations of the model that pointed to nothing and were taken out. */
    readonly removedCitations: number;
    /** Passages left out because their document has changed since it was indexed. */
    readonly stalePassages: number;
  };
}

const tinyModel = 1e9;
const withoutModelTokens = 2000;

export const ask = program({
  name: "ask",
  title: "answers a question from documents, with checked citations",
  options: z.object({
    strategy: z
      .enum(["auto", "passages", "sentences", "extract"])
      .default("auto")
      .describe(
        "passages: one prompt with all; sentences: for very small models; extract: no model; auto chooses by the model",
      ),
    evidence: z
      .number()
      .int()
      .min(50)
      .default(3000)
      .describe("most tokens of evidence; less where the window is smaller"),
    passages: z.number().int().min(1).max(50).default(8).describe("most passages"),
    answer: z.number().int().min(16).default(400).describe("most tokens of the answer"),
    bridges: z.number().int().min(0).max(10).default(3).describe("names followed to further passages"),
    support: z
      .number()
      .min(0)
      .max(1)
      .default(0.5)
      .describe("share of a sentence's words that a cited passage must hold"),
    confidence: z
      .number()
      .min(0)
      .max(3)
      .optional()
      .describe("score below which a sentence does not count as an answer"),
  }),
  create:
    (options) =>
    async (input: AskInput, context): Promise<AskOutput> => {
      const started = performance.now();
      const question = parseQuestion(input.question.trim());
      if (question.text === "") throw new QuireError("bad-input", "The question is empty.", { expected: "a question" });
      const { model } = context;
      const hasModel = model.id !== noModelId;
      const strategy = !hasModel
        ? "extract"
        : options.strategy !== "auto"
          ? options.strategy
          : chosen(model, question.open);
      const budget = {
        tokens: hasModel ? fitting(model, question.text, options) : Math.min(options.evidence, withoutModelTokens),
        passages: options.passages,
      };
      const selection = new Selection(context, hasModel);
      const gathered = await gather(question, {
        budget,
        bridges: options.bridges,
        select: (query, share) => input.select(query, share, selection.hooks),
        readRange: input.readRange,
        embed: input.embed,
        countTokens: (text) => model.countTokens(text),
        signal: context.signal,
      });
      const answered = await answerFrom(question, gathered, strategy, {
        context,
        answerTokens: options.answer,
        support: options.support,
        confidence: options.confidence,
        byMeaning: input.embed !== undefined,
        onText: input.onText,
        onEvent: input.onEvent,
      });
      const { removedCitations, usage, ...rest } = answered;
      return {
        ...rest,
        selection: selection.notes,
        usage: { ...selection.added(usage), seconds: (performance.now() - started) / 1000 },
        model: strategy === "extract" ? undefined : model.id,
        checks: { removedCitations, stalePassages: gathered.stale },
      };
    },
});

/** Very small models get one sentence at a time, except where no sentence can be the answer. */
function chosen(model: { parameters?: number }, open: boolean): "passages" | "sentences" {
  return (model.parameters ?? Number.POSITIVE_INFINITY) < tinyModel && !open ? "sentences" : "passages";
}

/** Window less the prompt's frame and the answer. */
function fitting(
  model: { contextTokens: number; countTokens(text: string): number },
  question: string,
  options: { evidence: number; answer: number },
): number {
  const frame = passagesPrompt(question, []).reduce(
    (sum, { content }) => sum + model.countTokens(content) + messageOverheadTokens,
    0,
  );
  const free = model.contextTokens - frame - options.answer;
  if (free < 50) {
    throw new QuireError("context-overflow", "Question and answer leave no room for evidence in the model's window.", {
      got: frame + options.answer,
      expected: `at most ${model.contextTokens - 50} of ${model.contextTokens} tokens`,
      fix: "Ask for a shorter answer (option answer), or use a model with a larger window.",
    });
  }
  // A twentieth is kept back: joined text can have more tokens than its parts.
  return Math.min(options.evidence, Math.floor(free * 0.95));
}

/** `select` of AskInput over a selector and its source. */
export function selectFrom(selector: Selector, source: CandidateSource, context: SelectContext): AskInput["select"] {
  return (query, budget, hooks) => selector.select(query, source, budget, { ...context, ...hooks });
}
