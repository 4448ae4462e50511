import { isContiguous, need, needDenseRows, needType, refuse } from "../check.js";
import { cpuFeatures } from "../device.js";
import { type DType, isQuantised } from "../dtype.js";
import { ggml } from "../ffi/ggml.js";
import { safeIndices } from "../indices.js";
import { contiguous, inGraphOf, node, reduceNeighboursTo } from "../operand.js";
import { type Gradient, Tensor } from "../tensor.js";
import { transposedCopy } from "./transposed-copy.js";

/** Matrix products. ggml multiplies rows with rows, so the basic form is x · weightᵀ, as in a linear layer. */

/** Types that ggml stores but has no product for. */
const noProduct: readonly DType[] = ["i8", "i16", "i32", "i64", "f64", "q8_1", "q8_k"];

/** x [..., n, k] · weight [..., m, k]ᵀ = f32 [..., n, m]. Along the leading axes a weight serves as many
 *  neighbouring places of x as its size divides x's. */
export function linear(x: Tensor, weight: Tensor): Tensor {
  const op = "linear";
  if (weight.product !== undefined) return weight.product(x);
  needType(op, x, ["f32"]);
  if (noProduct.includes(weight.dtype))
    refuse(op, `there is no product with ${weight.dtype}`, [weight], "a float or quantised type");
  needDenseRows(op, x);
  needDenseRows(op, weight);
  need(x.size(-1) === weight.size(-1), op, "rows differ in length", [x, weight], "equal last sizes");
  need(x.rank >= 2 && weight.rank >= 2, op, "needs matrices", [x, weight], "two axes at least");
  const rank = Math.max(x.rank, weight.rank);
  const batch: number[] = [];
  for (let fromEnd = rank; fromEnd >= 3; fromEnd--) {
    const ofX = x.rank >= fromEnd ? x.size(-fromEnd) : 1;
    const ofWeight = weight.rank >= fromEnd ? weight.size(-fromEnd) : 1;
    need(
      ofX % ofWeight === 0,
      op,
      "the weight cannot be repeated to fit",
      [x, weight],
      "leading sizes of the weight that divide",
    );
    batch.push(ofX);
  }
  if (weight.owner.repacked === true && x.rank === 4) {
    // ggml multiplies repacked weights with three axes at most.
    const rows = contiguous(x).reshape(-1, x.size(-1));
    return rows.linear(weight).reshape(...batch, x.size(-2), weight.size(-2));
  }
  const gradient: Gradient = (dy, [wantsX = true, wantsWeight = true]) => [
    wantsX ? dy.linear(transposedCopy(contiguous(inGraphOf(dy, weight)).cast("f32"))) : undefined,
    // Quantised weights stay as they are: adapters are trained beside them.
    wantsWeight && !isQuantised(weight.dtype) ? weightGradient(x, weight, dy) : undefined,
  ];
  const products = weight.dtype === "f32" && weight.rank === 2 ? (x.graph ?? weight.graph)?.products : undefined;
  if (products === "f32" && gainsFromTurns(x, weight))
    return new Tensor({ ...inTurns(x, weight), op, inputs: [x, weight], gradient });
  const rounded = products === "bf16" ? inGraphOf(x, weight).cast("bf16") : weight;
  return node({
    op,
    inputs: [x, weight],
    dtype: "f32",
    shape: [...batch, x.size(-2), weight.size(-2)],
    build: (context) => ggml().ggml_mul_mat(context, rounded.pointer, x.pointer),
    gradient,
  });
}

/** With f32 rows that lie end to end, ggml takes a blocked kernel whose compiled form for AVX-512 writes its sums to memory after
 *  every step. Looked at as two interleaved halves the same rows do not lie end to end, and the plain kernel that it then takes is a
 *  fifth faster from some length of rows on. */
function gainsFromTurns(x: Tensor, weight: Tensor): boolean {
  const fits = x.rank === 2 && x.size(0) % 2 === 0 && isContiguous(x) && weight.owner.repacked !== true;
  return fits && x.size(1) >= longRow && blockedIsSlow();
}

const longRow = 256;
let slow: boolean | undefined;

function blockedIsSlow(): boolean {
  slow ??= cpuFeatures().has("AVX512");
  return slow;
}

function inTurns(x: Tensor, weight: Tensor): Tensor {
  const rows = x.size(0);
  const halves = x.reshape(rows / 2, 2, x.size(1)).permute(1, 0, 2);
  const product = node({
    op: "linear",
    inputs: [halves, weight],
    dtype: "f32",
    shape: [2, rows / 2, weight.size(0)],
    build: (context) => ggml().ggml_mul_mat(context, weight.pointer, halves.pointer),
    gradient: "the product that is made of it has one",
  });
  return product.permute(1, 0, 2).cont().reshape(rows, weight.size(0));
}

function weightGradient(x: Tensor, weight: Tensor, dy: Tensor): Tensor {
  const isMatrix = weight.rank === 2;
  const rows = (tensor: Tensor): Tensor => (isMatrix ? contiguous(tensor).reshape(-1, tensor.size(-1)) : tensor);
  return reduceNeighboursTo(
    transposedCopy(rows(contiguous(dy))).linear(transposedCopy(rows(contiguous(inGraphOf(dy, x))))),
    weight,
  );
}

/** x [..., n, k] · other [..., k, m] = f32 [..., n, m] */
export function matmul(x: Tensor, other: Tensor): Tensor {
  return linear(x, transposedCopy(inGraphOf(x, other)));
}

/** Sum over n of the products of row n of `other` with row n of x: otherᵀ · x. x [..., n, m] with [..., n, p] gives f32 [..., p, m].
 *  Rows of x are added up as they lie, without a transposed copy; `other` may be transposed. */
export function outerSum(x: Tensor, other: Tensor): Tensor {
  const op = "outerSum";
  needType(op, x, ["f32"]);
  needType(op, other, ["f32"]);
  needDenseRows(op, x);
  need(x.rank >= 2 && x.rank === other.rank, op, "ranks differ", [x, other], "two axes at least, as many each");
  need(
    x.shape.slice(0, -1).every((size, axis) => size === other.size(axis)),
    op,
    "sizes differ",
    [x, other],
    "equal sizes but for the last axis",
  );
  return node({
    op,
    inputs: [x, other],
    dtype: "f32",
    shape: [...x.shape.slice(0, -2), other.size(-1), x.size(-1)],
    build: (context) => ggml().ggml_out_prod(context, x.pointer, other.pointer),
    gradient: (dy) => [contiguous(inGraphOf(dy, other)).matmul(dy), contiguous(inGraphOf(dy, x)).linear(dy)],
  });
}

/** Products with chosen experts: x [rows, used or 1, k], experts [E, m, k], ids i32 [rows, used] gives f32 [rows, used, m]. */
export function linearExperts(x: Tensor, experts: Tensor, ids: Tensor): Tensor {
  const op = "linearExperts";
  needType(op, x, ["f32"]);
  needType(op, ids, ["i32"]);
  if (noProduct.includes(experts.dtype))
    refuse(op, `there is no product with ${experts.dtype}`, [experts], "a float or quantised type");
  need(
    x.rank === 3 && experts.rank === 3 && ids.rank === 2,
    op,
    "ranks do not fit",
    [x, experts, ids],
    "ranks 3, 3 and 2",
  );
  need(x.size(2) === experts.size(2), op, "rows differ in length", [x, experts], "equal last sizes");
  need(ids.size(0) === x.size(0) && ids.size(1) % x.size(1) === 0, op, "ids do not fit", [x, ids], "[rows, used]");
  needDenseRows(op, x);
  needDenseRows(op, experts);
  needDenseRows(op, ids);
  const chosen = safeIndices(op, ids, experts.size(0));
  return node({
    op,
    inputs: [x, experts, chosen],
    dtype: "f32",
    shape: [x.size(0), ids.size(1), experts.size(1)],
    build: (context) => ggml().ggml_mul_mat_id(context, experts.pointer, x.pointer, chosen.pointer),
    gradient: "linearExperts is for inference only: train with masked dense products",
  });
}
