import { describe, expect, it } from "vitest";
import type { Environment } from "./expand/environment.js";
import { outlineOf, type PlanTree } from "./expand/plan-tree.js";
import { type RecodeInput, recode } from "./recode.js";
import { memoryReplayLog } from "./replay-log.js";
import { runProgram } from "./run.js";
import { type ScriptedModel, scriptedModel } from "./scripted-model.js";

type Options = Parameters<typeof recode>[0];

const wrap = (code: string): string => `<think>because</think><execute>\n${code}\n</execute>`;

/** A model that writes what its script says for a statement. */
function writer(script: Record<string, string | readonly string[]>): ScriptedModel {
  const asked = new Map<string, number>();
  return scriptedModel((request) => {
    const text = request.messages.at(-1)?.content ?? "";
    const statement = /Statement:\n([\s\S]*?)\nVariables:/.exec(text)?.[1] ?? "";
    const replies = script[statement];
    if (replies === undefined) throw new Error(`no reply to ${statement}`);
    const times = asked.get(statement) ?? 0;
    asked.set(statement, times + 1);
    return wrap(typeof replies === "string" ? replies : (replies[times] ?? (replies.at(-1) as string)));
  });
}

function world(): Environment & { readonly done: string[] } {
  const done: string[] = [];
  return {
    done,
    observation: "a room",
    actions: [
      {
        name: "run",
        usage: "run(action)",
        about: "does something",
        call: async ([action]) => {
          done.push(String(action));
          return action === "look" ? "you see a lamp" : `did ${String(action)}`;
        },
      },
    ],
  };
}

async function carryOut(model: ScriptedModel, options: Options = {}, input: Partial<RecodeInput> = {}) {
  const environment = input.environment ?? world();
  return (await runProgram(recode(options), { instruction: "light it", ...input, environment }, { model })).output;
}

const example = {
  "solve(instruction, observation)": "a = f(1)\nb = g(a)",
  "a = f(1)": "a = 1 + 1",
  "b = g(a)": "t = run('look')\nb = h(t)",
  "b = h(t)": "b = t + '!'",
};

describe("recode", () => {
  it("expands depth first, left to right, with as few calls as there are unknown names", async () => {
    const model = writer(example);
    const environment = world();
    const { reason, tree, actions, calls } = await carryOut(model, {}, { environment });
    expect(reason).toBe("finished");
    expect(tree.nodes.map(({ code }) => code)).toEqual([
      ...["solve(instruction, observation)", "a = f(1)", "b = g(a)", "a = 1 + 1", "t = run('look')", "b = h(t)"],
      "b = t + '!'",
    ]);
    expect(tree.nodes.map(({ depth }) => depth)).toEqual([0, 1, 1, 2, 2, 2, 3]);
    expect([calls, actions, environment.done]).toEqual([4, 1, ["look"]]);
    expect(tree.variables).toMatchObject({ a: 2, b: "you see a lamp!" });
    expect(outlineOf(tree).split("\n")).toEqual([
      "▸ solve(instruction, observation)",
      "  ▸ a = f(1)",
      "    ● a = 1 + 1",
      "  ▸ b = g(a)",
      "    ● t = run('look')",
      "    ▸ b = h(t)",
      "      ● b = t + '!'",
    ]);
  });

  it("shows the model the variables of the first call and nothing else", async () => {
    const model = writer({
      "solve(instruction, observation)": 'a = f(1)\nb = g(a, {unit: "euros"})',
      "a = f(1)": "a = 2",
      'b = g(a, {unit: "euros"})': "b = a + unit",
    });
    const { tree } = await carryOut(model, {}, { always: [] });
    const shown = model.requests.map(({ messages }) => messages.at(-1)?.content.split("Variables:\n")[1]);
    expect(shown).toEqual([
      '- instruction (string): "light it"\n- observation (string): "a room"',
      "(none)",
      '- a (number): 2\n- unit (string): "euros"',
    ]);
    expect(tree.variables["b"]).toBe("2euros");
    const withTask = writer(example);
    await carryOut(withTask);
    expect(withTask.requests[1]?.messages.at(-1)?.content).toContain("instruction (string)");
  });

  it("runs nothing of a statement that calls something unknown", async () => {
    const environment = world();
    const model = writer({
      "solve(instruction, observation)": "x = [run('open'), later(1)]",
      "x = [run('open'), later(1)]": "x = 1",
    });
    await carryOut(model, {}, { environment });
    expect(environment.done).toEqual([]);
  });

  it("ends at its depth, skips what comes back empty, and asks again for what cannot be used", async () => {
    expect((await carryOut(writer(example), { maxDepth: 0 })).reason).toBe("depth");
    const shallow = await carryOut(writer(example), { maxDepth: 1 });
    expect([shallow.reason, shallow.calls, shallow.tree.nodes.length]).toEqual(["depth", 1, 3]);
    const skipping = writer({ "solve(instruction, observation)": "f(1)\nb = 3", "f(1)": "" });
    const skipped = await carryOut(skipping);
    expect([skipped.reason, skipped.tree.nodes[1]?.status, skipped.tree.variables["b"]]).toEqual([
      "finished",
      "skip",
      3,
    ]);
    const stubborn = writer({ "solve(instruction, observation)": "function f() {}" });
    const refused = await carryOut(stubborn);
    expect([refused.reason, refused.calls]).toEqual(["rewrite", 5]);
    const learning = writer({ "solve(instruction, observation)": ["def f():", "class A {}", "b = 'function f() {}'"] });
    const learned = await carryOut(learning);
    expect([learned.reason, learned.calls]).toEqual(["finished", 3]);
    const hints = learning.requests.map(({ messages }) => /could not be used/.test(messages.at(-1)?.content ?? ""));
    expect(hints).toEqual([false, true, true]);
  });

  it("says when an expansion forgot what it was to give, and plans it once more where that is wanted", async () => {
    const forgetful = { "solve(instruction, observation)": "b = g(1)\nc = b + 1", "b = g(1)": ["x = 1", "b = 5"] };
    const failed = await carryOut(writer(forgetful));
    expect([failed.reason, failed.error?.message]).toEqual(["error", expect.stringMatching(/missing: b/)]);
    const mended = await carryOut(writer(forgetful), { repair: 1 });
    expect([mended.reason, mended.tree.variables["c"], mended.calls]).toEqual(["finished", 6, 3]);
  });

  it("ends with an answer, with too many actions, or with what an action threw", async () => {
    const answering = await carryOut(writer({ "solve(instruction, observation)": "answer('lit')\nrun('never')" }));
    expect([answering.reason, answering.answer]).toEqual(["answered", "lit"]);
    const busy = writer({ "solve(instruction, observation)": "for (const i of [1, 2, 3]) run('go')" });
    const looping = writer({ "solve(instruction, observation)": "for (const i of [1, 2, 3]) { await run('go') }" });
    expect((await carryOut(busy, { maxActions: 2 })).reason).toBe("actions");
    expect((await carryOut(looping, { maxActions: 2 })).reason).toBe("actions");
    const broken: Environment = {
      actions: [
        {
          name: "run",
          usage: "run()",
          about: "fails",
          call: async () => {
            throw new Error("the door is locked");
          },
        },
      ],
    };
    const thrown = await carryOut(writer({ "solve(instruction, observation)": "run()" }), {}, { environment: broken });
    expect([thrown.reason, thrown.error?.message]).toEqual(["error", expect.stringMatching(/door is locked/)]);
  });

  it("stopped between two actions goes on where it was, and repeats none", async () => {
    const abort = new AbortController();
    const script = { "solve(instruction, observation)": "run('one'); \nx = [run('two'), run('three')]\nrun('four')" };
    const done: string[] = [];
    const environment = (stopAt?: string): Environment => ({
      actions: [
        {
          name: "run",
          usage: "run(action)",
          about: "does something",
          call: async ([action]) => {
            done.push(String(action));
            if (action === stopAt) abort.abort();
            return action;
          },
        },
      ],
    });
    let tree: PlanTree | undefined;
    const onChange = (changed: PlanTree) => {
      tree = structuredClone(changed);
    };
    const stopped = runProgram(
      recode(),
      { instruction: "count", environment: environment("two"), onChange },
      { model: writer(script), signal: abort.signal },
    );
    await expect(stopped).rejects.toMatchObject({ code: "cancelled" });
    expect(done).toEqual(["one", "two"]);
    const model = writer({});
    const { output } = await runProgram(
      recode(),
      { instruction: "count", environment: environment(), resume: tree },
      { model },
    );
    expect(output.reason).toBe("finished");
    expect(done).toEqual(["one", "two", "three", "four"]);
    expect(output.tree.variables["x"]).toEqual(["two", "three"]);
    expect(model.requests).toHaveLength(0);
  });

  it("gives the same tree from a log without any model, and twice from one script", async () => {
    const log = memoryReplayLog();
    const go = async (model: ScriptedModel) =>
      (await runProgram(recode(), { instruction: "light it", environment: world() }, { model, log })).output.tree;
    const first = await go(writer(example));
    const silent = writer({});
    expect(await go(silent)).toEqual(first);
    expect(silent.requests).toHaveLength(0);
    expect((await carryOut(writer(example))).tree).toEqual(first);
  });

  it("warns of a name that somebody still reads, and of an action that was misspelt", async () => {
    const model = writer({
      "solve(instruction, observation)": "list = [1]\nfirst()\nlast(list)",
      "first()": "list = [2]",
      "last(list)": "runn('x')",
      "runn('x')": "",
    });
    const environment: Environment = {
      actions: [{ name: "running", usage: "running()", about: "goes", call: async () => null }],
    };
    const { tree } = await carryOut(model, {}, { environment });
    expect(tree.notes.join(" ")).toMatch(/first\(\) assigns list, which "last\(list\)" still reads/);
    expect(tree.notes.join(" ")).toMatch(/runn is no action; running is/);
  });

  it("refuses environments and tasks that cannot be", async () => {
    const action = { name: "run", usage: "run()", about: "goes", call: async () => null };
    const refused = (environment: Environment) => carryOut(writer(example), {}, { environment });
    await expect(refused({ actions: [] })).rejects.toThrow(/no actions/);
    await expect(refused({ actions: [action, action] })).rejects.toThrow(/two actions called run/);
    await expect(refused({ actions: [{ ...action, name: "JSON" }] })).rejects.toThrow(/taken/);
    await expect(refused({ actions: [{ ...action, name: "two words" }] })).rejects.toThrow(/cannot be called/);
    await expect(carryOut(writer(example), {}, { instruction: " " })).rejects.toThrow(/empty/);
    expect(() => recode({ maxDepth: -1 })).toThrow(/maxDepth/);
  });
});
