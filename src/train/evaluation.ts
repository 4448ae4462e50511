import type { EvaluationBatch } from "./data/data-source.js";
import type { TokenBatch } from "./trainer.js";
import type { PassResult, TrainingPass } from "./training-pass.js";
import { totalWeight } from "./training-step.js";

/** How good a model is on data that it does not learn from: mean loss of all targets, and the share of answers that it would give
 *  right from first to last token. (What is predicted after right tokens is what greedy decoding says, so an answer whose every token
 *  is predicted is the answer it gives.) */

export interface Evaluation {
  readonly loss: number;
  readonly accuracy?: number;
  readonly auxiliary: Readonly<Record<string, number>>;
}

export async function evaluate(
  pass: TrainingPass,
  batches: readonly EvaluationBatch[],
  signal?: AbortSignal,
): Promise<Evaluation> {
  let [losses, targets, right, answered] = [0, 0, 0, 0];
  const auxiliary: Record<string, number> = {};
  for (const { batch, answers } of batches) {
    const total = totalWeight(batch);
    for (let from = 0; from < batch.sequences; from += pass.sequences) {
      const part = sequencesOf(batch, from, pass.sequences);
      const result = await pass.run(part, { targetScale: 1, share: 1 }, signal);
      losses += result.loss;
      for (const [name, value] of Object.entries(result.auxiliary))
        auxiliary[name] = (auxiliary[name] ?? 0) + (value * pass.sequences) / batch.sequences / batches.length;
      const own = answers?.slice(from, from + pass.sequences) ?? [];
      right += own.filter((rows) => isRight(rows, part, result, from * batch.length)).length;
      answered += own.length;
    }
    targets += total;
  }
  const loss = losses / targets;
  return answered === 0 ? { loss, auxiliary } : { loss, accuracy: right / answered, auxiliary };
}

function isRight(rows: Int32Array, { targets }: TokenBatch, { rows: found }: PassResult, offset: number): boolean {
  return rows.every((row) => found?.predicted[row - offset] === targets[row - offset]);
}

function sequencesOf(batch: TokenBatch, from: number, sequences: number): TokenBatch {
  const [start, end] = [from * batch.length, (from + sequences) * batch.length];
  const { tokens, targets, weights, length } = batch;
  return {
    tokens: tokens.subarray(start, end),
    targets: targets.subarray(start, end),
    ...(weights === undefined ? {} : { weights: weights.subarray(start, end) }),
    sequences,
    length,
  };
}
