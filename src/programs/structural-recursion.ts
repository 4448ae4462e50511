/** Structural recursion: does a model compute a recursive function, or a shortcut that looks like it?
 *  Paper    "Transformer-Based Models Are Not Yet Perfect At Learning to Emulate Structural Recursion", arXiv 2401.12947
 *  Takes    how many cases of which test sets; the options say which function (successor of binary numbers, three tree traversals),
 *           how it is described, how many demonstrations are given, and whether the value or the steps to it are asked for
 *  Does     asks a model each case in context, reads the replies, and scores each test set and depth apart
 *  Gives    exact answers by set and depth, replies that could not be read, the shortcut that accounts for the failures, and of
 *           evaluations by steps where they first go wrong, and how
 *  Cost     a call a case; in mode "run" one a step. A prompt has about 30 tokens a demonstration
 *  Differs  spelling of trees and states, test sets, families of shortcuts and prompts are this suite's own, since the paper's were not
 *           published; labels are drawn afresh for every tree instead of from 20 alphabets
 *  Not      llm-algorithms (its task `recursion` follows definitions through a long text); small models that are trained on the same
 *           functions are scored by `npm run bench -- structural-recursion`
 *  Errors   bad-option for sets and demonstrations that do not exist; context-overflow where a prompt does not fit. A reply that
 *           cannot be read is no error: it is wrong, and counted */

import { z } from "zod";
import { QuireError } from "../errors.js";
import { type Analysis, explain, same } from "../train/recursion/explain.js";
import { functionNames, recursiveFunction } from "../train/recursion/recursive-function.js";
import { type ProgramContext, program } from "./program.js";
import { type DescriptionLevel, descriptionLevels, promptFor, rightReply } from "./recursion/prompt.js";
import { readAnswer, readStates } from "./recursion/read-reply.js";
import {
  demonstrations,
  type RecursionCase,
  type RecursionQuestion,
  recursionCases,
  recursionModes,
  recursionSets,
} from "./recursion/recursion-case.js";
import { firstFault, isFinished, type StepFault } from "./recursion/step-fault.js";

export interface RecursionInput {
  /** Of each set, fewer where there are fewer. */
  readonly cases: number;
  /** Default: natural and all edge sets. */
  readonly sets?: readonly string[];
  readonly onCase?: (done: number, total: number) => void;
}

export interface RecursionRow {
  readonly set: string;
  readonly cases: number;
  readonly exact: number;
  /** Of the wrong ones, those whose reply could not be read. */
  readonly unread: number;
}

export interface JudgedCase {
  readonly set: string;
  readonly depth: number;
  readonly input: string;
  readonly expected: string;
  /** Undefined where it could not be read. */
  readonly said: string | undefined;
  readonly right: boolean;
  /** Of evaluations by steps: the first wrong one. */
  readonly fault?: { readonly step: number; readonly kind: StepFault };
}

export interface RecursionOutput {
  readonly sets: readonly RecursionRow[];
  /** Over all sets. */
  readonly depths: readonly (RecursionRow & { readonly depth: number })[];
  /** Of answers and single steps. */
  readonly shortcuts: Analysis | undefined;
  /** Of evaluations by steps: how many went wrong first in which way. */
  readonly faults: Readonly<Partial<Record<StepFault, number>>> | undefined;
  readonly judged: readonly JudgedCase[];
}

export const structuralRecursion = program({
  name: "structural-recursion",
  title: "does a model compute a recursive function, or a shortcut?",
  arxiv: "2401.12947",
  options: z.object({
    task: z.enum(functionNames).default("succ").describe("successor of binary numbers, or a traversal of trees"),
    order: z.enum(["natural", "reverse"]).default("natural").describe("numbers: least or most significant bit first"),
    mode: z
      .enum(recursionModes)
      .default("answer")
      .describe("ask for the value, all steps, one step, or step after step"),
    description: z.enum(descriptionLevels).default("informal").describe("how the function is described"),
    shots: z.int().min(0).max(32).default(8).describe("demonstrations in the prompt"),
    edgeShots: z.int().min(0).max(8).default(0).describe("how many of them show an edge case"),
    steps: z.enum(["level", "leftmost"]).default("level").describe("trees: what one step rewrites"),
    size: z
      .int()
      .min(3)
      .max(16)
      .optional()
      .describe("most symbols of a number (default 10), nodes of a tree (6); edge sets go beyond"),
  }),
  create: (options) => {
    const { task, order, mode, description, shots, edgeShots, steps, size = task === "succ" ? 10 : 6 } = options;
    const question: RecursionQuestion = { function: task, order, mode, steps, size };
    return async (
      { cases, sets = recursionSets(question), onCase }: RecursionInput,
      context,
    ): Promise<RecursionOutput> => {
      checkInput(question, { description, shots, edgeShots, cases, sets });
      const shown = demonstrations(question, { shots, edges: edgeShots, seed: context.seed });
      const all = distinct(sets.flatMap((set) => recursionCases(question, set, cases, context.seed)));
      let done = 0;
      const ask: Ask = { question, description, shown };
      const judged = await context.map("case", all, async (one, inner) => {
        const result = await judge(one, ask, inner);
        onCase?.(++done, all.length);
        return result;
      });
      return summary(question, judged);
    };
  },
});

function checkInput(
  question: RecursionQuestion,
  asked: { description: DescriptionLevel; shots: number; edgeShots: number; cases: number; sets: readonly string[] },
): void {
  const { description, shots, edgeShots, cases, sets } = asked;
  if (edgeShots > shots) {
    throw new QuireError("bad-option", "There are more edge cases than demonstrations.", {
      got: edgeShots,
      expected: `at most ${shots}`,
    });
  }
  if (description === "none" && shots === 0) {
    throw new QuireError("bad-option", "Without description and demonstrations nothing says what is asked.", {
      fix: "Give a description, or demonstrations.",
    });
  }
  if (!Number.isInteger(cases) || cases < 1) {
    throw new QuireError("bad-option", `There cannot be ${cases} cases.`, { got: cases, expected: "1 or more" });
  }
  const known = recursionSets(question);
  const unknown = sets.find((set) => !known.includes(set));
  if (unknown === undefined) return;
  throw new QuireError("bad-option", `${question.function} has no test set "${unknown}".`, {
    got: unknown,
    expected: known.join(", "),
  });
}

/** A case of several sets counts for the first. */
function distinct(cases: readonly RecursionCase[]): RecursionCase[] {
  const found = new Map<string, RecursionCase>();
  for (const one of cases) {
    const key = one.input.join(" ");
    if (!found.has(key)) found.set(key, one);
  }
  return [...found.values()];
}

interface Ask {
  readonly question: RecursionQuestion;
  readonly description: DescriptionLevel;
  readonly shown: readonly RecursionCase[];
}

type Judged = JudgedCase & { readonly case: RecursionCase; readonly output: readonly string[] | undefined };

async function judge(one: RecursionCase, ask: Ask, context: ProgramContext): Promise<Judged> {
  const { question } = ask;
  const { function: name, mode } = question;
  const { set, depth, input, states } = one;
  const expected = states.at(-1) ?? [];
  const common = { set, depth, input: input.join(" "), case: one, expected: expected.join(" ") };
  if (mode === "answer" || mode === "step") {
    const output = readAnswer(await reply(one, ask, context), name, input, mode);
    const right = output !== undefined && same(output, expected);
    return { ...common, output, said: output?.join(" "), right };
  }
  const said =
    mode === "reduce" ? readStates(await reply(one, ask, context), name, input) : await stepByStep(one, ask, context);
  const output = said.at(-1);
  const fault = firstFault(question, input, said);
  return {
    ...common,
    output,
    said: output?.join(" "),
    right: output !== undefined && same(output, expected),
    ...(fault === undefined ? {} : { fault: { step: fault.step, kind: fault.fault } }),
  };
}

async function reply(
  one: RecursionCase,
  { question, description, shown }: Ask,
  context: ProgramContext,
): Promise<string> {
  const prompt = promptFor(question, description, shown, one.input);
  const { text } = await context.ask({
    messages: [{ role: "user", content: prompt }],
    maxTokens: Math.max(16, 4 * context.model.countTokens(rightReply(question, one))),
    temperature: 0,
    ...(question.mode === "reduce" ? {} : { stop: ["\n\n"] }),
  });
  return text;
}

/** The model's own steps, one call each, until no call is left, a state cannot be read, or it is two steps too many. */
async function stepByStep(
  one: RecursionCase,
  { question, ...ask }: Ask,
  context: ProgramContext,
): Promise<(string[] | undefined)[]> {
  const single = { ...question, mode: "step" as const };
  const shown = ask.shown.map(firstStep);
  const said: (string[] | undefined)[] = [];
  let state: readonly string[] = one.input;
  while (!isFinished(question.function, state) && said.length < one.states.length + 1) {
    const next = { ...one, input: state, states: [state, afterOr(question, state)] };
    const text = await context.child(`step ${said.length + 1}`, (inner) =>
      reply(next, { ...ask, shown, question: single }, inner),
    );
    const read = readAnswer(text, question.function, state, "step");
    said.push(read);
    if (read === undefined) break;
    state = read;
  }
  return said;
}

function firstStep(shown: RecursionCase, place: number): RecursionCase {
  // Not only first steps: the demonstrations go through the evaluation, one after another.
  const at = place % Math.max(1, shown.states.length - 1);
  return { ...shown, input: shown.states[at] ?? [], states: shown.states.slice(at, at + 2) };
}

/** How long a right reply would be; for a state that is none, as long as the state. */
function afterOr({ function: name, order, steps }: RecursionQuestion, state: readonly string[]): readonly string[] {
  try {
    return recursiveFunction(name, order).after(state, steps);
  } catch {
    return state;
  }
}

function summary({ function: name, order, mode }: RecursionQuestion, all: readonly Judged[]): RecursionOutput {
  const rows = <Key>(of: (one: Judged) => Key): [Key, RecursionRow][] => {
    const groups = new Map<Key, Judged[]>();
    for (const one of all) groups.set(of(one), [...(groups.get(of(one)) ?? []), one]);
    return [...groups].map(([key, members]) => [
      key,
      {
        set: String(key),
        cases: members.length,
        exact: members.filter(({ right }) => right).length,
        unread: members.filter(({ output }) => output === undefined).length,
      },
    ]);
  };
  const stepwise = mode === "reduce" || mode === "run";
  const faults: Partial<Record<StepFault, number>> = {};
  for (const { fault } of all) if (fault !== undefined) faults[fault.kind] = (faults[fault.kind] ?? 0) + 1;
  const observations = all.map((one) => ({ input: one.case.input, output: one.output }));
  return {
    sets: rows(({ set }) => set).map(([, row]) => row),
    depths: rows(({ depth }) => depth)
      .map(([depth, row]) => ({ ...row, set: "all", depth }))
      .sort((a, b) => a.depth - b.depth),
    shortcuts: stepwise ? undefined : explain(name, mode === "step" ? "step" : "answer", observations, order),
    faults: stepwise ? faults : undefined,
    judged: all.map(({ case: _, output: __, ...judged }) => judged),
  };
}
