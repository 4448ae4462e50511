import { z } from "zod";
import { isQuireError, QuireError } from "../errors.js";
import type { CallTree } from "./decompose/call-tree.js";
import type { ChatMessage, Generation, LanguageModel } from "./language-model.js";
import { joinsPerLevel, mapReduce, neighbours } from "./map-reduce.js";
import { type ProgramContext, program } from "./program.js";
import { halvePart, packParts, partText, type ReadChunk, type ReadPart } from "./read-parts.js";
import { messageOverheadTokens } from "./token-estimate.js";

/** Reads everything, however long: cuts it into parts that fit the window, answers over each, and joins the answers level by level.
 *  Takes    chunks in document order and an instruction ("Summarise", or a question)
 *  Gives    one answer, the answer of every part with the ranges it covers, and what was read, to the last byte
 *  Cost     `planRead` says before: one call a part, and a join for every `group` answers
 *  Differs  from `ask`, which reads only what it finds
 *  Errors   bad-input when there is nothing to read; context-overflow when the window cannot hold an answer beside a part */

export interface ReadInput {
  readonly instruction: string;
  /** All of it, in order; chunks of one document follow each other. */
  readonly chunks: readonly ReadChunk[];
  onProgress?(progress: { readonly done: number; readonly total: number }): void;
  /** The last answer, piece by piece. */
  onText?(text: string): void;
}

export interface ReadPartResult {
  readonly sources: readonly Omit<ReadChunk, "text">[];
  readonly tokens: number;
  readonly answer: string;
  /** The part says nothing about the question. */
  readonly empty: boolean;
  /** The answer was cut off at its token limit. */
  readonly cut: boolean;
}

export interface ReadOutput {
  readonly answer: string;
  /** In the order of what was read. */
  readonly parts: readonly ReadPartResult[];
  readonly read: { readonly documents: number; readonly bytes: number; readonly tokens: number };
  /** No part says anything about the question. */
  readonly unsupported: boolean;
}

export interface ReadPlan {
  readonly parts: readonly ReadPart[];
  /** Most answers joined by one call. */
  readonly group: number;
  /** Calls on each level: parts first, then joins. A question can take fewer joins, where parts have nothing to say. */
  readonly levels: readonly number[];
  readonly calls: number;
  readonly promptTokens: number;
  /** At most. */
  readonly completionTokens: number;
  /** The calls, level after level, with the tokens of each at most and no seconds. */
  readonly tree: CallTree;
}

const options = z.object({
  part: z
    .number()
    .int()
    .min(50)
    .optional()
    .describe("most tokens of text in one part; by default what the window holds"),
  answer: z.number().int().min(16).default(300).describe("most tokens of each answer"),
  group: z
    .number()
    .int()
    .min(2)
    .max(50)
    .optional()
    .describe("most answers joined at once; by default what the window holds, at most 10"),
  asks: z
    .enum(["auto", "task", "question"])
    .default("auto")
    .describe("question: parts that say nothing about it are passed over"),
});

export type ReadOptions = z.output<typeof options>;

type Reader = Pick<LanguageModel, "contextTokens" | "countTokens">;

const nothing = "NOTHING";
const largestGroup = 10;

export const read = program({
  name: "read",
  title: "reads everything part by part and joins the answers level by level",
  options,
  create:
    (settings) =>
    async (input: ReadInput, context): Promise<ReadOutput> => {
      const plan = planRead(input, context.model, settings);
      const question = isQuestion(input.instruction, settings);
      const finished = new Map<ReadPart, ReadPartResult[]>();
      const single = plan.parts.length === 1;
      const answer = await mapReduce<ReadPart, string>(context, {
        items: plan.parts,
        group: plan.group,
        async map(part, inner, index) {
          const ask = (one: ReadPart) =>
            inner.ask({
              messages: partPrompt(input.instruction, one, index, plan.parts.length, question),
              maxTokens: settings.answer,
              onText: single && !question && one === part ? input.onText : undefined,
            });
          const results = await answerPart(part, ask, context.model.countTokens.bind(context.model), question);
          finished.set(part, results);
          return results.flatMap(({ empty, answer: text }) => (empty ? [] : [text]));
        },
        reduce: (answers, inner, last) => join(answers, inner, input, settings, last),
        onProgress: input.onProgress,
      });
      const parts = plan.parts.flatMap((part) => finished.get(part) ?? []);
      const shown = answer ?? "Nothing in what was read answers this.";
      if (single ? question : answer === undefined || parts.filter(({ empty }) => !empty).length === 1)
        input.onText?.(shown);
      return { answer: shown, parts, read: extent(input.chunks, parts), unsupported: answer === undefined };
    },
});

/** What a run will take, without running it. */
export function planRead(
  input: Pick<ReadInput, "instruction" | "chunks">,
  model: Reader,
  settings: Partial<ReadOptions> = {},
): ReadPlan {
  const { part, answer = 300, group, asks = "auto" } = settings;
  const chunks = input.chunks.filter(({ text }) => text !== "");
  if (input.instruction.trim() === "" || chunks.length === 0) {
    throw new QuireError("bad-input", "There is nothing to do.", { expected: "an instruction, and text to read" });
  }
  const count = (messages: readonly ChatMessage[]) =>
    messages.reduce((sum, { content }) => sum + model.countTokens(content) + messageOverheadTokens, 0);
  const question = isQuestion(input.instruction, { asks });
  const partFrame = count(partPrompt(input.instruction, { chunks: [], tokens: 0 }, 999, 1000, question));
  const joinFrame = count(joinPrompt(input.instruction, []));
  const answerFrame = answer + model.countTokens("Answer 100:\n\n") + 2;
  const fits = Math.floor((model.contextTokens - joinFrame - answer) / answerFrame);
  // A fiftieth is kept back: joined text can have more tokens than its parts.
  const room = Math.floor((model.contextTokens - partFrame - answer) * 0.98);
  if (room < 50 || fits < 2) {
    throw new QuireError("context-overflow", "The window is too small for this instruction and length of answers.", {
      got: { window: model.contextTokens, instruction: partFrame, answer },
      expected: "room for 50 tokens of text, and for two answers and their joint one",
      fix: "Ask for shorter answers (option answer), or use a model with a larger window.",
    });
  }
  const parts = packParts(chunks, Math.min(part ?? room, room), (text) => model.countTokens(text));
  const most = Math.min(group ?? largestGroup, fits);
  const joins = joinsPerLevel(parts.length, most);
  const joinCalls = joins.reduce((sum, calls) => sum + calls, 0);
  const joined = joinCalls === 0 ? 0 : (parts.length + joinCalls - 1) * answerFrame + joinCalls * joinFrame;
  const calls = parts.length + joinCalls;
  return {
    parts,
    group: most,
    levels: [parts.length, ...joins],
    calls,
    promptTokens: parts.reduce((sum, { tokens }) => sum + tokens + partFrame, 0) + joined,
    completionTokens: calls * answer,
    tree: treeOf(parts, most, { partFrame, joinFrame, answerFrame, answer }),
  };
}

function treeOf(
  parts: readonly ReadPart[],
  group: number,
  { partFrame, joinFrame, answerFrame, answer }: Record<"partFrame" | "joinFrame" | "answerFrame" | "answer", number>,
): CallTree {
  const call = (promptTokens: number): CallTree => ({ promptTokens, completionTokens: answer, seconds: 0 });
  const levels: CallTree[] = [{ parallel: parts.map(({ tokens }) => call(tokens + partFrame)) }];
  for (let left = parts.length; left > 1; ) {
    const groups = neighbours(Array.from({ length: left }), group);
    const joins = groups.filter(({ length }) => length > 1);
    levels.push({ parallel: joins.map(({ length }) => call(length * answerFrame + joinFrame)) });
    left = groups.length;
  }
  return { series: levels };
}

/** A part that turns out too long for the window is halved until it fits: estimates of tokens can be wrong. */
async function answerPart(
  part: ReadPart,
  ask: (part: ReadPart) => Promise<Generation>,
  countTokens: (text: string) => number,
  question: boolean,
): Promise<ReadPartResult[]> {
  try {
    const { text, finishReason } = await ask(part);
    const answer = text.trim();
    const empty = answer === "" || (question && isNothing(answer));
    const sources = part.chunks.map(({ uri, startByte, endByte, startLine, endLine }) => {
      return { uri, startByte, endByte, startLine, endLine };
    });
    return [{ sources, tokens: part.tokens, answer, empty, cut: finishReason === "length" }];
  } catch (error) {
    if (!isQuireError(error) || error.code !== "context-overflow") throw error;
    const halves = halvePart(part, countTokens);
    if (halves === undefined) throw error;
    const results = [];
    for (const half of halves) results.push(...(await answerPart(half, ask, countTokens, question)));
    return results;
  }
}

async function join(
  answers: readonly string[],
  context: ProgramContext,
  input: ReadInput,
  settings: ReadOptions,
  last: boolean,
): Promise<string> {
  try {
    const { text } = await context.ask({
      messages: joinPrompt(input.instruction, answers),
      maxTokens: settings.answer,
      onText: last ? input.onText : undefined,
    });
    return text.trim();
  } catch (error) {
    if (!isQuireError(error) || error.code !== "context-overflow" || answers.length <= 2) throw error;
    const half = Math.ceil(answers.length / 2);
    const first = await join(answers.slice(0, half), context, input, settings, false);
    const rest = answers.slice(half);
    const second = rest.length === 1 ? (rest[0] ?? "") : await join(rest, context, input, settings, false);
    return join([first, second], context, input, settings, last);
  }
}

function partPrompt(instruction: string, part: ReadPart, index: number, of: number, question: boolean): ChatMessage[] {
  const which = of === 1 ? "" : `This is part ${index + 1} of ${of} of a longer text. `;
  const unless = question ? ` If the text says nothing about it, answer: ${nothing}` : "";
  return [{ role: "user", content: `${partText(part)}\n\n${which}${instruction}${unless}` }];
}

function joinPrompt(instruction: string, answers: readonly string[]): ChatMessage[] {
  const listed = answers.map((answer, i) => `Answer ${i + 1}:\n${answer}`).join("\n\n");
  const content = `${listed}\n\nThese answers come from parts of one text that follow each other. The task was: ${instruction}\nJoin them into one answer.`;
  return [{ role: "user", content }];
}

function isQuestion(instruction: string, { asks }: Pick<ReadOptions, "asks">): boolean {
  return asks === "question" || (asks === "auto" && instruction.trim().endsWith("?"));
}

function isNothing(answer: string): boolean {
  return /^\W*nothing\W*$/i.test(answer.split("\n")[0] ?? "");
}

function extent(chunks: readonly ReadChunk[], parts: readonly ReadPartResult[]): ReadOutput["read"] {
  return {
    documents: new Set(chunks.map(({ uri }) => uri)).size,
    bytes: parts.reduce(
      (sum, { sources }) => sum + sources.reduce((all, one) => all + one.endByte - one.startByte, 0),
      0,
    ),
    tokens: parts.reduce((sum, { tokens }) => sum + tokens, 0),
  };
}
