import { QuireError } from "../errors.js";
import { describe, isContiguous } from "./check.js";
import { ggml } from "./ffi/ggml.js";
import type { Tensor } from "./tensor.js";

/** The mode QUIRE_CHECK_NUMERICS=1: after a run every result is read, and the first that holds NaN or +Infinity is named. (-Infinity
 *  is left alone: masks hold it.) Costs memory for all results at once and a pass over them. */
export class Numerics {
  readonly #all: Tensor[] = [];
  #checked: Tensor[] = [];

  watch(tensor: Tensor): void {
    this.#all.push(tensor);
  }

  /** Keeps the results that are needed; must come before memory is laid out. */
  flag(needed: ReadonlySet<Tensor>): void {
    this.#checked = this.#all.filter(
      (tensor) => needed.has(tensor) && tensor.dtype === "f32" && tensor.root === undefined && isContiguous(tensor),
    );
    for (const { pointer } of this.#checked) ggml().ggml_set_output(pointer);
  }

  check(): void {
    for (const tensor of this.#checked) {
      const values = new Float32Array(tensor.elements);
      ggml().ggml_backend_tensor_get(tensor.pointer, values, 0, values.byteLength);
      const at = values.findIndex((value) => Number.isNaN(value) || value === Number.POSITIVE_INFINITY);
      if (at < 0) continue;
      const inputs = tensor.inputs.map(describe).join(" and ");
      throw new QuireError("native", `${tensor.op} gives ${values[at]} at element ${at}.`, {
        got: `${tensor.op} ${describe(tensor)} from ${inputs}`,
        expected: "finite numbers",
      });
    }
  }
}
