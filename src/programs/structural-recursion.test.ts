import { describe, expect, it } from "vitest";
import { successor } from "../train/recursion/binary-number.js";
import { type FunctionName, recursiveFunction } from "../train/recursion/recursive-function.js";
import { bounded } from "../train/recursion/shortcuts.js";
import { type descriptionLevels, promptFor } from "./recursion/prompt.js";
import { readAnswer, readStates, symbolsIn } from "./recursion/read-reply.js";
import { demonstrations, type RecursionQuestion, recursionCases, recursionSets } from "./recursion/recursion-case.js";
import { firstFault } from "./recursion/step-fault.js";
import { runProgram } from "./run.js";
import { scriptedModel } from "./scripted-model.js";
import { structuralRecursion } from "./structural-recursion.js";

const split = (text: string): string[] => text.split(" ").filter((symbol) => symbol !== "");

/** A model that is a function of the last line of its prompt. */
const modelOf = (say: (input: string[], prompt: string) => string) =>
  scriptedModel((request) => {
    const prompt = request.messages.at(-1)!.content;
    return say(split(prompt.split("\n").at(-1)!.replace("->", "")), prompt);
  });

const ask = (
  options: Parameters<typeof structuralRecursion>[0],
  say: (input: string[], prompt: string) => string,
  input = { cases: 12 } as { cases: number; sets?: string[] },
) => runProgram(structuralRecursion(options), input, { model: modelOf(say), parallel: 3, seed: 4 });

const question = (changed: Partial<RecursionQuestion> = {}): RecursionQuestion => ({
  ...{ function: "succ", order: "natural", mode: "answer", steps: "level", size: 8 },
  ...changed,
});

describe("prompts", () => {
  it("show demonstrations that are right, and never the case itself", () => {
    for (const name of ["succ", "pre", "in", "post"] as FunctionName[]) {
      const asked = question({ function: name, size: 6 });
      const shown = demonstrations(asked, { shots: 6, edges: 2, seed: 1 });
      expect(shown).toHaveLength(6);
      const inputs = shown.map(({ input }) => input.join(" "));
      for (const set of recursionSets(asked))
        for (const { input } of recursionCases(asked, set, 20, 1)) expect(inputs).not.toContain(input.join(" "));
      const prompt = promptFor(asked, "informal", shown, split("X1 01"));
      const pairs = [...prompt.matchAll(/^(.+) -> (.+)$/gm)];
      expect(pairs).toHaveLength(6);
      for (const [, input, value] of pairs)
        expect(recursiveFunction(name).evaluate(split(input!))).toEqual(split(value!));
      expect(prompt.endsWith("\n\nX1 01 ->")).toBe(true);
    }
  });

  it("say what is asked at each level, in every mode", () => {
    for (const name of ["succ", "in"] as const) {
      for (const mode of ["answer", "reduce", "step"] as const) {
        const asked = question({ function: name, mode, size: 6 });
        const shown = demonstrations(asked, { shots: 1, edges: 0, seed: 2 });
        const [none, informal, formal] = ["none", "informal", "formal"].map((level) =>
          promptFor(asked, level as (typeof descriptionLevels)[number], shown, shown[0]!.input),
        );
        expect(none!.startsWith(shown[0]!.input.join(" "))).toBe(true);
        expect(informal!.endsWith(none!) && formal!.endsWith(none!)).toBe(true);
        expect(formal).toContain(name === "succ" ? "s(X1 b) = X0 s(b)" : "f(( v L R )) = f(L) v f(R)");
        if (mode === "reduce") expect(none!.match(/^= /gm)).toHaveLength(shown[0]!.states.length - 1);
      }
    }
    expect(promptFor(question({ order: "reverse" }), "formal", [], ["01"])).toContain("s(b X1) = s(b) X0");
  });
});

describe("replies", () => {
  it("are read whatever stands around them", () => {
    const number = (reply: string) => readAnswer(reply, "succ", split("X1 01"), "answer")?.join(" ");
    expect(number(" X0 X0 01\n")).toBe("X0 X0 01");
    expect(number("`X0 X0 01`.")).toBe("X0 X0 01");
    expect(number("The number after X1 01 is: X0 X0 01.")).toBe("X0 X0 01");
    expect(number("X0X001")).toBe("X0 X0 01");
    expect(number("Let me think.\n\nX1 01 -> X0 X0 01")).toBe("X0 X0 01");
    expect(number("X1 X1 01\nX0 01 -> X1 01\nX1 01 -> X0")).toBe("X1 X1 01");
    expect(number("I cannot say.")).toBeUndefined();
    expect(number("")).toBeUndefined();
    const tree = (reply: string) => readAnswer(reply, "in", split("( b ( a . . ) ( c . . ) )"), "answer")?.join(" ");
    expect(tree("a b c.")).toBe("a b c");
    expect(tree("The labels are a, b, c")).toBe("a b c");
    expect(tree("abc")).toBe("a b c");
    expect(tree("a b c .")).toBe("a b c");
    expect(tree("cab is a word")).toBe("c a b");
    expect(symbolsIn("[ ( a . . ) ] b", "in", ["a", "b"])?.join(" ")).toBe("[ ( a . . ) ] b");
  });

  it("of several states are read line by line, and end where the model asks itself more", () => {
    const states = (reply: string) =>
      readStates(reply, "in", split("[ ( b ( a . . ) . ) ]")).map((state) => state?.join(" "));
    expect(states("= [ ( a . . ) ] b\n= a b")).toEqual(["[ ( a . . ) ] b", "a b"]);
    expect(states("[ ( b ( a . . ) . ) ]\n= [ ( a . . ) ] b\n\n= a b\n\n[ ( c . . ) ]\n= c")).toEqual([
      "[ ( a . . ) ] b",
      "a b",
    ]);
    expect(states("= [ ( a . . ) ] b\nwhich is\n= a b")).toEqual(["[ ( a . . ) ] b", undefined, "a b"]);
  });
});

describe("first faults", () => {
  const tree = split("[ ( a ( b ( d . . ) . ) ( c . . ) ) ]");
  const fault = (...said: (string | undefined)[]) =>
    firstFault(
      { function: "in", order: "natural", steps: "level" },
      tree,
      said.map((state) => state && split(state)) as string[][],
    );
  const [one, two, three] = ["[ ( b ( d . . ) . ) ] a [ ( c . . ) ]", "[ ( d . . ) ] b a c", "d b a c"];

  it("are none where all is right", () => {
    expect(fault(one, two, three)).toBeUndefined();
    expect(fault(one, two, three, three)).toBeUndefined();
  });

  it("are told apart", () => {
    expect(fault("a [ ( b ( d . . ) . ) ] [ ( c . . ) ]")).toEqual({ step: 1, fault: "wrong rule" });
    expect(fault(one, "[ ( d . . ) ] b a [ ( c . . ) ]")).toEqual({ step: 2, fault: "extra call" });
    expect(fault(one, "b a c")).toEqual({ step: 2, fault: "dropped call" });
    expect(fault(one, "[ ( e . . ) ] b a c")).toEqual({ step: 2, fault: "altered label" });
    expect(fault(one, two)).toEqual({ step: 3, fault: "stopped early" });
    expect(fault(one, two, three, "d b a c a")).toEqual({ step: 4, fault: "did not stop" });
    expect(fault(one, undefined, three)).toEqual({ step: 2, fault: "format" });
    expect(fault("[ ( b ( d . . ) ] a c")).toEqual({ step: 1, fault: "format" });
    // One mistake counts once: what follows is judged by what was said.
    expect(fault("a [ ( b ( d . . ) . ) ] [ ( c . . ) ]", "a [ ( d . . ) ] b c")?.step).toBe(1);
    const number = (...said: string[]) =>
      firstFault({ function: "succ", order: "natural", steps: "level" }, split("s X1 X0 01"), said.map(split));
    expect(number("X0 s X0 01", "X0 X1 01")).toBeUndefined();
    expect(number("X0 X0 01")).toEqual({ step: 1, fault: "dropped call" });
    expect(number("X0 s X1 01")).toEqual({ step: 1, fault: "altered label" });
    expect(number("s X0 X0 01")).toEqual({ step: 1, fault: "wrong rule" });
  });
});

describe("structural-recursion", () => {
  it("gives a model that is right full marks, in every mode and function", async () => {
    for (const task of ["succ", "pre", "in", "post"] as const) {
      const called = recursiveFunction(task);
      const { output } = await ask({ task }, (input) => called.evaluate(input).join(" "));
      for (const { cases, exact, unread } of output.sets) expect([exact, unread]).toEqual([cases, 0]);
      expect(output.sets.map(({ set }) => set)).toContain("natural");
      expect(output.shortcuts).toMatchObject({ failures: 0, named: undefined });
      const steps = await ask({ task, mode: "step", shots: 2 }, (state) => called.after(state).join(" "), { cases: 5 });
      expect(steps.output.judged.every(({ right }) => right)).toBe(true);
      const run = await ask({ task, mode: "run", shots: 2 }, (state) => called.after(state).join(" "), { cases: 5 });
      expect(run.output.judged.every(({ right }) => right)).toBe(true);
      expect(run.output.faults).toEqual({});
      expect(run.trace.calls).toBeGreaterThan(run.output.judged.length);
      const reduced = await ask(
        { task, mode: "reduce", shots: 2 },
        (state) => {
          const lines: string[] = [];
          for (let next = state; next.includes(task === "succ" ? "s" : "["); lines.push(`= ${next.join(" ")}`))
            next = called.after(next);
          return lines.join("\n");
        },
        { cases: 5 },
      );
      expect(reduced.output.judged.filter(({ right, fault }) => !right || fault !== undefined)).toEqual([]);
    }
  });

  it("names the shortcut that a model takes", async () => {
    const { output } = await ask({ size: 12 }, (input) => bounded(input, 2).join(" "), { cases: 60 });
    expect(output.shortcuts?.named).toMatchObject({ shortcut: "bounded", k: 2, explained: 1, precision: 1, recall: 1 });
    for (const { depth, cases, exact } of output.depths) expect(exact).toBe(depth <= 2 ? cases : 0);
  });

  it("counts what cannot be read, and where steps go wrong", async () => {
    const { output } = await ask({}, () => "I do not know.");
    for (const { cases, exact, unread } of output.sets) expect([exact, unread]).toEqual([0, cases]);
    const reduced = await ask({ mode: "reduce" }, () => "= X0 01");
    expect(Object.values(reduced.output.faults ?? {}).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(5);
    const stuck = await ask({ mode: "run", shots: 1 }, (state) => state.join(" "), { cases: 4, sets: ["natural"] });
    // Two steps more than are needed at most, and none of them right.
    for (const { fault } of stuck.output.judged) expect(fault).toMatchObject({ step: 1 });
  });

  it("asks the same for the same seed, in any order of calls, and asks greedily", async () => {
    const prompts = async (parallel: number) => {
      const model = modelOf((input) => successor(input).join(" "));
      await runProgram(structuralRecursion({ shots: 3 }), { cases: 5 }, { model, parallel, seed: 9 });
      for (const { temperature, maxTokens } of model.requests) expect([temperature, maxTokens > 15]).toEqual([0, true]);
      return model.requests.map(({ messages }) => messages[0]!.content).sort();
    };
    expect(await prompts(1)).toEqual(await prompts(4));
  });

  it("refuses what cannot be asked", async () => {
    const fails = (options: Parameters<typeof ask>[0], input?: { cases: number; sets?: string[] }) =>
      expect(ask(options, () => "", input)).rejects.toMatchObject({ code: "bad-option" });
    await fails({ description: "none", shots: 0 });
    await fails({ shots: 1, edgeShots: 2 });
    await fails({}, { cases: 0 });
    await fails({}, { cases: 1, sets: ["deepest"] });
    await fails({ size: 3, shots: 32 });
    expect(() => structuralRecursion({ shots: 33 })).toThrow(expect.objectContaining({ code: "bad-option" }));
  });
});
