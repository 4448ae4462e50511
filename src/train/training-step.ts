import { QuireError } from "../errors.js";
import type { Optimizer } from "../tensor/optim/optimizer.js";
import { clipGradients } from "../tensor/optim/schedule.js";
import type { TrainableModel } from "./trainable.js";
import type { TokenBatch, Trainer, TrainerState } from "./trainer.js";
import { type PassOptions, TrainingPass } from "./training-pass.js";

/** One step of training: gradients of a batch, part by part where it is too large for memory, clipped, and handed to the optimiser.
 *  Where loss or gradients are not finite nothing is changed. */

export interface StepOptions extends Omit<PassOptions, "evaluates"> {
  /** Sequences that go through the model at once; must divide `sequences`. Default: all. */
  readonly microbatch?: number;
  /** Largest norm of all gradients together; default 1. */
  readonly clip?: number;
  /** Finds gradients in another way than from the batch as a whole. */
  readonly trainer?: Trainer;
  /** For what a trainer draws by lot. */
  readonly seed?: number;
}

export interface StepResult {
  readonly loss: number;
  readonly gradientNorm: number;
  /** Targets that counted. */
  readonly tokens: number;
  readonly auxiliary: Readonly<Record<string, number>>;
}

export interface FoundGradients {
  readonly loss: number;
  readonly auxiliary: Readonly<Record<string, number>>;
  readonly gradients: readonly Float32Array[];
  readonly tokens: number;
}

export class TrainingStep {
  readonly model: TrainableModel;
  readonly optimizer: Optimizer;
  readonly #options: StepOptions;
  readonly #parts: number;
  readonly #pass: TrainingPass | undefined;
  readonly #trainer: TrainerState | undefined;
  #sums: Float32Array[] | undefined;

  constructor(model: TrainableModel, optimizer: Optimizer, options: StepOptions) {
    const { sequences, microbatch = sequences } = options;
    if (!Number.isInteger(microbatch) || microbatch < 1 || sequences % microbatch !== 0) {
      throw new QuireError("bad-option", "The batch cannot be cut into such parts.", {
        got: microbatch,
        expected: `a divisor of ${sequences}`,
      });
    }
    this.model = model;
    this.optimizer = optimizer;
    this.#options = options;
    this.#parts = sequences / microbatch;
    this.#trainer = options.trainer?.create(model, options.seed ?? 0);
    if (this.#trainer === undefined) this.#pass = new TrainingPass(model, { ...options, sequences: microbatch });
  }

  /** Bytes of intermediate results; a trainer says itself what it needs. */
  get sizeBytes(): number {
    return this.#pass?.sizeBytes ?? 0;
  }

  async step(batch: TokenBatch, learningRate: number, signal?: AbortSignal): Promise<StepResult> {
    return this.apply(await this.gradients(batch, signal), learningRate);
  }

  /** The second half of a step: clips what `gradients` found and hands it to the optimiser. */
  async apply({ loss, auxiliary, gradients, tokens }: FoundGradients, learningRate: number): Promise<StepResult> {
    const gradientNorm = clipGradients(gradients, this.#options.clip ?? 1);
    if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm)) {
      throw new QuireError("diverged", `The ${Number.isFinite(loss) ? "gradients are" : "loss is"} not finite.`, {
        got: { loss, gradientNorm },
        expected: "finite numbers",
        fix: "Lower the learning rate, warm up longer or clip harder.",
      });
    }
    await this.optimizer.step(gradients, learningRate);
    return { loss, gradientNorm, tokens, auxiliary };
  }

  /** Losses and gradients without a step. The arrays are overwritten by the next call. */
  async gradients(batch: TokenBatch, signal?: AbortSignal): Promise<FoundGradients> {
    const pass = this.#pass;
    if (pass === undefined) return this.#byTrainer(batch, signal);
    const total = totalWeight(batch);
    const scale = { targetScale: 1 / total, share: 1 / this.#parts };
    if (this.#parts === 1) {
      const result = await pass.run(batch, scale, signal);
      return { ...result, gradients: pass.gradients, tokens: countTargets(batch) };
    }
    this.#sums ??= this.model.parameters.map((parameter) => new Float32Array(parameter.elements));
    for (const sum of this.#sums) sum.fill(0);
    let loss = 0;
    const auxiliary: Record<string, number> = {};
    for (let part = 0; part < this.#parts; part++) {
      const result = await pass.run(partOf(batch, part, pass), scale, signal);
      loss += result.loss;
      for (const [name, value] of Object.entries(result.auxiliary))
        auxiliary[name] = (auxiliary[name] ?? 0) + value / this.#parts;
      for (const [index, gradient] of pass.gradients.entries()) addTo(this.#sums[index], gradient);
    }
    return { loss, auxiliary, gradients: this.#sums, tokens: countTargets(batch) };
  }

  async #byTrainer(batch: TokenBatch, signal: AbortSignal | undefined): Promise<FoundGradients> {
    const state = this.#trainer as TrainerState;
    const { figures, ...found } = await state.gradients(batch, { step: this.optimizer.steps, signal });
    return { ...found, auxiliary: figures, tokens: countTargets(batch) };
  }

  /** Mean loss over the targets of batches in the trainer's own way; undefined where there is none. */
  async evaluate(batches: readonly TokenBatch[], signal?: AbortSignal): Promise<number | undefined> {
    if (this.#trainer === undefined) return undefined;
    let [losses, targets] = [0, 0];
    for (const batch of batches) {
      const total = totalWeight(batch);
      losses += total * (await this.#trainer.evaluate(batch, signal));
      targets += total;
    }
    return losses / targets;
  }

  close(): void {
    this.#pass?.close();
    this.#trainer?.close();
  }
}

function addTo(sum: Float32Array | undefined, values: Float32Array): void {
  if (sum === undefined) return;
  for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (values[i] as number);
}

/** Sum of the weights of all targets. */
export function totalWeight({ weights, tokens }: TokenBatch): number {
  if (weights === undefined) return tokens.length;
  let total = 0;
  for (const weight of weights) {
    if (!(weight >= 0 && weight < Number.POSITIVE_INFINITY))
      throw new QuireError("bad-input", "A target's weight cannot be used.", { got: weight, expected: "at least 0" });
    total += weight;
  }
  if (total === 0)
    throw new QuireError("bad-input", "No row of the batch has a target.", { fix: "Give some target a weight." });
  return total;
}

function countTargets({ weights, tokens }: TokenBatch): number {
  if (weights === undefined) return tokens.length;
  let count = 0;
  for (const weight of weights) if (weight > 0) count++;
  return count;
}

function partOf(batch: TokenBatch, part: number, { sequences, length }: TrainingPass): TokenBatch {
  const size = sequences * length;
  const from = part * size;
  const { tokens, targets, weights, firstPosition } = batch;
  return {
    firstPosition,
    tokens: tokens.subarray(from, from + size),
    targets: targets.subarray(from, from + size),
    ...(weights === undefined ? {} : { weights: weights.subarray(from, from + size) }),
    sequences,
    length,
  };
}
