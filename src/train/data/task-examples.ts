import { QuireError } from "../../errors.js";
import { RandomStream } from "../../tensor/random.js";
import type { Example, Task } from "../tasks/task.js";
import type { TokenBatch } from "../trainer.js";
import type { BatchShape, DataSource, EvaluationBatch } from "./data-source.js";

/** Examples of a task as training data: one example a sequence, from position 0 as it will be asked, the rest of the row left out of
 *  the loss. Only what the model must say counts, unless the whole text is to be learnt. */

export interface TaskDataOptions extends BatchShape {
  readonly tokenOf: (symbol: string) => number;
  /** "answers" (default), or "all": learn the questions too. */
  readonly learn?: "answers" | "all";
  /** Examples of an evaluation; default 512. */
  readonly evaluationExamples?: number;
}

export function taskExamples(task: Task, options: TaskDataOptions): DataSource {
  const { sequences, length, seed, evaluationExamples = 512 } = options;
  if (length < task.longest - 1) {
    throw new QuireError("bad-option", `Examples of ${task.name} do not fit a sequence.`, {
      got: length,
      expected: `at least ${task.longest - 1} tokens`,
    });
  }
  const pack = (examples: readonly Example[]): EvaluationBatch => {
    const batch = {
      tokens: new Int32Array(sequences * length),
      targets: new Int32Array(sequences * length),
      weights: new Float32Array(sequences * length),
      sequences,
      length,
    };
    const answers = examples.map((example, row) => putExample(example, batch, row, options));
    return { batch, answers };
  };
  const draw = (split: "train" | "validation", random: RandomStream, count: number): Example[] =>
    Array.from({ length: count }, () => task.draw(split, random));
  return {
    name: task.name,
    batch: (step): TokenBatch => pack(draw("train", new RandomStream(seed, `examples ${step}`), sequences)).batch,
    evaluation: Array.from({ length: Math.max(1, Math.ceil(evaluationExamples / sequences)) }, (_, index) =>
      pack(draw("validation", new RandomStream(seed, `evaluation ${index}`), sequences)),
    ),
  };
}

/** Writes an example into a row of a batch; gives the rows of its answer. */
function putExample(
  { symbols, scored }: Example,
  { tokens, targets, weights, length }: TokenBatch & { weights: Float32Array },
  row: number,
  { tokenOf, learn = "answers" }: TaskDataOptions,
): Int32Array {
  const ids = symbols.map(tokenOf);
  const answer: number[] = [];
  for (let place = 0; place + 1 < ids.length; place++) {
    const at = row * length + place;
    tokens[at] = ids[place] as number;
    targets[at] = ids[place + 1] as number;
    weights[at] = learn === "all" || scored[place + 1] === true ? 1 : 0;
    if (scored[place + 1] === true) answer.push(at);
  }
  return Int32Array.from(answer);
}
