import { gradients } from "./autodiff.js";
import { evaluate } from "./evaluate.js";
import { Graph } from "./graph.js";
import { RandomSource } from "./random-source.case.js";
import { type Plain, testDevice } from "./reference.case.js";
import { Storage } from "./storage.js";
import type { Tensor } from "./tensor.js";

/** Compares gradients with central differences: the result of `build` is weighted with random numbers and summed up, every element
 *  of every input is moved a little each way, and the loss must change as the gradient says. */
export async function expectGradients(
  inputs: readonly Plain[],
  build: (graph: Graph, ...inputs: Tensor[]) => Tensor,
  { tolerance = 5e-3, step = 1e-2 } = {},
): Promise<void> {
  const graph = new Graph(testDevice(1), { maxNodes: 2048 });
  try {
    const tensors = inputs.map((input, index) => graph.input(`x${index}`, "f32", input.shape));
    const result = build(graph, ...tensors);
    const weights = new RandomSource(result.elements).array(result.elements);
    const loss = result.mul(graph.constant(weights, result.shape)).sum();
    const found = gradients(loss, tensors).map((gradient) => graph.output(gradient));
    graph.output(loss);
    graph.compile();
    for (const [index, tensor] of tensors.entries()) graph.host(tensor).set(inputs[index]?.data ?? []);
    await graph.run();
    const computed = found.map((gradient) => graph.host(gradient).slice());
    await expectSameFromStored(inputs, build, weights, computed);
    for (const [index, tensor] of tensors.entries()) {
      const values = graph.host(tensor);
      const own = computed[index] ?? new Float32Array();
      if (own.length !== values.length) throw new Error(`gradient ${index} has ${own.length} elements`);
      for (let element = 0; element < values.length; element++) {
        const before = values[element] ?? 0;
        const lossAt = async (value: number) => {
          values[element] = value;
          await graph.run();
          return graph.host(loss)[0] ?? Number.NaN;
        };
        const [up, down] = [Math.fround(before + step), Math.fround(before - step)];
        const expected = ((await lossAt(up)) - (await lossAt(down))) / (up - down);
        values[element] = before;
        const got = own[element] ?? Number.NaN;
        if (!(Math.abs(got - expected) <= tolerance * (1 + Math.abs(expected)))) {
          throw new Error(
            `input ${index} [${tensor.shape}], element ${element}: gradient ${got}, difference ${expected}`,
          );
        }
      }
    }
  } finally {
    graph.close();
  }
}

/** The same gradients must come out where the inputs are stored tensors, which belong to no graph. */
async function expectSameFromStored(
  inputs: readonly Plain[],
  build: (graph: Graph, ...inputs: Tensor[]) => Tensor,
  weights: Float32Array,
  wanted: readonly Float32Array[],
): Promise<void> {
  const specs = inputs.map(({ shape }, index) => ({ name: `x${index}`, dtype: "f32" as const, shape }));
  const storage = Storage.allocate(testDevice(1), specs);
  for (const [index, { data }] of inputs.entries()) storage.write(storage.tensor(`x${index}`), Float32Array.from(data));
  const stored = [...storage.tensors.values()];
  try {
    const found = await evaluate(testDevice(1), (graph) => {
      const result = build(graph, ...stored.map((tensor, index) => (index === 0 ? graph.use(tensor) : tensor)));
      return gradients(result.mul(graph.constant(weights, result.shape)).sum(), stored);
    });
    for (const [index, gradient] of found.entries()) {
      if (gradient.some((value, at) => value !== wanted[index]?.[at] && !Number.isNaN(Number(value)))) {
        throw new Error(`gradient ${index} differs where the input is a stored tensor`);
      }
    }
  } finally {
    storage.close();
  }
}
