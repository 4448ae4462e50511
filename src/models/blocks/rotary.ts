import { QuireError } from "../../errors.js";
import type { RopeOptions } from "../../tensor/ops/attention.js";
import type { WeightRequest, Weights } from "../../weights/load.js";
import type { WeightFile } from "../../weights/weight-file.js";
import type { MetadataReader } from "../metadata-reader.js";

/** Rotary positions as published checkpoints configure them: base, linear scaling, YaRN, and Llama 3's per-frequency factors
 *  (a tensor in GGUF, a formula in config.json). */
export interface RotaryConfig {
  readonly style: RopeOptions["style"];
  readonly dims: number;
  readonly theta: number;
  readonly scale: number;
  readonly yarn?: RopeOptions["yarn"];
  /** Llama 3: parameters of the formula, when the file has no table. */
  readonly llama3?: { factor: number; lowFactor: number; highFactor: number; originalContext: number };
}

export function readRotary(
  reader: MetadataReader,
  file: WeightFile,
  headDim: number,
  ggufStyle: RopeOptions["style"],
): RotaryConfig {
  const isGguf = file.format === "gguf";
  const dims = reader.integer(["rope.dimension_count"], { max: headDim, default: headDim });
  if (dims % 2 !== 0) {
    throw new QuireError("bad-file", `${file.path}: rotary positions need an even number of dimensions.`, {
      got: dims,
      expected: "an even number",
    });
  }
  const theta = reader.number(["rope.freq_base", "rope_theta", "rope_parameters.rope_theta"], 10_000);
  const kind = reader.text(
    ["rope.scaling.type", "rope_scaling.rope_type", "rope_scaling.type", "rope_parameters.rope_type"],
    "none",
  );
  const factor = reader.number(["rope.scaling.factor", "rope_scaling.factor", "rope_parameters.factor"], 1);
  // In GGUF the weights of "pairs" models were reordered; published safetensors keep halves.
  const base = { style: isGguf ? ggufStyle : ("neox" as const), dims, theta, scale: 1 };
  if (kind === "none" || kind === "default" || factor === 1) return base;
  const originalContext = reader.integer(
    [
      "rope.scaling.original_context_length",
      "rope_scaling.original_max_position_embeddings",
      "rope_parameters.original_max_position_embeddings",
    ],
    { default: 8192 },
  );
  if (kind === "linear") return { ...base, scale: 1 / factor };
  if (kind === "llama3") {
    const low = reader.number(["rope_scaling.low_freq_factor", "rope_parameters.low_freq_factor"], 1);
    const high = reader.number(["rope_scaling.high_freq_factor", "rope_parameters.high_freq_factor"], 4);
    return { ...base, llama3: { factor, lowFactor: low, highFactor: high, originalContext } };
  }
  if (kind === "yarn") {
    const yarn = { originalContext, extFactor: 1, attnFactor: 1, betaFast: 32, betaSlow: 1 };
    return { ...base, scale: 1 / factor, yarn };
  }
  throw new QuireError("unsupported", `${file.path} scales its positions in a way that is not known.`, {
    got: kind,
    expected: "linear, llama3 or yarn",
  });
}

/** The table of factors, from the file or the formula. */
export function rotaryWeights(config: RotaryConfig): WeightRequest[] {
  const shape = [config.dims / 2];
  const { llama3 } = config;
  if (llama3 === undefined) {
    return [{ name: "rope_freqs.weight", from: ["rope_freqs.weight"], shape, use: "vector", optional: true }];
  }
  return [
    {
      name: "rope_freqs.weight",
      from: [],
      shape,
      use: "vector",
      values: () => llama3Factors(config.dims, config.theta, llama3),
    },
  ];
}

export function ropeOptions(config: RotaryConfig, weights: Weights): RopeOptions {
  const { style, dims, theta, scale, yarn } = config;
  return { style, dims, theta, scale, yarn, frequencyFactors: weights.optional("rope_freqs.weight") };
}

/** Low frequencies are divided by `factor`, high ones kept, those between blended: wavelengths are compared with the context the
 *  model was first trained on. */
export function llama3Factors(dims: number, theta: number, options: NonNullable<RotaryConfig["llama3"]>): Float32Array {
  const { factor, lowFactor, highFactor, originalContext } = options;
  return Float32Array.from({ length: dims / 2 }, (_, i) => {
    const wavelength = 2 * Math.PI * theta ** ((2 * i) / dims);
    if (wavelength < originalContext / highFactor) return 1;
    if (wavelength > originalContext / lowFactor) return factor;
    const smooth = (originalContext / wavelength - lowFactor) / (highFactor - lowFactor);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}
