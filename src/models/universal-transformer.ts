import { QuireError } from "../errors.js";
import { stopGradient } from "../tensor/autodiff.js";
import type { Tensor } from "../tensor/tensor.js";
import type { WeightRequest, Weights } from "../weights/load.js";
import type { WeightFile } from "../weights/weight-file.js";
import type { Architecture, Batch, CarriedValues, ModelConfig, Stage } from "./architecture.js";
import { choose, firstHalting, type Halting, haltingStep } from "./blocks/halting.js";
import { layerNorm } from "./blocks/layer-norm.js";
import { newParameters } from "./blocks/new-parameters.js";
import { positionSignal } from "./blocks/position-signal.js";
import { stackedLinear } from "./blocks/stacked-linear.js";
import { metadataReader } from "./metadata-reader.js";

/** Universal Transformer: one block applied again and again, with a learned stop per position.
 *  Paper    Dehghani, Gouws, Vinyals, Uszkoreit, Kaiser 2019, "Universal Transformers", arXiv 1807.03819.
 *           Page: docs/methods/universal-transformer.md
 *  Takes    rows [R, C]; one block of weights, a table [steps, C] of step signals, sinusoids for positions
 *  Does     adds both signals and runs the block, `steps` times; with halting each row sums up probabilities of stopping, read before
 *           each step, and its output is the mean of its states weighted by them
 *  Cost     steps · (4C² + 2CF) multiplications a row and 2C · steps numbers of cache; with halted = "freeze" only the steps that a row
 *           takes are computed when serving (stages), and a row that stopped keeps its state, keys and values
 *  Differs  from the paper: norms come first (as in its code), whoever runs at the last step stops there, so that weights add up
 *           to 1; "freeze" is a rule of its own, "evolve" is the paper's code (a row's state goes on, its output does not)
 *  Not      mor (routers choose rows and keep fewer entries), the encoder with its cross-attention
 *  Errors   bad-file where a field is out of range; bad-input where a probability is not a number, naming the step */

export interface UniversalTransformerConfig extends ModelConfig {
  readonly intermediateSize: number;
  readonly epsilon: number;
  readonly steps: number;
  /** Different blocks in one step, one after the other. */
  readonly blocksPerStep: number;
  /** Undefined: every row takes every step, and the last state counts. */
  readonly halting: HaltingConfig | undefined;
}

export interface HaltingConfig {
  /** A row stops where its probabilities reach 1 minus this. */
  readonly epsilon: number;
  /** "sum": states weighted by their probabilities; "interpolate": out ← w · state + (1 - w) · out, as in the paper's code. */
  readonly output: "sum" | "interpolate";
  /** What a row that has stopped is to others: "freeze" keeps its state, keys and values; "evolve" goes on being computed. */
  readonly halted: "freeze" | "evolve";
  /** First value of the bias of stopping, for new models. */
  readonly bias: number;
}

type Config = UniversalTransformerConfig;

export const universalTransformer: Architecture<Config> = {
  name: "universal-transformer",
  kind: "causal",
  readConfig,
  weights,
  parameters: (config) =>
    newParameters(weights(config), 1).map((spec) => {
      // Scaled by sqrt(C) on the way in, they have the size of the signals.
      if (spec.name === "token_embd.weight") return { ...spec, init: { normal: config.hiddenSize ** -0.5 } };
      if (spec.name === "step_embd.weight") return { ...spec, init: { normal: 1 }, decay: false };
      if (spec.name === "halt.bias") return { ...spec, init: { constant: config.halting?.bias ?? 0 } };
      return spec.name === "halt.weight" ? { ...spec, init: "zeros" as const } : spec;
    }),
  memory: (config) =>
    Array.from({ length: config.numLayers }, () => ({
      kind: "keys-values",
      kvHeads: config.numKvHeads,
      headDim: config.headDim,
    })),
  forward: (config, loaded, batch) => {
    const model = { config, weights: loaded, batch };
    const x = embed(model);
    return config.halting === undefined ? fixed(model, x) : adaptive(model, x, config.halting);
  },
  stages: (config) => (config.halting?.halted === "freeze" ? stages(config, config.halting) : undefined),
};

function readConfig(file: WeightFile): Config {
  const reader = metadataReader(file, "universal-transformer");
  const hiddenSize = reader.integer(["embedding_length", "hidden_size"], { max: 2 ** 16 });
  const numHeads = reader.integer(["attention.head_count", "num_attention_heads"], { max: 1024 });
  const steps = reader.integer(["steps", "block_count", "num_hidden_layers"], { max: 256 });
  const blocksPerStep = reader.integer(["blocks_per_step"], { max: 64, default: 1 });
  if (hiddenSize % 2 !== 0 || hiddenSize % numHeads !== 0) {
    throw new QuireError("bad-file", `${file.path}: the width does not fit its heads and signals.`, {
      got: `${hiddenSize} for ${numHeads} heads`,
      expected: "an even number that the number of heads divides",
    });
  }
  const embedding = file.tensors.get("token_embd.weight");
  return {
    vocabSize: embedding?.shape[0] ?? reader.integer(["vocab_size"], { max: 2 ** 24 }),
    hiddenSize,
    numLayers: steps * blocksPerStep,
    numHeads,
    numKvHeads: numHeads,
    headDim: hiddenSize / numHeads,
    maxPositions: reader.integer(["context_length", "max_position_embeddings"], { max: 2 ** 20 }),
    intermediateSize: reader.integer(["feed_forward_length", "intermediate_size"], { max: 2 ** 20 }),
    epsilon: reader.number(["attention.layer_norm_epsilon", "layer_norm_eps"], 1e-6),
    steps,
    blocksPerStep,
    halting: reader.has("halting.halted") ? readHalting(file) : undefined,
  };
}

function readHalting(file: WeightFile): HaltingConfig {
  const reader = metadataReader(file, "universal-transformer");
  const oneOf = <Value extends string>(name: string, values: readonly [Value, ...Value[]]): Value => {
    const got = reader.text([name], values[0]);
    const found = values.find((value) => value === got);
    if (found !== undefined) return found;
    throw new QuireError("bad-file", `${file.path}: the field ${name} cannot be used.`, {
      got,
      expected: values.join(" or "),
    });
  };
  const epsilon = reader.number(["halting.epsilon"], 0.01);
  if (!(epsilon > 0 && epsilon < 1)) {
    throw new QuireError("bad-file", `${file.path}: the field halting.epsilon cannot be used.`, {
      got: epsilon,
      expected: "a number between 0 and 1",
    });
  }
  return {
    epsilon,
    output: oneOf("halting.output", ["sum", "interpolate"]),
    halted: oneOf("halting.halted", ["freeze", "evolve"]),
    bias: reader.number(["halting.bias"], 1),
  };
}

function weights(config: Config): WeightRequest[] {
  const { vocabSize, hiddenSize: c, intermediateSize: f, steps, blocksPerStep, maxPositions } = config;
  const own = (name: string, rest: Omit<WeightRequest, "name" | "from">): WeightRequest => ({
    name,
    from: [name],
    ...rest,
  });
  const vector = (name: string, size: number) => own(name, { shape: [size], use: "vector" });
  const norm = (name: string) => [vector(`${name}.weight`, c), vector(`${name}.bias`, c)];
  const blocks = Array.from({ length: blocksPerStep }, (_, block) => {
    const part = (name: string, shape: number[], group?: string) =>
      own(`blk.${block}.${name}.weight`, { shape, use: "product", ...(group === undefined ? {} : { group }) });
    const qkv = `blk.${block}.attn_qkv`;
    return [
      ...norm(`blk.${block}.attn_norm`),
      ...["attn_q", "attn_k", "attn_v"].map((name) => part(name, [c, c], qkv)),
      part("attn_output", [c, c]),
      ...norm(`blk.${block}.ffn_norm`),
      part("ffn_up", [f, c]),
      vector(`blk.${block}.ffn_up.bias`, f),
      part("ffn_down", [c, f]),
      vector(`blk.${block}.ffn_down.bias`, c),
    ];
  });
  return [
    own("token_embd.weight", { shape: [vocabSize, c], use: "rows" }),
    own("step_embd.weight", { shape: [steps, c], use: "vector" }),
    {
      name: "position_signal",
      from: [],
      shape: [maxPositions, c],
      use: "rows",
      values: () => positionSignal(maxPositions, c),
    },
    ...blocks.flat(),
    ...(config.halting === undefined
      ? []
      : [own("halt.weight", { shape: [1, c], use: "vector" }), vector("halt.bias", 1)]),
    ...norm("output_norm"),
    own("output.weight", { shape: [vocabSize, c], use: "product", optional: true }),
  ];
}

interface Model {
  readonly config: Config;
  readonly weights: Weights;
  readonly batch: Batch;
}

function embed({ config, weights, batch }: Model): Tensor {
  const rows = batch.graph.use(weights.get("token_embd.weight")).getRows(batch.tokens);
  return weights.has("output.weight") ? rows : rows.scale(Math.sqrt(config.hiddenSize));
}

/** Signals of position and step, [R, C]. */
function withSignals({ weights, batch }: Model, x: Tensor, step: number, positions: Tensor): Tensor {
  const signal = batch.graph.use(weights.get("step_embd.weight")).slice(0, step, 1);
  return x.add(positions).add(signal);
}

function positionsOf({ weights, batch }: Model): Tensor {
  return batch.graph.use(weights.get("position_signal")).getRows(batch.positions);
}

type Entries = readonly [keys: Tensor, values: Tensor];

interface StepOptions {
  readonly step: number;
  /** Only rows whose result is wanted are needed after the attention. */
  readonly onlyWanted?: boolean;
  /** Another layer's entries instead of these of `block`. */
  entries?(block: number, own: Entries): Entries;
  readonly alsoIn?: (block: number) => number[];
}

/** The blocks of one step, x [R, C] with signals. */
function runStep(model: Model, x: Tensor, options: StepOptions): Tensor {
  const { config, weights, batch } = model;
  const { step, onlyWanted = false, entries, alsoIn } = options;
  let rows = x;
  for (let block = 0; block < config.blocksPerStep; block++) {
    const name = (part: string): string => `blk.${block}.${part}`;
    const normed = layerNorm(rows, weights, name("attn_norm"), config.epsilon);
    const [queries, keys, values] = stackedLinear(normed, weights, name("attn_qkv")).map((part) =>
      part.splitLast(config.numHeads),
    ) as [Tensor, Tensor, Tensor];
    const [storedKeys, storedValues] = entries?.(block, [keys, values]) ?? [keys, values];
    const layer = step * config.blocksPerStep + block;
    const attended = batch.attend(layer, queries, storedKeys, storedValues, {
      scale: 1 / Math.sqrt(config.headDim),
      ...(alsoIn === undefined ? {} : { alsoIn: alsoIn(block) }),
    });
    let mixed = attended.linear(weights.get(name("attn_output.weight")));
    if (onlyWanted && block === config.blocksPerStep - 1) {
      mixed = batch.wanted(mixed);
      rows = batch.wanted(rows);
    }
    rows = rows.add(mixed);
    const inner = layerNorm(rows, weights, name("ffn_norm"), config.epsilon)
      .linear(weights.get(name("ffn_up.weight")))
      .add(weights.get(name("ffn_up.bias")))
      .relu();
    rows = rows.add(inner.linear(weights.get(name("ffn_down.weight"))).add(weights.get(name("ffn_down.bias"))));
  }
  return rows;
}

function head({ config, weights }: Model, x: Tensor): Tensor {
  const normed = layerNorm(x, weights, "output_norm", config.epsilon);
  return normed.linear(weights.optional("output.weight") ?? weights.get("token_embd.weight"));
}

/** Every row takes every step. */
function fixed(model: Model, first: Tensor): Tensor {
  const { config, batch } = model;
  const positions = positionsOf(model);
  let x = first;
  for (let step = 0; step < config.steps; step++) {
    const onlyWanted = step === config.steps - 1;
    const build = (before: Tensor): Tensor =>
      runStep(model, withSignals(model, before, step, positions), { step, onlyWanted });
    x = batch.recompute === undefined ? build(x) : batch.recompute(x, build);
    batch.afterLayer?.((step + 1) * config.blocksPerStep - 1, x);
  }
  return head(model, x);
}

/** [R, 1]: how likely each row stops, from its state with signals. */
function stopping({ weights }: Model, x: Tensor): Tensor {
  return x.linear(weights.get("halt.weight")).add(weights.get("halt.bias")).sigmoid();
}

function mixedIn(out: Tensor | undefined, weight: Tensor, state: Tensor, output: HaltingConfig["output"]): Tensor {
  const part = state.mul(weight);
  if (out === undefined) return part;
  return part.add(output === "sum" ? out : out.mul(weight.scale(-1, 1)));
}

/** All steps for all rows; those that have stopped change nothing. */
function adaptive(model: Model, first: Tensor, halting: HaltingConfig): Tensor {
  const { config, batch } = model;
  const positions = positionsOf(model);
  const freezes = halting.halted === "freeze";
  const kept: Entries[] = [];
  let x = first;
  let out: Tensor | undefined;
  let state: Halting | undefined;
  let steps: Tensor | undefined;
  let remainders: Tensor | undefined;
  for (let step = 0; step < config.steps; step++) {
    const before = withSignals(model, x, step, positions);
    const probability = stopping(model, before);
    const now: Halting = state ?? firstHalting(probability);
    const isLast = step === config.steps - 1;
    const { weight, remainder, next } = haltingStep(now, probability, { epsilon: halting.epsilon, isLast });
    const runs = freezes && step > 0 ? now.runs : undefined;
    const after = runStep(model, before, {
      step,
      entries: (block, own) => {
        const held = kept[block];
        kept[block] = runs === undefined || held === undefined ? own : frozen(runs, own, held);
        return kept[block] as Entries;
      },
    });
    x = runs === undefined ? after : choose(runs, after, x);
    out = mixedIn(out, weight, after, halting.output);
    steps = steps === undefined ? now.runs : steps.add(now.runs);
    remainders = remainders === undefined ? remainder : remainders.add(remainder);
    state = next;
    batch.afterLayer?.((step + 1) * config.blocksPerStep - 1, x);
  }
  if (batch.auxiliary !== undefined && steps !== undefined && remainders !== undefined) {
    const mean = (rows: Tensor): Tensor => rows.sum().scale(1 / rows.elements);
    batch.auxiliary("ponder", mean(stopGradient(steps).add(remainders)));
    batch.auxiliary("steps", mean(stopGradient(steps)));
  }
  return head(model, batch.wanted(out as Tensor));
}

function frozen(runs: Tensor, own: Entries, held: Entries): Entries {
  const condition = runs.reshape(runs.size(0), 1, 1);
  return [choose(condition, own[0], held[0]), choose(condition, own[1], held[1])];
}

/** The same step by step, over the rows that still run. A row's entries go into all later layers at once: those where it has stopped
 *  keep them, the others are written again. */
function stages(config: Config, halting: HaltingConfig): Stage<Config>[] {
  const { steps, blocksPerStep } = config;
  const oneStep = (step: number): Stage<Config> => ({
    name: `step ${step + 1}`,
    deepens: true,
    reads: step === 0 ? [] : ["state", "out", "halted"],
    ...(step === 0 ? {} : { enters: (carried, row) => stillRuns(carried, row, step) }),
    forward: (_, loaded, batch, carried) => {
      const model = { config, weights: loaded, batch };
      const x = carried["state"] ?? embed(model);
      const before = withSignals(model, x, step, positionsOf(model));
      const probability = stopping(model, before);
      const fresh = firstHalting(probability);
      const now = { halted: carried["halted"] ?? fresh.halted, runs: fresh.runs };
      const isLast = step === steps - 1;
      const { weight, next } = haltingStep(now, probability, { epsilon: halting.epsilon, isLast });
      const alsoIn = (block: number): number[] =>
        Array.from({ length: steps - step - 1 }, (_, later) => (step + 1 + later) * blocksPerStep + block);
      const state = runStep(model, before, { step, alsoIn });
      const out = mixedIn(carried["out"], weight, state, halting.output);
      return { state, out, halted: next.halted, runs: next.runs, probability };
    },
  });
  return [
    ...Array.from({ length: steps }, (_, step) => oneStep(step)),
    {
      name: "head",
      deepens: false,
      reads: ["out"],
      forward: (_, loaded, batch, carried) => {
        const model = { config, weights: loaded, batch };
        return { logits: head(model, batch.wanted(carried["out"] as Tensor)) };
      },
    },
  ];
}

function stillRuns(carried: CarriedValues, row: number, step: number): boolean {
  const probability = carried["probability"]?.values[row] ?? Number.NaN;
  if (Number.isNaN(probability)) {
    throw new QuireError("bad-input", `The model's probability of stopping is not a number at step ${step}.`, {
      got: probability,
      expected: "a number from 0 to 1",
      fix: "The model's weights are damaged, or it diverged in training.",
    });
  }
  return carried["runs"]?.values[row] === 1;
}
