import { describe, expect, it } from "vitest";
import { QuireError } from "../../errors.js";
import { runInSandbox, type SandboxRun } from "./sandbox.js";

const run = (code: string, more: Partial<SandboxRun> = {}) =>
  runInSandbox({ code, variables: {}, assigns: [], primitives: [], call: async () => null, ...more });

describe("the sandbox", () => {
  it("gives variables in and back, and prints", async () => {
    const { variables, printed } = await run("b = a.list.map(x => x * 2); a.list.push(9); print('hello', b)", {
      variables: { a: { list: [1, 2] } },
      assigns: ["b"],
    });
    expect(variables).toEqual({ a: { list: [1, 2, 9] }, b: [2, 4] });
    expect(printed).toEqual(["hello [2,4]"]);
  });

  it("calls primitives and waits for them, one after the other and together", async () => {
    const calls: unknown[] = [];
    const call = async (name: string, args: readonly unknown[]) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      calls.push([name, ...args]);
      return { got: args[0] };
    };
    const { variables } = await run(
      "x = (await get(1)).got; all = await Promise.all([2, 3].map(n => get(n))); late = all.length",
      { primitives: ["get"], call, assigns: ["x", "all", "late"] },
    );
    expect(variables).toEqual({ x: 1, all: [{ got: 2 }, { got: 3 }], late: 2 });
    expect(calls).toEqual([
      ["get", 1],
      ["get", 2],
      ["get", 3],
    ]);
  });

  it("has nothing of the world", async () => {
    for (const name of [
      "process",
      "require",
      "fetch",
      "setTimeout",
      "Date",
      "eval",
      "Function",
      "globalThis.process",
      "std",
      "os",
    ])
      expect((await run(`x = typeof ${name}`, { assigns: ["x"] })).variables).toEqual({ x: "undefined" });
    expect((await run("x = typeof Math.random", { assigns: ["x"] })).variables).toEqual({ x: "undefined" });
    await expect(run("(() => {}).constructor('return 1')()")).rejects.toThrow(/code failed/);
    await expect(run("await import('fs')")).rejects.toThrow();
    await expect(run("x = undefinedName + 1")).rejects.toThrow(/undefinedName/);
  });

  it("stops what loops, allocates without end, waits for nothing, or overflows the stack", async () => {
    await expect(run("for (;;) {}", { limits: { steps: 50 } })).rejects.toMatchObject({ code: "budget-exceeded" });
    await expect(run("Promise.resolve().then(() => { for (;;) {} })", { limits: { steps: 50 } })).rejects.toMatchObject(
      {
        code: "budget-exceeded",
      },
    );
    await expect(
      run("let text = 'more'; for (;;) text += text", { limits: { memoryBytes: 4 * 2 ** 20 } }),
    ).rejects.toMatchObject({ code: "budget-exceeded" });
    await expect(run("await new Promise(() => {})")).rejects.toThrow(/never comes/);
    await expect(run("const f = () => f(); f()")).rejects.toThrow(/stack|code failed/);
  });

  it("stops on a signal, also in a loop", async () => {
    const abort = new AbortController();
    const call = async () => abort.abort();
    await expect(
      run("await go(); for (;;) {}", { primitives: ["go"], call, signal: abort.signal }),
    ).rejects.toMatchObject({ code: "cancelled" });
    await expect(run("1", { signal: abort.signal })).rejects.toMatchObject({ code: "cancelled" });
  });

  it("passes errors of primitives on as they are, unless the code caught them", async () => {
    const error = new QuireError("not-found", "no such file");
    const call = async () => {
      throw error;
    };
    await expect(run("await get()", { primitives: ["get"], call })).rejects.toBe(error);
  });

  it("cuts what is printed without end", async () => {
    const { printed } = await run("for (let i = 0; i < 100; i++) print('x'.repeat(100))", {
      limits: { outputCharacters: 1000 },
    });
    expect(printed.join("").length).toBeLessThan(1200);
    expect(printed.at(-1)).toHaveLength(100);
  });
});
