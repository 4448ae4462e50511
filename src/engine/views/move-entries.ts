import type { KeyValueStore } from "../../cache/store/key-values.js";
import { QuireError } from "../../errors.js";
import type { Unrotated } from "../../models/architecture.js";
import { isQuantised } from "../../tensor/dtype.js";
import { Graph } from "../../tensor/graph.js";
import type { Tensor } from "../../tensor/tensor.js";

/** Moves the entries of one block to the end of another: values as they are, keys rotated on by the length of what now stands before
 *  them, as rotations add. */

export interface Move {
  readonly to: KeyValueStore;
  readonly toSlot: number;
  readonly from: KeyValueStore;
  readonly fromSlot: number;
  readonly count: number;
  /** Length of the block that they are moved to the end of. */
  readonly distance: number;
}

const nodesOfLayer = 24;

export async function moveEntries(
  { to, toSlot, from, fromSlot, count, distance }: Move,
  rotations: ReadonlyMap<number, Unrotated["rotate"]>,
): Promise<void> {
  const layers = to.shape.layers.length;
  const graph = new Graph(to.device, { maxNodes: layers * nodesOfLayer + 16 });
  try {
    const positions = graph.constant(new Int32Array(count).fill(distance), [count], "distance");
    const nowhere = graph.constant(Int32Array.of(0), [1], "no distance");
    const slots = graph.constant(
      BigInt64Array.from({ length: count }, (_, i) => BigInt(toSlot + i)),
      [count],
      "slots",
    );
    for (let layer = 0; layer < layers; layer++) {
      const rotate = rotations.get(layer);
      if (rotate === undefined)
        throw new QuireError("bad-input", "Blocks can be moved once rows that read views were evaluated.");
      const [source, target] = [from.layer(layer), to.layer(layer)];
      const { headDim } = source.shape;
      const keys = entriesOf(graph, source.keys, fromSlot, count).permute(1, 0, 2);
      // Some rotations also stretch what they rotate. That was done once already, so it is taken out first.
      const ones = graph.constant(new Float32Array(headDim).fill(1), [1, 1, headDim], `ones ${layer}`);
      const moved = rotate(keys.div(rotate(ones, nowhere)), positions).permute(1, 0, 2);
      graph.effect(target.keys.setRows(slots, moved));
      graph.effect(target.values.setRows(slots, entriesOf(graph, source.values, fromSlot, count)));
    }
    graph.compile();
    await graph.run();
  } finally {
    graph.close();
  }
}

/** f32 [K, count, D] */
function entriesOf(graph: Graph, stored: Tensor, first: number, count: number): Tensor {
  const all = graph.use(stored);
  return isQuantised(all.dtype) ? all.cast("f32").slice(1, first, count) : packed(all.slice(1, first, count));
}

/** f32, one element after the other. */
export function packed(x: Tensor): Tensor {
  return x.dtype === "f32" ? x.cont() : x.cast("f32");
}
