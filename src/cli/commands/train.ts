import { rm } from "node:fs/promises";
import path from "node:path";
import { type Command, Option } from "commander";
import { QuireError } from "../../errors.js";
import { checkpointPath, hasCheckpoint } from "../../train/checkpoint.js";
import type { CurveReport } from "../../train/curve-files.js";
import type { TrainingEvent, TrainingOutcome } from "../../train/loop.js";
import type { OpenedRun } from "../../train/open-run.js";
import type { ParsedRecipe } from "../../train/recipe.js";
import { count, seconds } from "../layout.js";
import { loadRecipe } from "../load-recipe.js";
import { lossCurve } from "../loss-curve.js";
import { examples, isOffline, number, offline, outputOptions } from "../options.js";
import type { Session } from "../session.js";
import { start } from "../start.js";

/** `quire train`: trains a model after a recipe, shows how it goes, and saves what `quire complete --model` opens. */

interface Flags {
  readonly out?: string;
  readonly resume?: boolean;
  readonly restart?: boolean;
  readonly seed?: number;
  readonly steps?: number;
  readonly device?: string;
  readonly threads?: number;
  readonly offline?: boolean;
}

export function define(command: Command): void {
  command
    .description("Trains a model after a recipe. Stop it with Ctrl-C and go on with --resume: nothing is lost.")
    .argument("<recipe>", "a .ts, .mjs, .js or .json file")
    .addOption(new Option("-o, --out <folder>", "where checkpoints, curve and model go; default runs/NAME"))
    .addOption(new Option("--resume", "go on from the folder's checkpoint"))
    .addOption(new Option("--restart", "begin anew where the folder holds a checkpoint").conflicts("resume"))
    .addOption(number("--seed <n>", "instead of the recipe's", "QUIRE_SEED", { least: 0, whole: true }))
    .addOption(number("--steps <n>", "instead of the recipe's", undefined, { least: 1, whole: true }))
    .addOption(new Option("--device <name>", "auto, cpu, or a device `quire doctor` lists").env("QUIRE_DEVICE"))
    .addOption(number("--threads <n>", "compute threads", "QUIRE_THREADS", { least: 1, whole: true }))
    .addOption(offline());
  examples(outputOptions(command), [
    "quire train recipes/addition.ts",
    "quire train recipes/addition.ts --resume",
    'quire complete "12+34=" --model runs/addition/model.gguf',
  ]);
  command.action(start(run));
}

async function run(session: Session, file: string, flags: Flags): Promise<void> {
  const written = await loadRecipe(file);
  const recipe = { ...written, seed: flags.seed ?? written.seed, steps: flags.steps ?? written.steps };
  const folder = flags.out ?? path.join("runs", recipe.name);
  await mayBegin(folder, flags);
  const { Device } = await import("../../tensor/device.js");
  const { openRun } = await import("../../train/open-run.js");
  const { partOf } = await import("../../methods.js");
  const trainer = recipe.trainer === undefined ? undefined : await partOf("trainer", recipe.trainer);
  const device = Device.open({ device: flags.device, threads: flags.threads });
  try {
    const opened = await openRun(recipe, {
      ...{ device, folder, resume: flags.resume === true, base: path.dirname(file), signal: session.signal, trainer },
      modelPath: await modelPath(session, recipe, path.dirname(file), flags),
    });
    try {
      const outcome = await watch(session, recipe, opened, folder);
      const saved = await save(session, recipe, opened, outcome, folder);
      report(session, recipe, opened, outcome, { folder, saved });
    } finally {
      opened.close();
    }
  } finally {
    await device.close();
  }
}

/** A run that was stopped is not thrown away unasked. */
async function mayBegin(folder: string, { resume = false, restart = false }: Flags): Promise<void> {
  const begun = await hasCheckpoint(folder);
  if (resume && !begun) {
    throw new QuireError("not-found", `${folder} holds no checkpoint to go on from.`, {
      got: folder,
      fix: "Leave --resume out to begin, or name the folder with --out.",
    });
  }
  if (restart) await rm(checkpointPath(folder), { force: true });
  if (!begun || resume || restart) return;
  throw new QuireError("bad-input", `${folder} holds a run already.`, {
    got: folder,
    fix: "Go on with it (--resume), begin anew (--restart), or choose another folder (--out).",
  });
}

async function modelPath(
  session: Session,
  { model }: ParsedRecipe,
  base: string,
  flags: Flags,
): Promise<string | undefined> {
  if (!("from" in model)) return undefined;
  const { installable, resolveModel } = await import("../../weights/resolve-model.js");
  const name = installable(model.from) === undefined ? path.resolve(base, model.from) : model.from;
  const resolved = await resolveModel(name, {
    offline: isOffline(flags),
    signal: session.signal,
    onProgress: ({ file, receivedBytes, totalBytes }) =>
      session.progress.show({
        phase: "Downloading",
        name: file,
        done: receivedBytes,
        total: totalBytes,
        unit: "bytes",
      }),
  });
  session.progress.clear();
  return resolved.path;
}

async function watch(
  session: Session,
  recipe: ParsedRecipe,
  { plan, model }: OpenedRun,
  folder: string,
): Promise<TrainingOutcome> {
  const { trainingRun } = await import("../../train/loop.js");
  const { sequences, length } = recipe.batch;
  session.hint(
    `${recipe.title ?? recipe.name}: ${millions(model.count)} weights (${model.architecture.name}), ${recipe.steps.toLocaleString("en-US")} steps of ${sequences} x ${length} tokens.`,
  );
  const run = trainingRun(plan, session.signal);
  let smooth: number | undefined;
  let rate = 0;
  let kept = "";
  const show = (event: TrainingEvent): void => {
    if (event.kind === "step") {
      smooth = smooth === undefined ? event.loss : 0.95 * smooth + 0.05 * event.loss;
      rate = rate === 0 ? event.rowsPerSecond : 0.9 * rate + 0.1 * event.rowsPerSecond;
      const name = `loss ${smooth.toFixed(3)}${kept}  ${Math.round(rate).toLocaleString("en-US")} tokens/s`;
      session.progress.show({ phase: "Training", name, done: event.step, total: recipe.steps, unit: "steps" });
    } else if (event.kind === "evaluation") {
      kept = `  kept back ${event.loss.toFixed(3)}${rightShare(event.accuracy)}`;
      session.hint(evaluationLine(event));
    } else if (event.kind === "checkpoint-failed") {
      session.warn(`Step ${event.step}: no checkpoint was written. ${event.error.message} Training goes on.`);
    } else if (event.kind === "resumed") {
      session.hint(`Going on after step ${event.step}.`);
    }
  };
  try {
    for (;;) {
      const next = await run.next();
      if (next.done === true) return next.value;
      show(next.value);
    }
  } catch (error) {
    if (session.signal.aborted && (await hasCheckpoint(folder)))
      session.hint(`Stopped; ${folder} holds everything. Go on with the same command and --resume.`);
    throw error;
  } finally {
    session.progress.clear();
    await run.return(undefined as never).catch(() => undefined);
  }
}

async function save(
  session: Session,
  recipe: ParsedRecipe,
  { model, adapter, vocabulary }: OpenedRun,
  { curve, steps, tokens, seconds: taken, ended }: TrainingOutcome,
  folder: string,
): Promise<string> {
  const { writeCurve } = await import("../../train/curve-files.js");
  const { saveGguf, saveSafetensors } = await import("../../train/save-model.js");
  const about: CurveReport = {
    ...{ name: recipe.name, parameters: model.count, steps, tokens, seconds: taken, ended, seed: recipe.seed },
    points: curve.points,
    evaluations: curve.evaluations,
  };
  await writeCurve(folder, about);
  if (adapter !== undefined) {
    const into = path.join(folder, "adapter");
    await adapter.save(into, "from" in recipe.model ? recipe.model.from : undefined);
    return into;
  }
  const notes = { seed: recipe.seed, steps, tokens };
  const options = { name: recipe.name, vocabulary, notes, signal: session.signal };
  const file = path.join(folder, recipe.save === "gguf" ? "model.gguf" : "model");
  await (recipe.save === "gguf" ? saveGguf(model, file, options) : saveSafetensors(model, file, options));
  return file;
}

function report(
  session: Session,
  recipe: ParsedRecipe,
  { model, adapter }: OpenedRun,
  { curve, steps, tokens, seconds: taken, ended, best }: TrainingOutcome,
  { folder, saved }: { folder: string; saved: string },
): void {
  const last = curve.evaluations.at(-1);
  const loss = curve.points.at(-1)?.loss;
  if (session.json) {
    session.result({
      ...{ name: recipe.name, model: saved, folder, parameters: model.count, steps, tokens, seconds: taken, ended },
      ...{ loss, evaluation: last, best, curve: path.join(folder, "curve.json") },
      notices: session.notices,
    });
    return;
  }
  for (const line of lossCurve({ points: curve.points, columns: Math.min(session.columns, 80), rows: 8 }))
    session.line(line);
  const early = ended === "no-progress" ? `, ended early: nothing better since step ${best?.step}` : "";
  session.line(
    `${count(steps, "step")} in ${seconds(taken)}${early}. ${last === undefined ? "" : evaluationLine(last)}`,
  );
  session.line(`${adapter === undefined ? "Model" : "Adapter"}: ${saved}   Curve: ${path.join(folder, "curve.svg")}`);
}

function evaluationLine(point: { step: number; loss: number; accuracy?: number }): string {
  return `Step ${point.step.toLocaleString("en-US")}: loss ${point.loss.toFixed(4)} on data kept back${rightShare(point.accuracy)}.`;
}

function rightShare(accuracy: number | undefined): string {
  return accuracy === undefined ? "" : `, ${(100 * accuracy).toFixed(1)} % right`;
}

function millions(weights: number): string {
  return weights >= 1e6 ? `${(weights / 1e6).toFixed(1)}M` : `${Math.round(weights / 1e3)}k`;
}
