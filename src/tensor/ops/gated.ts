import { need, needDenseRows, needType } from "../check.js";
import { ggml } from "../ffi/ggml.js";
import { node } from "../operand.js";
import { sameShape } from "../shape.js";
import type { Tensor } from "../tensor.js";

/** Gated linear units: activation(gate) · value. With one operand its rows hold the gate first and the value behind it. */
export function gatedUnit(op: "swiglu" | "geglu", gate: Tensor, value?: Tensor): Tensor {
  needType(op, gate, ["f32", "f16"]);
  needDenseRows(op, gate);
  if (value === undefined) {
    need(gate.size(-1) % 2 === 0, op, "rows must hold gate and value", [gate], "an even number of columns");
    return node({
      op,
      inputs: [gate],
      dtype: gate.dtype,
      shape: [...gate.shape.slice(0, -1), gate.size(-1) / 2],
      build: (context) => ggml()[`ggml_${op}`](context, gate.pointer),
      gradient: `${op} on joined rows is for inference only: give gate and value apart`,
    });
  }
  needType(op, value, [gate.dtype]);
  needDenseRows(op, value);
  need(sameShape(gate.shape, value.shape), op, "gate and value differ", [gate, value], "equal shapes");
  return node({
    op,
    inputs: [gate, value],
    dtype: gate.dtype,
    shape: gate.shape,
    build: (context) => ggml()[`ggml_${op}_split`](context, gate.pointer, value.pointer),
    gradient:
      op === "geglu"
        ? "geglu is for inference only"
        : (dy) => {
            const sigmoid = gate.sigmoid();
            const slope = sigmoid.mul(gate.mul(sigmoid.scale(-1, 1)).scale(1, 1));
            return [dy.mul(value).mul(slope), dy.mul(gate.mul(sigmoid))];
          },
  });
}
