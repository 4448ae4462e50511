import { QuireError } from "../errors.js";
import type { Batch } from "../models/architecture.js";
import { checkpoint, gradients } from "../tensor/autodiff.js";
import { Graph, type ProductType } from "../tensor/graph.js";
import { contiguous } from "../tensor/operand.js";
import { tokenLosses } from "../tensor/ops/loss.js";
import type { Tensor } from "../tensor/tensor.js";
import type { TrainableModel } from "./trainable.js";
import type { TokenBatch } from "./trainer.js";
import { type Attend, causalAttention } from "./training-attention.js";

/** The graph of one training pass: tokens to loss to gradients, through the architecture that also serves. It is built once for a
 *  shape and run many times. */

export interface PassOptions {
  readonly sequences: number;
  readonly length: number;
  /** Only losses, no gradients; default false. */
  readonly evaluates?: boolean;
  /** Compute the insides of each layer again for its gradients instead of keeping them. */
  readonly recompute?: boolean;
  /** In what numbers matrices are multiplied; default f32. */
  readonly products?: ProductType;
  /** With which weight the architecture's named losses count; those not named are only shown. */
  readonly auxiliary?: Readonly<Record<string, number>>;
  /** Rows with a target at most, where most rows have none: logits are computed for so many only. */
  readonly targetRows?: number;
  /** Instead of causal attention. */
  attend?(graph: Graph): Attend;
}

/** Weights of targets are multiplied by `targetScale`, and named losses by `share`, so that the losses and gradients of the parts of
 *  a batch add up to those of the whole. */
export interface PassScale {
  readonly targetScale: number;
  readonly share: number;
}

export interface PassResult {
  /** Of the targets alone. */
  readonly loss: number;
  readonly auxiliary: Readonly<Record<string, number>>;
  /** Of a pass that evaluates: loss (unweighted) and likeliest token of every row with a target. Valid until the next run. */
  readonly rows?: { readonly losses: Float32Array; readonly predicted: Int32Array };
}

const maxNodes = 2 ** 17;

export class TrainingPass {
  readonly sequences: number;
  readonly length: number;
  readonly model: TrainableModel;
  readonly #graph: Graph;
  readonly #inputs: Record<"tokens" | "positions" | "targets" | "weights" | "share", Tensor> & {
    rows: Tensor | undefined;
  };
  readonly #loss: Tensor;
  readonly #auxiliary = new Map<string, Tensor>();
  readonly #gradients: readonly Tensor[];
  readonly #rows: { losses: Tensor; predicted: Tensor } | undefined;

  constructor(model: TrainableModel, options: PassOptions) {
    const { sequences, length, evaluates = false, auxiliary = {}, targetRows } = options;
    checkCounts({ sequences, length });
    this.model = model;
    this.sequences = sequences;
    this.length = length;
    const rows = sequences * length;
    const targets = Math.min(targetRows ?? rows, rows);
    const graph = new Graph(model.device, { maxNodes, products: options.products ?? "f32" });
    this.#graph = graph;
    try {
      const chosen = targets < rows ? graph.input("rows", "i32", [targets]) : undefined;
      this.#inputs = {
        tokens: graph.input("tokens", "i32", [rows]),
        positions: graph.input("positions", "i32", [rows]),
        targets: graph.input("targets", "i32", [targets]),
        weights: graph.input("weights", "f32", [targets]),
        share: graph.input("share", "f32", [1]),
        rows: chosen,
      };
      const batch = this.#batch(options, chosen);
      const logits = model.architecture.forward(model.config, model.weights, batch);
      const weights = this.#inputs.weights.reshape(targets, 1);
      const losses = tokenLosses(logits, this.#inputs.targets);
      const loss = losses.mul(weights).sum();
      const objective = this.#withAuxiliary(loss, auxiliary);
      const found = evaluates ? [] : gradients(objective, model.parameters);
      this.#loss = graph.output(loss, "loss");
      this.#rows = evaluates
        ? { losses: graph.output(losses, "losses"), predicted: graph.output(contiguous(logits).argmax(), "predicted") }
        : undefined;
      for (const [name, value] of this.#auxiliary)
        this.#auxiliary.set(name, graph.output(contiguous(value).scale(1), name));
      this.#gradients = found.map((gradient) => graph.output(gradient));
      graph.compile();
    } catch (error) {
      graph.close();
      throw error;
    }
  }

  #batch({ sequences, recompute = false, attend }: PassOptions, chosen: Tensor | undefined): Batch {
    const graph = this.#graph;
    const attention = attend?.(graph) ?? causalAttention(graph, sequences);
    return {
      graph,
      tokens: this.#inputs.tokens,
      positions: this.#inputs.positions,
      sequences,
      wanted: (x) => (chosen === undefined ? x : contiguous(x).getRows(chosen)),
      attend: (_layer, queries, keys, values, options) => attention(queries, keys, values, options),
      auxiliary: (name, loss) => {
        if (loss.elements !== 1 || this.#auxiliary.has(name))
          throw new QuireError("bad-shape", `The named loss ${name} must be one number, given once.`, {
            got: loss.shape,
          });
        this.#auxiliary.set(name, loss.reshape(1));
      },
      ...(recompute ? { recompute: (x: Tensor, build: (x: Tensor) => Tensor) => checkpoint([x], build) } : {}),
    };
  }

  #withAuxiliary(loss: Tensor, factors: Readonly<Record<string, number>>): Tensor {
    let objective = loss;
    for (const [name, factor] of Object.entries(factors)) {
      const value = this.#auxiliary.get(name);
      if (value === undefined) {
        throw new QuireError("bad-option", `${this.model.architecture.name} gives no loss called "${name}".`, {
          got: name,
          expected: [...this.#auxiliary.keys()].join(", ") || "no named losses",
        });
      }
      if (factor !== 0) objective = objective.add(value.mul(this.#inputs.share).scale(factor));
    }
    return objective;
  }

  /** In the order of the model's parameters, in place; valid until the next run. */
  get gradients(): Float32Array[] {
    return this.#gradients.map((gradient) => this.#graph.host<Float32Array>(gradient));
  }

  /** Bytes of intermediate results. */
  get sizeBytes(): number {
    return this.#graph.sizeBytes;
  }

  async run(batch: TokenBatch, { targetScale, share }: PassScale, signal?: AbortSignal): Promise<PassResult> {
    checkBatch(batch, this);
    const graph = this.#graph;
    const inputs = this.#inputs;
    graph.write(inputs.tokens, batch.tokens);
    const { firstPosition = 0 } = batch;
    const positions = graph.host<Int32Array>(inputs.positions);
    for (let row = 0; row < positions.length; row++) positions[row] = firstPosition + (row % this.length);
    graph.host<Float32Array>(inputs.share)[0] = share;
    this.#writeTargets(batch, targetScale);
    await graph.run(signal);
    const auxiliary: Record<string, number> = {};
    for (const [name, value] of this.#auxiliary) auxiliary[name] = graph.host<Float32Array>(value)[0] ?? Number.NaN;
    const loss = graph.host<Float32Array>(this.#loss)[0] ?? Number.NaN;
    if (this.#rows === undefined) return { loss, auxiliary };
    const { losses, predicted } = this.#rows;
    return { loss, auxiliary, rows: { losses: graph.host(losses), predicted: graph.host<Int32Array>(predicted) } };
  }

  #writeTargets({ targets, weights }: TokenBatch, scale: number): void {
    const into = this.#graph.host<Int32Array>(this.#inputs.targets);
    const factors = this.#graph.host<Float32Array>(this.#inputs.weights);
    if (this.#inputs.rows === undefined) {
      into.set(targets);
      for (let row = 0; row < factors.length; row++) factors[row] = scale * (weights?.[row] ?? 1);
      return;
    }
    const rows = this.#graph.host<Int32Array>(this.#inputs.rows);
    for (const array of [into, factors, rows]) array.fill(0);
    let count = 0;
    for (let row = 0; row < targets.length; row++) {
      const weight = weights?.[row] ?? 1;
      if (weight === 0) continue;
      if (count === rows.length) {
        throw new QuireError("bad-input", "More rows have targets than the pass was made for.", {
          got: targets.length,
          expected: `at most ${rows.length}`,
        });
      }
      rows[count] = row;
      into[count] = targets[row] ?? 0;
      factors[count++] = scale * weight;
    }
  }

  close(): void {
    this.#graph.close();
  }
}

function checkCounts(counts: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(counts)) {
    if (Number.isInteger(value) && value >= 1 && value <= 2 ** 24) continue;
    throw new QuireError("bad-option", `The number ${name} cannot be used.`, { got: value, expected: "1 or more" });
  }
}

function checkBatch(batch: TokenBatch, { sequences, length, model }: TrainingPass): void {
  const { tokens, targets, weights } = batch;
  const rows = sequences * length;
  const fits = tokens.length === rows && targets.length === rows && (weights?.length ?? rows) === rows;
  if (batch.sequences !== sequences || batch.length !== length || !fits) {
    throw new QuireError("bad-shape", "The batch does not fit the pass.", {
      got: [batch.sequences, batch.length, tokens.length, targets.length, weights?.length],
      expected: `${sequences} sequences of ${length} tokens, a target each`,
    });
  }
  const { vocabSize } = model.config;
  for (const list of [tokens, targets]) {
    for (const token of list) {
      if (token >= 0 && token < vocabSize) continue;
      throw new QuireError("bad-input", `The data holds token ${token}, and the model knows ${vocabSize}.`, {
        got: token,
        expected: `0 to ${vocabSize - 1}`,
        fix: "Train with the model's own tokenizer.",
      });
    }
  }
}
