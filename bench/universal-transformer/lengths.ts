import { type TaskDataOptions, taskExamples } from "../../src/train/data/task-examples.js";
import { copy } from "../../src/train/tasks/copy.js";
import { reverse } from "../../src/train/tasks/reverse.js";
import { successor } from "../../src/train/tasks/successor.js";
import type { Task } from "../../src/train/tasks/task.js";
import type { Trainable } from "../../src/train/trainable.js";
import { TrainingPass } from "../../src/train/training-pass.js";

/** Tasks learnt at short lengths and asked at longer ones. */
export interface LengthTask {
  readonly name: string;
  /** Longest in training. */
  readonly trained: number;
  readonly tested: readonly number[];
  make(shortest: number, longest: number): Task;
}

export const lengthTasks: readonly LengthTask[] = [
  { name: "copy", trained: 6, tested: [6, 8, 10, 12], make: (a, b) => copy({ lengths: [a, b] }) },
  { name: "reverse", trained: 6, tested: [6, 8, 10, 12], make: (a, b) => reverse({ lengths: [a, b] }) },
  { name: "successor", trained: 6, tested: [6, 8, 10, 12], make: (a, b) => successor({ lengths: [a, b] }) },
];

/** Tokens of the longest example that is asked. */
export function longestOf({ tested, make }: LengthTask): number {
  const most = Math.max(...tested);
  return make(most, most).longest;
}

export interface Score {
  /** Share of symbols that are predicted, after right ones. */
  readonly symbols: number;
  /** Share of answers that are right from first to last. */
  readonly answers: number;
}

export async function scoreAt(model: Trainable, task: LengthTask, length: number, questions: number): Promise<Score> {
  const exact = task.make(length, length);
  const shape = { sequences: 32, length: exact.longest - 1, seed: 77 };
  const options: TaskDataOptions = {
    ...shape,
    tokenOf: (symbol) => exact.vocabulary.indexOf(symbol),
    evaluationExamples: questions,
  };
  const pass = new TrainingPass(model, { ...shape, evaluates: true });
  let [rows, rowsRight, answers, answersRight] = [0, 0, 0, 0];
  try {
    for (const { batch, answers: asked = [] } of taskExamples(exact, options).evaluation) {
      const { rows: found } = await pass.run(batch, { targetScale: 1, share: 1 });
      for (const own of asked) {
        const right = own.filter((row) => found?.predicted[row] === batch.targets[row]).length;
        rows += own.length;
        rowsRight += right;
        answers++;
        if (right === own.length) answersRight++;
      }
    }
  } finally {
    pass.close();
  }
  return { symbols: rowsRight / rows, answers: answersRight / answers };
}
