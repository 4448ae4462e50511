import { isContiguous } from "../check.js";
import { ggml } from "../ffi/ggml.js";
import { contiguous, node } from "../operand.js";
import type { Tensor } from "../tensor.js";

/** The last two axes swapped, copied into order: what gradients of products need all the time. ggml's own copy calls memcpy for every
 *  number; joining two halves, which reads any layout number by number, does the same in a half to a third of the time, but where
 *  rows lie a multiple of 4096 bytes apart and fall on each other in the processor's cache. */
export function transposedCopy(x: Tensor): Tensor {
  const [rows, columns] = [x.size(-2), x.size(-1)];
  const collides = (4 * columns) % 4096 === 0 && rows > 256;
  if (x.dtype !== "f32" || rows < 2 || collides || x.rank < 2 || !isContiguous(x)) return x.transpose().cont();
  // ggml shares the work of joining out along the third axis from the back.
  const parts = x.rank === 2 && columns % 2 === 0 ? 2 : 1;
  const half = Math.floor(rows / 2);
  const part = (from: number, count: number): Tensor => {
    const slice = x.slice(-2, from, count);
    return parts === 1 ? slice.transpose() : slice.reshape(count, parts, columns / parts).permute(1, 2, 0);
  };
  const [first, second] = [part(0, half), part(half, rows - half)];
  const joined = node({
    op: "transposedCopy",
    inputs: [first, second],
    dtype: "f32",
    shape: [...first.shape.slice(0, -1), rows],
    build: (context) => ggml().ggml_concat(context, first.pointer, second.pointer, 0),
    gradient: (dy) => [contiguous(dy.slice(-1, 0, half)), contiguous(dy.slice(-1, half, rows - half))],
  });
  return parts === 1 ? joined : joined.reshape(columns, rows);
}
