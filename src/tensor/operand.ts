import { QuireError } from "../errors.js";
import type { Graph, NodeSpec } from "./graph.js";
import type { Tensor } from "./tensor.js";

/** Makes a node in the graph of its operands. Stored tensors have no graph; one operand at least must bring one along. */
export function node(spec: NodeSpec): Tensor {
  return graphOf(spec.op, spec.inputs).node(spec);
}

export function graphOf(op: string, operands: readonly Tensor[]): Graph {
  for (const { graph } of operands) if (graph !== undefined) return graph;
  throw new QuireError("bad-input", `${op}: none of its operands belongs to a graph.`, {
    expected: "at least one result or input of a graph",
    fix: "Write graph.use(tensor) for a stored tensor.",
  });
}

/** Undoes broadcasting in a gradient: sums over what was repeated, so that the result has the shape of the operand. */
export function reduceTo(gradient: Tensor, operand: Tensor): Tensor {
  let reduced = gradient;
  const lead = gradient.rank - operand.rank;
  for (let axis = 0; axis < gradient.rank; axis++) {
    const wanted = axis < lead ? 1 : operand.size(axis - lead);
    if (reduced.size(axis) !== wanted) reduced = sumGroups(reduced, axis, wanted);
  }
  return lead > 0 ? reduced.reshape(...operand.shape) : reduced;
}

/** Sums the repetitions of `size` elements along an axis; the axis is first brought to the back. */
function sumGroups(tensor: Tensor, axis: number, size: number): Tensor {
  const order = [...tensor.shape.keys()].filter((other) => other !== axis);
  const moved = axis === tensor.rank - 1 ? tensor.cont() : tensor.permute(...order, axis).cont();
  const rows = moved.elements / moved.size(-1);
  const groups = moved.size(-1) / size;
  const summed = (
    size === 1 ? moved.reshape(rows, groups) : moved.reshape(rows, groups, size).transpose().cont()
  ).sumRows();
  const back = summed.reshape(...order.map((other) => tensor.size(other)), size);
  if (axis === tensor.rank - 1) return back;
  const inverse = [...order, axis].map((_, position) => [...order, axis].indexOf(position));
  return back.permute(...inverse).cont();
}
