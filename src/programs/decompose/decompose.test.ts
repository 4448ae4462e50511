import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isQuireError, QuireError } from "../../errors.js";
import type { Program, ProgramContext } from "../program.js";
import { memoryReplayLog } from "../replay-log.js";
import { runProgram } from "../run.js";
import { scriptedModel } from "../scripted-model.js";
import {
  type CallCosts,
  callSeconds,
  cheapestPart,
  fitCallCosts,
  medianCostError,
  quickestPart,
} from "./call-costs.js";
import { type CallTree, makespan, peakTokens, totals, tracedCalls } from "./call-tree.js";
import { hierarchical, iterate, parallel, recursive } from "./combinators.js";
import { allRight, findingChance, recursionError, sumError, worstError } from "./error-bounds.js";
import { windows } from "./windows.js";

const call = (seconds: number): CallTree => ({ promptTokens: 10, completionTokens: 1, seconds });

function trial<Output>(run: (context: ProgramContext) => Promise<Output>): Program<null, Output> {
  return { kind: "program", name: "trial", label: "trial", run: (_, context) => run(context) };
}

const say = (context: ProgramContext, content: string) =>
  context.ask({ messages: [{ role: "user", content }], maxTokens: 20 }).then(({ text }) => text);

describe("windows", () => {
  it("are those of the worked examples", () => {
    const shown = (n: number, size: number, step?: number) =>
      windows(n, size, step).map(({ start, end }) => [start, end]);
    expect(shown(10, 4, 2)).toEqual([
      [0, 4],
      [2, 6],
      [4, 8],
      [6, 10],
    ]);
    expect(shown(9, 4, 2).at(-1)).toEqual([6, 9]);
    expect(shown(5, 8, 4)).toEqual([[0, 5]]);
    expect(shown(0, 4)).toEqual([]);
    for (const [size, step] of [
      [0, 0],
      [4, 5],
      [4, 0],
      [2.5, 1],
    ] as const) {
      expect(() => windows(9, size, step)).toThrow(expect.objectContaining({ code: "bad-option" }));
    }
  });

  it("hold whole whatever is no longer than half of one, and leave no gap", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 1, max: 40 }),
        fc.nat(),
        fc.nat(),
        (n, half, a, b) => {
          const all = windows(n, 2 * half, half);
          const length = Math.min(n, 1 + (b % half));
          const start = a % (n - length + 1);
          expect(all.some((one) => one.start <= start && start + length <= one.end)).toBe(true);
          for (const [i, one] of all.entries()) if (i > 0) expect(one.start).toBeLessThanOrEqual(all[i - 1]!.end);
          expect(all.at(-1)!.end).toBe(n);
        },
      ),
    );
  });
});

describe("time of a tree of calls", () => {
  const four: CallTree = { parallel: [call(5), call(3), call(4), call(2)] };
  it("is that of list scheduling", () => {
    expect([1, 2, Number.POSITIVE_INFINITY].map((workers) => makespan(four, workers))).toEqual([14, 7, 5]);
    expect(makespan({ series: [four, call(1), { parallel: [] }, four] })).toBe(11);
    expect(makespan({ parallel: [{ series: [call(1), call(4)] }, call(3)] }, 2)).toBe(5);
    expect(peakTokens(four, 2)).toBe(22);
  });

  it("lies between the longest path and the sum, and more workers never make equal parallel calls slower", () => {
    const { tree } = fc.letrec<{ tree: CallTree }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 3 },
        fc.integer({ min: 0, max: 9 }).map(call),
        fc.array(tie("tree"), { maxLength: 4 }).map((series) => ({ series })),
        fc.array(tie("tree"), { maxLength: 4 }).map((all) => ({ parallel: all })),
      ),
    }));
    fc.assert(
      fc.property(tree, fc.integer({ min: 1, max: 5 }), (one, workers) => {
        const [sum, path, some] = [totals(one).seconds, makespan(one), makespan(one, workers)];
        expect(makespan(one, 1)).toBe(sum);
        expect(some).toBeLessThanOrEqual(sum);
        expect(some).toBeGreaterThanOrEqual(Math.max(path, sum / workers) - 1e-9);
        // Graham's bound.
        expect(some).toBeLessThanOrEqual(sum / workers + path + 1e-9);
      }),
    );
    for (const [k, p] of [
      [7, 3],
      [6, 3],
      [1, 4],
    ] as const) {
      expect(makespan({ parallel: Array.from({ length: k }, () => call(2)) }, p)).toBe(Math.ceil(k / p) * 2);
    }
  });
});

describe("cost of calls", () => {
  it("total of equal parts with quadratic prefill: smallest at the frame's length", () => {
    const costs: CallCosts = { prefill: [0, 0, 1], decode: [0, 0] };
    const total = (m: number) => (10_000 / m) * callSeconds(costs, 100 + m, 0);
    expect([10, 50, 100, 200, 1000].map((m) => total(m) / 1e6)).toEqual([12.1, 4.5, 4, 4.5, 12.1]);
    expect(cheapestPart(costs, { frame: 100, answer: 0 })).toBe(100);
  });

  it("closed form agrees with a search over all sizes", () => {
    const costs: CallCosts = { prefill: [20, 2, 0.001], decode: [0, 0] };
    const search = (frame: number, extra: (m: number) => number) => {
      let best = 1;
      const total = (m: number) => extra(m) / m;
      for (let m = 1; m < 5000; m++) if (total(m) < total(best)) best = m;
      expect(
        Math.abs(best - Math.round(cheapestPart(costs, { frame: 100, answer: 300, frameCached: frame === 0 }))),
      ).toBeLessThanOrEqual(1);
      return best;
    };
    expect(search(100, (m) => callSeconds(costs, 100 + m, 0) + 300)).toBe(728);
    expect(search(0, (m) => 20 + 2 * m + 0.001 * m * m + 300)).toBe(566);
    expect(cheapestPart({ prefill: [5, 1, 0] }, { frame: 10, answer: 3 })).toBe(Number.POSITIVE_INFINITY);
  });

  it("with workers: no idle one, no needless parts", () => {
    expect(quickestPart(10_000, 728, 4)).toBe(Math.ceil(10_000 / 16));
    expect(quickestPart(1000, Number.POSITIVE_INFINITY, 4)).toBe(250);
    expect(quickestPart(1000, Number.POSITIVE_INFINITY, 1)).toBe(1000);
    expect(quickestPart(3, 10, 8)).toBe(1);
    expect(() => quickestPart(10, 5, 0)).toThrow(expect.objectContaining({ code: "bad-option" }));
  });

  it("is found again from timed calls, and never falls below zero", () => {
    const real: CallCosts = { prefill: [0.02, 0.004, 1e-6], decode: [0.03, 2e-6] };
    const sizes = [64, 100, 200, 400, 800, 1600];
    const calls = sizes.flatMap((L) =>
      [1, 8, 30].map((D) => ({ promptTokens: L, completionTokens: D, seconds: callSeconds(real, L, D) })),
    );
    const found = fitCallCosts(calls);
    expect(medianCostError(found, calls)).toBeLessThan(1e-6);
    for (const [i, value] of [...found.prefill, ...found.decode].entries())
      expect(value).toBeCloseTo([...real.prefill, ...real.decode][i]!, 6);
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(fc.integer({ min: 1, max: 900 }), fc.nat(60), fc.double({ min: 0.01, max: 9, noNaN: true })),
          { minLength: 3, maxLength: 20 },
        ),
        (rows) => {
          const noisy = fitCallCosts(
            rows.map(([promptTokens, completionTokens, seconds]) => ({ promptTokens, completionTokens, seconds })),
          );
          for (const value of [...noisy.prefill, ...noisy.decode]) expect(value).toBeGreaterThanOrEqual(0);
        },
      ),
    );
    expect(() => fitCallCosts([])).toThrow(expect.objectContaining({ code: "bad-input" }));
  });
});

describe("errors", () => {
  it("add up as the bounds say", () => {
    expect(sumError([1, -2, 0.5])).toBe(3.5);
    expect(worstError([1, -2, 0.5])).toBe(2);
    expect(recursionError(0.1, 2, 1, 3)).toBeCloseTo(1.5, 12);
    expect(recursionError(0.1, 2, 0.5, 3)).toBeCloseTo(0.4, 12);
    // Step by step: a node's error is its own and what its children's become.
    let error = 0.2;
    for (let depth = 0; depth < 4; depth++) error = 0.2 + 0.7 * 3 * error;
    expect(recursionError(0.2, 3, 0.7, 4)).toBeCloseTo(error, 12);
    expect(allRight(0.9, 3)).toBeCloseTo(0.729, 12);
    expect(findingChance({ missed: 0.2, invented: 0.1, windows: 4, holding: 2 })).toBeCloseTo(0.8 * 0.81, 12);
  });
});

describe("ways to take a task apart", () => {
  it("keep exact books: the trace's tree has the model's own totals", async () => {
    const model = scriptedModel((_, index) => "word ".repeat(1 + (index % 3)).trim());
    const { trace } = await runProgram(
      trial(async (context) => {
        const parts = ["a b", "c", "d e f", "g", "h i"];
        const values = await parallel(
          context,
          "part",
          parts,
          (part, inner) => say(inner, part),
          (all) => all,
        );
        return hierarchical(context, "join", values, 2, (members, inner) => say(inner, members.join(" and ")));
      }),
      null,
      { model, parallel: 3 },
    );
    const { promptTokens, completionTokens, cachedTokens } = model.total;
    const sums = totals(tracedCalls(trace));
    expect(sums).toMatchObject({ calls: model.requests.length, promptTokens, completionTokens, cachedTokens });
    expect(sums.seconds).toBe(trace.usage.seconds);
    const tree = tracedCalls(trace) as { series: CallTree[] };
    expect(tree.series.map((part) => ("parallel" in part ? part.parallel.length : 0))).toEqual([5, 3, 2, 1]);
    // Five parts, then 2, 1 and 1 calls: groups of one pass through.
    expect(model.requests).toHaveLength(5 + 2 + 1 + 1);
  });

  it("a failed call is a typed error with the other parts; a rerun with the log repeats nothing", async () => {
    const log = memoryReplayLog();
    const run = (failing: boolean) => {
      const model = scriptedModel(({ messages }) =>
        failing && messages[0]!.content === "p3" ? { error: new QuireError("network", "down") } : messages[0]!.content,
      );
      const program = trial((context) =>
        parallel(
          context,
          "part",
          ["p0", "p1", "p2", "p3"],
          (part, inner) => say(inner, part),
          (all) => all.join(" "),
        ),
      );
      return { model, result: runProgram(program, null, { model, log }) };
    };
    const error = await run(true).result.catch((caught: unknown) => caught);
    expect(isQuireError(error) && error.code).toBe("network");
    expect((error as QuireError).partial).toMatchObject({
      result: { results: ["p0", "p1", "p2", undefined], ready: [0, 1, 2] },
    });
    const again = run(false);
    expect((await again.result).output).toBe("p0 p1 p2 p3");
    expect(again.model.requests).toHaveLength(1);
  });

  it("recursion solves everything once, and names a circle", async () => {
    const solve = (definitions: Record<string, string>) => {
      const model = scriptedModel(({ messages }) => definitions[messages[0]!.content] ?? "?");
      const program = trial((context) =>
        recursive<string, number>(context, "solve", "a", async (key, other, inner) => {
          const terms = (await inner.child("find", (leaf) => say(leaf, key))).split(" + ");
          let sum = 0;
          for (const term of terms) sum += /^\d+$/.test(term) ? Number(term) : await other(term);
          return sum;
        }),
      );
      return runProgram(program, null, { model }).then(({ output, trace }) => ({ output, calls: trace.calls }));
    };
    expect(await solve({ a: "b", b: "c", c: "d", d: "7" })).toEqual({ output: 7, calls: 4 });
    expect(await solve({ a: "b + c", b: "d", c: "d + 1", d: "2" })).toEqual({ output: 5, calls: 4 });
    await expect(solve({ a: "b", b: "c", c: "b" })).rejects.toMatchObject({ code: "bad-input", got: "b → c → b" });
  });

  it("iteration ends with a result, when stuck, or after the most rounds", async () => {
    const run = (most: number, until: number, stuck: number) =>
      runProgram(
        trial((context) =>
          iterate<number, string>(context, "round", 0, most, async (state, _, round) =>
            round === stuck ? "stuck" : round === until ? { result: `at ${state}` } : { state: state + 10 },
          ),
        ),
        null,
      ).then(({ output }) => output);
    expect(await run(9, 3, 0)).toEqual({ result: "at 20", rounds: 3, state: 20 });
    expect(await run(9, 0, 2)).toEqual({ result: undefined, rounds: 2, state: 10 });
    expect(await run(2, 0, 0)).toEqual({ result: undefined, rounds: 2, state: 20 });
  });
});
