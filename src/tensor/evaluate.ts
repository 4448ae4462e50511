import type { Device } from "./device.js";
import { Graph, type HostArray } from "./graph.js";
import { contiguous } from "./operand.js";
import type { Tensor } from "./tensor.js";

/** Builds a graph, runs it once and frees it: for trials, tests and work that is done once. Values come in by graph.constant; results
 *  are copies, in f32 (or i32 where they are indices). */
export async function evaluate(
  device: Device,
  build: (graph: Graph) => readonly Tensor[],
  options: { maxNodes?: number; signal?: AbortSignal } = {},
): Promise<HostArray[]> {
  const graph = new Graph(device, options);
  try {
    const results = build(graph).map((tensor) => {
      const readable = tensor.dtype === "f32" || tensor.dtype === "i32" ? tensor : tensor.cast("f32");
      return graph.output(contiguous(readable));
    });
    graph.compile();
    await graph.run(options.signal);
    return results.map((tensor) => graph.host<HostArray>(tensor).slice());
  } finally {
    graph.close();
  }
}
