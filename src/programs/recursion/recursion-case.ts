import { QuireError } from "../../errors.js";
import { RandomStream } from "../../tensor/random.js";
import type { NumberOrder } from "../../train/recursion/binary-number.js";
import { type FunctionName, recursiveFunction } from "../../train/recursion/recursive-function.js";
import type { StepKind } from "../../train/recursion/reduction.js";
import { readNumber, successor } from "../../train/tasks/successor.js";
import { type Example, promptAndAnswer, type Task } from "../../train/tasks/task.js";
import { traversal } from "../../train/tasks/traversal.js";

/** What a model is asked in context: inputs of the suite's tasks in the suite's symbols, with the states of their evaluation. */

export const recursionModes = ["answer", "reduce", "step", "run"] as const;

/** The value; every step and then the value; one step; or one step after another, each on what the model itself said. */
export type RecursionMode = (typeof recursionModes)[number];

export interface RecursionQuestion {
  readonly function: FunctionName;
  readonly order: NumberOrder;
  readonly mode: RecursionMode;
  readonly steps: StepKind;
  /** Most symbols of a number, or nodes of a tree. */
  readonly size: number;
}

export interface RecursionCase {
  readonly set: string;
  /** What the model is given: the input, or a state of its evaluation. */
  readonly input: readonly string[];
  readonly depth: number;
  /** From `input` to the end; in mode "answer" input and value. */
  readonly states: readonly (readonly string[])[];
}

/** Up to `count` cases of a set, different ones, none of which is ever drawn as a demonstration. */
export function recursionCases(question: RecursionQuestion, set: string, count: number, seed: number): RecursionCase[] {
  const task = taskOf(question);
  const random = new RandomStream(seed, `cases ${set}`);
  if (set !== "natural")
    return task.edgeCases(set, count, random).map((example) => caseOf(question, set, example, random));
  const found = new Map<string, Example>();
  for (let tries = 0; found.size < count && tries < 20 * count; tries++) {
    const example = task.draw("test", random);
    found.set(example.key, example);
  }
  return [...found.values()].map((example) => caseOf(question, set, example, random));
}

export function recursionSets(question: RecursionQuestion): string[] {
  // The empty tree has a value, and no step that leads to it.
  const sets = taskOf(question).edgeSets.filter((set) => set !== "empty" || question.mode === "answer");
  return ["natural", ...sets];
}

/** Different inputs, each natural but the last `edges`, whose recursion is as deep as their size allows. */
export function demonstrations(
  question: RecursionQuestion,
  { shots, edges, seed }: { readonly shots: number; readonly edges: number; readonly seed: number },
): RecursionCase[] {
  const random = new RandomStream(seed, "demonstrations");
  const [natural, deep] = [taskOf(question), taskOf(question, 0.5)];
  const found = new Map<string, Example>();
  const add = (task: Task, until: number, fits: (example: Example) => boolean): void => {
    for (let tries = 0; found.size < until && tries < 5000; tries++) {
      const example = task.draw("train", random);
      if (fits(example)) found.set(example.key, example);
    }
  };
  add(natural, shots - edges, () => true);
  add(deep, shots, isDeep);
  if (found.size < shots) {
    throw new QuireError("bad-option", `There are only ${found.size} different inputs to show.`, {
      got: shots,
      expected: `at most ${found.size}, or larger inputs`,
    });
  }
  return [...found.values()].map((example) => caseOf(question, "demonstration", example, random));
}

function isDeep({ measures }: Example): boolean {
  const { length, depth, nodes, height } = measures;
  if (length !== undefined) return length > 2 && (depth ?? 0) >= length - 2;
  return (nodes ?? 0) > 2 && height === nodes;
}

function taskOf({ function: name, order, size }: RecursionQuestion, edgeShare = 0): Task {
  if (name === "succ") return successor({ order, lengths: [1, size], longest: size + 4, edgeShare });
  const mostHeight = Math.max(Math.ceil(Math.log2(size + 1)), size - 1);
  return traversal({ traversal: name, nodes: [1, size], mostHeight, mostNodes: size + 4, edgeShare });
}

function caseOf(question: RecursionQuestion, set: string, example: Example, random: RandomStream): RecursionCase {
  const { function: name, order, mode, steps } = question;
  const prompt = promptAndAnswer(example)?.prompt.slice(0, -1) ?? [];
  const input = name === "succ" ? readNumber(prompt) : prompt;
  const called = recursiveFunction(name, order);
  const depth = called.depth(input);
  if (mode === "answer") return { set, input, depth, states: [input, called.evaluate(input)] };
  const states = called.states(input, steps);
  if (mode !== "step") return { set, input: states[0] ?? [], depth, states };
  const at = random.below(Math.max(1, states.length - 1));
  return { set, input: states[at] ?? [], depth: states.length - 1 - at, states: states.slice(at, at + 2) };
}
