import type { Tensor } from "../tensor.js";
import { changeValues, checkParameters, checkStep, decaysByDefault, Moments, type Optimizer } from "./optimizer.js";

/** AdamW: steps scaled by running means of gradient and squared gradient, weights shrunk apart from them.
 *  Loshchilov and Hutter 2019, arXiv 1711.05101. */

export interface AdamWOptions {
  beta1?: number;
  beta2?: number;
  epsilon?: number;
  weightDecay?: number;
  /** Which parameters shrink; default: those with two axes or more. */
  decays?: (parameter: Tensor) => boolean;
  /** Learning rates of single parameters, as multiples of a step's; default 1 for all. */
  rateOf?: (parameter: Tensor) => number;
}

export function adamW(parameters: readonly Tensor[], options: AdamWOptions = {}): Optimizer {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0.01, decays = decaysByDefault } = options;
  const rateOf = options.rateOf ?? (() => 1);
  checkParameters(parameters);
  const moments = new Moments(["first", "second"], parameters);
  let steps = 0;

  function change(parameter: Tensor, gradient: Float32Array, stepRate: number): void {
    const learningRate = stepRate * rateOf(parameter);
    const first = moments.of(parameter, "first");
    const second = moments.of(parameter, "second");
    const correction = Math.sqrt(1 / (1 - beta2 ** steps));
    const rate = learningRate / (1 - beta1 ** steps);
    const shrink = decays(parameter) ? 1 - learningRate * weightDecay : 1;
    changeValues(parameter, (values) => {
      for (let i = 0; i < values.length; i++) {
        const slope = gradient[i] as number;
        const m = beta1 * (first[i] as number) + (1 - beta1) * slope;
        const v = beta2 * (second[i] as number) + (1 - beta2) * slope * slope;
        first[i] = m;
        second[i] = v;
        values[i] = shrink * (values[i] as number) - (rate * m) / (Math.sqrt(v) * correction + epsilon);
      }
    });
  }

  return {
    parameters,
    get steps() {
      return steps;
    },
    async step(gradients, learningRate) {
      checkStep(parameters, gradients, learningRate);
      steps++;
      for (const [index, parameter] of parameters.entries())
        change(parameter, gradients[index] ?? new Float32Array(), learningRate);
    },
    save: () => ({ steps, moments: moments.save() }),
    load(state) {
      moments.load(state.moments);
      steps = state.steps;
    },
  };
}
