import type { z } from "zod";
import { defineMethod, type MethodDefinition, type MethodFactory, type Part } from "../method.js";

/** A trainer turns batches into updates. Objectives and memory-saving schemes are parts of it; a run is a seed, a folder and a
 *  step number, and resumes from its last checkpoint. */
export interface Trainer<Batch = TokenBatch> extends Part<"trainer"> {
  create(run: TrainingRun): TrainerState<Batch>;
}

export interface TokenBatch {
  /** [sequences, length] token ids, row after row. */
  readonly tokens: Int32Array;
  /** What follows each token. */
  readonly targets: Int32Array;
  readonly sequences: number;
  readonly length: number;
  /** Weight of each target in the loss, at least 0; default 1. */
  readonly weights?: Float32Array;
  /** Position of the first token of every sequence, default 0: other ones teach positions beyond the sequences' own length. */
  readonly firstPosition?: number;
}

export interface TrainingRun {
  readonly seed: number;
  readonly folder: string;
  readonly signal?: AbortSignal;
}

export interface TrainerState<Batch> {
  step(batch: Batch): Promise<{ loss: number; gradientNorm: number; tokens: number; figures?: Record<string, number> }>;
  /** Bytes that `restore` takes back to this very state. */
  checkpoint(): Promise<Uint8Array>;
  restore(bytes: Uint8Array): Promise<void>;
  close(): void;
}

export function trainer<Options extends z.ZodObject, Batch>(
  definition: MethodDefinition<Options> & { create(options: z.output<Options>, run: TrainingRun): TrainerState<Batch> },
): MethodFactory<"trainer", Options, Trainer<Batch>> {
  const { create, ...head } = definition;
  return defineMethod({ ...head, kind: "trainer" }, (options, part) => ({
    ...part,
    create: (run) => create(options, run),
  }));
}
