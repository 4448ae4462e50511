import {
  type CallCosts,
  callSeconds,
  fitCallCosts,
  medianCostError,
  type TimedCall,
} from "../../src/programs/decompose/call-costs.js";
import { type CallTree, makespan, totals } from "../../src/programs/decompose/call-tree.js";
import { findingChance } from "../../src/programs/decompose/error-bounds.js";
import {
  choose,
  type MeasuredSize,
  measureFrame,
  measureSizes,
  planSizes,
  withSeconds,
} from "../../src/programs/decompose/planner.js";
import { type AnyTask, type TaskName, taskOf } from "../../src/programs/decompose/tasks/every-task.js";
import type { LanguageModel } from "../../src/programs/language-model.js";
import { memoryReplayLog } from "../../src/programs/replay-log.js";
import { Quire } from "../../src/quire.js";
import type { Bench, BenchOptions, Check, Findings, Row } from "../lib/report.js";
import { mean, median, single, spread } from "../lib/statistics.js";
import { windowErrors } from "./window-errors.js";

/** Tasks taken apart with a small model: for every part size what it costs and how wrong it is, beside what was predicted. */

export const programsBench: Bench = { title: "Big tasks as small calls", run };

interface Setup {
  readonly task: TaskName;
  readonly n: number;
  readonly sizes: readonly number[];
  readonly instances: number;
}

function setups(quick: boolean): Setup[] {
  const most = (instances: number) => (quick ? 1 : instances);
  return [
    { task: "counting", n: 100, sizes: [10, 25, 50, 100], instances: most(2) },
    { task: "sorting", n: 16, sizes: [4, 8, 16], instances: most(1) },
    { task: "retrieval", n: 1500, sizes: [250, 500, 1000, 1500], instances: most(2) },
    { task: "no-needle", n: 1500, sizes: [250, 500, 1000, 1500], instances: most(1) },
    ...(quick ? [] : [{ task: "rag" as const, n: 1200, sizes: [300, 600, 1200], instances: 1 }]),
  ];
}

async function run(options: BenchOptions): Promise<Findings> {
  const { quick, seed, progress } = options;
  const modelName = options.model ?? "smollm2-135m-instruct";
  // Without sharing of beginnings every call reads its whole prompt, which is what the formula says.
  const quire = await Quire.open(modelName, { threads: options.threads ?? 1, prefixSharing: false });
  try {
    const model = quire.languageModel();
    const frameTokens = await measureFrame(model);
    const costs = fitCallCosts(await probe(model, quick ? 5 : 6));
    progress(`cost of a call: ${shownCosts(costs)}`);
    const rows: Row[] = [];
    const checks: Check[] = [];
    const notes: string[] = [
      `Cost of a call by probes before: ${shownCosts(costs)}. A prompt has ${frameTokens} tokens beside its messages.`,
    ];
    const ratios: Record<string, number> = {};
    const timeErrors: number[] = [];
    const timed: TimedCall[] = [];
    const perWindow: Partial<Record<TaskName, readonly { size: number; missed: number; invented: number }[]>> = {};
    for (const { task: name, n, sizes, instances } of setups(quick)) {
      const task = taskOf(name);
      const log = memoryReplayLog();
      const measured = await measureSizes(task, model, {
        sizes,
        n,
        instances,
        seed,
        log,
        onProgress: (done, total) => progress(`${name}: ${done} of ${total} runs`),
      });
      for (const one of measured) {
        timeErrors.push(
          ...one.trees.map((tree) => relativeError(makespan(withSeconds(tree, costs)), makespan(tree, 1))),
        );
        timed.push(...one.calls);
        rows.push(row(name, n, modelName, one, costs));
        checks.push(predicted(name, one, frameTokens));
      }
      notes.push(planned(task, name, n, seed, model, { costs, frameTokens, measured }));
      if (name === "retrieval" || name === "no-needle") {
        perWindow[name] = await windowErrors(name, { n, sizes, instances, seed }, model, log);
      }
      const [best, whole] = [Math.min(...measured.map(({ error }) => error)), measured.at(-1)?.error ?? Number.NaN];
      ratios[`error at the best size:${name}`] = best;
      ratios[`error of one call:${name}`] = whole;
    }
    notes.push(...boundNotes(perWindow, setups(quick)));
    ratios["median error of predicted time"] = median(timeErrors);
    notes.push(
      `Time of a run by the formula is off by ${(100 * median(timeErrors)).toFixed(0)} % in the median; fitted to the calls themselves, the formula is off by ${(100 * medianCostError(fitCallCosts(timed), timed)).toFixed(0)} % for the median call. The machine was shared while this ran.`,
    );
    return {
      title: programsBench.title,
      summary:
        "Tasks with known answers, cut into parts of each size; the same instances for every size. Error: counting relative to the true count; sorting the largest difference at a place, 1 where numbers are lost; retrieval 0 or 1; rag the share of wrong digits. Calls and prompt tokens of the first round are predicted before; time is predicted from the tokens by a formula fitted to a few probe calls. Calls run one after another.",
      columns: {
        error: { title: "error", unit: "", digits: 2, better: "lower" },
        unread: { title: "answers unread", unit: "", digits: 1, better: "lower" },
        calls: { title: "calls", unit: "", digits: 0, better: "neither" },
        promptTokens: { title: "tokens read", unit: "", digits: 0, better: "lower" },
        completionTokens: { title: "tokens written", unit: "", digits: 0, better: "lower" },
        seconds: { title: "time", unit: "s", digits: 1, better: "lower" },
        predictedSeconds: { title: "time predicted", unit: "s", digits: 1, better: "neither" },
      },
      rows,
      ratios,
      targets: {},
      checks,
      charts: [
        { measure: "error", title: "Error by part size", settings: rows.map(({ setting }) => setting) },
        { measure: "seconds", title: "Seconds by part size", settings: rows.map(({ setting }) => setting) },
      ],
      versions: {},
      notes,
    };
  } finally {
    await quire.close();
  }
}

/** Calls of known lengths, each twice, from short to long. */
async function probe(model: LanguageModel, lengths: number): Promise<TimedCall[]> {
  const calls: TimedCall[] = [];
  for (let i = 0; i < lengths; i++) {
    const words = Math.round(30 * 1.6 ** i) % 800;
    for (const maxTokens of [1, 12]) {
      const content = `${"river stone letter ".repeat(Math.ceil(words / 3))}\n\nSay something about it.`;
      const { usage } = await model.generate({ messages: [{ role: "user", content }], maxTokens, temperature: 0 });
      calls.push(usage);
    }
  }
  return calls;
}

function row(name: string, n: number, contender: string, one: MeasuredSize, costs: CallCosts): Row {
  const each = <Key extends keyof ReturnType<typeof totals>>(key: Key) =>
    single(mean(one.trees.map((tree) => totals(tree)[key])));
  return {
    setting: `${name}, ${n} in all, parts of ${one.size}`,
    contender,
    measures: {
      error: { ...single(one.error), low: Math.min(...one.errors), high: Math.max(...one.errors), n: one.instances },
      unread: single(one.unread / one.instances),
      calls: each("calls"),
      promptTokens: each("promptTokens"),
      completionTokens: each("completionTokens"),
      seconds: spread(one.trees.map((tree) => makespan(tree, 1))),
      predictedSeconds: spread(one.trees.map((tree: CallTree) => makespan(withSeconds(tree, costs), 1))),
    },
  };
}

/** Calls and tokens of the first round; where a task has further calls, they are not part of it. */
function predicted(name: TaskName, one: MeasuredSize, frameTokens: number): Check {
  const { calls, promptTokens } = one.firstRound;
  const further = name === "rag" ? one.instances : 0;
  const expected = promptTokens + frameTokens * calls;
  // Further calls come last in each tree.
  const first = one.trees.flatMap((tree) => firstRoundOf(tree));
  const read = first.reduce((sum, call) => sum + call.promptTokens, 0);
  return {
    name: `calls and tokens as predicted: ${name}, parts of ${one.size}`,
    passed: one.calls.length === calls + further && read === expected,
    detail: `${one.calls.length} calls, ${read} tokens read in the first round, predicted ${calls + further} and ${expected}`,
  };
}

function firstRoundOf(tree: CallTree): { promptTokens: number }[] {
  if ("series" in tree) return tree.series[0] === undefined ? [] : firstRoundOf(tree.series[0]);
  if ("parallel" in tree) return tree.parallel.flatMap(firstRoundOf);
  return [tree];
}

function planned(
  task: AnyTask,
  name: string,
  n: number,
  seed: number,
  model: LanguageModel,
  known: { costs: CallCosts; frameTokens: number; measured: readonly MeasuredSize[] },
): string {
  const { costs, frameTokens, measured } = known;
  const calls = measured.flatMap((one) => one.calls);
  const answerTokens = Math.ceil(mean(calls.map(({ completionTokens }) => completionTokens)));
  const sizes = measured.map(({ size }) => size);
  const { input } = task.draw(n, seed + 1000);
  const { chosen } = planSizes(task, input, model, { costs, errors: measured, frameTokens, answerTokens, sizes });
  const quickest = choose(
    measured.map((one) => ({
      ...one,
      seconds: mean(one.trees.map((tree) => makespan(tree, 1))),
      error: undefined,
      refused: undefined,
    })),
    model,
  );
  const byTime = planSizes(task, input, model, { costs, frameTokens, answerTokens, sizes }).chosen;
  return `${name}: the planner takes parts of ${chosen.size}; by time alone it would take ${byTime.size}, and ${quickest.size} was quickest.`;
}

function boundNotes(
  perWindow: Partial<Record<TaskName, readonly { size: number; missed: number; invented: number }[]>>,
  all: readonly Setup[],
): string[] {
  const setup = all.find(({ task }) => task === "retrieval");
  return (perWindow.retrieval ?? []).map(({ size, missed, invented }) => {
    const windows = Math.max(1, Math.ceil(((setup?.n ?? size) - size) / Math.ceil(size / 2)) + 1);
    const holding = Math.min(windows, 2);
    const chance = findingChance({ missed, invented, windows, holding });
    const alone = perWindow["no-needle"]?.find((one) => one.size === size)?.invented;
    return `retrieval, windows of ${size}: a window that holds the fact misses it in ${(100 * missed).toFixed(0)} %, one that does not invents one in ${(100 * invented).toFixed(0)} %${alone === undefined ? "" : ` (${(100 * alone).toFixed(0)} % where the text holds none)`}; the bound says right in at least ${(100 * chance).toFixed(0)} %.`;
  });
}

function shownCosts({ prefill: [a0, a1, a2], decode: [b0, b1] }: CallCosts): string {
  const ms = (seconds: number) => (1000 * seconds).toPrecision(2);
  return `${ms(a0)} ms + ${ms(a1)} ms a token + ${ms(a2 * 1e6)} ms a million token pairs to read, ${ms(b0)} ms + ${ms(b1 * 1000)} ms a thousand tokens before it to write a token (100 tokens read and 10 written: ${callSeconds({ prefill: [a0, a1, a2], decode: [b0, b1] }, 100, 10).toFixed(2)} s)`;
}

function relativeError(predictedValue: number, real: number): number {
  return Math.abs(predictedValue - real) / real;
}
