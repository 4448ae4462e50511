import type { Device } from "../device.js";
import { Graph } from "../graph.js";
import type { Storage } from "../storage.js";
import type { Tensor } from "../tensor.js";
import { type AdamWOptions, adamW } from "./adamw.js";
import { changeValues, checkParameters, checkStep, Moments, type Optimizer } from "./optimizer.js";

/** Muon: for matrices, the momentum is made nearly orthogonal before the step, so that all its directions move alike; what is no
 *  matrix goes to AdamW. Jordan et al. 2024; scaled as in Liu et al. 2025, arXiv 2502.16982, so that AdamW's learning rates fit. */

export interface MuonOptions {
  momentum?: number;
  nesterov?: boolean;
  weightDecay?: number;
  /** Newton–Schulz iterations. */
  iterations?: number;
  /** Which parameters are stepped as matrices; default: those with two axes. Leave embeddings and the output layer to AdamW. */
  isMatrix?: (parameter: Tensor) => boolean;
  /** For the other parameters. */
  adamW?: AdamWOptions;
}

const coefficients = [3.4445, -4.775, 2.0315] as const;
/** Root mean square of AdamW's steps, to which a step is scaled. */
const stepSize = 0.2;

export interface Muon extends Optimizer {
  /** Frees the graphs. */
  close(): void;
}

export function muon(parameters: readonly Tensor[], options: MuonOptions = {}): Muon {
  const { momentum = 0.95, nesterov = true, weightDecay = 0.01, iterations = 5 } = options;
  const isMatrix = options.isMatrix ?? (({ rank }: Tensor) => rank === 2);
  checkParameters(parameters);
  const matrices = parameters.filter((parameter) => parameter.rank === 2 && isMatrix(parameter));
  const others = adamW(
    parameters.filter((parameter) => !matrices.includes(parameter)),
    options.adamW,
  );
  const moments = new Moments(["momentum"], matrices);
  const graphs = new Map<string, ReturnType<typeof orthogonalizer>>();
  let steps = 0;

  async function stepMatrix(parameter: Tensor, gradient: Float32Array, learningRate: number): Promise<void> {
    const [rows = 1, columns = 1] = parameter.shape;
    const key = `${rows}x${columns}`;
    const { device } = parameter.owner as Storage;
    const graph = graphs.get(key) ?? orthogonalizer(device, rows, columns, iterations);
    graphs.set(key, graph);
    const speed = moments.of(parameter, "momentum");
    const direction = new Float32Array(speed.length);
    for (let i = 0; i < speed.length; i++) {
      const slope = gradient[i] ?? 0;
      const next = momentum * (speed[i] ?? 0) + slope;
      speed[i] = next;
      direction[i] = nesterov ? slope + momentum * next : next;
    }
    const move = await graph.run(direction);
    const scale = learningRate * stepSize * Math.sqrt(Math.max(rows, columns));
    const shrink = 1 - learningRate * weightDecay;
    changeValues(parameter, (values) => {
      for (let i = 0; i < values.length; i++) values[i] = shrink * (values[i] ?? 0) - scale * (move[i] ?? 0);
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
      const of = (parameter: Tensor): Float32Array => gradients[parameters.indexOf(parameter)] ?? new Float32Array();
      for (const parameter of matrices) await stepMatrix(parameter, of(parameter), learningRate);
      await others.step(others.parameters.map(of), learningRate);
    },
    save: () => ({ steps, moments: { ...moments.save(), ...others.save().moments } }),
    load(state) {
      moments.load(state.moments);
      others.load(state);
      steps = state.steps;
    },
    close() {
      for (const graph of graphs.values()) graph.close();
      graphs.clear();
    },
  };
}

/** X with singular values near 1 and the singular vectors of the input, by the iteration X ← aX + (bA + cA²)X with A = XXᵀ. */
function orthogonalizer(device: Device, rows: number, columns: number, iterations: number) {
  const graph = new Graph(device, { maxNodes: 64 + 16 * iterations });
  const input = graph.input("direction", "f32", [rows, columns]);
  const isTall = rows > columns;
  const wide = isTall ? input.transpose().cont() : input;
  const [a, b, c] = coefficients;
  const length = wide.sqr().sum().sqrt().scale(1, 1e-7);
  let x = wide.div(length);
  for (let iteration = 0; iteration < iterations; iteration++) {
    const square = x.linear(x);
    x = x.scale(a).add(square.scale(b).add(square.linear(square).scale(c)).matmul(x));
  }
  const result = graph.output(isTall ? x.transpose().cont() : x);
  graph.compile();
  return {
    async run(direction: Float32Array): Promise<Float32Array> {
      graph.write(input, direction);
      await graph.run();
      return graph.host(result);
    },
    close: () => graph.close(),
  };
}
