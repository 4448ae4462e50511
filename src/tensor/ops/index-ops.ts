import { need, needDenseRows, needType, refuse } from "../check.js";
import { type DType, dtypes, isQuantised, isReadable } from "../dtype.js";
import { ggml } from "../ffi/ggml.js";
import { knowBelow, safeIndices } from "../indices.js";
import { contiguous, graphOf, node } from "../operand.js";
import { checkShape, elements, ggmlSizes, type Shape, sameShape } from "../shape.js";
import type { Tensor } from "../tensor.js";

/** Rows by number. Indices that are inputs are checked before each run, computed ones are forced into range (see indices.ts). */

const withoutRows: readonly DType[] = ["i8", "i16", "i64", "f64"];

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
  if (withoutRows.includes(table.dtype) || !isReadable(table.dtype))
    refuse(op, `cannot take ${table.dtype}`, [table], "a float or quantised type");
  const rows = safeIndices(op, indices, table.size(-2));
  return node({
    op,
    inputs: [table, rows],
    dtype: table.dtype === "i32" ? "i32" : "f32",
    shape: [...indices.shape, table.size(-1)],
    build: (context) => ggml().ggml_get_rows(context, table.pointer, rows.pointer),
    gradient: isQuantised(table.dtype)
      ? `${table.dtype} rows are not trained`
      : (dy) => [addRows(dy, rows, table.shape), undefined],
  });
}

/** Adds rows up by number into zeros, the gradient of getRows: [r, k] with i32 [r] gives f32 [count, k]; with leading axes, [b, r, k]
 *  with [b, r] gives [b, count, k]. */
export function scatterAdd(rows: Tensor, indices: Tensor, count: number): Tensor {
  const op = "scatterAdd";
  needType(op, rows, ["f32"]);
  needType(op, indices, ["i32"]);
  const shape = [...rows.shape.slice(0, -2), count, rows.size(-1)];
  checkShape(op, "f32", shape);
  need(
    sameShape(rows.shape.slice(0, -1), indices.shape),
    op,
    "one index a row",
    [rows, indices],
    "indices of the rows' shape without the last axis",
  );
  return addRows(contiguous(rows), safeIndices(op, indices, count), shape);
}

/** As scatterAdd, with indices that are known to be in range. ggml does it for matrices, so leading axes go into the numbers. */
function addRows(rows: Tensor, indices: Tensor, shape: Shape): Tensor {
  if (rows.rank === 2) return addMatrixRows(rows, indices, shape);
  const batch = elements(shape.slice(0, -2));
  const count = shape.at(-2) ?? 1;
  if (batch * count > 2 ** 24) return addRowsInHalves(rows, indices, shape, batch);
  const starts = graphOf("scatterAdd", [rows, indices]).range(batch, 0, count).reshape(batch, 1);
  const numbers = contiguous(indices).reshape(batch, indices.size(-1)).cast("f32").add(starts).cast("i32");
  const flat = numbers.reshape(numbers.elements);
  knowBelow(flat, batch * count);
  const flatRows = contiguous(rows).reshape(-1, rows.size(-1));
  return addMatrixRows(flatRows, flat, [batch * count, rows.size(-1)]).reshape(...shape);
}

/** Row numbers are counted in f32, which holds whole numbers up to 2²⁴. */
function addRowsInHalves(rows: Tensor, indices: Tensor, shape: Shape, batch: number): Tensor {
  const [count = 1, width = 1] = shape.slice(-2);
  if (batch === 1) refuse("scatterAdd", "more rows than can be counted in f32", [rows], "at most 16777216");
  const flatRows = contiguous(rows).reshape(batch, -1, width);
  const flatIndices = contiguous(indices).reshape(batch, -1);
  const half = (start: number, size: number): Tensor =>
    addRows(flatRows.slice(0, start, size), flatIndices.slice(0, start, size), [size, count, width]);
  const first = batch >> 1;
  return half(0, first)
    .concat(half(first, batch - first), 0)
    .reshape(...shape);
}

function addMatrixRows(rows: Tensor, indices: Tensor, shape: Shape): Tensor {
  return node({
    op: "scatterAdd",
    inputs: [rows, indices],
    dtype: "f32",
    shape,
    build: (context) => {
      const like = ggml().ggml_new_tensor_4d(context, dtypes.f32.id, ...ggmlSizes(shape));
      return ggml().ggml_get_rows_back(context, rows.pointer, indices.pointer, like);
    },
    gradient: (dy) => [dy.getRows(indices), undefined],
  });
}

const rowTypes: readonly DType[] = ["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "iq4_nl"];

/** Writes rows [..., r, k] at i64 or i32 indices [r] (the same in each leading place) or [b, r] into a stored [..., n, k],
 *  converting f32 to its type. Which row stays where an index occurs twice is left open: with several threads even a mixture. */
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
  const places = safeIndices(op, indices, table.size(-2));
  return node({
    op,
    inputs: [table, places, rows],
    dtype: table.dtype,
    shape: table.shape,
    strides: table.strides,
    build: (context) => ggml().ggml_set_rows(context, table.pointer, rows.pointer, places.pointer),
    gradient: "setRows writes into stored memory: train on results instead",
  });
}

/** Writes x into stored f32 memory of its shape, or a view of it. The result must be made an effect or an operand of what reads it;
 *  what read the memory before in the same graph must be an ancestor of x. */
export function copyInto(x: Tensor, target: Tensor): Tensor {
  const op = "copyInto";
  needType(op, x, ["f32"]);
  needType(op, target, ["f32"]);
  needDenseRows(op, target);
  need(sameShape(x.shape, target.shape), op, "shapes differ", [x, target], "equal shapes");
  const root = target.root ?? target.source ?? target;
  need(
    root.owner !== x.graph && root.op === undefined,
    op,
    "the target is no stored memory",
    [target],
    "a stored tensor",
  );
  return node({
    op,
    inputs: [x, target],
    dtype: "f32",
    shape: target.shape,
    strides: target.strides,
    build: (context) => ggml().ggml_cpy(context, x.pointer, target.pointer),
    gradient: "copyInto writes into stored memory: train on results instead",
  });
}

const largest = 3.4028234663852886e38;

/** Order of the elements of each row: i32 of the same shape. Ties are left open; NaN counts as the largest number. */
export function argsort(x: Tensor, order: "ascending" | "descending"): Tensor {
  const op = "argsort";
  needType(op, x, ["f32"]);
  // Comparing with NaN makes the sort run out of bounds; clamp turns NaN into the largest number.
  const comparable = x.clamp(-largest, largest);
  return node({
    op,
    inputs: [comparable],
    dtype: "i32",
    shape: x.shape,
    build: (context) => ggml().ggml_argsort(context, comparable.pointer, order === "ascending" ? 0 : 1),
    gradient: "argsort has no gradient",
  });
}
