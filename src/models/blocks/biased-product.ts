import { cpuFeatures } from "../../tensor/device.js";
import type { Tensor } from "../../tensor/tensor.js";

/** x [R, k] · weight [m, k]ᵀ + bias [m] = f32 [R, m]. With weights in f32 and rows that lie end to end, ggml takes a blocked kernel
 *  whose compiled form for AVX-512 writes all its sums to memory after every step (37 GFLOP/s on one Zen 4 core). Looked at as two
 *  interleaved halves the same rows do not lie end to end, and it takes the plain kernel (46); adding the bias puts them in
 *  order again, without a copy. */
export function biasedProduct(x: Tensor, weight: Tensor, bias: Tensor): Tensor {
  const rows = x.size(0);
  if (x.rank !== 2 || rows % 2 !== 0 || weight.dtype !== "f32" || weight.owner.repacked === true || !blockedIsSlow())
    return x.linear(weight).add(bias);
  const halves = x.reshape(rows / 2, 2, x.size(1)).permute(1, 0, 2);
  return halves.linear(weight).permute(1, 0, 2).add(bias).reshape(rows, weight.size(0));
}

let slow: boolean | undefined;

function blockedIsSlow(): boolean {
  slow ??= cpuFeatures().has("AVX512");
  return slow;
}
