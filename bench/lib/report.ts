import type { Machine } from "./machine.js";
import type { Spread } from "./statistics.js";

/** What a bench gives back: numbers as data, and how to show them. The table, the picture and the JSON are all printed from it. */

export interface Column {
  readonly title: string;
  readonly unit: string;
  readonly digits: number;
  readonly better: "higher" | "lower" | "neither";
}

export interface Row {
  /** What was asked of every contender alike: "2 threads, context 128". */
  readonly setting: string;
  readonly contender: string;
  readonly measures: Readonly<Record<string, Spread>>;
}

/** Something that must hold before a speed means anything. */
export interface Check {
  readonly name: string;
  readonly passed: boolean;
  readonly detail: string;
}

export interface Target {
  readonly atLeast?: number;
  readonly atMost?: number;
}

export interface Chart {
  readonly measure: string;
  readonly title: string;
  /** Only these settings, in this order; default all. */
  readonly settings?: readonly string[];
}

/** What a bench measured, before the machine and the date are added. */
export interface Findings {
  readonly title: string;
  /** What the table says, in a sentence or two. */
  readonly summary: string;
  readonly columns: Readonly<Record<string, Column>>;
  readonly rows: readonly Row[];
  readonly ratios: Readonly<Record<string, number>>;
  readonly targets: Readonly<Record<string, Target>>;
  readonly checks: readonly Check[];
  readonly charts: readonly Chart[];
  readonly versions: Readonly<Record<string, string>>;
  readonly notes: readonly string[];
}

export interface Report extends Findings {
  readonly bench: string;
  readonly machine: Machine;
  readonly seed: number;
  readonly date: string;
  readonly quick: boolean;
  readonly seconds: number;
}

export interface BenchOptions {
  /** Under a minute, with fewer settings and rounds: to see that everything works, not to quote. */
  readonly quick: boolean;
  /** One thread count instead of the usual ones. */
  readonly threads: number | undefined;
  readonly model: string | undefined;
  readonly seed: number;
  /** Of benches that compare policies: which, at which shares, on which text and tasks. */
  readonly policies?: string;
  readonly budgets?: string;
  readonly text?: string;
  readonly tasks?: string;
  /** Report what earlier, unfinished runs measured, and measure nothing. */
  readonly saved?: boolean;
  progress(text: string): void;
}

export interface Bench {
  readonly title: string;
  run(options: BenchOptions): Promise<Findings>;
}

/** Whether a ratio reached its target; undefined where there is none. */
export function reached(value: number, target: Target | undefined): boolean | undefined {
  if (target === undefined) return undefined;
  return value >= (target.atLeast ?? Number.NEGATIVE_INFINITY) && value <= (target.atMost ?? Number.POSITIVE_INFINITY);
}
