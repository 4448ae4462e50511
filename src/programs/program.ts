import type { z } from "zod";
import { defineMethod, type MethodDefinition, type MethodFactory, type Part } from "../method.js";
import type { CallUsage, Generation, GenerationRequest, LanguageModel } from "./language-model.js";

/** A program is an async function over `context`: a tree of model calls with cost, limits, cancellation and a trace. */
export interface Program<Input = unknown, Output = unknown> extends Part<"program"> {
  run(input: Input, context: ProgramContext): Promise<Output>;
}

export interface ProgramContext {
  /** One model call, booked on this node of the tree. Throws `budget-exceeded` before a call that could go over a limit. */
  ask(request: Omit<GenerationRequest, "signal">): Promise<Generation>;
  /** Runs `work` as a child node; its cost counts for this node as well. */
  child<Result>(name: string, work: (context: ProgramContext) => Promise<Result>): Promise<Result>;
  /** Many children, at most `parallel` at once; results in the order of the items. */
  map<Item, Result>(
    name: string,
    items: readonly Item[],
    work: (item: Item, context: ProgramContext, index: number) => Promise<Result>,
  ): Promise<Result[]>;
  readonly model: Pick<LanguageModel, "id" | "contextTokens" | "parameters" | "countTokens">;
  readonly signal: AbortSignal;
  /** Seed of this node, derived from the tree's seed and the node's path, so parallel order does not change results. */
  readonly seed: number;
}

/** One node of the finished or running tree. `usage` is the node's own calls plus those of all its children. */
export interface TraceNode {
  readonly name: string;
  readonly path: string;
  status: "running" | "done" | "failed" | "cancelled";
  calls: number;
  /** Calls answered from the replay log: no model ran, so they cost nothing. */
  replayed: number;
  usage: CallUsage;
  error?: string;
  readonly children: TraceNode[];
}

export interface ProgramLimits {
  readonly calls?: number;
  readonly tokens?: number;
  readonly seconds?: number;
}

export function program<Options extends z.ZodObject, Input, Output>(
  definition: MethodDefinition<Options> & {
    create(options: z.output<Options>): (input: Input, context: ProgramContext) => Promise<Output>;
  },
): MethodFactory<"program", Options, Program<Input, Output>> {
  const { create, ...head } = definition;
  return defineMethod({ ...head, kind: "program" }, (options, part) => ({ ...part, run: create(options) }));
}
