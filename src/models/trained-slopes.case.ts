import { expect } from "vitest";
import { RandomStream } from "../tensor/random.js";
import { elements } from "../tensor/shape.js";
import type { Storage } from "../tensor/storage.js";
import type { Trainable } from "../train/trainable.js";

/** Gradients of a trainable model against central differences of a reference, by weight. */

/** Copies of the weights by their names in files, f64. */
export function namedTensors(model: Trainable): Map<string, Float64Array> {
  const found = new Map<string, Float64Array>();
  for (const parameter of model.parameters) {
    const values = new Float32Array(parameter.elements);
    (parameter.owner as Storage).read(parameter, values);
    for (const { name, start, shape } of model.members.get(parameter.name) ?? [])
      found.set(name, Float64Array.from(values.subarray(start, start + elements(shape))));
  }
  return found;
}

/** Compares a few random coordinates of every weight. */
export function checkSlopes(
  model: Trainable,
  gradients: readonly Float32Array[],
  tensors: Map<string, Float64Array>,
  objective: (tensors: ReadonlyMap<string, Float64Array>) => number,
  draws = 3,
): void {
  const random = new RandomStream(1, "coordinates");
  const h = 1e-5;
  for (const [index, parameter] of model.parameters.entries()) {
    for (const { name, start, shape } of model.members.get(parameter.name) ?? []) {
      const found = (gradients[index] as Float32Array).subarray(start, start + elements(shape));
      const values = tensors.get(name) as Float64Array;
      const size = Math.max(1e-3, ...found.map(Math.abs));
      for (let draw = 0; draw < draws; draw++) {
        const at = random.below(values.length);
        const value = values[at] as number;
        values[at] = value + h;
        const up = objective(tensors);
        values[at] = value - h;
        const down = objective(tensors);
        values[at] = value;
        const slope = (up - down) / (2 * h);
        expect(Math.abs(slope - (found[at] as number)) / size, `${name} ${at}`).toBeLessThan(2e-3);
      }
    }
  }
}
