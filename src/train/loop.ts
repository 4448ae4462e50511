import { isQuireError, QuireError, throwIfAborted } from "../errors.js";
import type { Optimizer } from "../tensor/optim/optimizer.js";
import type { Schedule } from "../tensor/optim/schedule.js";
import type { Storage } from "../tensor/storage.js";
import {
  hasCheckpoint,
  type RunContents,
  type RunState,
  readCheckpoint,
  valuesOf,
  writeCheckpoint,
} from "./checkpoint.js";
import { Curve, type EvaluationPoint } from "./curve.js";
import type { DataSource, EvaluationBatch } from "./data/data-source.js";
import { type Evaluation, evaluate } from "./evaluation.js";
import type { TrainableModel } from "./trainable.js";
import { TrainingPass } from "./training-pass.js";
import { type StepOptions, TrainingStep } from "./training-step.js";

/** A run of training: steps, evaluations, checkpoints, and the ways it ends. It is a generator of what happens; whoever drives it shows
 *  that, and stops it with a signal, which loses nothing. */

export interface TrainingPlan {
  readonly model: TrainableModel;
  readonly optimizer: Optimizer;
  readonly data: DataSource;
  readonly steps: number;
  readonly schedule: Schedule;
  readonly step: StepOptions;
  /** Where checkpoints go; none where it is left out. */
  readonly folder?: string;
  /** Says what a checkpoint must have been made by to go on from it here. */
  readonly fingerprint: string;
  /** Steps between evaluations; default a twentieth of all. */
  readonly evaluateEvery?: number;
  /** Seconds between checkpoints; default 60. */
  readonly checkpointSeconds?: number;
  /** Steps between checkpoints, besides. */
  readonly checkpointEvery?: number;
  /** Stop after so many evaluations without a better loss, and end with the parameters of the best. */
  readonly patience?: number;
  /** Go on from the folder's checkpoint, where there is one. */
  readonly resume?: boolean;
}

export type TrainingEvent =
  | { readonly kind: "resumed"; readonly step: number }
  | {
      readonly kind: "step";
      readonly step: number;
      readonly loss: number;
      readonly gradientNorm: number;
      readonly learningRate: number;
      readonly auxiliary: Readonly<Record<string, number>>;
      /** Rows through the model a second, over the last steps. */
      readonly rowsPerSecond: number;
    }
  | ({ readonly kind: "evaluation"; readonly auxiliary: Readonly<Record<string, number>> } & EvaluationPoint)
  | { readonly kind: "checkpoint"; readonly step: number }
  /** The run goes on and tries again. */
  | { readonly kind: "checkpoint-failed"; readonly step: number; readonly error: QuireError };

export interface TrainingOutcome {
  readonly steps: number;
  readonly ended: "finished" | "no-progress";
  readonly tokens: number;
  readonly seconds: number;
  readonly curve: Curve;
  readonly best: { readonly step: number; readonly loss: number } | undefined;
}

export async function* trainingRun(
  plan: TrainingPlan,
  signal?: AbortSignal,
): AsyncGenerator<TrainingEvent, TrainingOutcome> {
  const run = new Run(plan);
  try {
    if (plan.resume === true && plan.folder !== undefined && (await hasCheckpoint(plan.folder))) {
      await run.resume(plan.folder);
      yield { kind: "resumed", step: run.done };
    }
    return yield* run.go(signal);
  } finally {
    run.close();
  }
}

class Run {
  readonly #plan: TrainingPlan;
  readonly #step: TrainingStep;
  readonly #evaluator: TrainingPass | undefined;
  readonly #evaluateEvery: number;
  #curve = new Curve();
  #best: { step: number; loss: number } | undefined;
  #bestValues = new Map<string, Float32Array>();
  #tokens = 0;
  #secondsBefore = 0;
  #started = performance.now();
  #saved = performance.now();
  done = 0;

  constructor(plan: TrainingPlan) {
    checkPlan(plan);
    this.#plan = plan;
    const { model, optimizer, step, data, steps } = plan;
    this.#evaluateEvery = plan.evaluateEvery ?? Math.max(1, Math.round(steps / 20));
    this.#step = new TrainingStep(model, optimizer, step);
    const sequences = step.microbatch ?? step.sequences;
    try {
      this.#evaluator =
        data.evaluation.length === 0 || step.trainer !== undefined
          ? undefined
          : new TrainingPass(model, { ...step, sequences, recompute: false, evaluates: true });
    } catch (error) {
      this.#step.close();
      throw error;
    }
  }

  async resume(folder: string): Promise<void> {
    const { state, best } = await readCheckpoint(folder, this.#plan.fingerprint, this.#contents());
    this.done = state.step;
    this.#tokens = state.tokens;
    this.#secondsBefore = state.seconds;
    this.#best = state.best;
    this.#bestValues = best;
    this.#curve = new Curve(state.curve);
  }

  async *go(signal: AbortSignal | undefined): AsyncGenerator<TrainingEvent, TrainingOutcome> {
    const { steps, patience, folder } = this.#plan;
    this.#started = performance.now();
    this.#saved = performance.now();
    let ended: TrainingOutcome["ended"] = "finished";
    try {
      while (this.done < steps) {
        throwIfAborted(signal);
        yield* this.#oneStep(signal);
        if (this.done % this.#evaluateEvery === 0 || this.done === steps) yield* this.#evaluate(signal);
        if (patience !== undefined && this.#stale() >= patience) {
          ended = "no-progress";
          break;
        }
      }
    } catch (error) {
      // What was learnt so far is not lost; the last checkpoint stays where this state is no good.
      if (folder !== undefined && isQuireError(error) && error.code === "cancelled")
        await writeCheckpoint(folder, this.#state(), this.#contents());
      throw error;
    }
    if (folder !== undefined) {
      await writeCheckpoint(folder, this.#state(), this.#contents());
      yield { kind: "checkpoint", step: this.done };
    }
    if (patience !== undefined) this.#takeBest();
    const { step: _, ...state } = this.#state();
    return {
      steps: this.done,
      ended,
      tokens: state.tokens,
      seconds: state.seconds,
      curve: this.#curve,
      best: this.#best,
    };
  }

  async *#oneStep(signal: AbortSignal | undefined): AsyncGenerator<TrainingEvent> {
    const { data, schedule, step: shape } = this.#plan;
    const begun = performance.now();
    const step = this.done + 1;
    const learningRate = schedule(this.done);
    try {
      const found = await this.#step.gradients(data.batch(this.done), signal);
      // Finite gradients prove the parameters that made them: now they can be kept.
      yield* this.#maybeCheckpoint(found.loss);
      const { loss, gradientNorm, tokens, auxiliary } = await this.#step.apply(found, learningRate);
      this.done = step;
      this.#tokens += tokens;
      this.#curve.add({ step, loss, learningRate, gradientNorm });
      const seconds = (performance.now() - begun) / 1000;
      const rowsPerSecond = (shape.sequences * shape.length) / seconds;
      yield { kind: "step", step, loss, gradientNorm, learningRate, auxiliary, rowsPerSecond };
    } catch (error) {
      throw isQuireError(error) && error.code === "diverged" ? await this.#diverged(error, step) : error;
    }
  }

  async *#maybeCheckpoint(loss: number): AsyncGenerator<TrainingEvent> {
    const { folder, checkpointSeconds = 60, checkpointEvery } = this.#plan;
    if (folder === undefined || this.done === 0 || !Number.isFinite(loss)) return;
    const isTime = performance.now() - this.#saved >= 1000 * checkpointSeconds;
    const isStep = checkpointEvery !== undefined && this.done % checkpointEvery === 0;
    if (!isTime && !isStep) return;
    this.#saved = performance.now();
    try {
      await writeCheckpoint(folder, this.#state(), this.#contents());
    } catch (error) {
      if (!isQuireError(error) || error.code !== "disk") throw error;
      yield { kind: "checkpoint-failed", step: this.done, error: error as QuireError };
      return;
    }
    yield { kind: "checkpoint", step: this.done };
  }

  async *#evaluate(signal: AbortSignal | undefined): AsyncGenerator<TrainingEvent> {
    const { evaluation } = this.#plan.data;
    if (evaluation.length === 0 || this.#curve.evaluations.at(-1)?.step === this.done) return;
    const { loss, accuracy, auxiliary } = await this.#evaluated(evaluation, signal);
    const point = { step: this.done, loss, ...(accuracy === undefined ? {} : { accuracy }) };
    this.#curve.evaluations.push(point);
    if (loss < (this.#best?.loss ?? Number.POSITIVE_INFINITY)) {
      this.#best = { step: this.done, loss };
      if (this.#plan.patience !== undefined) {
        for (const parameter of this.#plan.model.parameters) this.#bestValues.set(parameter.name, valuesOf(parameter));
      }
    }
    yield { kind: "evaluation", ...point, auxiliary };
  }

  async #evaluated(batches: readonly EvaluationBatch[], signal: AbortSignal | undefined): Promise<Evaluation> {
    if (this.#evaluator !== undefined) return evaluate(this.#evaluator, batches, signal);
    const loss = await this.#step.evaluate(
      batches.map(({ batch }) => batch),
      signal,
    );
    return { loss: loss ?? Number.NaN, auxiliary: {} };
  }

  /** Evaluations since the best one. */
  #stale(): number {
    const { evaluations } = this.#curve;
    const best = evaluations.findIndex(({ step }) => step === this.#best?.step);
    return best < 0 ? evaluations.length : evaluations.length - 1 - best;
  }

  #takeBest(): void {
    for (const parameter of this.#plan.model.parameters) {
      const values = this.#bestValues.get(parameter.name);
      if (values !== undefined) (parameter.owner as Storage).write(parameter, values);
    }
  }

  async #diverged(error: QuireError, step: number): Promise<QuireError> {
    const { folder } = this.#plan;
    const kept = folder !== undefined && (await hasCheckpoint(folder));
    return new QuireError("diverged", `Step ${step}: ${lowered(error.message)}`, {
      got: error.got,
      expected: error.expected,
      fix: kept
        ? "The last checkpoint is kept. Lower the learning rate, warm up longer or clip harder, and start again."
        : error.fix,
      cause: error,
      partial: { step, steps: this.done, folder: kept ? folder : undefined, curve: this.#curve.points },
    });
  }

  #contents(): RunContents {
    const { model, optimizer } = this.#plan;
    return { parameters: model.parameters, optimizer, best: this.#bestValues };
  }

  #state(): RunState {
    return {
      step: this.done,
      tokens: this.#tokens,
      seconds: this.#secondsBefore + (performance.now() - this.#started) / 1000,
      fingerprint: this.#plan.fingerprint,
      ...(this.#best === undefined ? {} : { best: this.#best }),
      curve: this.#curve.state,
    };
  }

  close(): void {
    this.#step.close();
    this.#evaluator?.close();
  }
}

function lowered(sentence: string): string {
  return sentence.charAt(0).toLowerCase() + sentence.slice(1);
}

function checkPlan({ steps, evaluateEvery = 1, checkpointEvery = 1, patience = 1 }: TrainingPlan): void {
  for (const [name, value] of Object.entries({ steps, evaluateEvery, checkpointEvery, patience })) {
    if (Number.isInteger(value) && value >= 1) continue;
    throw new QuireError("bad-option", `${name} cannot be used.`, { got: value, expected: "a whole number from 1" });
  }
}
