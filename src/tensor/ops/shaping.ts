import { QuireError } from "../../errors.js";
import { hasDenseRows, isContiguous, need, needContiguous, needDenseRows, needType, refuse } from "../check.js";
import { type DType, dtypes, isQuantised, isReadable } from "../dtype.js";
import { ggml } from "../ffi/ggml.js";
import { node } from "../operand.js";
import { axisOf, checkShape, elements, ggmlSizes, type Shape, settledStrides } from "../shape.js";
import type { Tensor } from "../tensor.js";

/** Other views of the same memory, and copies into another order, type or extent. */

/** One size may be -1: what is left. */
export function reshape(x: Tensor, sizes: Shape): Tensor {
  const op = "reshape";
  const known = sizes.reduce((product, size) => (size === -1 ? product : product * size), 1);
  const shape = sizes.map((size) => (size === -1 ? x.elements / known : size));
  checkShape(op, x.dtype, shape);
  needContiguous(op, x);
  if (elements(shape) !== x.elements)
    refuse(op, `[${shape.join(", ")}] has another number of elements`, [x], `${x.elements} elements`);
  return node({
    op,
    inputs: [x],
    dtype: x.dtype,
    shape,
    viewOffset: 0,
    build: (context) => ggml().ggml_reshape_4d(context, x.pointer, ...ggmlSizes(shape)),
    gradient: (dy) => [(isContiguous(dy) ? dy : dy.cont()).reshape(...x.shape)],
  });
}

/** A view of any sizes and strides (bytes, outermost first) from `offset` on. The caller answers for staying inside. ggml takes
 *  the innermost stride from the type, so rows must be dense. */
function view(
  op: string,
  x: Tensor,
  shape: Shape,
  anyStrides: readonly number[],
  offset: number,
  gradient: (dy: Tensor) => Tensor,
): Tensor {
  const strides = settledStrides(x.dtype, shape, anyStrides);
  const [ne0, ne1, ne2, ne3] = ggmlSizes(shape);
  const stride = (fromEnd: number): number => strides.at(-fromEnd) ?? 0;
  const nb1 = shape.length >= 2 ? stride(2) : stride(1) * ne0;
  const nb2 = shape.length >= 3 ? stride(3) : nb1 * ne1;
  const nb3 = shape.length >= 4 ? stride(4) : nb2 * ne2;
  return node({
    op,
    inputs: [x],
    dtype: x.dtype,
    shape,
    strides,
    viewOffset: offset,
    build: (context) => ggml().ggml_view_4d(context, x.pointer, ne0, ne1, ne2, ne3, nb1, nb2, nb3, offset),
    gradient: (dy) => [gradient(dy)],
  });
}

export function slice(x: Tensor, axis: number, start: number, length: number): Tensor {
  const op = "slice";
  const along = axisOf(op, x.shape, axis);
  const size = x.size(along);
  if (!Number.isInteger(start) || !Number.isInteger(length) || start < 0 || length < 1 || start + length > size) {
    throw new QuireError("bad-shape", `slice: ${start} to ${start + length} lies outside axis ${along}.`, {
      got: [start, length],
      expected: `within 0 to ${size}`,
    });
  }
  if (!hasDenseRows(x)) return sliceAcross(x, along, start, length);
  const isLast = along === x.rank - 1;
  const { block, bytes } = dtypes[x.dtype];
  if (isLast && (start % block !== 0 || length % block !== 0)) {
    refuse(op, `${x.dtype} is stored in blocks of ${block}`, [x], `start and length divisible by ${block}`);
  }
  const offset = isLast ? (start / block) * bytes : start * (x.strides[along] ?? 0);
  const shape = x.shape.map((old, at) => (at === along ? length : old));
  return view(op, x, shape, x.strides, offset, (dy) => {
    const before = x.shape.map((_, at) => (at === along ? start : 0));
    const after = x.shape.map((_, at) => (at === along ? size - start - length : 0));
    return dy.cont().pad(before, after);
  });
}

/** Slice of a tensor whose last axis is not the dense one: the dense axis goes last and back again. */
function sliceAcross(x: Tensor, along: number, start: number, length: number): Tensor {
  const dense = x.strides.indexOf(dtypes[x.dtype].bytes);
  const last = dense >= 0 ? dense : x.shape.indexOf(1);
  if (last < 0) return x.cont().slice(along, start, length);
  const order = [...[...x.shape.keys()].filter((axis) => axis !== last), last];
  const inverse = order.map((_, axis) => order.indexOf(axis));
  return permute(x, order)
    .slice(order.indexOf(along), start, length)
    .permute(...inverse);
}

/** Takes the last axis apart, [..., a·b] to [..., a, b]: a view also where reshape would need a copy, as in a slice of columns. */
export function splitLast(x: Tensor, count: number): Tensor {
  const op = "splitLast";
  needDenseRows(op, x);
  const width = x.size(-1) / count;
  need(x.rank < 4 && Number.isInteger(width), op, `cannot be split into ${count}`, [x], "a divisor of the last size");
  need(width % dtypes[x.dtype].block === 0, op, `${x.dtype} is stored in blocks`, [x], "whole blocks");
  const { block, bytes } = dtypes[x.dtype];
  const shape = [...x.shape.slice(0, -1), count, width];
  const strides = [...x.strides.slice(0, -1), (width / block) * bytes, x.strides.at(-1) ?? bytes];
  return view(op, x, shape, strides, 0, (dy) => dy.cont().reshape(...x.shape));
}

export function permute(x: Tensor, axes: readonly number[]): Tensor {
  const op = "permute";
  const complete =
    axes.length === x.rank &&
    new Set(axes).size === x.rank &&
    axes.every((axis) => Number.isInteger(axis) && axis >= 0 && axis < x.rank);
  if (!complete) {
    throw new QuireError("bad-shape", `permute: [${axes.join(", ")}] is not an order of the axes.`, {
      got: axes,
      expected: `each of 0 to ${x.rank - 1} once`,
    });
  }
  if (isQuantised(x.dtype) && axes.at(-1) !== x.rank - 1)
    refuse(op, `${x.dtype} rows cannot be taken apart`, [x], "the last axis in its place");
  const shape = axes.map((axis) => x.size(axis));
  const strides = settledStrides(
    x.dtype,
    shape,
    axes.map((axis) => x.strides[axis] ?? 0),
  );
  const gradient = (dy: Tensor): Tensor => dy.permute(...axes.map((_, position) => axes.indexOf(position)));
  // With dense rows a view says the same, and gives axes of size 1 the stride that ggml's checks expect.
  if (strides.at(-1) === dtypes[x.dtype].bytes) return view(op, x, shape, strides, 0, gradient);
  // ggml_permute says where each axis goes, counted from the innermost; here axes say where each comes from.
  const last = x.rank - 1;
  const goesTo = [0, 1, 2, 3];
  for (const [to, from] of axes.entries()) goesTo[last - from] = last - to;
  const [a = 0, b = 1, c = 2, d = 3] = goesTo;
  return node({
    op,
    inputs: [x],
    dtype: x.dtype,
    shape,
    strides,
    viewOffset: 0,
    build: (context) => ggml().ggml_permute(context, x.pointer, a, b, c, d),
    gradient: (dy) => [gradient(dy)],
  });
}

export function transpose(x: Tensor): Tensor {
  need(x.rank >= 2, "transpose", "needs a matrix", [x], "two axes at least");
  const axes = [...x.shape.keys()];
  return permute(x, [...axes.slice(0, -2), x.rank - 1, x.rank - 2]);
}

/** The same elements in order, without gaps. */
export function cont(x: Tensor): Tensor {
  const op = "cont";
  if (isQuantised(x.dtype)) needContiguous(op, x);
  return node({
    op,
    inputs: [x],
    dtype: x.dtype,
    shape: x.shape,
    build: (context) => ggml().ggml_cont(context, x.pointer),
    gradient: (dy) => [dy],
  });
}

const castable: readonly DType[] = ["f32", "f16", "bf16", "i32"];
/** Types that can be written from f32 without an importance matrix. */
const writable: readonly DType[] = ["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "iq4_nl", "i32"];

export function cast(x: Tensor, dtype: DType): Tensor {
  const op = "cast";
  if (dtype === x.dtype) return x;
  if (isQuantised(x.dtype)) {
    if (dtype !== "f32" || !isReadable(x.dtype)) refuse(op, `${x.dtype} cannot become ${dtype}`, [x], "f32");
    needContiguous(op, x);
  } else {
    needType(op, x, castable);
    if (!writable.includes(dtype) || (x.dtype === "i32" && dtype !== "f32") || (dtype === "i32" && x.dtype !== "f32")) {
      refuse(op, `${x.dtype} cannot become ${dtype}`, [x], "a type that f32 can become");
    }
    if (isQuantised(dtype)) {
      needType(op, x, ["f32"]);
      needContiguous(op, x);
    }
  }
  checkShape(op, dtype, x.shape);
  return node({
    op,
    inputs: [x],
    dtype,
    shape: x.shape,
    build: (context) => ggml().ggml_cast(context, x.pointer, dtypes[dtype].id),
    // Gradients are f32, whatever the type of the tensor they belong to.
    gradient: isQuantised(dtype) || dtype === "i32" ? `a cast to ${dtype} has no gradient` : (dy) => [dy],
  });
}

export function concat(a: Tensor, b: Tensor, axis: number): Tensor {
  const op = "concat";
  const along = axisOf(op, a.shape, axis);
  needType(op, a, ["f32", "f16", "bf16", "i32"]);
  needType(op, b, [a.dtype]);
  needContiguous(op, a);
  needContiguous(op, b);
  need(
    a.rank === b.rank && a.shape.every((size, at) => at === along || size === b.shape[at]),
    op,
    "the other axes differ",
    [a, b],
    `equal sizes but along axis ${along}`,
  );
  return node({
    op,
    inputs: [a, b],
    dtype: a.dtype,
    shape: a.shape.map((size, at) => (at === along ? size + b.size(along) : size)),
    build: (context) => ggml().ggml_concat(context, a.pointer, b.pointer, a.rank - 1 - along),
    gradient: (dy) => [dy.slice(along, 0, a.size(along)).cont(), dy.slice(along, a.size(along), b.size(along)).cont()],
  });
}

export function repeat(x: Tensor, shape: Shape): Tensor {
  const op = "repeat";
  checkShape(op, x.dtype, shape);
  needType(op, x, ["f32", "f16", "bf16", "i32"]);
  needDenseRows(op, x);
  const fits =
    x.rank <= shape.length && x.shape.every((size, at) => (shape[at + shape.length - x.rank] ?? 0) % size === 0);
  need(fits, op, `cannot be repeated to [${shape.join(", ")}]`, [x], "sizes that are multiples, from the last axis on");
  return node({
    op,
    inputs: [x],
    dtype: x.dtype,
    shape,
    build: (context) => ggml().ggml_repeat_4d(context, x.pointer, ...ggmlSizes(shape)),
    gradient: (dy) => [reduceRepeat(dy, x)],
  });
}

function reduceRepeat(dy: Tensor, x: Tensor): Tensor {
  const lead = dy.rank - x.rank;
  const shape = [...new Array<number>(lead).fill(1), ...x.shape];
  const summed = node({
    op: "repeatBack",
    inputs: [dy],
    dtype: "f32",
    shape,
    build: (context) => {
      const like = ggml().ggml_new_tensor_4d(context, dtypes.f32.id, ...ggmlSizes(shape));
      return ggml().ggml_repeat_back(context, dy.pointer, like);
    },
    gradient: (again) => [again.repeat(...dy.shape)],
  });
  return lead > 0 ? summed.reshape(...x.shape) : summed;
}

export function pad(x: Tensor, before: readonly number[], after: readonly number[]): Tensor {
  const op = "pad";
  needType(op, x, ["f32"]);
  needContiguous(op, x);
  const whole = (sizes: readonly number[]) =>
    sizes.length === x.rank && sizes.every((size) => Number.isInteger(size) && size >= 0);
  if (!whole(before) || !whole(after)) {
    throw new QuireError("bad-shape", "pad: the margins cannot be used.", {
      got: [before, after],
      expected: `${x.rank} whole numbers each`,
    });
  }
  const [l0, l1, l2, l3] = ggmlSizes(before).map((size, at) => (at < x.rank ? size : 0)) as [
    number,
    number,
    number,
    number,
  ];
  const [r0, r1, r2, r3] = ggmlSizes(after).map((size, at) => (at < x.rank ? size : 0)) as [
    number,
    number,
    number,
    number,
  ];
  return node({
    op,
    inputs: [x],
    dtype: x.dtype,
    shape: x.shape.map((size, at) => size + (before[at] ?? 0) + (after[at] ?? 0)),
    build: (context) => ggml().ggml_pad_ext(context, x.pointer, l0, r0, l1, r1, l2, r2, l3, r3),
    gradient: (dy) => {
      let inner = dy;
      for (const [axis, size] of x.shape.entries()) inner = inner.slice(axis, before[axis] ?? 0, size);
      return [inner.cont()];
    },
  });
}

/** Elements move along an axis by `shift` places; what leaves at the end comes in at the start. */
export function roll(x: Tensor, axis: number, shift: number): Tensor {
  const along = axisOf("roll", x.shape, axis);
  if (!Number.isInteger(shift)) {
    throw new QuireError("bad-option", "roll: the shift cannot be used.", { got: shift, expected: "a whole number" });
  }
  const size = x.size(along);
  const moved = ((shift % size) + size) % size;
  if (moved === 0) return x;
  const end = x.slice(along, size - moved, moved).cont();
  return end.concat(x.slice(along, 0, size - moved).cont(), along);
}
