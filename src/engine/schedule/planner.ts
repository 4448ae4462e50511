/** A planner decides which rows run together in the next pass. It is a pure function of numbers, so it can be tested without a
 *  model and replayed in virtual time. There are no phases: each sequence has one number, the rows it still wants. */

export interface SequenceDemand {
  readonly id: number;
  /** Rows of the current request that were not evaluated yet, at least 1. */
  readonly rows: number;
  /** The request cannot be cut: its rows see each other in a way that is not causal. */
  readonly whole: boolean;
  /** Order of arrival. */
  readonly arrival: number;
}

export interface Share {
  readonly id: number;
  readonly rows: number;
}

export interface Planner {
  readonly name: string;
  /** At least one share whenever there is any demand. */
  plan(demands: readonly SequenceDemand[]): Share[];
}
