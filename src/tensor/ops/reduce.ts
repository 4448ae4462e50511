import { need, needContiguous, needDenseRows, needType } from "../check.js";
import { ggml } from "../ffi/ggml.js";
import { node } from "../operand.js";
import type { Tensor } from "../tensor.js";

/** Sums and their kin, along the last axis, which stays with size 1. */

export function sum(x: Tensor): Tensor {
  needType("sum", x, ["f32"]);
  needDenseRows("sum", x);
  return node({
    op: "sum",
    inputs: [x],
    dtype: "f32",
    shape: [1],
    build: (context) => ggml().ggml_sum(context, x.pointer),
    gradient: (dy) => [dy.repeat(...x.shape)],
  });
}

export function sumRows(x: Tensor): Tensor {
  needType("sumRows", x, ["f32"]);
  needDenseRows("sumRows", x);
  return node({
    op: "sumRows",
    inputs: [x],
    dtype: "f32",
    shape: [...x.shape.slice(0, -1), 1],
    build: (context) => ggml().ggml_sum_rows(context, x.pointer),
    gradient: (dy) => [dy.repeat(...x.shape)],
  });
}

export function mean(x: Tensor): Tensor {
  needType("mean", x, ["f32"]);
  needDenseRows("mean", x);
  return node({
    op: "mean",
    inputs: [x],
    dtype: "f32",
    shape: [...x.shape.slice(0, -1), 1],
    build: (context) => ggml().ggml_mean(context, x.pointer),
    gradient: (dy) => [dy.scale(1 / x.size(-1)).repeat(...x.shape)],
  });
}

export function cumsum(x: Tensor): Tensor {
  needType("cumsum", x, ["f32"]);
  needContiguous("cumsum", x);
  return node({
    op: "cumsum",
    inputs: [x],
    dtype: "f32",
    shape: x.shape,
    build: (context) => ggml().ggml_cumsum(context, x.pointer),
    gradient: (dy) => [
      dy
        .sumRows()
        .repeat(...x.shape)
        .sub(dy.cumsum())
        .add(dy),
    ],
  });
}

/** Index of the largest element of each row: f32 [n, k] gives i32 [n]. */
export function argmax(x: Tensor): Tensor {
  needType("argmax", x, ["f32"]);
  needContiguous("argmax", x);
  need(x.rank === 2, "argmax", "needs a matrix", [x], "[rows, columns]");
  return node({
    op: "argmax",
    inputs: [x],
    dtype: "i32",
    shape: [x.size(0)],
    build: (context) => ggml().ggml_argmax(context, x.pointer),
    gradient: "argmax has no gradient",
  });
}
