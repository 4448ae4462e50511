import type { Tensor } from "../../tensor/tensor.js";
import type { Weights } from "../../weights/load.js";

/** Products with the members of a group, which share their input and lie stacked where their types allow: x [R, k] gives one
 *  [R, size] per member, in order. Members of one stack are slices of one result, without a copy. */
export function stackedLinear(x: Tensor, weights: Weights, group: string): Tensor[] {
  const biases = weights.has(`${group}.bias`) ? weights.group(`${group}.bias`) : undefined;
  return weights.group(group).flatMap(({ tensor, members }) => {
    const product = x.linear(tensor);
    const parts = members.map(({ start, size }) => (members.length === 1 ? product : product.slice(-1, start, size)));
    if (biases === undefined) return parts;
    return parts.map((part, index) => {
      const bias = biasOf(biases, members[index]?.name ?? "");
      return bias === undefined ? part : part.add(bias(part));
    });
  });
}

/** The bias of a weight's name ("blk.0.attn_q.weight" has "blk.0.attn_q.bias") as a slice of its stack, if it has one. */
function biasOf(stacks: ReturnType<Weights["group"]>, weightName: string): ((like: Tensor) => Tensor) | undefined {
  const name = weightName.replace(/\.weight$/, ".bias");
  for (const { tensor, members } of stacks) {
    const member = members.find((candidate) => candidate.name === name);
    if (member === undefined) continue;
    return (like) => {
      const stored = like.graph === undefined ? tensor : like.graph.use(tensor);
      return members.length === 1 ? stored : stored.slice(0, member.start, member.size);
    };
  }
  return undefined;
}

/** The whole result of a group when it is one stack: what a fused operation wants. */
export function singleStack(weights: Weights, group: string): Tensor | undefined {
  const stacks = weights.group(group);
  return stacks.length === 1 ? stacks[0]?.tensor : undefined;
}
