import { QuireError } from "../errors.js";
import { describe } from "./check.js";
import { contiguous, graphOf } from "./operand.js";
import { sameShape } from "./shape.js";
import { Tensor } from "./tensor.js";

/** Reverse-mode differentiation: walks from a loss back over the operations and writes their gradients, made of the same operations,
 *  into the same graph. Gradients can themselves be differentiated where their operations have gradients. */

/** Gradients of a loss, shape [1], with respect to parameters: stored tensors (their uses are summed up), inputs or results. */
export function gradients(loss: Tensor, parameters: readonly Tensor[]): Tensor[] {
  if (loss.elements !== 1) {
    throw new QuireError("bad-shape", "gradients: the loss must be one number.", {
      got: describe(loss),
      expected: "f32[1]",
      fix: "Call sum() or mean() first.",
    });
  }
  const one = graphOf("gradients", [loss]).range(1, 1);
  return backward(loss, one.reshape(...loss.shape), parameters, false);
}

/** As it was, but no gradient flows through. */
export function stopGradient(x: Tensor): Tensor {
  return new Tensor({ ...x, source: undefined, op: stopped, inputs: [x], gradient: () => [undefined] });
}

const stopped = "stopGradient";

/** `hard` in its values, `soft` in its gradient: how a choice is learnt that has no slope of its own. */
export function straightThrough(hard: Tensor, soft: Tensor): Tensor {
  return soft.add(stopGradient(hard.sub(soft)));
}

/** The same result as fn(...inputs), whose intermediate results are not kept for the gradient but computed again: less memory for
 *  more time. `fn` is called twice with tensors of the same graph and must build the same both times. */
export function checkpoint(inputs: readonly Tensor[], fn: (...inputs: Tensor[]) => Tensor): Tensor {
  const result = fn(...inputs);
  const parameters = [...inputs, ...outsideLeaves(result, inputs)];
  return new Tensor({
    ...result,
    source: undefined,
    op: "checkpoint",
    inputs: [...parameters, result],
    gradient: (dy, wanted) => {
      const again = fn(...inputs);
      const chosen = parameters.filter((_, index) => wanted[index]);
      const found = backward(again, dy, chosen, true);
      return [...parameters.map((parameter) => found[chosen.indexOf(parameter)]), undefined];
    },
  });
}

/** Tensors made by no operation on which the result depends other than through the inputs. */
function outsideLeaves(result: Tensor, inputs: readonly Tensor[]): Tensor[] {
  const seen = new Set(inputs.map(origin));
  const leaves: Tensor[] = [];
  const open = [result];
  for (let tensor = open.pop(); tensor !== undefined; tensor = open.pop()) {
    if (seen.has(origin(tensor))) continue;
    seen.add(origin(tensor));
    if (tensor.op === undefined && !isInteger(tensor)) leaves.push(tensor);
    open.push(...tensor.inputs);
  }
  return leaves;
}

function isInteger({ dtype }: Tensor): boolean {
  return dtype === "i32" || dtype === "i64";
}

/** Stored tensors appear under several aliases. */
function origin(tensor: Tensor): Tensor {
  return tensor.source ?? tensor;
}

/** Given the gradient of `result`, those of the parameters. With `stopThere` nothing that lies behind a parameter counts. */
function backward(result: Tensor, resultGradient: Tensor, parameters: readonly Tensor[], stopThere: boolean): Tensor[] {
  const wanted = new Set(parameters.map(origin));
  const { order, needed } = dependents(result, wanted, stopThere);
  const graph = graphOf("gradients", [result]);
  const sums = new Map<Tensor, Tensor>([[origin(result), resultGradient]]);
  for (const tensor of order.reverse()) {
    const gradient = sums.get(tensor);
    const isEnd = tensor.inputs.length === 0 || (stopThere && wanted.has(tensor));
    if (gradient === undefined || !needed.has(tensor) || isEnd) continue;
    for (const [index, part] of contributions(tensor, gradient, needed).entries()) {
      const input = tensor.inputs[index];
      if (input === undefined || part === undefined) continue;
      const before = sums.get(origin(input));
      const sum = before === undefined ? part : contiguous(before).add(contiguous(part));
      sums.set(origin(input), sum);
      graph.early(sum);
    }
  }
  return parameters.map((parameter) => {
    const gradient = sums.get(origin(parameter));
    if (gradient === undefined) {
      throw new QuireError("bad-input", `gradients: the loss does not depend on ${parameter.name || "a parameter"}.`, {
        got: describe(parameter),
      });
    }
    return contiguous(gradient);
  });
}

/** Everything the result depends on, inputs before what is made of them, and of it what depends on a wanted tensor. */
function dependents(result: Tensor, wanted: ReadonlySet<Tensor>, stopThere: boolean) {
  const order: Tensor[] = [];
  const needed = new Set<Tensor>();
  const state = new Map<Tensor, "open" | "done">();
  const stack = [origin(result)];
  while (stack.length > 0) {
    const tensor = stack.at(-1) as Tensor;
    // Whole numbers (indices) are constants.
    const ends = tensor.op === stopped || isInteger(tensor) || (stopThere && wanted.has(tensor));
    const inputs = ends ? [] : tensor.inputs.map(origin);
    if (!state.has(tensor)) {
      state.set(tensor, "open");
      stack.push(...inputs.filter((input) => !state.has(input)));
      continue;
    }
    stack.pop();
    if (state.get(tensor) === "done") continue;
    state.set(tensor, "done");
    order.push(tensor);
    if (wanted.has(tensor) || inputs.some((input) => needed.has(input))) needed.add(tensor);
  }
  return { order, needed };
}

function contributions(tensor: Tensor, gradient: Tensor, needed: ReadonlySet<Tensor>): (Tensor | undefined)[] {
  const op = tensor.op ?? "";
  const got = `${op} ${describe(tensor)} from ${tensor.inputs.map(describe).join(" and ")}`;
  if (tensor.gradient === undefined || typeof tensor.gradient === "string") {
    throw new QuireError("unsupported", `${op} has no gradient: ${tensor.gradient ?? "none is known"}.`, { got });
  }
  const wanted = tensor.inputs.map((input) => needed.has(origin(input)));
  const parts = tensor.gradient(contiguous(gradient), wanted);
  return tensor.inputs.map((input, index) => {
    if (!wanted[index]) return undefined;
    const part = parts[index];
    if (part === undefined) {
      // The last input of a checkpoint is its own first computation, which needs no gradient.
      if (op === "checkpoint" && index === tensor.inputs.length - 1) return undefined;
      throw new QuireError("unsupported", `${op} has no gradient for ${describe(input)}.`, { got });
    }
    if (!sameShape(part.shape, input.shape)) {
      throw new QuireError("bad-shape", `${op}: its gradient has the wrong shape.`, {
        got: describe(part),
        expected: describe(input),
      });
    }
    return part;
  });
}
