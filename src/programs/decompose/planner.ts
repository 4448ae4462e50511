import { QuireError } from "../../errors.js";
import type { ChatMessage, LanguageModel } from "../language-model.js";
import type { Program, ProgramLimits } from "../program.js";
import type { ReplayLog } from "../replay-log.js";
import { runProgram } from "../run.js";
import { type CallCosts, callSeconds, fitCallCosts, type TimedCall } from "./call-costs.js";
import { type CallTree, callsOf, makespan, peakTokens, totals, tracedCalls } from "./call-tree.js";
import type { Task } from "./tasks/task.js";

/** Chooses how large the parts of a task are, before it runs: what each size would take, by the measured cost of a call, and how wrong
 *  it would be, by errors measured on drawn instances. The least time among sizes that are about as right as the best. */

/** What was learnt of a model on this machine. */
export interface Calibration {
  readonly costs: CallCosts;
  readonly errors: readonly ErrorPoint[];
  /** Tokens a prompt has beside its messages. */
  readonly frameTokens: number;
  /** Tokens of an answer, on average. */
  readonly answerTokens: number;
}

export interface ErrorPoint {
  /** Part size in the task's unit. */
  readonly size: number;
  /** Mean tokens of a prompt with such a part, for tasks that count otherwise. */
  readonly promptTokens: number;
  readonly error: number;
  readonly instances: number;
}

export interface SizePlan {
  readonly size: number;
  readonly calls: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly seconds: number;
  readonly peakTokens: number;
  /** Undefined where none was measured. */
  readonly error: number | undefined;
  /** Why this size cannot be had. */
  readonly refused: string | undefined;
}

export interface PlanOptions {
  readonly costs: CallCosts;
  readonly errors?: readonly ErrorPoint[];
  readonly frameTokens?: number;
  readonly answerTokens?: number;
  readonly workers?: number;
  readonly sizes?: readonly number[];
  readonly limits?: ProgramLimits;
  /** How much more than the least error still counts as about as right. */
  readonly tolerance?: number;
}

export type SizedModel = Pick<LanguageModel, "contextTokens" | "countTokens">;

/** Every size with what it would take, and the chosen one. */
export function planSizes<Input>(
  task: Task<Input, never> | Task<Input, unknown>,
  input: Input,
  model: SizedModel,
  options: PlanOptions,
): { readonly rows: readonly SizePlan[]; readonly chosen: SizePlan } {
  const { errors = [], workers = 1, limits = {} } = options;
  if (!Number.isInteger(workers) || workers < 1) {
    throw new QuireError("bad-option", "There must be at least one worker.", { got: workers, expected: "1 or more" });
  }
  const n = task.sizeOf(input);
  const rows = (options.sizes ?? geometricSizes(task.leastPart, n)).map((size): SizePlan => {
    const calls = task.firstRound(input, size);
    const tree = plannedCalls(calls, model, options);
    const { seconds: _, cachedTokens: __, ...sums } = totals(tree);
    const seconds = makespan(tree, workers);
    const longest = Math.max(...calls.map(({ maxTokens }, i) => (callsOf(tree)[i]?.promptTokens ?? 0) + maxTokens));
    const refused = reasonAgainst({ ...sums, seconds, longest }, model, limits);
    return { size, ...sums, seconds, peakTokens: peakTokens(tree, workers), error: errorAt(errors, size), refused };
  });
  return { rows, chosen: choose(rows, model, options.tolerance) };
}

/** The first round of calls as a tree, all at once. */
export function plannedCalls(
  calls: readonly { readonly messages: readonly ChatMessage[]; readonly maxTokens: number }[],
  model: Pick<SizedModel, "countTokens">,
  { costs, frameTokens = 0, answerTokens }: Pick<PlanOptions, "costs" | "frameTokens" | "answerTokens">,
): CallTree {
  return {
    parallel: calls.map(({ messages, maxTokens }) => {
      const promptTokens = frameTokens + messages.reduce((sum, { content }) => sum + model.countTokens(content), 0);
      const completionTokens = Math.min(maxTokens, answerTokens ?? maxTokens);
      return { promptTokens, completionTokens, seconds: callSeconds(costs, promptTokens, completionTokens) };
    }),
  };
}

/** The same tree with the seconds that the formula gives. */
export function withSeconds(tree: CallTree, costs: CallCosts): CallTree {
  if ("series" in tree) return { series: tree.series.map((part) => withSeconds(part, costs)) };
  if ("parallel" in tree) return { parallel: tree.parallel.map((part) => withSeconds(part, costs)) };
  return { ...tree, seconds: callSeconds(costs, tree.promptTokens, tree.completionTokens) };
}

/** least, twice that, and so on, then all at once. */
export function geometricSizes(least: number, n: number): number[] {
  const sizes: number[] = [];
  for (let size = least; size < n; size *= 2) sizes.push(size);
  return [...sizes, Math.max(least, n)];
}

/** Between measured sizes along the logarithm of the size; outside them the nearest. */
export function errorAt(
  errors: readonly ErrorPoint[],
  size: number,
  of: (point: ErrorPoint) => number = (point) => point.size,
): number | undefined {
  const points = [...errors].sort((a, b) => of(a) - of(b));
  const above = points.findIndex((point) => of(point) >= size);
  if (points.length === 0) return undefined;
  if (above <= 0) return points[above < 0 ? points.length - 1 : 0]!.error;
  const [low, high] = [points[above - 1]!, points[above]!];
  const share = Math.log(size / of(low)) / Math.log(of(high) / of(low));
  return low.error + share * (high.error - low.error);
}

/** Of what is about as right as the best, the quickest; of equally quick ones that with fewer tokens. */
export function choose<Row extends Pick<SizePlan, "error" | "refused" | "seconds" | "promptTokens" | "size">>(
  rows: readonly Row[],
  model: Pick<SizedModel, "contextTokens">,
  tolerance = 0.05,
): Row {
  const possible = rows.filter(({ refused }) => refused === undefined);
  const least = Math.min(...possible.map(({ error }) => error ?? 0));
  const right = possible.filter(({ error }) => (error ?? 0) <= least + tolerance);
  right.sort((a, b) => a.seconds - b.seconds || a.promptTokens - b.promptTokens);
  const [chosen] = right;
  if (chosen !== undefined) return chosen;
  const largest = rows.filter(({ refused }) => !refused?.includes("window")).map(({ size }) => size);
  throw new QuireError("context-overflow", "No part size is possible.", {
    got: rows.map(({ size, refused }) => `${size}: ${refused}`),
    expected: `parts that fit ${model.contextTokens} tokens and the limits${largest.length > 0 ? `; the largest that fits the window is ${Math.max(...largest)}` : ""}`,
    fix: "Raise the limits, or use a model with a larger window.",
  });
}

function reasonAgainst(
  plan: { calls: number; promptTokens: number; completionTokens: number; seconds: number; longest: number },
  { contextTokens }: SizedModel,
  limits: ProgramLimits,
): string | undefined {
  if (plan.longest > contextTokens) return `${plan.longest} tokens do not fit the window of ${contextTokens}`;
  const tokens = plan.promptTokens + plan.completionTokens;
  if (limits.calls !== undefined && plan.calls > limits.calls) return `${plan.calls} calls, allowed ${limits.calls}`;
  if (limits.tokens !== undefined && tokens > limits.tokens) return `${tokens} tokens, allowed ${limits.tokens}`;
  if (limits.seconds !== undefined && plan.seconds > limits.seconds)
    return `${plan.seconds.toFixed(1)} s, allowed ${limits.seconds} s`;
  return undefined;
}

export interface CalibrationOptions {
  readonly sizes: readonly number[];
  /** Size of the whole of each drawn instance. */
  readonly n: number;
  readonly instances: number;
  readonly seed?: number;
  readonly signal?: AbortSignal;
  readonly log?: ReplayLog;
  onProgress?(done: number, total: number): void;
}

export interface MeasuredSize extends ErrorPoint {
  readonly calls: readonly TimedCall[];
  readonly errors: readonly number[];
  readonly unread: number;
  /** What was predicted of it before: calls and prompt tokens of the first round. */
  readonly firstRound: { readonly calls: number; readonly promptTokens: number };
  readonly trees: readonly CallTree[];
}

/** Runs drawn instances with every size and keeps what they cost and how wrong they were. The same instances for every size. */
export async function measureSizes<Input, Answer>(
  task: Task<Input, Answer>,
  model: LanguageModel,
  { sizes, n, instances, seed = 1, signal, log, onProgress }: CalibrationOptions,
): Promise<MeasuredSize[]> {
  const measured: MeasuredSize[] = [];
  let done = 0;
  for (const size of sizes) {
    const trees: CallTree[] = [];
    const errors: number[] = [];
    let unread = 0;
    let planned = { calls: 0, promptTokens: 0 };
    for (let i = 0; i < instances; i++) {
      const { input, truth } = task.draw(n, seed + i);
      const program: Program<Input, { answer: Answer; unread: number }> = {
        kind: "program",
        name: task.name,
        label: task.name,
        run: (given, context) => task.solve(given, size, context),
      };
      const { output, trace } = await runProgram(program, input, { model, signal, log, seed });
      trees.push(tracedCalls(trace));
      errors.push(task.error(output.answer, truth));
      unread += output.unread;
      const first = task.firstRound(input, size);
      const tokens = first.flatMap(({ messages }) => messages.map(({ content }) => model.countTokens(content)));
      planned = {
        calls: planned.calls + first.length,
        promptTokens: planned.promptTokens + tokens.reduce((sum, count) => sum + count, 0),
      };
      onProgress?.(++done, sizes.length * instances);
    }
    const calls = trees.flatMap(callsOf);
    measured.push({
      size,
      promptTokens: calls.reduce((sum, call) => sum + call.promptTokens, 0) / Math.max(1, calls.length),
      error: errors.reduce((sum, error) => sum + error, 0) / instances,
      instances,
      calls,
      errors,
      unread,
      firstRound: planned,
      trees,
    });
  }
  return measured;
}

/** Tokens that prompts have beside their messages: one call that writes a single token. */
export async function measureFrame(model: LanguageModel, signal?: AbortSignal): Promise<number> {
  const content = "Say yes.";
  const { usage } = await model.generate({
    messages: [{ role: "user", content }],
    maxTokens: 1,
    temperature: 0,
    signal,
  });
  return Math.max(0, usage.promptTokens - model.countTokens(content));
}

export async function calibrate<Input, Answer>(
  task: Task<Input, Answer>,
  model: LanguageModel,
  options: CalibrationOptions,
): Promise<Calibration> {
  const frameTokens = await measureFrame(model, options.signal);
  const measured = await measureSizes(task, model, options);
  const calls = measured.flatMap((one) => one.calls);
  return {
    costs: fitCallCosts(calls),
    errors: measured.map(({ size, promptTokens, error, instances }) => ({ size, promptTokens, error, instances })),
    frameTokens,
    answerTokens: Math.ceil(calls.reduce((sum, call) => sum + call.completionTokens, 0) / Math.max(1, calls.length)),
  };
}
