import { QuireError } from "../../errors.js";
import { describe, needBroadcast, needContiguous, needDenseRows, needFinite, needType } from "../check.js";
import { ggml } from "../ffi/ggml.js";
import { contiguous, node, reduceTo } from "../operand.js";
import type { Gradient, Tensor } from "../tensor.js";

/** Operations element by element. The second operand is repeated to fit the first. */

const onlyF32 = "only f32 tensors are differentiated: cast the operand to f32 first";

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
    gradient: a.dtype === "f32" ? gradient : onlyF32,
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
  return binary("div", "ggml_div", a, b, (dy) => [dy.div(b), reduceTo(dy.mul(a).div(b).div(b).neg(), b)]);
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
    gradient: (dy) => {
      const whole = x.cont();
      const above = min === Number.NEGATIVE_INFINITY ? dy : dy.mul(whole.scale(1, -min).step());
      return [max === Number.POSITIVE_INFINITY ? above : above.mul(whole.scale(-1, max).step())];
    },
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
  silu: (x, _y, dy) => dy.mul(siluSlope(x)),
  floor: (_x, _y, dy) => dy.scale(0),
  ceil: (_x, _y, dy) => dy.scale(0),
  round: (_x, _y, dy) => dy.scale(0),
  trunc: (_x, _y, dy) => dy.scale(0),
  gelu: (x, _y, dy) => dy.mul(geluSlope(x)),
  gelu_erf: "gelu_erf is for inference only: train with gelu, its tanh form",
  gelu_quick: (x, _y, dy) => {
    const gate = x.scale(quick).sigmoid();
    return dy.mul(gate.add(x.mul(gate).mul(gate.scale(-quick, quick))));
  },
  elu: (x, y, dy) => {
    const positive = x.step();
    return dy.mul(positive.add(positive.scale(-1, 1).mul(y.scale(1, 1))));
  },
};

const quick = 1.702;
const root2OverPi = Math.sqrt(2 / Math.PI);
const cubic = 0.044715;

/** Derivative of gelu in its tanh form, x/2 · (1 + tanh u) with u = √(2/π) · (x + 0.044715 x³). */
export function geluSlope(x: Tensor): Tensor {
  const square = x.sqr();
  const tanh = x.mul(square.scale(cubic * root2OverPi, root2OverPi)).tanh();
  const innerSlope = square.scale(3 * cubic * root2OverPi, root2OverPi);
  const outer = x.mul(tanh.sqr().scale(-0.5, 0.5)).mul(innerSlope);
  return tanh.scale(0.5, 0.5).add(outer);
}

/** gelu in its tanh form, exact where gelu() looks up a table of f16: for training. */
export function geluTanh(x: Tensor): Tensor {
  const whole = contiguous(x);
  const inner = whole.mul(whole.sqr().scale(cubic * root2OverPi, root2OverPi));
  return whole.mul(inner.tanh().scale(0.5, 0.5));
}

/** Derivative of silu: σ(x) · (1 + x · (1 − σ(x))). */
export function siluSlope(x: Tensor): Tensor {
  const gate = x.sigmoid();
  return gate.mul(x.mul(gate.scale(-1, 1)).scale(1, 1));
}

/** These functions have a kernel of their own, without bf16. */
const withoutBf16: readonly UnaryName[] = ["gelu", "gelu_erf", "gelu_quick", "silu"];

export function unary(op: UnaryName, x: Tensor): Tensor {
  const rule = unaryGradients[op];
  if (rule === undefined)
    throw new QuireError("bad-option", `There is no function "${op}".`, { got: op, expected: unaryNames.join(", ") });
  needType(op, x, withoutBf16.includes(op) ? ["f32", "f16"] : ["f32", "f16", "bf16"]);
  needDenseRows(op, x);
  const result: Tensor = node({
    op,
    inputs: [x],
    dtype: x.dtype,
    shape: x.shape,
    build: (context) => ggml()[`ggml_${op}`](context, x.pointer),
    gradient: typeof rule === "string" ? rule : x.dtype === "f32" ? (dy) => [rule(contiguous(x), result, dy)] : onlyF32,
  });
  return result;
}
