import { need, needType } from "../check.js";
import { contiguous, graphOf } from "../operand.js";
import { sameShape } from "../shape.js";
import type { Tensor } from "../tensor.js";
import { scatterAdd } from "./index-ops.js";

/** Elements of rows by number: gathering, the largest ones, one-hot rows. */

/** x [..., c] with i32 [..., k] gives the chosen elements, f32 [..., k]. */
export function gather(x: Tensor, indices: Tensor): Tensor {
  const op = "gather";
  needType(op, x, ["f32"]);
  const fits = x.rank === indices.rank && sameShape(x.shape.slice(0, -1), indices.shape.slice(0, -1));
  need(fits, op, "the numbers do not fit", [x, indices], "equal sizes but for the last axis");
  const rows = x.elements / x.size(-1);
  const columns = contiguous(x).reshape(rows, x.size(-1), 1);
  return columns.getRows(indices.reshape(rows, indices.size(-1))).reshape(...indices.shape);
}

/** The k largest elements of each row in falling order, and their numbers (i32). Ties are left open: who needs an order among equal
 *  elements subtracts a little of their number first. Gradients go through the values. */
export function topK(x: Tensor, k: number): { values: Tensor; indices: Tensor } {
  const fits = Number.isInteger(k) && k >= 1 && k <= x.size(-1);
  need(fits, "topK", `cannot take the first ${k}`, [x], "1 to the size of the last axis");
  const indices = x.argsort("descending").slice(-1, 0, k).cont();
  return { values: gather(x, indices), indices };
}

/** The largest element of each row, [..., c] to [..., 1]. */
export function rowMax(x: Tensor): Tensor {
  const rows = x.elements / x.size(-1);
  const places = contiguous(x).reshape(rows, x.size(-1)).argmax();
  return gather(x, places.reshape(...x.shape.slice(0, -1), 1));
}

/** i32 [...] gives f32 [..., classes]: 1 at the number, 0 elsewhere. */
export function oneHot(indices: Tensor, classes: number): Tensor {
  const op = "oneHot";
  needType(op, indices, ["i32"]);
  need(indices.rank < 4, op, "has no axis left", [indices], "at most three axes");
  const graph = graphOf(op, [indices]);
  const ones = graph.range(1, 1).repeat(indices.elements, 1, 1);
  return scatterAdd(ones, indices.reshape(indices.elements, 1), classes).reshape(...indices.shape, classes);
}
