import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { type Command, Option } from "commander";
import { descriptionLevels } from "../../programs/recursion/prompt.js";
import { recursionModes } from "../../programs/recursion/recursion-case.js";
import { openReplayLog } from "../../programs/replay-log.js";
import { runProgram } from "../../programs/run.js";
import { type JudgedCase, type RecursionOutput, structuralRecursion } from "../../programs/structural-recursion.js";
import { functionNames } from "../../train/recursion/recursive-function.js";
import { cacheFolder } from "../../weights/cache-folder.js";
import { count, oneLine, seconds, table } from "../layout.js";
import { openModel } from "../open-model.js";
import { examples, type ModelFlags, modelOptions, number, outputOptions } from "../options.js";
import type { Session } from "../session.js";
import { start } from "../start.js";

/** `quire eval recursion`: does a model compute a recursive function, or a shortcut? Any model, here or behind an endpoint. */

interface Flags extends ModelFlags {
  readonly task: (typeof functionNames)[number];
  readonly order: "natural" | "reverse";
  readonly mode: (typeof recursionModes)[number];
  readonly description: (typeof descriptionLevels)[number];
  readonly shots: number;
  readonly edgeShots: number;
  readonly steps: "level" | "leftmost";
  readonly size?: number;
  readonly cases?: number;
  readonly sets?: string[];
  readonly parallel?: number;
  readonly seed: number;
  readonly quick?: boolean;
  readonly fresh?: boolean;
}

const quickSets = { succ: ["natural", "all-carry", "longer"], tree: ["natural", "left-comb", "larger"] } as const;

export function defineRecursion(parent: Command): void {
  const command = parent
    .command("recursion")
    .description("Whether a model computes functions that are defined by recursion, asked in context.");
  const whole = { least: 0, whole: true };
  modelOptions(command)
    .addOption(new Option("--task <function>", "which function").choices([...functionNames]).default("succ"))
    .addOption(
      new Option("--order <order>", "numbers: which end first").choices(["natural", "reverse"]).default("natural"),
    )
    .addOption(
      new Option("--mode <mode>", "ask for the value, all steps, one step, or step after step")
        .choices([...recursionModes])
        .default("answer"),
    )
    .addOption(
      new Option("--description <level>", "how the function is described")
        .choices([...descriptionLevels])
        .default("informal"),
    )
    .addOption(number("--shots <n>", "demonstrations", undefined, { ...whole, most: 32 }).default(8))
    .addOption(
      number("--edge-shots <n>", "how many of them are edge cases", undefined, { ...whole, most: 8 }).default(0),
    )
    .addOption(
      new Option("--steps <kind>", "trees: what a step rewrites").choices(["level", "leftmost"]).default("level"),
    )
    .addOption(
      number("--size <n>", "most symbols of a number, nodes of a tree", undefined, { least: 3, most: 16, whole: true }),
    )
    .addOption(number("--cases <n>", "cases of each test set (default: 50)", undefined, { least: 1, whole: true }))
    .addOption(new Option("--sets <set...>", "only these test sets"))
    .addOption(number("--parallel <n>", "calls at the same time", "QUIRE_PARALLEL", { least: 1, whole: true }))
    .addOption(number("--seed <n>", "draws the cases", "QUIRE_SEED", whole).default(1))
    .addOption(new Option("--quick", "a few cases of three sets"))
    .addOption(new Option("--fresh", "make all calls again, also those of a run that was stopped"));
  examples(outputOptions(command), [
    "quire eval recursion --quick",
    "quire eval recursion --task in --mode reduce --shots 4",
    "quire eval recursion --base-url http://127.0.0.1:8000/v1 --model qwen3-8b --parallel 8 --json",
  ]);
  command.action(start(run));
}

async function run(session: Session, given: Flags, self: Command): Promise<void> {
  const { model: parentModel } = (self.parent?.opts() ?? {}) as { model?: string };
  const flags = { ...given, model: given.model ?? parentModel };
  const { task, order, mode, description, shots, edgeShots, steps, size, seed, quick = false } = flags;
  const options = { task, order, mode, description, shots, edgeShots, steps, ...(size === undefined ? {} : { size }) };
  const asked = {
    cases: flags.cases ?? (quick ? 5 : 50),
    sets: flags.sets ?? (quick ? [...quickSets[task === "succ" ? "succ" : "tree"]] : undefined),
  };
  const program = structuralRecursion(options);
  const opened = await openModel(session, flags);
  const { model } = opened;
  const path = logPath([model.id, flags.baseUrl, options, asked, seed]);
  if (flags.fresh) await rm(path, { force: true });
  const log = await openReplayLog(path);
  const began = performance.now();
  try {
    if (log.size > 0) session.hint(`Going on where an earlier run stopped: ${count(log.size, "call")} done.`);
    const input = {
      ...asked,
      onCase: (done: number, total: number) =>
        session.progress.show({ phase: "Asking", name: `${task}, ${mode}`, done, total, unit: "calls" }),
    };
    const { output, trace } = await runProgram(program, input, {
      ...{ model, log, seed, parallel: flags.parallel, signal: session.signal },
    }).catch((error: unknown) => {
      if (log.size > 0) session.hint("The same command goes on from here.");
      throw error;
    });
    session.progress.clear();
    const took = (performance.now() - began) / 1000;
    if (session.json)
      session.result(
        asReport(output, {
          options,
          seed,
          model: model.id,
          seconds: took,
          calls: trace.calls,
          usage: trace.usage,
          quick,
        }),
      );
    else {
      write(session, output, mode);
      session.hint(`\n${opened.where}. ${count(trace.calls, "call")}, ${seconds(took)}.`);
    }
    await log.close();
    await rm(path, { force: true });
  } finally {
    await log.close().catch(() => {});
    await opened.close();
  }
}

function logPath(parts: unknown): string {
  const name = createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 24);
  return join(cacheFolder(), "evals", `${name}.jsonl`);
}

function asReport(output: RecursionOutput, about: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { sets, depths, shortcuts, faults, judged } = output;
  const share = (exact: number, cases: number): number => exact / cases;
  return {
    bench: "recursion",
    ...about,
    rows: [...sets.map((row) => ({ ...row, depth: "all" })), ...depths],
    ratios: Object.fromEntries(sets.map(({ set, exact, cases }) => [`exact:${set}`, share(exact, cases)])),
    shortcuts,
    faults,
    judged,
  };
}

function write(session: Session, { sets, depths, shortcuts, faults, judged }: RecursionOutput, mode: string): void {
  const { style } = session;
  const percent = (exact: number, cases: number): string => `${Math.round((100 * exact) / cases)}%`;
  const header = ["test set", "cases", "exact", "unreadable"];
  for (const [i, line] of table(
    [
      header,
      ...sets.map(({ set, cases, exact, unread }) => [set, String(cases), percent(exact, cases), String(unread)]),
    ],
    [1, 2, 3],
  ).entries())
    session.line(i === 0 ? style.dim(line) : line);
  session.line();
  const byDepth = depths.map(({ depth, cases, exact }) => `${depth}: ${percent(exact, cases)} of ${cases}`);
  session.line(`By depth   ${byDepth.join(" · ")}`);
  if (shortcuts !== undefined) session.line(`Shortcut   ${shortcutLine(shortcuts)}`);
  if (faults !== undefined) {
    const kinds = Object.entries(faults).sort(([, a], [, b]) => b - a);
    session.line(
      `First fault  ${kinds.length === 0 ? "none" : kinds.map(([kind, times]) => `${kind} ${times}`).join(" · ")}`,
    );
  }
  const wrong = judged.filter(({ right }) => !right).slice(0, 3);
  if (wrong.length > 0) session.line(`\n${style.dim("Some that are wrong")}`);
  for (const one of wrong) session.line(wrongLine(one, mode, session));
}

function shortcutLine({ failures, named, explanations }: NonNullable<RecursionOutput["shortcuts"]>): string {
  if (failures === 0) return "none: nothing is wrong";
  const best = named ?? explanations[0];
  if (best === undefined || !(best.explained > 0)) return "none explains a failure";
  const name = best.k === undefined ? best.shortcut : `${best.shortcut}(${best.k})`;
  const share = `${Math.round(100 * best.explained)}% of the failures`;
  return named === undefined ? `none; the nearest is ${name}, with ${share}` : `${name} explains ${share}`;
}

function wrongLine({ input, expected, said, fault }: JudgedCase, mode: string, { columns, style }: Session): string {
  const where = fault === undefined || mode === "answer" ? "" : ` (step ${fault.step}: ${fault.kind})`;
  // What a model says without an end leaves no room for what is right.
  const reply = said === undefined ? "not readable" : oneLine(said, 2 * expected.length + 12);
  return `  ${oneLine(`${input} -> ${reply}${where}`, columns)}  ${style.dim(`right: ${expected}`)}`;
}
