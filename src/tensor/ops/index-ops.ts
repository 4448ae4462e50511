import { need, needContiguous, needDenseRows, needType, refuse } from "../check.js";
import type { DType } from "../dtype.js";
import { ggml } from "../ffi/ggml.js";
import { node } from "../operand.js";
import { sameShape } from "../shape.js";
import type { Tensor } from "../tensor.js";

/** Rows by number. Indices out of range end the process inside ggml, so whoever fills an index input checks its values. */

/** table [n, k] with i32 [r] gives f32 [r, k]; with leading axes, table [b, n, k] with i32 [b, r] gives [b, r, k]. */
export function getRows(table: Tensor, indices: Tensor): Tensor {
  const op = "getRows";
  needType(op, indices, ["i32"]);
  needDenseRows(op, table);
  need(table.rank === indices.rank + 1, op, "ranks do not fit", [table, indices], "indices with one axis less");
  need(
    sameShape(table.shape.slice(0, -2), indices.shape.slice(0, -1)),
    op,
    "leading sizes differ",
    [table, indices],
    "equal leading sizes",
  );
  if (["i8", "i16", "i64", "f64"].includes(table.dtype))
    refuse(op, `cannot take ${table.dtype}`, [table], "a float or quantised type");
  return node({
    op,
    inputs: [table, indices],
    dtype: table.dtype === "i32" ? "i32" : "f32",
    shape: [...indices.shape, table.size(-1)],
    build: (context) => ggml().ggml_get_rows(context, table.pointer, indices.pointer),
    gradient: (dy) => [scatterAdd(dy, indices, table), undefined],
  });
}

/** Adds rows up by number, the gradient of getRows: [r, k] with i32 [r] gives f32 of the table's shape. */
function scatterAdd(rows: Tensor, indices: Tensor, table: Tensor): Tensor {
  const op = "scatterAdd";
  need(table.rank === 2, op, "the table must be a matrix", [table], "[n, k]");
  needContiguous(op, rows);
  return node({
    op,
    inputs: [rows, indices],
    dtype: "f32",
    shape: table.shape,
    build: (context) => ggml().ggml_get_rows_back(context, rows.pointer, indices.pointer, table.pointer),
    gradient: (dy) => [dy.getRows(indices), undefined],
  });
}

const rowTypes: readonly DType[] = ["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "iq4_nl"];

/** Writes rows [..., r, k] at i64 or i32 indices [r] (the same in each leading place) or [b, r] into a stored [..., n, k],
 *  converting f32 to its type. */
export function setRows(table: Tensor, indices: Tensor, rows: Tensor): Tensor {
  const op = "setRows";
  needType(op, table, rowTypes);
  needType(op, rows, ["f32"]);
  needType(op, indices, ["i64", "i32"]);
  needDenseRows(op, table);
  needDenseRows(op, rows);
  needDenseRows(op, indices);
  need(table.rank === rows.rank && table.rank >= 2, op, "ranks differ", [table, rows], "equal ranks of at least 2");
  need(
    sameShape(table.shape.slice(0, -2), rows.shape.slice(0, -2)) && table.size(-1) === rows.size(-1),
    op,
    "the rows do not fit",
    [table, rows],
    "equal sizes but for the number of rows",
  );
  need(indices.size(-1) === rows.size(-2), op, "one index a row", [indices, rows], "as many indices as rows");
  need(
    indices.rank === 1 ||
      (indices.rank === rows.rank - 1 && sameShape(indices.shape.slice(0, -1), rows.shape.slice(0, -2))),
    op,
    "the indices do not fit",
    [indices, rows],
    "one list, or one for each leading place",
  );
  return node({
    op,
    inputs: [table, indices, rows],
    dtype: table.dtype,
    shape: table.shape,
    strides: table.strides,
    build: (context) => ggml().ggml_set_rows(context, table.pointer, rows.pointer, indices.pointer),
    gradient: "setRows writes into stored memory: train on results instead",
  });
}

/** Order of the elements of each row: i32 of the same shape. Ties are left open. */
export function argsort(x: Tensor, order: "ascending" | "descending"): Tensor {
  const op = "argsort";
  needType(op, x, ["f32"]);
  needContiguous(op, x);
  return node({
    op,
    inputs: [x],
    dtype: "i32",
    shape: x.shape,
    build: (context) => ggml().ggml_argsort(context, x.pointer, order === "ascending" ? 0 : 1),
    gradient: "argsort has no gradient",
  });
}
