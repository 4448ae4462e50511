import type { Tensor } from "../../tensor/tensor.js";
import type { AttendOptions } from "../architecture.js";

/** Attention in which every row sees what `mask` allows, before and after it. Several texts may lie one after the other in the
 *  rows, without padding, where the mask lets each see itself only: ggml skips the tiles of the mask that forbid everything.
 *  queries, keys, values [R, H, D], mask f16 [R, R]; gives [R, H·D]. */
export function bidirectionalAttention(
  queries: Tensor,
  keys: Tensor,
  values: Tensor,
  mask: Tensor,
  { scale }: AttendOptions,
): Tensor {
  const byHead = (part: Tensor): Tensor => part.permute(1, 0, 2);
  const attended = byHead(queries).flashAttention(byHead(keys), byHead(values), { scale, mask });
  return attended.reshape(attended.size(0), attended.size(1) * attended.size(2));
}
