import type { Tensor } from "../tensor.js";
import { changeValues, checkParameters, checkStep, decaysByDefault, Moments, type Optimizer } from "./optimizer.js";

/** Stochastic gradient descent with momentum, plain or Nesterov's. */

export interface SgdOptions {
  momentum?: number;
  nesterov?: boolean;
  weightDecay?: number;
  decays?: (parameter: Tensor) => boolean;
}

export function sgd(parameters: readonly Tensor[], options: SgdOptions = {}): Optimizer {
  const { momentum = 0, nesterov = false, weightDecay = 0, decays = decaysByDefault } = options;
  checkParameters(parameters);
  const moments = new Moments(momentum === 0 ? [] : ["velocity"], parameters);
  let steps = 0;
  return {
    parameters,
    get steps() {
      return steps;
    },
    async step(gradients, learningRate) {
      checkStep(parameters, gradients, learningRate);
      steps++;
      for (const [index, parameter] of parameters.entries()) {
        const gradient = gradients[index] ?? new Float32Array();
        const velocity = momentum === 0 ? undefined : moments.of(parameter, "velocity");
        const shrink = decays(parameter) ? 1 - learningRate * weightDecay : 1;
        changeValues(parameter, (values) => {
          for (let i = 0; i < values.length; i++) {
            let move = gradient[i] ?? 0;
            if (velocity !== undefined) {
              const speed = momentum * (velocity[i] ?? 0) + move;
              velocity[i] = speed;
              move = nesterov ? move + momentum * speed : speed;
            }
            values[i] = shrink * (values[i] ?? 0) - learningRate * move;
          }
        });
      }
    },
    save: () => ({ steps, moments: moments.save() }),
    load(state) {
      moments.load(state.moments);
      steps = state.steps;
    },
  };
}
