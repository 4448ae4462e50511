import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseStatements, type Statement } from "./statements.js";

const of = (code: string): readonly Statement[] => {
  const parsed = parseStatements(code);
  if ("problem" in parsed) throw new Error(parsed.problem);
  return parsed.statements;
};
const one = (code: string): Statement => of(code)[0] as Statement;
const problem = (code: string): string => {
  const parsed = parseStatements(code);
  return "problem" in parsed ? parsed.problem : "";
};

describe("statements", () => {
  it("are parted at the top, source kept", () => {
    expect(of("a = f(1)\nb = g(a); ;\nif (b) { c = 1 }").map(({ code }) => code)).toEqual([
      "a = f(1)",
      "b = g(a);",
      "if (b) { c = 1 }",
    ]);
  });

  it("say what they call, assign and read", () => {
    const { calls, assigns, reads } = one("const [x, {y: z = d, ...rest}] = f(a, g(b.c), list.map(q => q.n + k))");
    expect(calls).toEqual(["f", "g"]);
    expect([...assigns].sort()).toEqual(["rest", "x", "z"]);
    expect([...reads].sort()).toEqual(["a", "b", "d", "k", "list"]);
  });

  it("see through loops and conditions, and leave inner names alone", () => {
    const { calls, assigns } = one("for (const id of ids) { const text = read(id); if (count(text)) total += 1; }");
    expect(calls).toEqual(["read", "count"]);
    expect(assigns).toEqual(["total"]);
    expect(one("items.filter(x => check(x)).length").calls).toEqual(["check"]);
    expect(one("items.forEach(function (run) { run(1) })").calls).toEqual([]);
    expect(one("let s = 'function f() {} import x'").calls).toEqual([]);
  });

  it("show names and named literals of their first call", () => {
    expect(one('x = compare(a, 1, "b", {key: "v", n: 3, other: c, deep: [1]}, d.e)').shown).toEqual([
      { kind: "variable", name: "a" },
      { kind: "literal", name: "key", value: "v" },
      { kind: "literal", name: "n", value: 3 },
      { kind: "variable", name: "c" },
    ]);
    expect(one("a = f(1)").shown).toEqual([]);
  });

  it("are refused when they define, import or return, with words that help", () => {
    for (const code of [
      "function f() {}",
      "class A {}",
      "const f = () => 1",
      "f = function () {}",
      "async function g() {}",
    ])
      expect(problem(code)).toMatch(/Functions|function/);
    expect(problem("return 1")).toMatch(/return/);
    expect(problem("import x from 'y'")).toMatch(/parsed|imported/);
    expect(problem("a = = 1")).toMatch(/parsed/);
    expect(problem("x = list.sort((a, b) => a - b)")).toBe("");
  });

  it("run as assignments to the store, primitives awaited at the top", () => {
    const primitives = new Set(["read", "search"]);
    const run = (code: string): string => one(code).runnable(primitives);
    expect(run("const t = read(search(q)[0])")).toBe("(t = (await read((await search(q))[0])))");
    expect(run("let a = 1, {b} = read(a), c;")).toBe("(a = 1); ({b} = (await read(a))); (c = undefined);");
    expect(run("t = await read(1)")).toBe("t = await read(1)");
    expect(run("ids.map(id => read(id))")).toBe("ids.map(id => read(id))");
  });

  it("never lose a character of what was written", () => {
    const piece = fc.constantFrom("a = f(1);", "b = [1, 2];", "if (a) { b = 2; }", "c = 'x;y';", "list.push(a);");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
        expect(of(pieces.join("\n")).map(({ code }) => code)).toEqual(pieces);
      }),
    );
  });
});
