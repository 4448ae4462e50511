import type { z } from "zod";
import { defineMethod, type MethodDefinition, type MethodFactory, type Part } from "../../method.js";
import type { PassCosts } from "./pass-costs.js";

/** A planner decides which rows run together in the next pass. It is a pure function of numbers, so it can be tested without a
 *  model and replayed in virtual time. Each sequence has one number, the rows it still wants. */
export interface Planner {
  readonly name: string;
  /** At least one share whenever a sequence runs, or one waits and `admit` has room for it. */
  plan(pass: PassDemand): Share[];
}

export interface SequenceDemand {
  readonly id: number;
  /** Rows of the current request that were not evaluated yet, at least 1. */
  readonly rows: number;
  /** Its prompt is in: every pass without it is a stall that its reader sees. */
  readonly decoding: boolean;
  /** The request cannot be cut: its rows see each other in a way that is not causal. */
  readonly whole: boolean;
  /** Entries in its memory, which each of its rows attends to. */
  readonly held: number;
}

export interface PassDemand {
  /** Sequences that were admitted, oldest first. */
  readonly running: readonly SequenceDemand[];
  /** The others, in the order in which they are to be admitted. */
  readonly waiting: readonly SequenceDemand[];
  /** Sequences that may be admitted at most. */
  readonly seats: number;
  /** Admits a waiting sequence: what it then wants (a shared prefix lowers it), or undefined where memory has no room for it. Then
   *  nobody behind it is admitted either. */
  admit(id: number): SequenceDemand | undefined;
}

export interface Share {
  readonly id: number;
  readonly rows: number;
}

/** What `--schedule` chooses. */
export interface Schedule extends Part<"engine"> {
  /** It plans by measured times, which have to be taken first. */
  readonly needsCosts: boolean;
  planner(setting: PlannerSetting): Planner;
}

export interface PlannerSetting {
  /** Sequences that run at once at most. */
  readonly maxSequences: number;
  /** Present where `needsCosts`. */
  readonly costs?: PassCosts;
}

export function schedule<Options extends z.ZodObject>(
  definition: MethodDefinition<Options> & {
    needsCosts?(options: z.output<Options>): boolean;
    planner(options: z.output<Options>, setting: PlannerSetting): Planner["plan"];
  },
): MethodFactory<"engine", Options, Schedule> {
  const { planner, needsCosts, ...head } = definition;
  return defineMethod({ ...head, kind: "engine" }, (options, part) => ({
    ...part,
    needsCosts: needsCosts?.(options) ?? false,
    planner: (setting) => ({ name: part.name, plan: planner(options, setting) }),
  }));
}
