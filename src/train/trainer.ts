import type { z } from "zod";
import { defineMethod, type MethodDefinition, type MethodFactory, type Part } from "../method.js";
import type { TrainableModel } from "./trainable.js";

/** A trainer finds the gradients of a batch in its own way: with other memory, other time, another objective. Steps, schedules,
 *  checkpoints and curves are the loop's. */
export interface Trainer extends Part<"trainer"> {
  create(model: TrainableModel, seed: number): TrainerState;
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

export interface TrainerMoment {
  /** Steps made before: what is drawn by lot depends on it, so that a run which was resumed draws the same. */
  readonly step: number;
  readonly signal?: AbortSignal;
}

export interface TrainerState {
  /** Mean loss over the targets and its gradients in the order of the model's parameters; the arrays are overwritten by the next
   *  call. Figures say how it was done. */
  gradients(batch: TokenBatch, moment: TrainerMoment): Promise<TrainerResult>;
  /** Mean loss, forward only. */
  evaluate(batch: TokenBatch, signal?: AbortSignal): Promise<number>;
  close(): void;
}

export interface TrainerResult {
  readonly loss: number;
  readonly gradients: readonly Float32Array[];
  readonly figures: Readonly<Record<string, number>>;
}

export function trainer<Options extends z.ZodObject>(
  definition: MethodDefinition<Options> & {
    create(options: z.output<Options>, model: TrainableModel, seed: number): TrainerState;
  },
): MethodFactory<"trainer", Options, Trainer> {
  const { create, ...head } = definition;
  return defineMethod({ ...head, kind: "trainer" }, (options, part) => ({
    ...part,
    create: (model, seed) => create(options, model, seed),
  }));
}
