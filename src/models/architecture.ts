import type { Graph } from "../tensor/graph.js";
import type { Shape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import type { WeightRequest, Weights } from "../weights/load.js";
import type { WeightFile } from "../weights/weight-file.js";

/** An architecture builds one forward pass out of tensor operations, from a configuration and named weights. All rows of all
 *  sequences go through each weight together; attention is computed per sequence against that sequence's own memory, and that
 *  the model leaves to `batch.attend`: it knows neither slots nor policies.
 *  Letters: R rows of the pass, W rows whose result is wanted, H query heads, K kv heads, D head width, C hidden width, V words. */
export interface Architecture<Config extends ModelConfig = ModelConfig> {
  readonly name: string;
  /** "causal": logits of next tokens. "encoder": every row sees its whole sequence, the result is hidden states. */
  readonly kind: "causal" | "encoder";
  /** From GGUF metadata or a flattened config.json; throws `bad-file` naming the field. */
  readConfig(file: WeightFile): Config;
  weights(config: Config, file: WeightFile): WeightRequest[];
  /** One need a layer. */
  memory(config: Config): LayerMemory[];
  /** f32 [W, V] for a causal model, [W, C] for an encoder. */
  forward(config: Config, weights: Weights, batch: Batch): Tensor;
  /** What a new model of this configuration begins with; absent where the architecture cannot be trained from nothing. */
  parameters?(config: Config): ParameterSpec[];
  /** Where not every row goes through every layer: the same computation in stages, which the engine runs one after the other, each
   *  over the rows that enter it. Absent or undefined: `forward` serves. */
  stages?(config: Config): readonly Stage<Config>[] | undefined;
}

export interface Stage<Config extends ModelConfig = ModelConfig> {
  readonly name: string;
  /** Counts as one of a row's depth. */
  readonly deepens: boolean;
  /** Lists of the memory that rows join here (see `LayerMemory`). */
  readonly joins?: readonly number[];
  /** What it takes of what its rows carry. */
  readonly reads: readonly string[];
  /** Whether a row enters, by what it carries. Absent: every row does. */
  enters?(carried: CarriedValues, row: number): boolean;
  /** Over r rows: `carried` f32 [r, width] by name. Gives what they carry on, f32 [r, width]; the last stage gives `logits` [W, V]. */
  forward(
    config: Config,
    weights: Weights,
    batch: Batch,
    carried: Readonly<Record<string, Tensor>>,
  ): Record<string, Tensor>;
}

/** By name, what all rows of a pass carry from stage to stage: [R, width] one after the other. */
export type CarriedValues = Readonly<Record<string, { readonly width: number; readonly values: Float32Array }>>;

/** A weight that is learnt. */
export interface ParameterSpec {
  /** Its name among the requests of `weights`. */
  readonly name: string;
  readonly shape: Shape;
  readonly init: ParameterInit;
  /** Whether weight decay shrinks it: matrices yes, norms and biases no. */
  readonly decay: boolean;
  /** The parameter whose values this one shares: it is neither stored nor counted again. */
  readonly tie?: string;
}

/** First values: zeros, ones, one number, or normal with mean 0 and this deviation. */
export type ParameterInit = "zeros" | "ones" | { readonly constant: number } | { readonly normal: number };

export interface ModelConfig {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly numLayers: number;
  readonly numHeads: number;
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly maxPositions: number;
}

export type LayerMemory =
  | {
      readonly kind: "keys-values";
      readonly kvHeads: number;
      readonly headDim: number;
      readonly window?: number;
      /** Layers with the same number hold the rows that joined their list in a stage, and no others. Absent: every row. */
      readonly list?: number;
    }
  | { readonly kind: "none" };

export interface Batch {
  readonly graph: Graph;
  /** i32 [R] */
  readonly tokens: Tensor;
  /** i32 [R] */
  readonly positions: Tensor;
  /** Of the rows of `x`, those whose result is wanted; the same tensor where all are. Call it as early as nothing else is needed
   *  of the others: after the attention of the last layer. */
  wanted(x: Tensor): Tensor;
  /** Stores keys and values in each row's own memory and attends. queries [R, H, D], keys and values [R, K, D]; gives [R, H·D]. */
  attend(layer: number, queries: Tensor, keys: Tensor, values: Tensor, options: AttendOptions): Tensor;
  /** In a stage: attends to what rows left in a layer in earlier stages, their own included, and stores nothing. */
  attendStored?(layer: number, queries: Tensor, options: AttendOptions): Tensor;
  /** While training: the rows are so many sequences of equal length, one after the other. A model may call `attend` with fewer rows,
   *  equally many of each sequence and in its order. Absent when serving. */
  readonly sequences?: number;
  /** Shows the state of the rows after a layer to whoever asked for it. */
  afterLayer?(layer: number, x: Tensor): void;
  /** While training: a loss beside the language model's own, or a figure to be shown, under a name; f32 [1]. The recipe says with
   *  which weight it counts (0: it is only shown). Absent when serving. */
  auxiliary?(name: string, loss: Tensor): void;
  /** build(x), whose intermediate results training may compute again instead of keeping them: call it once a layer. `build` may run
   *  twice, and calls neither `afterLayer` nor `auxiliary`. Absent when serving. */
  recompute?(x: Tensor, build: (x: Tensor) => Tensor): Tensor;
}

export interface AttendOptions {
  /** Factor of the dot products, usually 1 / sqrt(D). */
  readonly scale: number;
  readonly softcap?: number;
  /** Rows see only the newest `window` positions, themselves included. */
  readonly window?: number;
  /** While training: f32 [R, 1], 1 or 0; nobody sees rows with 0. */
  readonly active?: Tensor;
  /** Other layers that hold the same keys and values of these rows from now on, until they are written themselves. */
  readonly alsoIn?: readonly number[];
  /** For those who read keys without rotation: queries [R, H, D] and keys [R, K, D] before it, and the rotation itself. */
  unrotated?(): Unrotated;
}

export interface Unrotated {
  readonly queries: Tensor;
  readonly keys: Tensor;
  rotate(x: Tensor, positions: Tensor): Tensor;
}
