import { QuireError } from "../errors.js";
import { type DType, dtypes } from "./dtype.js";
import { contiguousStrides, type Shape } from "./shape.js";

/** Checks that every operation makes before its native call, because ggml answers what it cannot do by ending the process. */

interface Described {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly strides: readonly number[];
  readonly name: string;
}

export function describe(tensor: Described): string {
  return `${tensor.name === "" ? "" : `${tensor.name} `}${tensor.dtype}[${tensor.shape.join(", ")}]`;
}

export function refuse(op: string, why: string, got: readonly Described[], expected: string): never {
  throw new QuireError("bad-shape", `${op}: ${why}.`, { got: got.map(describe).join(" and "), expected });
}

export function need(condition: boolean, op: string, why: string, got: readonly Described[], expected: string): void {
  if (!condition) refuse(op, why, got, expected);
}

export function needType(op: string, tensor: Described, allowed: readonly DType[]): void {
  if (!allowed.includes(tensor.dtype)) refuse(op, `cannot take ${tensor.dtype}`, [tensor], allowed.join(" or "));
}

export function isContiguous(tensor: Described): boolean {
  const expected = contiguousStrides(tensor.dtype, tensor.shape);
  return tensor.strides.every((stride, axis) => stride === expected[axis]);
}

/** Rows lie dense in memory, whatever the distance between rows. */
export function hasDenseRows(tensor: Described): boolean {
  return tensor.strides.at(-1) === dtypes[tensor.dtype].bytes;
}

/** Nothing but the distance between rows differs from a tensor without gaps. */
export function hasEvenRows(tensor: Described): boolean {
  const { shape, strides } = tensor;
  const last = shape.length - 1;
  const outerFit = strides.every(
    (stride, axis) => axis >= last - 1 || stride === (strides[axis + 1] ?? 0) * (shape[axis + 1] ?? 1),
  );
  return hasDenseRows(tensor) && outerFit;
}

export function needContiguous(op: string, tensor: Described): void {
  need(
    isContiguous(tensor),
    op,
    "needs its elements in order without gaps",
    [tensor],
    "a contiguous tensor: call cont() first",
  );
}

export function needDenseRows(op: string, tensor: Described): void {
  need(hasDenseRows(tensor), op, "needs rows without gaps", [tensor], "dense rows: call cont() first");
}

/** `small` is repeated to fit `big`: each of its sizes divides the other's, aligned at the innermost axis. */
export function needBroadcast(op: string, big: Described, small: Described): void {
  const fits =
    small.shape.length <= big.shape.length &&
    small.shape.every((size, axis) => (big.shape[axis + big.shape.length - small.shape.length] ?? 0) % size === 0);
  need(
    fits,
    op,
    "the second operand cannot be repeated to fit the first",
    [big, small],
    "sizes that divide, from the last axis on",
  );
}

export function needFinite(op: string, name: string, value: number): void {
  if (!Number.isFinite(value)) {
    throw new QuireError("bad-option", `${op}: ${name} is not a finite number.`, {
      got: value,
      expected: "a finite number",
    });
  }
}
