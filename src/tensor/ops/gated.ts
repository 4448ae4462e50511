import { hasEvenRows, need, needDenseRows, needType } from "../check.js";
import { ggml } from "../ffi/ggml.js";
import { contiguous, node } from "../operand.js";
import { sameShape } from "../shape.js";
import type { Tensor } from "../tensor.js";
import { geluSlope, siluSlope } from "./elementwise.js";

/** Gated linear units: activation(gate) · value. With one operand its rows hold the gate first and the value behind it. */
export function gatedUnit(op: "swiglu" | "geglu", gateRows: Tensor, valueRows?: Tensor): Tensor {
  needType(op, gateRows, ["f32", "f16"]);
  const gate = evenRows(op, gateRows);
  const noGradient = gate.dtype === "f32" ? undefined : "only f32 tensors are differentiated: cast the operands first";
  if (valueRows === undefined) {
    need(gate.size(-1) % 2 === 0, op, "rows must hold gate and value, an even number of columns", [gate], "even rows");
    const half = gate.size(-1) / 2;
    return node({
      op,
      inputs: [gate],
      dtype: gate.dtype,
      shape: [...gate.shape.slice(0, -1), half],
      build: (context) => ggml()[`ggml_${op}`](context, gate.pointer),
      gradient:
        noGradient ??
        ((dy) => {
          const [dGate, dValue] = gradients(op, gate.slice(-1, 0, half).cont(), gate.slice(-1, half, half).cont(), dy);
          return [dGate.concat(dValue, -1)];
        }),
    });
  }
  needType(op, valueRows, [gate.dtype]);
  const value = evenRows(op, valueRows);
  need(sameShape(gate.shape, value.shape), op, "gate and value differ", [gate, value], "equal shapes");
  return node({
    op,
    inputs: [gate, value],
    dtype: gate.dtype,
    shape: gate.shape,
    build: (context) => ggml()[`ggml_${op}_split`](context, gate.pointer, value.pointer),
    gradient: noGradient ?? ((dy) => gradients(op, contiguous(gate), value, dy)),
  });
}

/** ggml wants rows at equal distances over all axes. */
function evenRows(op: string, x: Tensor): Tensor {
  needDenseRows(op, x);
  return hasEvenRows(x) ? x : x.cont();
}

function gradients(op: "swiglu" | "geglu", gate: Tensor, value: Tensor, dy: Tensor): [Tensor, Tensor] {
  const slope = op === "swiglu" ? siluSlope(gate) : geluSlope(gate);
  const activation = op === "swiglu" ? gate.silu() : gate.gelu();
  return [dy.mul(value).mul(slope), dy.mul(activation)];
}
