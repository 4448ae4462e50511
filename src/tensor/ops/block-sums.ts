import { need, needDenseRows, needType } from "../check.js";
import { dtypes } from "../dtype.js";
import { ggml } from "../ffi/ggml.js";
import { contiguous, node } from "../operand.js";
import type { Tensor } from "../tensor.js";

/** x f32 [R, k] to f32 [R, k / 32]: the sum of every 32 neighbours as q8_1 stores it beside their quantised values, in f16. What a
 *  product with q4_1 or q5_1 multiplies minima by, to the bit. */
export function blockSums(x: Tensor): Tensor {
  const op = "blockSums";
  const { id, block } = dtypes.q8_1;
  needType(op, x, ["f32"]);
  needDenseRows(op, x);
  need(
    x.rank === 2 && x.size(1) % block === 0 && x.size(0) * x.size(1) > block,
    op,
    "needs whole blocks",
    [x],
    "[R, 32·n]",
  );
  const [rows, blocks] = [x.size(0), x.size(1) / block];
  const input = contiguous(x);
  return node({
    op,
    inputs: [input],
    dtype: "f32",
    shape: [rows, blocks],
    build: (context) => {
      const g = ggml();
      const quantised = g.ggml_cast(context, input.pointer, id);
      // No operation reads inside a block: a view of one block is made to say that it holds the second f16 of each.
      const sums = g.ggml_view_4d(context, quantised, block, 1, 1, 1, 0, 0, 0, secondHalf);
      new Int32Array(g.memory(sums, 4))[0] = dtypes.f16.id;
      const { bytes } = dtypes.q8_1;
      const whole = bytes * blocks * rows;
      new BigInt64Array(g.memory(sums + sizesOffset, 64)).set(
        [1, blocks, rows, 1, 2, bytes, bytes * blocks, whole].map(BigInt),
      );
      return g.ggml_reshape_4d(context, g.ggml_cast(context, sums, dtypes.f32.id), blocks, rows, 1, 1);
    },
    gradient: () => [undefined],
  });
}

/** Bytes before the sum in a block of q8_1. */
const secondHalf = 2;
/** Where ggml_tensor keeps four sizes and, behind them, four strides. */
const sizesOffset = 16;
