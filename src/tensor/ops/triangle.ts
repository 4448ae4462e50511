import { need, needContiguous, needType } from "../check.js";
import { ggml } from "../ffi/ggml.js";
import { contiguous, graphOf, node } from "../operand.js";
import { sameShape } from "../shape.js";
import type { Tensor } from "../tensor.js";

/** Triangular and diagonal matrices, in the last two axes. */

const parts = { "upper-diagonal": 0, upper: 1, "lower-diagonal": 2, lower: 3 } as const;
export type TrianglePart = keyof typeof parts;

/** Keeps a part of square matrices and puts 0 elsewhere. */
export function triangle(x: Tensor, part: TrianglePart): Tensor {
  const op = "triangle";
  needType(op, x, ["f32"]);
  needContiguous(op, x);
  need(Object.hasOwn(parts, part), op, `there is no part "${part}"`, [x], Object.keys(parts).join(", "));
  need(x.rank >= 2 && x.size(-1) === x.size(-2), op, "needs square matrices", [x], "[..., n, n]");
  return node({
    op,
    inputs: [x],
    dtype: "f32",
    shape: x.shape,
    build: (context) => ggml().ggml_tri(context, x.pointer, parts[part]),
    gradient: (dy) => [triangle(dy, part)],
  });
}

/** [..., n] to [..., n, n] with the elements on the diagonal. */
export function diagonalMatrix(x: Tensor): Tensor {
  const op = "diagonalMatrix";
  needType(op, x, ["f32"]);
  need(x.rank < 4, op, "has no axis left", [x], "at most three axes");
  const n = x.size(-1);
  const rows = contiguous(x).reshape(...x.shape.slice(0, -1), 1, n);
  return node({
    op,
    inputs: [rows],
    dtype: "f32",
    shape: [...x.shape, n],
    build: (context) => ggml().ggml_diag(context, rows.pointer),
    gradient: (dy) => [diagonal(dy).reshape(...rows.shape)],
  });
}

/** [..., n, n] to [..., n] */
export function diagonal(x: Tensor): Tensor {
  const n = x.size(-1);
  return x
    .mul(identity(x, n))
    .sumRows()
    .reshape(...x.shape.slice(0, -1));
}

function identity(like: Tensor, n: number): Tensor {
  return diagonalMatrix(graphOf("identity", [like]).range(1, 1).repeat(n));
}

/** X with A·X = B for lower triangular A [..., n, n] and B [..., n, k]. What lies above A's diagonal is not looked at; a 0 on the
 *  diagonal gives infinity. */
export function solveTriangular(a: Tensor, b: Tensor): Tensor {
  const op = "solveTriangular";
  for (const tensor of [a, b]) {
    needType(op, tensor, ["f32"]);
    needContiguous(op, tensor);
  }
  const fits = a.rank >= 2 && a.rank === b.rank && a.size(-1) === a.size(-2) && a.size(-2) === b.size(-2);
  need(fits, op, "the matrices do not fit", [a, b], "[..., n, n] and [..., n, k]");
  need(sameShape(a.shape.slice(0, -2), b.shape.slice(0, -2)), op, "leading sizes differ", [a, b], "equal ones");
  const result: Tensor = node({
    op,
    inputs: [a, b],
    dtype: "f32",
    shape: b.shape,
    build: (context) => ggml().ggml_solve_tri(context, a.pointer, b.pointer, true, true, false),
    gradient: (dy) => {
      // ggml solves with lower matrices only, so the transposed system takes the inverse.
      const inverse = solveTriangular(a, identity(dy, a.size(-1)).repeat(...a.shape));
      const db = inverse.transpose().cont().matmul(dy);
      return [triangle(db.linear(result), "lower-diagonal").neg(), db];
    },
  });
  return result;
}
