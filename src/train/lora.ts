import { QuireError } from "../errors.js";
import { architectureOf } from "../models/registry.js";
import type { Device } from "../tensor/device.js";
import { RandomStream } from "../tensor/random.js";
import { Storage } from "../tensor/storage.js";
import type { Tensor } from "../tensor/tensor.js";
import { canBeAdapted, type LoraMatrices, writeAdapter } from "../weights/adapter-file.js";
import { loadWeights, type WeightRequest } from "../weights/load.js";
import type { WeightFile } from "../weights/weight-file.js";
import { type ProductSite, withProducts } from "../weights/weights-with-products.js";
import { type BackwardType, frozenProducts } from "./frozen-products.js";
import type { Trainable } from "./trainable.js";

/** LoRA: the weights of a trained model stay as they are, quantised or not, and beside some of them two thin matrices are learnt whose
 *  product is added: y = x·Wᵀ + (alpha / rank) · (x·Aᵀ)·Bᵀ. Hu et al. 2021, arXiv 2106.09685. */

export interface LoraOptions {
  /** Default 8. */
  readonly rank?: number;
  /** Default 2 · rank. */
  readonly alpha?: number;
  /** Which weights, by their names in published checkpoints (q_proj) or in GGUF (attn_q); default q_proj and v_proj. */
  readonly targets?: readonly string[];
  readonly seed?: number;
  /** Type in which the frozen weights are kept transposed for gradients; default f32 for f32 weights, else bf16. */
  readonly backwardType?: BackwardType;
  readonly signal?: AbortSignal;
}

/** `members` is empty: no weight of the model's own is learnt. */
export interface LoraModel extends Trainable {
  readonly rank: number;
  readonly alpha: number;
  /** Bytes of the frozen weights, their transposed copies included. */
  readonly frozenBytes: number;
  /** As they are now, by the names of the weights. */
  matrices(): Map<string, LoraMatrices>;
  /** Goes on from matrices learnt before. */
  load(matrices: ReadonlyMap<string, LoraMatrices>): void;
  /** Writes adapter_model.safetensors and adapter_config.json into a folder. */
  save(folder: string, base?: string): Promise<void>;
}

export async function loadLora(file: WeightFile, device: Device, options: LoraOptions = {}): Promise<LoraModel> {
  const { rank = 8, alpha = 2 * rank, targets = ["q_proj", "v_proj"], seed = 0, signal } = options;
  checkNumbers(rank, alpha);
  const architecture = architectureOf(file);
  const config = architecture.readConfig(file);
  const requests = architecture.weights(config, file);
  const adapted = chosenRequests(requests, targets, file.path);
  const opened: { close(): void }[] = [];
  try {
    const weights = await loadWeights(file, requests, device, { signal });
    opened.push(weights);
    const frozen = await frozenProducts({ file, requests, weights, device, type: options.backwardType, signal });
    opened.push(frozen);
    const storage = Storage.allocate(
      device,
      adapted.flatMap((request) => specsOf(request, rank)),
    );
    opened.push(storage);
    for (const request of adapted) writeFirst(storage, request, rank, seed);
    const parameters = [...storage.tensors.values()];
    const names = new Set(adapted.map(({ name }) => name));
    const scale = alpha / rank;
    const addAdapters = (x: Tensor, product: Tensor, site: ProductSite): Tensor =>
      site.members
        .filter(({ name }) => names.has(name))
        .reduce((sum, member) => {
          const [a, b] = [storage.tensor(halfName(member.name, "a")), storage.tensor(halfName(member.name, "b"))];
          const added = x.linear(a).linear(b).scale(scale);
          return sum.add(placed(added, member.start, site.tensor.size(0)));
        }, product);
    return {
      ...{ architecture, config, device, parameters, rank, alpha },
      metadata: file.metadata,
      members: new Map(),
      weights: withProducts(weights, (site) => {
        const product = frozen.of(site);
        return (x) => addAdapters(x, product(x), site);
      }),
      count: parameters.reduce((sum, parameter) => sum + parameter.elements, 0),
      frozenBytes: weights.sizeBytes + frozen.sizeBytes,
      decays: () => true,
      matrices: () => new Map(adapted.map(({ name }) => [name, readMatrices(storage, name, rank)])),
      load: (matrices) => writeMatrices(storage, matrices, adapted, rank),
      save: (folder, base) =>
        writeAdapter(folder, requests, {
          ...{ rank, alpha, base },
          matrices: new Map(adapted.map(({ name }) => [name, readMatrices(storage, name, rank)])),
        }),
      close: () => {
        for (const one of opened) one.close();
      },
    };
  } catch (error) {
    for (const one of opened) one.close();
    throw error;
  }
}

function checkNumbers(rank: number, alpha: number): void {
  if (Number.isInteger(rank) && rank >= 1 && rank <= 4096 && alpha > 0 && Number.isFinite(alpha)) return;
  throw new QuireError("bad-option", "An adapter cannot have these numbers.", {
    got: { rank, alpha },
    expected: "a whole rank of 1 to 4096 and an alpha above 0",
  });
}

function chosenRequests(requests: readonly WeightRequest[], targets: readonly string[], path: string): WeightRequest[] {
  const able = requests.filter(canBeAdapted);
  const isCalled = ({ name, from }: WeightRequest, target: string): boolean =>
    [name, ...from].some((known) => known.split(".").at(-2) === target);
  for (const target of targets) {
    if (able.some((request) => isCalled(request, target))) continue;
    throw new QuireError("bad-option", `${path} has no weights called ${target} that could be adapted.`, {
      got: target,
      expected: [...new Set(able.map(({ name, from }) => (from.at(-1) ?? name).split(".").at(-2)))].join(", "),
    });
  }
  return able.filter((request) => targets.some((target) => isCalled(request, target)));
}

function halfName(weight: string, half: "a" | "b"): string {
  return `${weight}.lora_${half}`;
}

function specsOf({ name, shape }: WeightRequest, rank: number) {
  const [outputs = 0, inputs = 0] = shape;
  return [
    { name: halfName(name, "a"), dtype: "f32" as const, shape: [rank, inputs] },
    { name: halfName(name, "b"), dtype: "f32" as const, shape: [outputs, rank] },
  ];
}

/** A begins uniform within 1 / sqrt(inputs), B at zero: at first nothing is added. */
function writeFirst(storage: Storage, { name, shape }: WeightRequest, rank: number, seed: number): void {
  const [outputs = 0, inputs = 0] = shape;
  const bound = 1 / Math.sqrt(inputs);
  const a = new RandomStream(seed, name).uniformArray(rank * inputs, -bound, bound);
  storage.write(storage.tensor(halfName(name, "a")), a);
  storage.write(storage.tensor(halfName(name, "b")), new Float32Array(outputs * rank));
}

/** Columns within a wider result of zeros: x [R, size] to [R, total]. */
function placed(x: Tensor, start: number, total: number): Tensor {
  const size = x.size(-1);
  if (size === total) return x;
  const margin = (last: number): number[] => x.shape.map((_, axis) => (axis === x.rank - 1 ? last : 0));
  return x.pad(margin(start), margin(total - start - size));
}

function readMatrices(storage: Storage, weight: string, rank: number): LoraMatrices {
  const half = (which: "a" | "b"): Float32Array => {
    const tensor = storage.tensor(halfName(weight, which));
    const values = new Float32Array(tensor.elements);
    storage.read(tensor, values);
    return values;
  };
  return { rank, a: half("a"), b: half("b") };
}

function writeMatrices(
  storage: Storage,
  matrices: ReadonlyMap<string, LoraMatrices>,
  adapted: readonly WeightRequest[],
  rank: number,
): void {
  const same = matrices.size === adapted.length && adapted.every(({ name }) => matrices.get(name)?.rank === rank);
  if (!same) {
    throw new QuireError("bad-input", "The adapter was learnt with other targets or another rank.", {
      got: [...matrices].map(([name, { rank }]) => `${name}: rank ${rank}`).slice(0, 3),
      expected: `rank ${rank} for ${adapted.length} weights such as ${adapted[0]?.name}`,
    });
  }
  for (const [name, { a, b }] of matrices) {
    storage.write(storage.tensor(halfName(name, "a")), a);
    storage.write(storage.tensor(halfName(name, "b")), b);
  }
}
