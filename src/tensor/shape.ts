import { QuireError } from "../errors.js";
import { type DType, dtypes, rowBytes } from "./dtype.js";

/** Shapes are written outermost first, as in PyTorch: [rows, hidden]. Strides are bytes, in the same order. ggml wants four
 *  numbers, innermost first; only this file knows. */
export type Shape = readonly number[];

export const maxRank = 4;

export function elements(shape: Shape): number {
  return shape.reduce((product, size) => product * size, 1);
}

export function sizeBytes(dtype: DType, shape: Shape): number {
  const width = shape.at(-1) ?? 1;
  return rowBytes(dtype, width) * (elements(shape) / Math.max(width, 1));
}

export function contiguousStrides(dtype: DType, shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride: number = dtypes[dtype].bytes;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    const size = shape[axis] ?? 1;
    stride = axis === shape.length - 1 ? rowBytes(dtype, size) : stride * size;
  }
  return strides;
}

/** Strides in which axes of size 1, whose stride means nothing, have the one that a contiguous tensor would have. ggml's checks
 *  look at those strides too. */
export function settledStrides(dtype: DType, shape: Shape, strides: readonly number[]): number[] {
  const settled = [...strides];
  let next: number = dtypes[dtype].bytes;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis] ?? 1;
    if (size === 1) settled[axis] = next;
    const stride = settled[axis] ?? next;
    next = axis === shape.length - 1 ? (stride / dtypes[dtype].block) * size : stride * size;
  }
  return settled;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

/** The four sizes as ggml takes them: innermost first, padded with 1. */
export function ggmlSizes(shape: Shape): [number, number, number, number] {
  const size = (fromEnd: number): number => shape.at(-fromEnd) ?? 1;
  return [
    shape.length >= 1 ? size(1) : 1,
    shape.length >= 2 ? size(2) : 1,
    shape.length >= 3 ? size(3) : 1,
    shape.length >= 4 ? size(4) : 1,
  ];
}

/** Number of an axis counted from the front, for an axis given from the front or (negative) from the back. */
export function axisOf(op: string, shape: Shape, axis: number): number {
  const fromFront = axis < 0 ? axis + shape.length : axis;
  if (!Number.isInteger(axis) || fromFront < 0 || fromFront >= shape.length) {
    throw new QuireError("bad-shape", `${op}: there is no axis ${axis} in [${shape.join(", ")}].`, {
      got: axis,
      expected: `0 to ${shape.length - 1}`,
    });
  }
  return fromFront;
}

export function checkShape(op: string, dtype: DType, shape: Shape): void {
  const wellFormed =
    shape.length >= 1 &&
    shape.length <= maxRank &&
    shape.every((size) => Number.isInteger(size) && size >= 1 && size < 2 ** 31);
  if (!wellFormed || elements(shape) > 2 ** 40) {
    throw new QuireError("bad-shape", `${op}: [${shape.join(", ")}] is not a shape.`, {
      got: shape,
      expected: "1 to 4 whole sizes of at least 1",
    });
  }
  const width = shape.at(-1) ?? 1;
  if (width % dtypes[dtype].block !== 0) {
    throw new QuireError("bad-shape", `${op}: rows of ${width} elements cannot be stored as ${dtype}.`, {
      got: width,
      expected: `a multiple of ${dtypes[dtype].block}`,
    });
  }
}
