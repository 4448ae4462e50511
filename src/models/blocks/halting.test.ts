import { afterAll, describe, expect, it } from "vitest";
import { gradients } from "../../tensor/autodiff.js";
import { evaluate } from "../../tensor/evaluate.js";
import { closeTestDevice, testDevice } from "../../tensor/reference.case.js";
import type { Tensor } from "../../tensor/tensor.js";
import { firstHalting, type Halting, haltingStep } from "./halting.js";

afterAll(closeTestDevice);

const epsilon = 0.01;

/** Weights by step, steps taken, what was left, of one row with these probabilities, whose states are 1, 2, 3, ... */
async function halt(probabilities: readonly number[]) {
  const values = await evaluate(testDevice(), (graph) => {
    const weights: Tensor[] = [];
    let state: Halting | undefined;
    let steps: Tensor | undefined;
    let rest: Tensor | undefined;
    let [sum, mixed]: (Tensor | undefined)[] = [];
    for (const [step, p] of probabilities.entries()) {
      const probability = graph.constant(Float32Array.of(p), [1, 1]);
      const now: Halting = state ?? firstHalting(probability);
      const isLast = step === probabilities.length - 1;
      const { weight, remainder, next } = haltingStep(now, probability, { epsilon, isLast });
      weights.push(weight);
      const part = weight.scale(step + 1);
      sum = sum === undefined ? part : sum.add(part);
      mixed = mixed === undefined ? part : part.add(mixed.mul(weight.scale(-1, 1)));
      steps = steps === undefined ? now.runs : steps.add(now.runs);
      rest = rest === undefined ? remainder : rest.add(remainder);
      state = next;
    }
    return [...weights, steps, rest, sum, mixed] as Tensor[];
  });
  const numbers = values.map((value) => Math.round(1e5 * Number(value[0])) / 1e5);
  const [steps, rest, sum, interpolated] = numbers.slice(-4);
  return { weights: numbers.slice(0, -4), steps, rest, sum, interpolated };
}

describe("haltingStep", () => {
  it("the worked example", async () => {
    const got = await halt([0.4, 0.5, 0.3, 0.9]);
    expect(got).toEqual({ weights: [0.4, 0.5, 0.1, 0], steps: 3, rest: 0.1, sum: 1.7, interpolated: 1.38 });
  });

  it("who is sure at once takes one step", async () => {
    expect(await halt([0.995, 0.5])).toEqual({ weights: [1, 0], steps: 1, rest: 1, sum: 1, interpolated: 1 });
  });

  it("at the last step all that is left counts", async () => {
    const got = await halt([0.3, 0.3, 0.3]);
    expect(got).toMatchObject({ weights: [0.3, 0.3, 0.4], steps: 3, rest: 0.4, sum: 2.1 });
  });

  it("what is left falls with the probabilities before it", async () => {
    const [slope] = await evaluate(testDevice(), (graph) => {
      const p = graph.constant(Float32Array.of(0.3, 0.6), [2, 1]);
      const first = haltingStep(firstHalting(p), p, { epsilon, isLast: false });
      const second = haltingStep(first.next, p, { epsilon, isLast: true });
      return gradients(second.remainder.sum(), [p]);
    });
    expect(Array.from(slope as Float32Array)).toEqual([-1, -1]);
  });
});
