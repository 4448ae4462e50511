import { need, needContiguous, needDenseRows, needFinite, needType, refuse } from "../check.js";
import type { DType } from "../dtype.js";
import { ggml } from "../ffi/ggml.js";
import { node, reduceTo } from "../operand.js";
import type { Tensor } from "../tensor.js";

/** Soft-max, rotary positions and fused attention. */

export interface SoftmaxOptions {
  /** Added after scaling: f32 or f16, [n, k] or with leading sizes that divide x's. -Infinity forbids; a row that forbids all
   *  gives NaN here and 0 in flashAttention. */
  mask?: Tensor;
  scale?: number;
}

export function softmax(x: Tensor, { mask, scale = 1 }: SoftmaxOptions): Tensor {
  const op = "softmax";
  needType(op, x, ["f32"]);
  needContiguous(op, x);
  needFinite(op, "scale", scale);
  if (mask !== undefined) needMask(op, mask, x, ["f32", "f16"]);
  const result: Tensor = node({
    op,
    inputs: mask === undefined ? [x] : [x, mask],
    dtype: "f32",
    shape: x.shape,
    build: (context) => ggml().ggml_soft_max_ext(context, x.pointer, mask?.pointer ?? 0, scale, 0),
    gradient: (dy) => {
      const dLogits = result.mul(dy.sub(dy.mul(result).sumRows()));
      return mask === undefined ? [dLogits.scale(scale)] : [dLogits.scale(scale), reduceTo(dLogits, mask)];
    },
  });
  return result;
}

/** `scores` has the shape [..., n, k]; the mask [n, k] or [b, n, k] with b dividing the leading sizes. */
function needMask(op: string, mask: Tensor, scores: Tensor, types: readonly DType[]): void {
  needType(op, mask, types);
  needContiguous(op, mask);
  need(
    mask.size(-1) === scores.size(-1) && mask.size(-2) === scores.size(-2),
    op,
    "the mask does not fit",
    [mask, scores],
    "[queries, keys]",
  );
  for (let fromEnd = 3; fromEnd <= mask.rank; fromEnd++) {
    const leading = scores.rank >= fromEnd ? scores.size(-fromEnd) : 1;
    need(
      leading % mask.size(-fromEnd) === 0,
      op,
      "the mask cannot be repeated to fit",
      [mask, scores],
      "leading sizes that divide",
    );
  }
}

export interface RopeOptions {
  /** "neox": the first half of the dimensions is rotated against the second; "pairs": neighbours. */
  style: "neox" | "pairs";
  /** Dimensions that are rotated; the rest passes through. */
  dims: number;
  theta: number;
  /** Positions are multiplied by it (linear scaling: 1 / factor). */
  scale?: number;
  /** Divides the frequencies, f32 [dims / 2]: Llama 3 and LongRoPE scaling. */
  frequencyFactors?: Tensor;
  /** YaRN. */
  yarn?: { originalContext: number; extFactor: number; attnFactor: number; betaFast: number; betaSlow: number };
}

const ropeStyles = { pairs: 0, neox: 2 } as const;

/** x [n, heads, d] (or [b, n, heads, d]) with i32 positions [n]. */
export function rope(x: Tensor, positions: Tensor, options: RopeOptions): Tensor {
  const op = "rope";
  const { dims, theta, scale = 1, frequencyFactors, yarn } = options;
  needType(op, x, ["f32", "f16"]);
  needType(op, positions, ["i32"]);
  needDenseRows(op, x);
  need(x.rank === 3 || x.rank === 4, op, "needs rows of heads", [x], "[n, heads, d] or [b, n, heads, d]");
  need(positions.rank === 1 && positions.size(0) === x.size(-3), op, "one position a row", [positions, x], "i32 [n]");
  const width = x.size(-1);
  need(
    Number.isInteger(dims) && dims >= 2 && dims % 2 === 0 && dims <= width,
    op,
    `cannot rotate ${dims} dimensions`,
    [x],
    "an even number within a head",
  );
  if (!(theta > 0 && theta < Number.POSITIVE_INFINITY)) refuse(op, `theta is ${theta}`, [x], "theta above 0");
  if (!Object.hasOwn(ropeStyles, options.style))
    refuse(op, `there is no style "${options.style}"`, [x], "neox or pairs");
  needFinite(op, "scale", scale);
  if (yarn !== undefined) for (const [name, value] of Object.entries(yarn)) needFinite(op, name, value);
  if (frequencyFactors !== undefined) {
    needType(op, frequencyFactors, ["f32"]);
    need(
      frequencyFactors.rank === 1 && frequencyFactors.size(0) >= dims / 2,
      op,
      "too few frequency factors",
      [frequencyFactors],
      `${dims / 2} factors`,
    );
  }
  // ggml copies what is not rotated in pairs, and reads a factor for every pair of the head.
  const readsTooFar = frequencyFactors !== undefined && frequencyFactors.size(0) < width / 2;
  if (width % 2 !== 0 || readsTooFar) {
    const rotated = rope(x.slice(-1, 0, dims), positions, options);
    return dims === width ? rotated : rotated.concat(x.slice(-1, dims, width - dims).cont(), -1);
  }
  return node({
    op,
    inputs: frequencyFactors === undefined ? [x, positions] : [x, positions, frequencyFactors],
    dtype: x.dtype,
    shape: x.shape,
    build: (context) =>
      ggml().ggml_rope_ext(
        context,
        x.pointer,
        positions.pointer,
        frequencyFactors?.pointer ?? 0,
        dims,
        ropeStyles[options.style],
        yarn?.originalContext ?? 0,
        theta,
        scale,
        yarn?.extFactor ?? 0,
        yarn?.attnFactor ?? 1,
        yarn?.betaFast ?? 0,
        yarn?.betaSlow ?? 0,
      ),
    // The inverse of a rotation is the rotation at the negated position.
    gradient: (dy) => [rope(dy, positions.cast("f32").neg().cast("i32"), options), undefined, undefined],
  });
}

export interface FlashAttentionOptions {
  /** f16 [n, entries], or [heads or a divisor, n, entries]; 0 allows, -Infinity forbids. */
  mask?: Tensor;
  scale: number;
  /** Logits become softcap · tanh(logits / softcap); 0 = off. */
  softcap?: number;
}

const cacheTypes: readonly DType[] = ["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1"];

/** queries f32 [H, n, d], keys [K, entries, d], values [K, entries, dv], H a multiple of K; gives f32 [n, H, dv]. A leading batch
 *  axis may stand before all of them. */
export function flashAttention(queries: Tensor, keys: Tensor, values: Tensor, options: FlashAttentionOptions): Tensor {
  const op = "flashAttention";
  const { mask, scale, softcap = 0 } = options;
  needType(op, queries, ["f32"]);
  needType(op, keys, cacheTypes);
  needType(op, values, cacheTypes);
  for (const tensor of [queries, keys, values]) needDenseRows(op, tensor);
  const rank = queries.rank;
  need(
    (rank === 3 || rank === 4) && keys.rank === rank && values.rank === rank,
    op,
    "ranks differ",
    [queries, keys, values],
    "three or four axes each",
  );
  need(keys.size(-1) === queries.size(-1), op, "queries and keys differ in width", [queries, keys], "equal last sizes");
  need(
    keys.size(-2) === values.size(-2) && keys.size(-3) === values.size(-3),
    op,
    "keys and values differ",
    [keys, values],
    "equal heads and entries",
  );
  need(
    queries.size(-3) % keys.size(-3) === 0,
    op,
    "query heads must come in groups",
    [queries, keys],
    "a multiple of the key heads",
  );
  if (rank === 4)
    need(
      queries.size(0) === keys.size(0) && keys.size(0) === values.size(0),
      op,
      "batches differ",
      [queries, keys, values],
      "equal first sizes",
    );
  needFinite(op, "scale", scale);
  needFinite(op, "softcap", softcap);
  if (mask !== undefined) {
    needType(op, mask, ["f16"]);
    needContiguous(op, mask);
    need(
      mask.size(-1) === keys.size(-2) && mask.size(-2) === queries.size(-2),
      op,
      "the mask does not fit",
      [mask, queries, keys],
      "[queries, entries]",
    );
    for (let fromEnd = 3; fromEnd <= mask.rank; fromEnd++) {
      need(
        queries.size(-fromEnd) % mask.size(-fromEnd) === 0,
        op,
        "the mask cannot be repeated to fit",
        [mask, queries],
        "leading sizes that divide",
      );
    }
  }
  return node({
    op,
    inputs: mask === undefined ? [queries, keys, values] : [queries, keys, values, mask],
    dtype: "f32",
    shape: [...(rank === 4 ? [queries.size(0)] : []), queries.size(-2), queries.size(-3), values.size(-1)],
    build: (context) =>
      ggml().ggml_flash_attn_ext(
        context,
        queries.pointer,
        keys.pointer,
        values.pointer,
        mask?.pointer ?? 0,
        scale,
        0,
        softcap,
      ),
    gradient: "flashAttention is for inference only: train with softmax(q·kᵀ)·v",
  });
}
