import { gradients } from "./autodiff.js";
import { Graph } from "./graph.js";
import { RandomSource } from "./random-source.case.js";
import { type Plain, testDevice } from "./reference.case.js";
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
