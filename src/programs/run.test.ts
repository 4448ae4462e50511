import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { isQuireError, QuireError } from "../errors.js";
import type { CallUsage } from "./language-model.js";
import { type ProgramContext, program, type TraceNode } from "./program.js";
import { memoryReplayLog, openReplayLog, replayKey } from "./replay-log.js";
import { pathSeed, type RunPartial, runProgram } from "./run.js";
import { scriptedModel } from "./scripted-model.js";

function of<Output>(run: (context: ProgramContext) => Promise<Output>) {
  return program({ name: "trial", title: "a trial", options: z.object({}), create: () => (_: null, c) => run(c) })();
}

const user = (content: string) => ({ messages: [{ role: "user" as const, content }], maxTokens: 8 });

async function failure(promise: Promise<unknown>): Promise<QuireError> {
  try {
    await promise;
  } catch (error) {
    if (isQuireError(error)) return error;
    throw error;
  }
  throw new Error("expected a failure");
}

function everyNode(node: TraceNode, visit: (node: TraceNode) => void): void {
  visit(node);
  for (const child of node.children) everyNode(child, visit);
}

interface Shape {
  asks: number;
  fails: boolean;
  children: Shape[];
}

function shapes(depth: number): fc.Arbitrary<Shape> {
  return fc.record({
    asks: fc.nat(3),
    fails: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
    children: depth === 0 ? fc.constant([]) : fc.array(shapes(depth - 1), { maxLength: 3 }),
  });
}

describe("accounting", () => {
  it("books every call on its node and all above, for random trees with failures, nested maps and parallel calls", async () => {
    await fc.assert(
      fc.asyncProperty(shapes(3), fc.integer({ min: 1, max: 4 }), async (tree, parallel) => {
        const own = new Map<TraceNode, CallUsage>();
        const model = scriptedModel((_, call) =>
          call % 7 === 6 ? { error: new QuireError("network", "down") } : { text: "a b c ".repeat(call % 3) },
        );
        const live = async (node: Shape, context: ProgramContext): Promise<void> => {
          const asked = Promise.allSettled(
            Array.from({ length: node.asks }, (_, i) => context.ask(user("word ".repeat(i + 1)))),
          );
          await context.map("part", node.children, (child, inner) => live(child, inner)).catch(() => {});
          await asked;
          if (node.fails) throw new QuireError("bad-input", "no");
        };
        let root: TraceNode | undefined;
        const run = runProgram(
          of((context) => live(tree, context)),
          null,
          {
            model,
            parallel,
            onTrace: (_, top) => {
              root = top;
            },
          },
        );
        const outcome = await run.then(
          () => "done",
          () => "failed",
        );
        expect(outcome).toBe(tree.fails ? "failed" : "done");
        if (root === undefined) throw new Error("no trace");
        expect(root.calls).toBe(model.requests.length);
        expect(root.usage.promptTokens).toBe(model.total.promptTokens);
        expect(root.usage.completionTokens).toBe(model.total.completionTokens);
        expect(model.inFlight).toBe(0);
        expect(model.mostInFlight).toBeLessThanOrEqual(parallel);
        everyNode(root, (node) => {
          expect(node.status).not.toBe("running");
          // What is left after taking the children away is the node's own: never negative, and whole calls only.
          const rest = { ...node.usage };
          let calls = node.calls;
          for (const child of node.children) {
            calls -= child.calls;
            for (const key of Object.keys(rest) as (keyof CallUsage)[]) (rest[key] as number) -= child.usage[key];
          }
          own.set(node, rest);
          expect(calls).toBeGreaterThanOrEqual(0);
          expect(calls).toBeLessThanOrEqual(3);
          if (calls === 0) expect(rest).toEqual({ promptTokens: 0, cachedTokens: 0, completionTokens: 0, seconds: 0 });
        });
        const summed = [...own.values()].reduce((sum, usage) => sum + usage.seconds, 0);
        expect(summed).toBe(root.usage.seconds);
      }),
      { numRuns: 60 },
    );
  });

  it("gives nodes unlike paths, and seeds that depend on the path alone", async () => {
    const collect = async (parallel: number) => {
      const seeds: Record<string, number> = {};
      const { trace } = await runProgram(
        of(async (context) => {
          const note = async (inner: ProgramContext, name: string) => {
            await new Promise((resolve) => setTimeout(resolve, Math.random() * 4));
            seeds[name] = inner.seed;
          };
          await Promise.all([
            context.child("a", (inner) => note(inner, "a")),
            context.child("a", (inner) => note(inner, "a2")),
          ]);
          await context.map("m", [1, 2, 3], (_, inner, i) => note(inner, `m${i}`));
        }),
        null,
        { parallel, seed: 7 },
      );
      const paths: string[] = [];
      everyNode(trace, (node) => paths.push(node.path));
      expect(new Set(paths).size).toBe(paths.length);
      return seeds;
    };
    expect(await collect(1)).toEqual(await collect(3));
    expect(pathSeed(1, "a")).not.toBe(pathSeed(2, "a"));
  });

  it("sends seeds with sampled calls only", async () => {
    const model = scriptedModel(["x"]);
    await runProgram(
      of(async (context) => {
        await context.ask(user("greedy"));
        await context.ask({ ...user("warm"), temperature: 1 });
        await context.ask({ ...user("warm"), temperature: 1 });
      }),
      null,
      { model, seed: 3 },
    );
    const [greedy, first, second] = model.requests.map(({ seed }) => seed);
    expect(greedy).toBeUndefined();
    expect(first).toBe(pathSeed(3, "trial#1"));
    expect(second).toBe(pathSeed(3, "trial#2"));
  });
});

describe("map", () => {
  it("keeps the order of the items and never has more than p in flight", async () => {
    const model = scriptedModel(({ messages }) => ({ text: messages[0]?.content ?? "", delayMs: Math.random() * 5 }));
    const items = Array.from({ length: 12 }, (_, i) => `item ${i}`);
    const { output } = await runProgram(
      of((context) => context.map("m", items, async (item, inner) => (await inner.ask(user(item))).text)),
      null,
      { model, parallel: 3 },
    );
    expect(output).toEqual(items);
    expect(model.mostInFlight).toBe(3);
  });

  it("hands over what is ready when one item fails, and starts no further one", async () => {
    const model = scriptedModel((_, call) => (call === 2 ? { error: new QuireError("network", "down") } : "ok"));
    const error = await failure(
      runProgram(
        of((context) => context.map("m", [0, 1, 2, 3, 4], async (_, inner) => (await inner.ask(user("x"))).text)),
        null,
        { model },
      ),
    );
    expect(error.code).toBe("network");
    const partial = error.partial as RunPartial;
    expect(partial.result).toMatchObject({ results: ["ok", "ok", undefined, undefined, undefined], ready: [0, 1] });
    expect(model.requests).toHaveLength(3);
    expect(partial.trace.calls).toBe(3);
    expect(partial.trace.status).toBe("failed");
  });
});

describe("limits", () => {
  it("refuses the call that would not fit, before it is made, with the work done so far", async () => {
    // A call costs 2 tokens; its worst case is 17 (prompt 1 and 8 for the template, answer 8): 4 fit into 23.
    for (const { limits, made } of [
      { limits: { calls: 2 }, made: 2 },
      { limits: { tokens: 23 }, made: 4 },
    ]) {
      const model = scriptedModel(["one"]);
      const nine = of((context) =>
        context.map("m", [...Array(9).keys()], async (_, inner) => (await inner.ask(user("x"))).text),
      );
      const error = await failure(runProgram(nine, null, { model, limits }));
      expect(error.code).toBe("budget-exceeded");
      expect(model.requests).toHaveLength(made);
      const { trace, result } = error.partial as RunPartial;
      expect(trace.calls).toBe(made);
      expect((result as { ready: number[] }).ready).toEqual([...Array(made).keys()]);
    }
  });

  it("reserves for calls in flight, so that parallel calls cannot overspend together", async () => {
    const model = scriptedModel(() => ({ text: "one", delayMs: 10 }));
    await failure(
      runProgram(
        of((context) => Promise.all([1, 2, 3, 4].map(() => context.ask(user("x"))))),
        null,
        { model, parallel: 4, limits: { tokens: 40 } },
      ),
    );
    expect(model.requests).toHaveLength(2);
  });

  it("stops at the limit of seconds and says so", async () => {
    const model = scriptedModel(() => ({ text: "late", delayMs: 5000 }));
    const error = await failure(
      runProgram(
        of((context) => context.ask(user("x"))),
        null,
        { model, limits: { seconds: 0.03 } },
      ),
    );
    expect(error.code).toBe("budget-exceeded");
    expect(model.inFlight).toBe(0);
  });

  it("refuses limits and parallelism that make no sense", async () => {
    const run = (options: object) =>
      failure(
        runProgram(
          of(async () => 1),
          null,
          options,
        ),
      );
    expect((await run({ limits: { calls: -1 } })).code).toBe("bad-option");
    expect((await run({ limits: { tokens: Number.NaN } })).code).toBe("bad-option");
    expect((await run({ parallel: 0 })).code).toBe("bad-option");
  });

  it("asks for a model where there is none", async () => {
    expect(
      (
        await failure(
          runProgram(
            of((context) => context.ask(user("x"))),
            null,
          ),
        )
      ).code,
    ).toBe("unsupported");
  });
});

describe("cancellation", () => {
  it("settles every child, closes the trace and waits for calls nobody waited for", async () => {
    const model = scriptedModel(() => ({ text: "late", delayMs: 5000 }));
    const stop = new AbortController();
    let root: TraceNode | undefined;
    const run = runProgram(
      of(async (context) => {
        void context.child("forgotten", (inner) => inner.ask(user("x"))).catch(() => {});
        await context.map("m", [1, 2, 3, 4, 5], (_, inner) => inner.ask(user("x")));
      }),
      null,
      {
        model,
        parallel: 2,
        signal: stop.signal,
        onTrace: (_, top) => {
          root = top;
        },
      },
    );
    setTimeout(() => stop.abort(), 20);
    expect((await failure(run)).code).toBe("cancelled");
    expect(model.inFlight).toBe(0);
    if (root === undefined) throw new Error("no trace");
    everyNode(root, (node) => expect(node.status).toBe("cancelled"));
  });

  it("stops what a finished parent left running, and keeps the parent's result", async () => {
    const model = scriptedModel(() => ({ text: "late", delayMs: 5000 }));
    const { output, trace } = await runProgram(
      of(async (context) => {
        void context.child("left", (inner) => inner.ask(user("x")));
        await new Promise((resolve) => setTimeout(resolve, 5));
        return 42;
      }),
      null,
      { model },
    );
    expect(output).toBe(42);
    expect(trace.children[0]?.status).toBe("cancelled");
    expect(model.inFlight).toBe(0);
  });

  it("makes no call when it was stopped before it began", async () => {
    const model = scriptedModel(["x"]);
    const error = await failure(
      runProgram(
        of((context) => context.ask(user("x"))),
        null,
        { model, signal: AbortSignal.abort() },
      ),
    );
    expect(error.code).toBe("cancelled");
    expect(model.requests).toHaveLength(0);
  });
});

describe("replay", () => {
  let folder = "";
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "quire-replay-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const three = of((context) =>
    context.map("m", ["a", "b", "c"], async (item, inner) => (await inner.ask({ ...user(item), temperature: 1 })).text),
  );

  it("calls nothing twice with the same log, at no cost, with the same result", async () => {
    const path = join(folder, "deep", "log.jsonl");
    const first = await openReplayLog(path);
    const model = scriptedModel((_, call) => `answer ${call}`);
    const { output } = await runProgram(three, null, { model, log: first });
    await first.close();

    const second = await openReplayLog(path);
    const idle = scriptedModel(["never"]);
    const again = await runProgram(three, null, { model: idle, log: second, limits: { calls: 0, tokens: 0 } });
    await second.close();
    expect(again.output).toEqual(output);
    expect(idle.requests).toHaveLength(0);
    expect(again.trace).toMatchObject({ calls: 0, replayed: 3, usage: { promptTokens: 0, completionTokens: 0 } });
  });

  it("resumes after a crash: only what is missing is asked, a cut last line is left out", async () => {
    const path = join(folder, "log.jsonl");
    const first = await openReplayLog(path);
    await failure(
      runProgram(three, null, {
        model: scriptedModel((_, call) =>
          call === 2 ? { error: new QuireError("network", "down") } : `answer ${call}`,
        ),
        log: first,
      }),
    );
    await first.close();
    await writeFile(path, `${(await readFile(path, "utf8")).slice(0, -20)}`);

    const second = await openReplayLog(path);
    expect(second.size).toBe(1);
    const model = scriptedModel(["new"]);
    const { output } = await runProgram(three, null, { model, log: second });
    await second.close();
    expect(output).toEqual(["answer 0", "new", "new"]);
    const third = await openReplayLog(path);
    expect(third.size).toBe(3);
    await third.close();
  });

  it("keys calls by everything that decides the answer", () => {
    const base = { ...user("x"), temperature: 0 };
    const variants = [
      replayKey("m", base),
      replayKey("n", base),
      replayKey("m", { ...base, messages: [{ role: "system", content: "x" }] }),
      replayKey("m", { ...base, maxTokens: 9 }),
      replayKey("m", { ...base, temperature: 1 }),
      replayKey("m", { ...base, seed: 1 }),
      replayKey("m", { ...base, stop: ["."] }),
      replayKey("m", { ...base, schema: { type: "object" } }),
    ];
    expect(new Set(variants).size).toBe(variants.length);
    expect(replayKey("m", user("x"))).toBe(replayKey("m", base));
  });

  it("streams a replayed answer, and refuses a file that is no log", async () => {
    const log = memoryReplayLog();
    const ask = of(async (context) => {
      const streamed: string[] = [];
      const { text } = await context.ask({ ...user("x"), onText: (piece) => streamed.push(piece) });
      return streamed.join("") === text && text !== "";
    });
    for (let i = 0; i < 2; i++) {
      expect((await runProgram(ask, null, { model: scriptedModel(["two words"]), log })).output).toBe(true);
    }
    const path = join(folder, "other.txt");
    await writeFile(path, "Dear diary,\n");
    expect((await failure(openReplayLog(path))).code).toBe("bad-file");
    expect((await failure(openReplayLog(join(path, "below")))).code).toMatch(/disk|bad-file/);
  });
});
