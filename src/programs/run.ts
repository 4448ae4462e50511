import { createHash } from "node:crypto";
import { isQuireError, QuireError } from "../errors.js";
import { CallSlots } from "./call-slots.js";
import type { LanguageModel } from "./language-model.js";
import { exceeded, Purse } from "./limits.js";
import type { Program, ProgramLimits, TraceNode } from "./program.js";
import type { ReplayLog } from "./replay-log.js";
import { estimateTokens } from "./token-estimate.js";
import { TreeNode, type TreeRun } from "./tree-node.js";

/** Runs a program over a model: builds the tree of calls with its exact cost, holds the limits, passes on cancellation and
 *  waits until every child has settled, whatever happens. */

export interface RunOptions {
  /** Left out: programs that can do without a model do, `ask` of the others fails with `unsupported`. */
  readonly model?: LanguageModel;
  readonly limits?: ProgramLimits;
  readonly signal?: AbortSignal;
  readonly seed?: number;
  /** Most children of one `map` in flight. */
  readonly parallel?: number;
  /** Calls found in it are not made again; calls made are added to it. */
  readonly log?: ReplayLog;
  /** A node began, booked a call, or ended. */
  onTrace?(node: TraceNode, root: TraceNode): void;
}

export interface RunResult<Output> {
  readonly output: Output;
  readonly trace: TraceNode;
}

/** What a typed error of a run carries as `partial`. */
export interface RunPartial {
  /** What the program itself had ready, if it says so. */
  readonly result: unknown;
  readonly trace: TraceNode;
}

export const noModelId = "none";

export async function runProgram<Input, Output>(
  program: Program<Input, Output>,
  input: Input,
  options: RunOptions = {},
): Promise<RunResult<Output>> {
  const { model, limits = {}, parallel = 1, seed = 0 } = options;
  if (!Number.isInteger(parallel) || parallel < 1) {
    throw new QuireError("bad-option", `"parallel" cannot be ${parallel}.`, {
      got: parallel,
      expected: "a whole number of at least 1",
    });
  }
  const stop = new AbortController();
  const signals = options.signal === undefined ? [stop.signal] : [options.signal, stop.signal];
  const run: TreeRun = {
    model,
    shownModel: model ?? { id: noModelId, contextTokens: 0, countTokens: estimateTokens },
    purse: new Purse(limits),
    parallel,
    slots: new CallSlots(parallel),
    log: options.log,
    changed: (node) => options.onTrace?.(node, root.trace),
  };
  const root = new TreeNode(run, program.name, program.name, AbortSignal.any(signals), (path) => pathSeed(seed, path));
  const timer = limits.seconds === undefined ? undefined : stopAfter(limits.seconds, stop);
  try {
    const output = await root.work((context) => program.run(input, context));
    return { output, trace: root.trace };
  } catch (error) {
    throw withTrace(error, root.trace);
  } finally {
    clearTimeout(timer);
  }
}

/** 31 bits from the tree's seed and a node's path. */
export function pathSeed(seed: number, path: string): number {
  return createHash("sha256").update(`${seed} ${path}`).digest().readUInt32LE(0) >>> 1;
}

function stopAfter(seconds: number, stop: AbortController): NodeJS.Timeout {
  // Timers hold 31 bits of milliseconds; a longer limit is as good as that.
  const delay = Math.min(seconds * 1000, 2 ** 31 - 1);
  return setTimeout(() => stop.abort(exceeded("seconds", seconds, seconds)), delay);
}

/** The same error with the trace beside the program's own partial result; foreign errors pass unchanged. */
function withTrace(error: unknown, trace: TraceNode): unknown {
  if (!isQuireError(error)) return error;
  const partial: RunPartial = { result: error.partial, trace };
  const { code, message, got, expected, fix } = error;
  return new QuireError(code, message, { got, expected, fix, cause: error, partial });
}
