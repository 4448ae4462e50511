import { afterAll, describe, expect, it } from "vitest";
import { evaluate } from "../../tensor/evaluate.js";
import { closeTestDevice, testDevice } from "../../tensor/reference.case.js";
import { agreement, choiceLoss, largestRows, marked } from "../blocks/choose-rows.js";
import { balanceOf } from "./router.js";

afterAll(closeTestDevice);

describe("choosing rows", () => {
  it("takes the largest of each sequence, the earlier of equal ones, in the order of the text", async () => {
    const [rows, marks] = await evaluate(testDevice(), (graph) => {
      const scores = graph.constant(Float32Array.of(1, 5, 3, 3, 0, 0, 0, 0, 0, 9), [10, 1]);
      const chosen = largestRows(scores, 2, 2);
      return [chosen, marked(chosen, 10)];
    });
    expect(Array.from(rows as Int32Array)).toEqual([1, 2, 5, 9]);
    expect(Array.from(marks as Float32Array)).toEqual([0, 1, 1, 0, 0, 1, 0, 0, 0, 1]);
  });

  it("the loss of telling who is chosen", async () => {
    const [loss, agrees] = await evaluate(testDevice(), (graph) => {
      const scores = graph.constant(Float32Array.of(2, -1, 0.5), [3, 1]);
      const chosen = graph.constant(Float32Array.of(1, 0, 0), [3, 1]);
      return [choiceLoss(scores, chosen, 3), agreement(scores, chosen, 3)];
    });
    expect(Number(loss?.[0])).toBeCloseTo(0.4714, 4);
    expect(Number(agrees?.[0])).toBeCloseTo(2 / 3, 6);
  });

  it("balance is 1 where all depths are chosen alike, and their number where one is", async () => {
    const [even, single] = await evaluate(testDevice(), (graph) => {
      const third = graph.constant(new Float32Array(9).fill(1 / 3), [3, 3]);
      const each = graph.constant(Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1), [3, 3]);
      const all = graph.constant(Float32Array.of(1, 0, 0, 1, 0, 0, 1, 0, 0), [3, 3]);
      const weight = each;
      return [balanceOf({ choice: each, shares: third, weight }), balanceOf({ choice: all, shares: all, weight })];
    });
    expect(Number(even?.[0])).toBeCloseTo(1, 6);
    expect(Number(single?.[0])).toBeCloseTo(3, 6);
  });
});
