import { describe, expect, it } from "vitest";
import { callSeconds } from "./decompose/call-costs.js";
import { callsOf, makespan, totals, tracedCalls } from "./decompose/call-tree.js";
import { calibrate, errorAt, geometricSizes, measureSizes, plannedCalls, planSizes } from "./decompose/planner.js";
import { lastInteger } from "./decompose/tasks/counting.js";
import { type AnyTask, type TaskName, taskNames, taskOf, tasks } from "./decompose/tasks/every-task.js";
import { oracle } from "./decompose/tasks/oracle.case.js";
import { readCode } from "./decompose/tasks/retrieval.js";
import { lastList, mergeAll } from "./decompose/tasks/sorting.js";
import { llmAlgorithms } from "./llm-algorithms.js";
import { runProgram } from "./run.js";
import { scriptedModel } from "./scripted-model.js";

const sizesOf: Record<TaskName, { n: number; sizes: number[] }> = {
  counting: { n: 200, sizes: [1, 7, 50, 200, 999] },
  sorting: { n: 40, sizes: [2, 7, 40, 99] },
  retrieval: { n: 2000, sizes: [120, 333, 1000, 2000] },
  "no-needle": { n: 2000, sizes: [120, 333, 2000] },
  rag: { n: 1500, sizes: [160, 500, 1500] },
  reasoning: { n: 800, sizes: [80, 333, 800] },
  recursion: { n: 800, sizes: [80, 333, 800] },
};

const solve = (name: TaskName, input: unknown, size: number, model: ReturnType<typeof oracle>, parallel = 1) =>
  runProgram(llmAlgorithms({ task: name, size }), { input }, { model, parallel });

describe("tasks", () => {
  it.each(taskNames)("%s: right for every part size where every call is, drawn alike for a seed", async (name) => {
    const task: AnyTask = taskOf(name);
    const { n, sizes } = sizesOf[name];
    for (let seed = 1; seed <= 3; seed++) {
      const { input, truth } = task.draw(n, seed);
      expect(task.draw(n, seed)).toEqual({ input, truth });
      expect(task.sizeOf(input)).toBeLessThanOrEqual(n);
      expect(task.sizeOf(input)).toBeGreaterThan(n * 0.7);
      for (const size of sizes) {
        const { output } = await solve(name, input, size, oracle());
        expect([name, size, task.error(output.answer, truth)]).toEqual([name, size, 0]);
        expect(output.unread).toBe(0);
      }
    }
  });

  it("counting that is one too many per part is wrong by the number of parts", async () => {
    const { input, truth } = tasks.counting.draw(200, 4);
    for (const size of [10, 33, 200]) {
      const { output } = await solve(
        "counting",
        input,
        size,
        oracle((reply) => String(Number(reply) + 1)),
      );
      expect(output.answer).toBe(truth + Math.ceil(200 / size));
    }
  });

  it("sorting with one element off by d, still sorted, is off by at most d", async () => {
    const { input, truth } = tasks.sorting.draw(30, 2);
    const off = oracle((reply) => {
      const list = lastList(reply)!;
      return JSON.stringify([...list.slice(0, -1), list.at(-1)! + 0.25]);
    });
    const { output } = await solve("sorting", input, 8, off);
    expect(tasks.sorting.error(output.answer as number[], truth)).toBeLessThanOrEqual(0.25 + 1e-12);
    expect(mergeAll([[1, 4], [2], [0, 9]])).toEqual([0, 1, 2, 4, 9]);
  });

  it("garbage is counted, and the task's fallback used", async () => {
    const garbage = oracle(() => "As a language model, I");
    const cases: [TaskName, number, unknown][] = [
      ["counting", 4, 0],
      ["sorting", 5, undefined],
      ["retrieval", 3, []],
      ["rag", 1, "000000"],
      ["reasoning", 1, Number.NaN],
      ["recursion", 1, Number.NaN],
    ];
    for (const [name, unread, answer] of cases) {
      const n = name === "sorting" ? 10 : name === "counting" ? 40 : 1000;
      const size = name === "sorting" ? 2 : name === "counting" ? 10 : 500;
      const { output } = await solve(name, taskOf(name).draw(n, 1).input, size, garbage);
      expect([name, output.unread]).toEqual([name, unread]);
      if (answer !== undefined) expect(output.answer).toEqual(answer);
    }
    expect([lastInteger("about 12 or 13."), lastInteger("none")]).toEqual([13, undefined]);
    expect([lastList("[1, 2] no: [0.5]"), lastList("[1, x]"), lastList("[alert(1)]")]).toEqual([
      [0.5],
      undefined,
      undefined,
    ]);
    expect([readCode("It is 123456."), readCode("I don't know."), readCode("Sure!")]).toEqual([
      "123456",
      null,
      undefined,
    ]);
  });

  it("retrieval takes what most windows say; ties are all kept", () => {
    const { error } = tasks.retrieval;
    expect([
      error(["1"], ["1"]),
      error(["1", "2"], ["1"]),
      error(["2"], ["1"]),
      error([], ["1"]),
      error([], []),
    ]).toEqual([0, 0.5, 1, 1, 0]);
  });

  it("calls are what the formulas say: k, k + 1, k × rounds, k × variables", async () => {
    const count = async (name: TaskName, size: number) => {
      const { input } = taskOf(name).draw(sizesOf[name].n, 1);
      const model = oracle();
      await solve(name, input, size, model);
      return { calls: model.requests.length, k: taskOf(name).firstRound(input, size).length };
    };
    for (const name of ["counting", "sorting", "retrieval"] as const) {
      const { calls, k } = await count(name, sizesOf[name].sizes[1]!);
      expect(calls).toBe(k);
    }
    const rag = await count("rag", 500);
    expect(rag.calls).toBe(rag.k + 1);
    // Two levels of definitions below the one asked for: three rounds; four variables, each once.
    const reasoning = await count("reasoning", 333);
    expect(reasoning.calls).toBe(3 * reasoning.k);
    const recursion = await count("recursion", 333);
    expect(recursion.calls).toBe(4 * recursion.k);
  });
});

describe("accounting", () => {
  it("predicts calls and tokens to the last one, and the trace has what the model counted", async () => {
    const costs = { prefill: [0, 0.001, 0], decode: [0.001, 0] } as const;
    for (const [name, size, answer] of [
      ["counting", 20, 1],
      ["retrieval", 400, 5],
    ] as const) {
      const task = taskOf(name);
      const { input } = task.draw(sizesOf[name].n, 7);
      // Answers of a fixed length: one number, or five words.
      const model = oracle((reply) => (name === "counting" ? reply : "I don't know"));
      const planned = plannedCalls(task.firstRound(input, size), model, { costs, answerTokens: answer });
      const { trace } = await solve(name, input, size, model, 3);
      const done = tracedCalls(trace);
      const [before, after] = [totals(planned), totals(done)];
      expect(after.calls).toBe(before.calls);
      expect(after.promptTokens).toBe(before.promptTokens);
      expect(after.completionTokens).toBe(before.completionTokens);
      expect({ promptTokens: after.promptTokens, completionTokens: after.completionTokens }).toEqual({
        promptTokens: model.total.promptTokens,
        completionTokens: model.total.completionTokens,
      });
    }
  });
});

describe("planner", () => {
  const costs = { prefill: [0.05, 0.001, 1e-6], decode: [0.02, 0] } as const;
  const { input } = tasks.retrieval.draw(8000, 1);
  const model = oracle(undefined, { contextTokens: 1200 });

  it("takes the quickest size that fits the window", () => {
    const { rows, chosen } = planSizes(taskOf("retrieval"), input, model, { costs, answerTokens: 4 });
    expect(rows.at(-1)?.refused).toMatch(/window of 1200/);
    const possible = rows.filter(({ refused }) => refused === undefined);
    expect(chosen.seconds).toBe(Math.min(...possible.map(({ seconds }) => seconds)));
    for (const { size, calls, seconds, promptTokens } of possible) {
      const prompts = taskOf("retrieval").firstRound(input, size);
      expect(calls).toBe(prompts.length);
      const each = prompts.map(({ messages }) => model.countTokens(messages[0]!.content));
      expect(promptTokens).toBe(each.reduce((a, b) => a + b, 0));
      expect(seconds).toBeCloseTo(
        each.reduce((sum, tokens) => sum + callSeconds(costs, tokens, 4), 0),
        9,
      );
    }
  });

  it("goes for smaller parts with more workers, or where larger ones are wrong", () => {
    const alone = planSizes(taskOf("retrieval"), input, model, { costs }).chosen;
    const many = planSizes(taskOf("retrieval"), input, model, { costs, workers: 16 }).chosen;
    expect(many.size).toBeLessThanOrEqual(alone.size);
    expect(many.seconds).toBeLessThan(alone.seconds);
    const errors = [
      { size: 320, promptTokens: 90, error: 0.1, instances: 9 },
      { size: 2560, promptTokens: 600, error: 0.9, instances: 9 },
    ];
    const careful = planSizes(taskOf("retrieval"), input, model, { costs, errors }).chosen;
    expect(careful.size).toBeLessThanOrEqual(400);
    expect(errorAt(errors, 320 * Math.sqrt(8))).toBeCloseTo(0.5, 12);
    expect([errorAt(errors, 1), errorAt(errors, 9999), errorAt([], 5)]).toEqual([0.1, 0.9, undefined]);
  });

  it("refuses what is over the limits, with the reasons", () => {
    const plan = (limits: object) => planSizes(taskOf("retrieval"), input, model, { costs, limits });
    expect(() => plan({ calls: 0 })).toThrow(expect.objectContaining({ code: "context-overflow" }));
    const few = plan({ calls: 12 });
    expect(few.chosen.calls).toBeLessThanOrEqual(12);
    expect(few.rows[0]?.refused).toMatch(/calls, allowed 12/);
    expect(() => planSizes(taskOf("retrieval"), input, model, { costs, workers: 0 })).toThrow(
      expect.objectContaining({ code: "bad-option" }),
    );
    expect(geometricSizes(80, 500)).toEqual([80, 160, 320, 500]);
  });

  it("learns from drawn instances, and a program may choose its size by that", async () => {
    // Wrong on long prompts: an error curve with a knee.
    const forgetful = oracle((reply, { messages }) => (messages[0]!.content.length > 900 ? "I don't know" : reply));
    const options = { sizes: [160, 640, 1600], n: 1600, instances: 3 };
    const measured = await measureSizes(tasks.retrieval, forgetful, options);
    expect(measured.map(({ error }) => error)).toEqual([0, 0, 1]);
    for (const one of measured) {
      expect(one.calls).toHaveLength(one.firstRound.calls);
      expect(one.calls.reduce((sum, call) => sum + call.promptTokens, 0)).toBe(one.firstRound.promptTokens);
      expect(one.trees.flatMap(callsOf)).toHaveLength(one.calls.length);
      expect(makespan(one.trees[0]!, 1)).toBeGreaterThan(0);
    }
    const calibration = await calibrate(tasks.retrieval, forgetful, options);
    expect(calibration.frameTokens).toBe(0);
    const { input: text, truth } = tasks.retrieval.draw(1600, 9);
    const run = runProgram(llmAlgorithms({ task: "retrieval" }), { input: text, calibration }, { model: forgetful });
    const { output } = await run;
    expect(output.answer).toEqual(truth);
    expect(output.size).toBeLessThan(1000);
    expect(output.planned?.size).toBe(output.size);
    const without = runProgram(llmAlgorithms({ task: "retrieval" }), { input: text }, { model: scriptedModel(["x"]) });
    await expect(without).rejects.toMatchObject({ code: "bad-option" });
  });
});
