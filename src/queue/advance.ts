import { setImmediate as soon } from "node:timers/promises";
import { QuireError } from "../errors.js";
import type { CallUsage, GenerationRequest, LanguageModel } from "../programs/language-model.js";
import type { Program } from "../programs/program.js";
import { replayKey } from "../programs/replay-log.js";
import { runProgram } from "../programs/run.js";
import { addUsage, noUsage } from "../programs/tree-node.js";
import { asError, type CallOutcome } from "./job.js";

/** Runs any program as far as the calls that are done carry it. Where it needs others it is given up, and they come back as a list: once
 *  they are done it is run again, from its beginning, with their outcomes. So a tree of calls becomes a tree of jobs, and no machine
 *  has to live as long as it takes. Programs are deterministic (seeds come from places in the tree), so a call is known again by what
 *  it asks. */

export type CallRequest = Omit<GenerationRequest, "signal" | "onText">;

export type Advance<Output> =
  | { readonly done: true; readonly output: Output; readonly cost: CallUsage & { readonly calls: number } }
  | { readonly done: false; readonly needed: ReadonlyMap<string, CallRequest> };

export interface AdvanceOptions {
  /** Counts tokens; is never asked. */
  readonly model: LanguageModel;
  readonly outcomes: ReadonlyMap<string, CallOutcome>;
  readonly signal?: AbortSignal;
}

/** All that can be asked at once is: the workers' number decides how much of it runs. */
const parallel = 1_000_000;

export async function advance<Input, Output>(
  program: Program<Input, Output>,
  input: Input,
  { model, outcomes, signal }: AdvanceOptions,
): Promise<Advance<Output>> {
  const needed = new Map<string, CallRequest>();
  /** Calls that ask the same are one call, and cost as much. */
  const used = new Map<string, CallOutcome>();
  const stop = new AbortController();
  const run = runProgram(program, input, {
    model: { ...model, countTokens: model.countTokens.bind(model), generate: answer },
    parallel,
    signal: signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]),
  });
  let ended = false;
  const end = () => {
    ended = true;
  };
  run.then(end, end);
  while (!ended && !(await isStuck())) {}
  stop.abort();
  // A program that is over although calls are open has no use for them, and fails for a reason that they cannot change.
  if (ended) return { done: true, output: (await run).output, cost: costOf(used) };
  await run.catch(() => {});
  return { done: false, needed };

  async function answer(request: GenerationRequest) {
    const key = replayKey(model.id, request);
    const outcome = outcomes.get(key);
    if (outcome === undefined) {
      const { signal: given, onText: _, ...rest } = request;
      needed.set(key, rest);
      return never(given);
    }
    used.set(key, outcome);
    if ("error" in outcome) throw asError(outcome.error);
    return outcome.generation;
  }

  /** Between two turns of the event loop all promises have settled that wait for nothing outside. */
  async function isStuck(): Promise<boolean> {
    const before = needed.size;
    for (let turn = 0; turn < 3; turn++) await soon();
    return before > 0 && needed.size === before;
  }
}

function costOf(used: ReadonlyMap<string, CallOutcome>) {
  const usages = [...used.values()].map((one) => ("error" in one ? noUsage : one.generation.usage));
  return { ...usages.reduce(addUsage, noUsage), calls: used.size };
}

function never(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    const stop = () => reject(new QuireError("cancelled", "This call is left to another run."));
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}
