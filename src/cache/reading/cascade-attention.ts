import type { Tensor } from "../../tensor/tensor.js";

/** SpAtten's attention of one layer in tensor operations, and what it passes on to the next: which tokens and heads are still
 *  looked at, and how important each has been. */

/** Passed from layer to layer within a pass. */
export interface Cascade {
  /** f32 [1, E]: 1 for tokens that are read, 0 for others. */
  readonly tokens: Tensor;
  /** f32 [1, E] and [H, 1, 1]: what has been collected so far. */
  readonly importance: Tensor;
  readonly headImportance: Tensor;
  /** f32 [H, 1, 1] */
  readonly heads: Tensor;
}

export interface CascadeStep {
  /** f32 [H, 1, D] */
  readonly queries: Tensor;
  /** [K, E, D] */
  readonly keys: Tensor;
  readonly values: Tensor;
  readonly scale: number;
  readonly softcap?: number;
  /** f32 [1, E]: 1 for the new token. */
  readonly newest: Tensor;
  /** i32 [1] each: how many less one. */
  readonly valueCount: Tensor;
  readonly nextTokens: Tensor;
  readonly nextHeads: Tensor;
  /** 0 high bits: keys and values as they are stored. */
  readonly highBits: number;
  readonly lowBits: number;
  readonly refineBelow: number;
  readonly renormalise: boolean;
}

export interface CascadeResult {
  /** [1, H·D] */
  readonly attended: Tensor;
  readonly next: Cascade;
  /** f32 [K] each: whether anybody reads the head at all, and its low bits; rows of values that any query head of the group reads. */
  readonly liveHeads: Tensor;
  readonly refinedHeads: Tensor;
  readonly valueRows: Tensor;
}

const far = 1e30;

export function cascadeAttention(before: Cascade, step: CascadeStep): CascadeResult {
  const { queries, keys, values } = step;
  const [heads = 1, , dim = 1] = queries.shape;
  const [kvHeads = 1, entries = 1] = keys.shape;
  const group = heads / kvHeads;
  const mask = before.tokens.scale(far, -far);
  const weightsOf = (used: Tensor): Tensor => {
    const products = queries.cont().linear(used);
    if (step.softcap === undefined) return products.softmax({ mask, scale: step.scale });
    const capped = products
      .scale(step.scale / step.softcap)
      .tanh()
      .scale(step.softcap);
    return capped.softmax({ mask });
  };
  const planes = step.highBits === 0 ? undefined : bitPlanes(keys, step.highBits, step.lowBits);
  const first = weightsOf(planes === undefined ? keys : planes.high);
  // Flat rows are computed again with all bits.
  const flat = planes === undefined ? undefined : first.rowMax().scale(-1, step.refineBelow).step();
  const weights =
    planes === undefined || flat === undefined ? first : first.add(weightsOf(planes.both).sub(first).mul(flat));

  const largest = kth(weights.reshape(heads, entries), step.valueCount).reshape(heads, 1, 1);
  const read = atLeast(weights, largest)
    .mul(before.tokens.reshape(1, 1, entries))
    .mul(before.heads);
  const kept = weights.mul(read);
  const summed = step.renormalise ? kept.div(kept.sumRows().clamp(1e-30, far)) : kept;
  const valuesUsed = planes === undefined ? values.cast("f32") : bitPlanes(values, 8, 0).both;
  const attended = summed.reshape(kvHeads, group, entries).matmul(valuesUsed).reshape(heads, 1, dim).mul(before.heads);

  const byToken = weights.mul(before.heads).permute(1, 2, 0).cont().sumRows().reshape(1, entries);
  const importance = before.importance.add(byToken);
  const headImportance = before.headImportance.add(attended.abs().sumRows());
  const perHead = (x: Tensor): Tensor => x.reshape(kvHeads, group).sumRows().reshape(kvHeads).step();
  return {
    attended: attended.reshape(1, heads * dim),
    next: {
      importance,
      headImportance,
      tokens: best(importance.add(step.newest.scale(1e9)), before.tokens, step.nextTokens),
      heads: best(headImportance.reshape(1, heads), before.heads.reshape(1, heads), step.nextHeads).reshape(
        heads,
        1,
        1,
      ),
    },
    liveHeads: perHead(before.heads),
    refinedHeads: perHead(flat === undefined ? before.heads.scale(0) : flat.mul(before.heads)),
    valueRows: read
      .reshape(kvHeads, group, entries)
      .permute(0, 2, 1)
      .cont()
      .sumRows()
      .step()
      .reshape(kvHeads, entries)
      .sumRows()
      .reshape(kvHeads),
  };
}

/** Of those that were read ([1, n], 1 and 0), the ones with the largest scores. */
function best(scores: Tensor, read: Tensor, count: Tensor): Tensor {
  const own = scores.mul(read).add(read.scale(1e12, -1e12));
  return atLeast(own, kth(own, count)).mul(read);
}

/** The element of each row [r, n] that stands at a place in falling order; the place is an input, so that it may change from pass to
 *  pass. Gives [r, 1]. */
function kth(x: Tensor, place: Tensor): Tensor {
  const [rows = 1, length = 1] = x.shape;
  const order = x.cont().argsort("descending");
  const falling = x.cont().gather(order);
  return falling.transpose().cont().reshape(length, rows).getRows(place).reshape(rows, 1);
}

/** 1 where x is not below the limit. */
function atLeast(x: Tensor, limit: Tensor): Tensor {
  return x.sub(limit).neg().step().scale(-1, 1);
}

/** Rows as whole numbers with a scale each, read in their high bits (at the middle of what those leave open) and in all. */
export function bitPlanes(x: Tensor, highBits: number, lowBits: number): { high: Tensor; both: Tensor } {
  const rows = x.cast("f32");
  const most = 2 ** (highBits + lowBits - 1) - 1;
  const scale = rows
    .abs()
    .rowMax()
    .scale(1 / most, 1e-30);
  const whole = rounded(rows.div(scale));
  if (lowBits === 0) return { high: whole.mul(scale), both: whole.mul(scale) };
  const step = 2 ** lowBits;
  const high = rounded(whole.scale(1 / step, -(step - 1) / (2 * step)));
  return { high: high.scale(step, step / 2).mul(scale), both: whole.mul(scale) };
}

/** To the nearest whole number: adding 1.5 · 2²³ leaves no bits for the rest. */
function rounded(x: Tensor): Tensor {
  return x.scale(1, 12_582_912).scale(1, -12_582_912);
}
