/** The configuration agent of CORAG: a small network that looks at the embeddings of a question and of its candidates and says by what
 *  the combinations should be valued, and with which settings they should be searched. It must have been trained: there is no network
 *  without a file of weights, and none comes with the package. */

import { QuireError } from "../../../errors.js";
import { openWeightFile } from "../../../weights/open-weight-file.js";
import { toFloat32 } from "../../../weights/to-float32.js";
import type { ValueKind } from "./passage-values.js";

export interface ConfigurationNetwork {
  readonly dimensions: number;
  configure(question: Float32Array, candidates: Float32Array): Configuration;
}

export interface Configuration {
  readonly reward: ValueKind;
  readonly exploration: number;
  readonly iterations: number;
  readonly costWeight: number;
}

/** Outputs are shares of these ranges, and never leave them. */
export const configurationRanges = {
  exploration: [0.5, 2],
  iterations: [5, 25],
  costWeight: [0, 0.5],
} as const;

const kinds: readonly ValueKind[] = ["likelihood", "coverage"];
const widths = { side: 512, joint: 512, middle: 256, last: 128 } as const;

interface Layer {
  readonly weight: Float32Array;
  readonly bias: Float32Array;
  readonly inputs: number;
}

export async function openConfigurationNetwork(path: string): Promise<ConfigurationNetwork> {
  const file = await openWeightFile(path);
  try {
    const question = file.tensors.get("question.weight")?.shape[1] ?? 0;
    const layer = async (name: string, outputs: number, inputs: number): Promise<Layer> => ({
      weight: await read(file, `${name}.weight`, [outputs, inputs]),
      bias: await read(file, `${name}.bias`, [outputs]),
      inputs,
    });
    const { side, joint, middle, last } = widths;
    const layers = {
      question: await layer("question", side, question),
      candidates: await layer("candidates", side, question),
      joint: await layer("joint", joint, 2 * side),
      middle: await layer("middle", middle, joint),
      last: await layer("last", last, middle),
      kind: await layer("kind", kinds.length, last),
      numbers: await layer("numbers", 3, last),
    };
    return { dimensions: question, configure: (asked, found) => configure(layers, asked, found) };
  } finally {
    await file.close();
  }
}

type Layers = Record<"question" | "candidates" | "joint" | "middle" | "last" | "kind" | "numbers", Layer>;

function configure(layers: Layers, question: Float32Array, candidates: Float32Array): Configuration {
  if (question.length !== layers.question.inputs || candidates.length !== layers.question.inputs) {
    throw new QuireError("bad-input", "The configuration network was trained with another embedding model.", {
      got: `${question.length} dimensions`,
      expected: `${layers.question.inputs} dimensions`,
    });
  }
  const sides = [...relu(apply(layers.question, question)), ...relu(apply(layers.candidates, candidates))];
  const joint = relu(apply(layers.joint, Float32Array.from(sides)));
  const last = relu(apply(layers.last, relu(apply(layers.middle, joint))));
  const [likelihood = 0, coverage = 0] = apply(layers.kind, last);
  const [exploration = 0, iterations = 0, costWeight = 0] = apply(layers.numbers, last);
  return {
    reward: likelihood >= coverage ? "likelihood" : "coverage",
    exploration: within(exploration, configurationRanges.exploration),
    iterations: Math.round(within(iterations, configurationRanges.iterations)),
    costWeight: within(costWeight, configurationRanges.costWeight),
  };
}

function apply({ weight, bias, inputs }: Layer, vector: Float32Array): Float32Array {
  return bias.map((value, row) => {
    let sum = value;
    for (let i = 0; i < inputs; i++) sum += weight[row * inputs + i]! * vector[i]!;
    return sum;
  });
}

function relu(vector: Float32Array): Float32Array {
  return vector.map((value) => Math.max(0, value));
}

function within(share: number, [low, high]: readonly [number, number]): number {
  const safe = Number.isFinite(share) ? Math.min(1, Math.max(0, share)) : 0.5;
  return low + safe * (high - low);
}

async function read(
  file: Awaited<ReturnType<typeof openWeightFile>>,
  name: string,
  shape: readonly number[],
): Promise<Float32Array> {
  const entry = file.tensors.get(name);
  if (entry === undefined || entry.shape.join() !== shape.join() || shape.some((size) => size < 1)) {
    throw new QuireError("bad-file", `${file.path} is not a configuration network.`, {
      got: entry === undefined ? `no tensor ${name}` : `${name} of shape ${entry.shape.join(" × ")}`,
      expected: `${name} of shape ${shape.join(" × ")}`,
      fix: "Name a file that was made for this, or leave the option agent out.",
    });
  }
  const bytes = new Uint8Array(entry.sizeBytes);
  await file.read(entry, 0, bytes);
  return toFloat32(entry.dtype, bytes);
}
