import { QuireError } from "../../errors.js";
import { describe, needBroadcast, needContiguous, needDenseRows, needFinite, needType } from "../check.js";
import { ggml } from "../ffi/ggml.js";
import { node, reduceTo } from "../operand.js";
import type { Gradient, Tensor } from "../tensor.js";

/** Operations element by element. The second operand is repeated to fit the first. */

type BinaryName = "ggml_add" | "ggml_sub" | "ggml_mul" | "ggml_div";

function binary(op: string, native: BinaryName, a: Tensor, b: Tensor, gradient: Gradient): Tensor {
  needType(op, a, ["f32", "f16", "bf16"]);
  needType(op, b, a.dtype === "f32" ? ["f32"] : [a.dtype, "f32"]);
  needDenseRows(op, a);
  needDenseRows(op, b);
  needBroadcast(op, a, b);
  return node({
    op,
    inputs: [a, b],
    dtype: a.dtype,
    shape: a.shape,
    build: (context) => ggml()[native](context, a.pointer, b.pointer),
    gradient,
  });
}

export function add(a: Tensor, b: Tensor): Tensor {
  return binary("add", "ggml_add", a, b, (dy) => [dy, reduceTo(dy, b)]);
}

export function sub(a: Tensor, b: Tensor): Tensor {
  return binary("sub", "ggml_sub", a, b, (dy) => [dy, reduceTo(dy.neg(), b)]);
}

export function mul(a: Tensor, b: Tensor): Tensor {
  return binary("mul", "ggml_mul", a, b, (dy) => [dy.mul(b), reduceTo(dy.mul(a), b)]);
}

export function div(a: Tensor, b: Tensor): Tensor {
  return binary("div", "ggml_div", a, b, (dy) => [dy.div(b), reduceTo(dy.mul(a).div(b.mul(b)).neg(), b)]);
}

/** x · factor + bias */
export function scale(x: Tensor, factor: number, bias = 0): Tensor {
  const op = "scale";
  needType(op, x, ["f32"]);
  needContiguous(op, x);
  needFinite(op, "factor", factor);
  needFinite(op, "bias", bias);
  return node({
    op,
    inputs: [x],
    dtype: x.dtype,
    shape: x.shape,
    build: (context) =>
      bias === 0
        ? ggml().ggml_scale(context, x.pointer, factor)
        : ggml().ggml_scale_bias(context, x.pointer, factor, bias),
    gradient: (dy) => [dy.scale(factor)],
  });
}

export function clamp(x: Tensor, min: number, max: number): Tensor {
  const op = "clamp";
  needType(op, x, ["f32"]);
  if (Number.isNaN(min) || Number.isNaN(max) || min > max) {
    throw new QuireError("bad-option", `${op}: the bounds of ${describe(x)} cannot be used.`, {
      got: [min, max],
      expected: "min <= max",
    });
  }
  // ggml clamps in place; the copy keeps the operand as it was.
  const copy = x.cont();
  return node({
    op,
    inputs: [copy],
    dtype: x.dtype,
    shape: x.shape,
    build: (context) => ggml().ggml_clamp(context, copy.pointer, min, max),
    gradient: (dy) => [dy.mul(x.scale(1, -min).step()).mul(x.scale(-1, max).step())],
  });
}

const unaryNames = [
  "neg",
  "abs",
  "sgn",
  "step",
  "sqr",
  "sqrt",
  "exp",
  "expm1",
  "log",
  "sin",
  "cos",
  "tanh",
  "sigmoid",
  "softplus",
  "relu",
  "silu",
  "floor",
  "ceil",
  "round",
  "trunc",
  "gelu",
  "gelu_erf",
  "gelu_quick",
  "elu",
] as const;

export type UnaryName = (typeof unaryNames)[number];
type UnaryGradient = string | ((x: Tensor, y: Tensor, dy: Tensor) => Tensor);

/** Gradient of each function of one variable, given x, y = f(x) and the gradient of y. */
const unaryGradients: Record<UnaryName, UnaryGradient> = {
  neg: (_x, _y, dy) => dy.neg(),
  abs: (x, _y, dy) => dy.mul(x.unary("sgn")),
  sgn: (_x, _y, dy) => dy.scale(0),
  step: (_x, _y, dy) => dy.scale(0),
  sqr: (x, _y, dy) => dy.mul(x).scale(2),
  sqrt: (_x, y, dy) => dy.div(y).scale(0.5),
  exp: (_x, y, dy) => dy.mul(y),
  expm1: (_x, y, dy) => dy.mul(y.scale(1, 1)),
  log: (x, _y, dy) => dy.div(x),
  sin: (x, _y, dy) => dy.mul(x.cos()),
  cos: (x, _y, dy) => dy.mul(x.sin()).neg(),
  tanh: (_x, y, dy) => dy.mul(y.sqr().scale(-1, 1)),
  sigmoid: (_x, y, dy) => dy.mul(y).mul(y.scale(-1, 1)),
  softplus: (x, _y, dy) => dy.mul(x.sigmoid()),
  relu: (x, _y, dy) => dy.mul(x.step()),
  silu: (x, _y, dy) => {
    const gate = x.sigmoid();
    return dy.mul(gate.mul(x.mul(gate.scale(-1, 1)).scale(1, 1)));
  },
  floor: (_x, _y, dy) => dy.scale(0),
  ceil: (_x, _y, dy) => dy.scale(0),
  round: (_x, _y, dy) => dy.scale(0),
  trunc: (_x, _y, dy) => dy.scale(0),
  gelu: "gelu has no derivative in ggml: train with its tanh form composed of mul, add and tanh",
  gelu_erf: "gelu_erf is for inference only",
  gelu_quick: "gelu_quick is for inference only",
  elu: "elu is for inference only",
};

export function unary(op: UnaryName, x: Tensor): Tensor {
  needType(op, x, ["f32", "f16", "bf16"]);
  const rule = unaryGradients[op];
  needContiguous(op, x);
  const result: Tensor = node({
    op,
    inputs: [x],
    dtype: x.dtype,
    shape: x.shape,
    build: (context) => ggml()[`ggml_${op}`](context, x.pointer),
    gradient: typeof rule === "string" ? rule : (dy) => [rule(x, result, dy)],
  });
  return result;
}
