import { QuireError } from "../../errors.js";
import { describe } from "../check.js";
import { ggml } from "../ffi/ggml.js";
import { Storage } from "../storage.js";
import type { Tensor } from "../tensor.js";

/** What optimisers share. They change stored f32 tensors in place, given gradients that a graph left in host memory. */
export interface Optimizer {
  readonly parameters: readonly Tensor[];
  /** How many steps were made. */
  readonly steps: number;
  /** One step; `gradients` in the order of the parameters. Never call it while a graph that uses the parameters is running. */
  step(gradients: readonly Float32Array[], learningRate: number): Promise<void>;
  /** Copies of the moments by name, for checkpoints. */
  save(): OptimizerState;
  load(state: OptimizerState): void;
}

export interface OptimizerState {
  readonly steps: number;
  readonly moments: Readonly<Record<string, Float32Array>>;
}

/** Moments of every parameter, zero at first. */
export class Moments {
  readonly #arrays = new Map<string, Float32Array>();

  constructor(kinds: readonly string[], parameters: readonly Tensor[]) {
    for (const { name, elements } of parameters)
      for (const kind of kinds) this.#arrays.set(`${name}/${kind}`, new Float32Array(elements));
  }

  of(parameter: Tensor, kind: string): Float32Array {
    return this.#arrays.get(`${parameter.name}/${kind}`) ?? new Float32Array(parameter.elements);
  }

  save(): Record<string, Float32Array> {
    return Object.fromEntries([...this.#arrays].map(([name, values]) => [name, values.slice()]));
  }

  load(moments: Readonly<Record<string, Float32Array>>): void {
    for (const [name, values] of this.#arrays) {
      const saved = moments[name];
      if (saved?.length !== values.length) {
        throw new QuireError("bad-input", `The saved moments do not fit: ${name}.`, {
          got: saved?.length ?? "nothing",
          expected: values.length,
        });
      }
    }
    for (const [name, values] of this.#arrays) values.set(moments[name] ?? []);
  }
}

export function checkParameters(parameters: readonly Tensor[]): void {
  const names = new Set<string>();
  for (const parameter of parameters) {
    if (parameter.dtype !== "f32" || !(parameter.owner instanceof Storage)) {
      throw new QuireError("bad-input", "Only stored f32 tensors can be trained.", { got: describe(parameter) });
    }
    if (names.has(parameter.name)) {
      throw new QuireError("bad-input", `There are two parameters named ${parameter.name}.`, { got: parameter.name });
    }
    names.add(parameter.name);
  }
}

export function checkStep(
  parameters: readonly Tensor[],
  gradients: readonly Float32Array[],
  learningRate: number,
): void {
  if (!Number.isFinite(learningRate) || learningRate < 0) {
    throw new QuireError("bad-option", "The learning rate cannot be used.", {
      got: learningRate,
      expected: "a finite number of at least 0",
    });
  }
  const fits =
    gradients.length === parameters.length &&
    parameters.every(({ elements }, index) => gradients[index]?.length === elements);
  if (!fits) {
    throw new QuireError("bad-shape", "The gradients do not fit the parameters.", {
      got: gradients.map(({ length }) => length),
      expected: parameters.map(({ elements }) => elements),
    });
  }
}

/** Lets `change` work on a stored tensor's values: in place where the device's memory is the host's, else on a copy. */
export function changeValues(parameter: Tensor, change: (values: Float32Array) => void): void {
  const storage = parameter.owner;
  if (!(storage instanceof Storage) || !storage.open) {
    throw new QuireError("bad-input", `${parameter.name} was freed.`);
  }
  if (storage.device.isHost && !storage.repacked) {
    const g = ggml();
    change(new Float32Array(g.memory(g.ggml_get_data(parameter.pointer), parameter.sizeBytes)));
    return;
  }
  const values = new Float32Array(parameter.elements);
  storage.read(parameter, values);
  change(values);
  storage.write(parameter, values);
}

/** Matrices shrink; biases, norms and other vectors do not. */
export function decaysByDefault(parameter: Tensor): boolean {
  return parameter.rank >= 2;
}
