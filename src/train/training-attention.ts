import type { AttendOptions } from "../models/architecture.js";
import type { Graph } from "../tensor/graph.js";
import { contiguous } from "../tensor/operand.js";
import type { Tensor } from "../tensor/tensor.js";

/** Causal attention over packed sequences of one length, made of operations that have gradients. Nothing is remembered: every row
 *  sees the rows before it in its own sequence. Fewer rows may come, equally many of each sequence and in its order. */
export type Attend = (queries: Tensor, keys: Tensor, values: Tensor, options: AttendOptions) => Tensor;

export function causalAttention(graph: Graph, sequences: number): Attend {
  const masks = new Map<string, Tensor>();
  const maskOf = (length: number, window: number): Tensor => {
    const key = `${length} ${window}`;
    const known = masks.get(key);
    if (known !== undefined) return known;
    const made = graph.constant(causalMask(length, window), [length, length], "mask");
    masks.set(key, made);
    return made;
  };
  const among = new Map<Tensor, Tensor>();
  /** f32 [S, 1, n, n]: rows that are not active are seen by nobody; who would see nothing else sees them all, and is not asked. */
  const maskAmong = (active: Tensor, length: number, window: number): Tensor => {
    const known = among.get(active);
    if (known !== undefined) return known;
    const hidden = active.scale(1e9, -1e9).reshape(sequences, 1, 1, length);
    const made = maskOf(length, window).repeat(sequences, 1, length, length).add(hidden);
    among.set(active, made);
    return made;
  };
  return (queries, keys, values, { scale, softcap = 0, window = 0, active }) => {
    const length = queries.size(0) / sequences;
    const mask = active === undefined ? maskOf(length, window) : maskAmong(active, length, window);
    // [R, H, D] to [S, H, n, D]
    const byHead = (x: Tensor): Tensor => contiguous(x).reshape(sequences, length, x.size(1), x.size(2));
    const q = byHead(queries).permute(0, 2, 1, 3);
    const k = byHead(keys).permute(0, 2, 1, 3);
    const transposedValues = byHead(values).permute(0, 2, 3, 1).cont();
    const scores = q.linear(k);
    const weights =
      softcap > 0
        ? scores
            .scale(scale / softcap)
            .tanh()
            .softmax({ scale: softcap, mask })
        : scores.softmax({ scale, mask });
    const attended = weights.linear(transposedValues);
    return attended
      .permute(0, 2, 1, 3)
      .cont()
      .reshape(sequences * length, queries.size(1) * values.size(2));
  };
}

/** 0 where a row may look, -Infinity elsewhere. */
function causalMask(length: number, window: number): Float32Array {
  const mask = new Float32Array(length * length).fill(Number.NEGATIVE_INFINITY);
  for (let row = 0; row < length; row++) {
    const oldest = window > 0 ? Math.max(0, row - window + 1) : 0;
    mask.fill(0, row * length + oldest, row * length + row + 1);
  }
  return mask;
}
