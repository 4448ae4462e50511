import { QuireError } from "../../errors.js";
import { needDenseRows, needType } from "../check.js";
import { ggml } from "../ffi/ggml.js";
import { contiguous, node } from "../operand.js";
import type { Gradient, Tensor } from "../tensor.js";

/** Normalisations along the last axis. */

type NormName = "ggml_rms_norm" | "ggml_norm" | "ggml_l2_norm";

function normalise(op: string, native: NormName, x: Tensor, epsilon: number, gradient: Gradient): Tensor {
  needType(op, x, ["f32"]);
  needDenseRows(op, x);
  if (!(epsilon >= 0) || !Number.isFinite(epsilon)) {
    throw new QuireError("bad-option", `${op}: epsilon cannot be used.`, {
      got: epsilon,
      expected: "a finite number of at least 0",
    });
  }
  return node({
    op,
    inputs: [x],
    dtype: "f32",
    shape: x.shape,
    build: (context) => ggml()[native](context, x.pointer, epsilon),
    gradient,
  });
}

/** x / sqrt(mean(x²) + epsilon) */
export function rmsNorm(x: Tensor, epsilon: number): Tensor {
  return normalise("rmsNorm", "ggml_rms_norm", x, epsilon, (dy) => {
    const whole = contiguous(x);
    return [
      node({
        op: "rmsNormBack",
        inputs: [dy, whole],
        dtype: "f32",
        shape: x.shape,
        build: (context) => ggml().ggml_rms_norm_back(context, dy.pointer, whole.pointer, epsilon),
        gradient: "rmsNorm has no second derivative: compose it of sqr, mean and div",
      }),
    ];
  });
}

/** (x − mean) / sqrt(variance + epsilon) */
export function layerNorm(x: Tensor, epsilon: number): Tensor {
  const result: Tensor = normalise("layerNorm", "ggml_norm", x, epsilon, (dy) => {
    const centred = x.sub(x.mean());
    const deviation = centred.sqr().mean().scale(1, epsilon).sqrt();
    const along = result.mul(dy.mul(result).mean());
    return [dy.sub(dy.mean()).sub(along).div(deviation)];
  });
  return result;
}

/** x / max(|x|, epsilon) */
export function l2Norm(x: Tensor, epsilon: number): Tensor {
  const result: Tensor = normalise("l2Norm", "ggml_l2_norm", x, epsilon, (dy) => {
    // Below epsilon the divisor is constant, and the part along x stays.
    const length = x.sqr().sumRows().sqrt();
    const floored = length.clamp(epsilon, Number.POSITIVE_INFINITY);
    const along = dy.mul(result).sumRows().mul(length.scale(1, -epsilon).step());
    return [dy.sub(result.mul(along)).div(floored)];
  });
  return result;
}
