import { QuireError } from "../errors.js";
import type { Architecture, ModelConfig } from "../models/architecture.js";
import { architectureOf } from "../models/registry.js";
import { Device, type DeviceOptions } from "../tensor/device.js";
import { elements } from "../tensor/shape.js";
import { type LoadOptions, loadWeights, type Weights } from "../weights/load.js";
import { openWeightFile } from "../weights/open-weight-file.js";
import type { MetadataValue } from "../weights/weight-file.js";
import { Adapters, type NamedAdapter } from "./memory/adapters.js";

/** A model in memory: its architecture, configuration and weights on a device. It has no state of its own; sequences do. */
export interface LoadedModel {
  readonly path: string;
  readonly architecture: Architecture;
  readonly config: ModelConfig;
  readonly weights: Weights;
  /** Beside the weights, for those sequences that ask for one. */
  readonly adapters?: Adapters;
  readonly device: Device;
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  readonly format: "gguf" | "safetensors";
  /** Number of weights. */
  readonly parameters: number;
  close(): Promise<void>;
}

export interface ModelOptions extends DeviceOptions, LoadOptions {
  /** A device that is open already, and stays open when the model is closed. */
  readonly on?: Device;
  readonly adapters?: readonly NamedAdapter[];
}

export async function loadModel(path: string, options: ModelOptions = {}): Promise<LoadedModel> {
  const file = await openWeightFile(path);
  try {
    const architecture = architectureOf(file);
    const config = architecture.readConfig(file);
    const requests = architecture.weights(config, file);
    const device = options.on ?? Device.open(options);
    const closeDevice = async () => (options.on === undefined ? device.close() : undefined);
    let weights: Weights | undefined;
    let adapters: Adapters | undefined;
    try {
      weights = await loadWeights(file, requests, device, options);
      const named = options.adapters ?? [];
      if (named.length > 0) adapters = await Adapters.load(named, requests, weights, device);
    } catch (error) {
      weights?.close();
      await closeDevice();
      throw error;
    }
    return {
      path,
      architecture,
      config,
      weights,
      adapters,
      device,
      metadata: file.metadata,
      format: file.format,
      parameters: [...file.tensors.values()].reduce((sum, { shape }) => sum + elements(shape), 0),
      close: async () => {
        await closeDevice();
        adapters?.close();
        weights?.close();
      },
    };
  } finally {
    await file.close();
  }
}

export function mustBeCausal(model: LoadedModel): void {
  if (model.architecture.kind === "causal") return;
  throw new QuireError("unsupported", `${model.path} is an embedding model and generates no text.`, {
    got: model.architecture.name,
    expected: "a causal language model",
    fix: "Use it with `quire embed`, or choose another model.",
  });
}
