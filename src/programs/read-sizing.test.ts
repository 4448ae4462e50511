import { describe, expect, it } from "vitest";
import { makespan, totals, tracedCalls } from "./decompose/call-tree.js";
import type { Calibration } from "./decompose/planner.js";
import { planRead, read } from "./read.js";
import { sizeReading } from "./read-sizing.js";
import { runProgram } from "./run.js";
import { scriptedModel } from "./scripted-model.js";

const words = Array.from({ length: 3000 }, (_, i) => `w${i}${i % 9 === 8 ? "." : ""}`).join(" ");
const chunks = words.match(/[^.]+\.?/g)!.map((text, i) => ({
  uri: "a.txt",
  text,
  startByte: i * 100,
  endByte: i * 100 + text.length,
  startLine: i + 1,
  endLine: i + 1,
}));
const input = { instruction: "Summarise.", chunks };
const model = scriptedModel(["a summary"], { contextTokens: 2000 });
const settings = { answer: 40 };

const calibration = (errors: Calibration["errors"], prefill: Calibration["costs"]["prefill"]): Calibration => ({
  costs: { prefill, decode: [0.01, 0] },
  errors,
  frameTokens: 0,
  answerTokens: 20,
});

describe("the size of parts", () => {
  it("tree of a plan has the plan's calls and tokens, and the run's shape", async () => {
    const plan = planRead(input, model, { ...settings, part: 200 });
    expect(totals(plan.tree)).toMatchObject({
      calls: plan.calls,
      promptTokens: plan.promptTokens,
      completionTokens: plan.completionTokens,
    });
    const { trace } = await runProgram(read({ ...settings, part: 200 }), input, { model });
    const done = totals(tracedCalls(trace));
    expect(done.calls).toBe(plan.calls);
    expect(done.promptTokens).toBeLessThanOrEqual(plan.promptTokens);
  });

  it("is all that fits where a call's overhead rules, and small where long prompts are dear or many run at once", () => {
    const whole = Math.max(...planRead(input, model, settings).parts.map(({ tokens }) => tokens));
    const overhead = sizeReading(input, model, settings, { calibration: calibration([], [5, 0.0001, 0]) });
    expect(overhead.part).toBe(whole);
    const dear = sizeReading(input, model, settings, { calibration: calibration([], [0.01, 0.0001, 1e-4]) });
    expect(dear.part).toBeLessThan(whole / 2);
    const alone = sizeReading(input, model, settings, { calibration: calibration([], [0.2, 0.01, 0]) });
    const many = sizeReading(input, model, settings, { calibration: calibration([], [0.2, 0.01, 0]), workers: 16 });
    expect(many.part).toBeLessThan(alone.part);
    expect(many.seconds).toBeLessThan(alone.seconds);
    expect(makespan({ parallel: [] })).toBe(0);
  });

  it("is small where the model was seen to fail on long prompts", () => {
    const errors = [
      { size: 500, promptTokens: 150, error: 0.1, instances: 5 },
      { size: 4000, promptTokens: 1200, error: 0.9, instances: 5 },
    ];
    const careful = sizeReading(input, model, settings, { calibration: calibration(errors, [5, 0.0001, 0]) });
    expect(careful.part).toBeLessThan(300);
    expect(careful.error).toBeLessThan(0.3);
  });
});
