import { QuireError } from "../errors.js";
import { isContiguous } from "./check.js";
import type { Graph, NodeSpec } from "./graph.js";
import { elements } from "./shape.js";
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

/** An operand as a member of the graph that another one brings along: stored tensors alone have none. */
export function inGraphOf(other: Tensor, tensor: Tensor): Tensor {
  return tensor.graph === undefined && other.graph !== undefined ? other.graph.use(tensor) : tensor;
}

export function contiguous(tensor: Tensor): Tensor {
  return isContiguous(tensor) ? tensor : tensor.cont();
}

/** Undoes broadcasting in a gradient: sums over what was repeated, so that the result has the shape of the operand. */
export function reduceTo(gradient: Tensor, operand: Tensor): Tensor {
  return reduce(gradient, operand, (before, wanted, times, after) => [before, times, wanted * after]);
}

/** The same for products, where an operand along a leading axis serves several neighbours instead of every so-manieth. */
export function reduceNeighboursTo(gradient: Tensor, operand: Tensor): Tensor {
  return reduce(gradient, operand, (before, wanted, times, after) => [before * wanted, times, after]);
}

type Grouping = (before: number, wanted: number, times: number, after: number) => [number, number, number];

function reduce(gradient: Tensor, operand: Tensor, grouping: Grouping): Tensor {
  const lead = gradient.rank - operand.rank;
  let reduced = gradient;
  for (let axis = 0; axis < gradient.rank; axis++) {
    const wanted = axis < lead ? 1 : operand.size(axis - lead);
    const size = gradient.size(axis);
    if (size === wanted) continue;
    const shape = reduced.shape.map((old, at) => (at === axis ? wanted : old));
    const [outer, times, inner] = grouping(
      elements(shape.slice(0, axis)),
      wanted,
      size / wanted,
      elements(shape.slice(axis + 1)),
    );
    const whole = contiguous(reduced);
    const rows = inner === 1 ? whole.reshape(outer, times) : whole.reshape(outer, times, inner).transpose().cont();
    reduced = rows.sumRows().reshape(...shape);
  }
  return lead > 0 ? reduced.reshape(...operand.shape) : reduced;
}
