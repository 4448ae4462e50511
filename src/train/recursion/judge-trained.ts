import { RandomStream } from "../../tensor/random.js";
import { greedyAnswers } from "../greedy-answers.js";
import { readNumber } from "../tasks/successor.js";
import { type Example, promptAndAnswer, type Task } from "../tasks/task.js";
import type { TrainableModel } from "../trainable.js";
import type { NumberOrder } from "./binary-number.js";
import { type Analysis, explain, type Observation } from "./explain.js";
import type { FunctionName } from "./recursive-function.js";
import type { Asked } from "./shortcuts.js";

/** A trained model before the suite: exact answers on held-out natural inputs and on every edge set, by depth, and the shortcut that
 *  accounts for its failures. */

export interface TrainedCase {
  readonly task: Task;
  readonly function: FunctionName;
  readonly asked: Asked;
  readonly order?: NumberOrder;
}

export interface JudgeOptions {
  readonly tokenOf: (symbol: string) => number;
  readonly seed: number;
  /** Cases of each set; default 500, fewer where there are fewer. */
  readonly cases?: number;
  /** Failures of each set that are spelled out for the analysis; default 100. */
  readonly mostSpelledOut?: number;
  readonly signal?: AbortSignal;
  onSet?(set: string): void;
}

export interface Score {
  readonly right: number;
  readonly cases: number;
}

export interface Judgement {
  /** "natural" and the edge sets. */
  readonly sets: Readonly<Record<string, Score>>;
  /** Over all sets, by the depth of the recursion. */
  readonly depths: Readonly<Record<number, Score>>;
  readonly analysis: Analysis;
}

export async function judgeTrained(
  model: TrainableModel,
  judged: TrainedCase,
  options: JudgeOptions,
): Promise<Judgement> {
  const { task } = judged;
  const { cases = 500, mostSpelledOut = 100, seed, tokenOf, signal } = options;
  const sets: Record<string, Score> = {};
  const depths: Record<number, { right: number; cases: number }> = {};
  const seen = new Map<string, Observation>();
  for (const set of ["natural", ...task.edgeSets]) {
    options.onSet?.(set);
    const random = new RandomStream(seed, `test ${set}`);
    const examples = set === "natural" ? naturalCases(task, cases, random) : task.edgeCases(set, cases, random);
    const { right, answers } = await greedyAnswers(model, examples, {
      ...{ tokenOf, vocabulary: task.vocabulary, mostSpelledOut, signal },
    });
    sets[set] = { right: right.filter((is) => is).length, cases: examples.length };
    for (const [place, example] of examples.entries()) {
      const { depth = example.measures["height"] ?? 0 } = example.measures;
      depths[depth] ??= { right: 0, cases: 0 };
      depths[depth].cases += 1;
      if (right[place]) depths[depth].right += 1;
      const answer = answers[place];
      if (answer === undefined) continue;
      seen.set(example.symbols.join(""), {
        input: inputOf(example),
        output: answer.ended ? readNumberOf(judged, answer.said) : undefined,
      });
    }
  }
  const inputs = [...seen.values()].map(({ input, output }) => ({ input: readNumberOf(judged, input), output }));
  return { sets, depths, analysis: explain(judged.function, judged.asked, inputs, judged.order) };
}

/** Different ones of the test split. */
export function naturalCases(task: Task, count: number, random: RandomStream): Example[] {
  const found = new Map<string, Example>();
  for (let tries = 0; found.size < count && tries < 4 * count; tries++) {
    const example = task.draw("test", random);
    found.set(example.key, example);
  }
  return [...found.values()];
}

function inputOf(example: Example): string[] {
  return promptAndAnswer(example)?.prompt.slice(0, -1) ?? [];
}

function readNumberOf(judged: TrainedCase, symbols: readonly string[]): string[] {
  return judged.function === "succ" ? readNumber(symbols) : [...symbols];
}
