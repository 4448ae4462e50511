import type { Graph } from "../../tensor/graph.js";
import type { Tensor } from "../../tensor/tensor.js";

const known = new WeakMap<Graph, Map<string, Tensor>>();

/** A constant that all layers of a graph share: one input under each key. */
export function fixedInput(
  graph: Graph,
  key: string,
  make: () => { readonly values: Float32Array | Int32Array; readonly shape: number[] },
): Tensor {
  let inputs = known.get(graph);
  if (inputs === undefined) {
    inputs = new Map();
    known.set(graph, inputs);
  }
  let found = inputs.get(key);
  if (found === undefined) {
    const { values, shape } = make();
    found = graph.constant(values, shape, key);
    inputs.set(key, found);
  }
  return found;
}
