import type { TokenBatch } from "../trainer.js";

/** Where batches come from. The batch of a step is a function of seed and step alone, so a run that goes on after an interruption
 *  sees exactly what it would have seen. */
export interface DataSource {
  /** For the notes in the model's file. */
  readonly name: string;
  batch(step: number): TokenBatch;
  /** The same batches at every evaluation, of data that training never sees; empty where there is none. */
  readonly evaluation: readonly EvaluationBatch[];
}

export interface EvaluationBatch {
  readonly batch: TokenBatch;
  /** Rows of the batch that belong to one answer, which counts as right where all of them are predicted; left out for running text. */
  readonly answers?: readonly Int32Array[];
}

export interface BatchShape {
  readonly sequences: number;
  readonly length: number;
  readonly seed: number;
}
