import { QuireError } from "../errors.js";
import { describe, refuse } from "./check.js";
import { dtypes } from "./dtype.js";
import type { HostArray } from "./graph.js";
import { graphOf } from "./operand.js";
import type { Tensor } from "./tensor.js";

/** Row numbers outside their table end the process or overwrite memory inside ggml. Here every index operand becomes safe: what is
 *  written into an input is checked before each run, what is in range by its making passes, anything else is forced into range. */

/** Largest whole number up to which f32 holds every one. */
const exactBelow = 2 ** 24;

export function safeIndices(op: string, indices: Tensor, below: number): Tensor {
  const root = indices.root ?? indices;
  const graph = graphOf(op, [indices, root]);
  if (root.op === undefined && root.owner === graph) {
    graph.requireIndices(indices, below);
    return indices;
  }
  if ((boundOf(indices) ?? Number.POSITIVE_INFINITY) <= below) return indices;
  if (indices.dtype === "i64" || below > exactBelow) {
    refuse(op, "indices that are computed or stored cannot be checked", [indices], "an input of the graph");
  }
  const forced = indices
    .cast("f32")
    .clamp(0, below - 1)
    .cast("i32");
  knowBelow(forced, below);
  return forced;
}

const known = new WeakMap<Tensor, number>();

/** Remembers that the elements of a computed tensor are at least 0 and below a number. */
export function knowBelow(tensor: Tensor, below: number): void {
  known.set(tensor, below);
}

/** A number that all elements stay below, where the way they are made tells. */
function boundOf(tensor: Tensor): number | undefined {
  const said = known.get(tensor);
  if (said !== undefined) return said;
  const [first, second] = tensor.inputs;
  if (first === undefined) return undefined;
  switch (tensor.op) {
    case "argsort":
    case "argmax":
      return first.size(-1);
    case "reshape":
    case "slice":
    case "splitLast":
    case "permute":
    case "cont":
    case "repeat":
      return boundOf(first);
    case "concat": {
      const a = boundOf(first);
      const b = second === undefined ? undefined : boundOf(second);
      return a === undefined || b === undefined ? undefined : Math.max(a, b);
    }
    default:
      return undefined;
  }
}

/** Throws when an index is out of range. `values` are those of the input in which the indices lie. */
export function checkIndices(indices: Tensor, values: HostArray | undefined, below: number): void {
  if (values === undefined) return;
  const { bytes } = dtypes[indices.dtype];
  const root = indices.root ?? indices;
  if (indices.elements === root.elements) {
    for (let at = 0; at < values.length; at++)
      if (!inRange(values[at], below)) outOfRange(indices, values[at], at, below);
    return;
  }
  // A part of the input: walk it by its strides.
  const position = new Array<number>(indices.rank).fill(0);
  for (let count = 0; count < indices.elements; count++) {
    let offset = indices.offset;
    for (let axis = 0; axis < indices.rank; axis++) offset += (position[axis] ?? 0) * (indices.strides[axis] ?? 0);
    const value = values[offset / bytes];
    if (!inRange(value, below)) outOfRange(indices, value, count, below);
    for (let axis = indices.rank - 1; axis >= 0; axis--) {
      position[axis] = (position[axis] ?? 0) + 1;
      if ((position[axis] ?? 0) < indices.size(axis)) break;
      position[axis] = 0;
    }
  }
}

function inRange(value: number | bigint | undefined, below: number): boolean {
  return value !== undefined && value >= 0 && value < below;
}

function outOfRange(indices: Tensor, value: number | bigint | undefined, at: number, below: number): never {
  const name = indices.name || indices.root?.name || "an index input";
  throw new QuireError("bad-input", `${name}: index ${at} is ${value}, outside the table of ${below} rows.`, {
    got: `${value} in ${describe(indices)}`,
    expected: `0 to ${below - 1}`,
  });
}
