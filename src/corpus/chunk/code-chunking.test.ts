import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { codeLanguage } from "../parse/code-languages.js";
import { withTree } from "../parse/grammar.js";
import { parseDocument } from "../parse/parse.js";
import type { IndexRange } from "./build-chunk.js";
import { collect, countWordPieces, describeChunker } from "./chunker.case.js";
import type { ChunkContext } from "./chunker.js";
import { chooseCuts } from "./code/choose-cuts.js";
import { codeUnits } from "./code/code-units.js";
import { startsByIndentation, startsByRule } from "./code/line-rules.js";
import { readStarts, unitIds } from "./code/partition-points.js";
import { pack, tokenMeasure } from "./code/token-measure.js";
import { codeChunking } from "./code-chunking.js";
import { pretendModel, pretendTokenEnds } from "./model.case.js";

const context: ChunkContext = { countTokens: countWordPieces, tokenEnds: pretendTokenEnds, model: pretendModel() };

describeChunker("code-chunking", {
  chunkers: [
    codeChunking(),
    codeChunking({ tokens: 64 }),
    codeChunking({ by: "ast", tokens: 64 }),
    codeChunking({ by: "llm", tokens: 64 }),
    codeChunking({ rule: "generic", tokens: 64 }),
  ],
  context,
  runs: 60,
});

const sources: Record<string, string> = {
  "a.ts": `import { a } from "./a.js";\r\nimport b from "b";\r\n\r\n/** Doc 😀 of f. */\r\nexport function f(x: number): number {\r\n\treturn x; // ok\r\n}\r\n\r\n@decorated\r\nexport class K {\r\n  #n = 1;\r\n\r\n  /** One. */\r\n  one(): number {\r\n    return this.#n;\r\n  }\r\n  two(): void {}\r\n}\r\nconst g = () => 1;\r\nexport const h = 2`,
  "a.py": `import os\n\n# about f\n@cached\ndef f(x):\n    """Größe"""\n    return x\n\n\nclass K:\n    n = 1\n\n    def one(self):\n        return "中文"\n\n    def two(self):\n        pass\n\nif __name__ == "__main__":\n    f(1)\n`,
  "a.c": `#include <stdio.h>\n\n/* adds */\nstatic int add(int a, int b)\n{\n\treturn a + b;\n}\n\nstruct point { int x, y; };\n\nint main(void) { return add(1, 2); }\n`,
  "a.rs": `use std::fmt;\n\n/// A point.\n#[derive(Debug)]\nstruct Point { x: i32 }\n\nimpl Point {\n    fn new(x: i32) -> Self { Point { x } }\n}\n\nfn main() { println!("😀"); }\n`,
};

describe("units by grammar", () => {
  const textOf = (text: string, { start, end }: IndexRange): string => text.slice(start, end);

  async function unitsOf(uri: string, text: string, limit = 1024): Promise<string[]> {
    const measure = tokenMeasure(text, context);
    const { by, units } = await codeUnits({ uri, text }, { rule: "auto", limit, measure });
    expect(by).toBe("grammar");
    return units.map((unit) => textOf(text, unit));
  }

  it("puts comments and decorators with what they stand above, and runs between definitions together", async () => {
    expect((await unitsOf("a.ts", sources["a.ts"]!)).map((unit) => unit.trim().split(/\r?\n/)[0])).toEqual([
      'import { a } from "./a.js";',
      "/** Doc 😀 of f. */",
      "@decorated",
      "const g = () => 1;",
      "export const h = 2",
    ]);
    expect((await unitsOf("a.py", sources["a.py"]!)).map((unit) => unit.trim().split("\n")[0])).toEqual([
      "import os",
      "# about f",
      "class K:",
      'if __name__ == "__main__":',
    ]);
    expect((await unitsOf("a.rs", sources["a.rs"]!)).map((unit) => unit.trim().split("\n")[0])).toEqual([
      "use std::fmt;",
      "/// A point.",
      "impl Point {",
      'fn main() { println!("😀"); }',
    ]);
  });

  it("opens a definition above the limit: its head, then its members", async () => {
    const methods = Array.from(
      { length: 6 },
      (_, i) => `  /** M${i}. */\n  m${i}(): number {\n    return ${i} + 1;\n  }\n`,
    );
    const text = `export class Big {\n${methods.join("\n")}}\n`;
    const units = await unitsOf("b.ts", text, 80);
    expect(units[0]).toBe("export class Big {\n");
    expect(units.slice(1).map((unit) => unit.trim().split("\n")[0])).toEqual(methods.map((_, i) => `/** M${i}. */`));
  });

  it.each(Object.entries(sources))("%s: splits no function that fits", async (uri, text) => {
    const language = codeLanguage(uri.slice(2))!;
    const functions = await withTree(text, language, ({ rootNode }) =>
      rootNode
        .descendantsOfType(["function_declaration", "method_definition", "function_definition", "function_item"])
        .flatMap((node) => (node === null ? [] : [{ start: node.startIndex, end: node.endIndex }])),
    );
    expect(functions.length).toBeGreaterThan(1);
    const document = await parseDocument({ uri, bytes: Buffer.from(text) });
    const measure = tokenMeasure(text, context);
    for (const by of ["structure", "llm"] as const) {
      const chunks = await collect(codeChunking({ by, tokens: 64 }).chunk(document, context));
      expect(chunks.map((chunk) => chunk.text).join("")).toBe(text);
      const bytes = (index: number) => Buffer.byteLength(text.slice(0, index));
      for (const { start, end } of functions) {
        if (measure.tokens(start, end) > 64) continue;
        const holds = chunks.some((chunk) => chunk.startByte <= bytes(start) && chunk.endByte >= bytes(end));
        expect(holds, text.slice(start, end)).toBe(true);
      }
    }
  });

  it("falls back where the grammar cannot read the file", async () => {
    const text = "%%% ((( \n\n??? [[[ {{{ <<<\n\n;;; ))) <> ,,\n".repeat(5);
    const { by } = await codeUnits(
      { uri: "a.c", text },
      { rule: "auto", limit: 64, measure: tokenMeasure(text, context) },
    );
    expect(by).toBe("generic");
  });
});

describe("limits", () => {
  const piece = fc.constantFrom(
    "function f() { return 1; }\n",
    "x".repeat(300),
    "  y = 2;\n",
    "\r\n",
    "class A { m() { if (a) { b(); } } }\n",
    "// 😀 comment\n",
    "LABEL DS 0H\n",
    "\f",
    "}{",
  );
  const name = fc.constantFrom("a.ts", "a.py", "a.c", "a.rs", "a.asm", "a.cob", "a.m", "a.sql", "a.unknown");

  it("hold for every rule and mode by the file's one tokenisation, and no id is in a chunk", async () => {
    const parts = [
      codeChunking({ tokens: 64 }),
      codeChunking({ by: "ast", tokens: 64 }),
      codeChunking({ by: "llm", mode: "score", tokens: 64 }),
      codeChunking({ by: "llm", mode: "list", tokens: 64 }),
    ];
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 40 }), name, async (pieces, uri) => {
        const text = pieces.join("");
        const measure = tokenMeasure(text, context);
        const ids: string[] = [];
        const model = pretendModel({
          answer: (prompt) => {
            const found = [...prompt.matchAll(/^@@([A-Z0-9]{8})$/gm)].map(([, id]) => id!);
            ids.push(...found);
            return JSON.stringify({ starts: found.filter((_, i) => i % 3 === 1) });
          },
        });
        const document = await parseDocument({ uri, bytes: Buffer.from(text) });
        for (const part of parts) {
          const chunks = await collect(part.chunk(document, { ...context, model }));
          expect(chunks.map((chunk) => chunk.text).join("")).toBe(text);
          let start = 0;
          for (const chunk of chunks) {
            const end = start + chunk.text.length;
            expect(measure.tokens(start, end)).toBeLessThanOrEqual(64);
            for (const id of ids) expect(chunk.text).not.toContain(id);
            start = end;
          }
        }
      }),
      { numRuns: 40 },
    );
  });

  it("sums of tokens are exact whatever the parts", () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom("ab", "Größe", "😀", "\n", "中文字")),
        fc.array(fc.nat(100)),
        (words, cuts) => {
          const text = words.join("");
          const measure = tokenMeasure(text, context);
          const at = [...new Set([0, ...cuts.map((cut) => Math.min(cut, text.length)), text.length])].sort(
            (a, b) => a - b,
          );
          const sum = at.slice(1).reduce((total, end, i) => total + measure.tokens(at[i]!, end), 0);
          expect(sum).toBe(pretendTokenEnds(text).length);
        },
      ),
    );
  });
});

describe("choosing cuts", () => {
  const units = [300, 500, 200, 900, 100, 400];

  it("keeps the cuts that were wished for, and adds the fewest that restore the limit", () => {
    expect(chooseCuts(units, [0, 0, 0, 1, 0, 0], 1000)).toEqual([0, 3, 4]);
    expect(
      chooseCuts(
        units,
        units.map(() => 0),
        Number.POSITIVE_INFINITY,
      ),
    ).toEqual([0]);
    expect(
      chooseCuts(
        units,
        units.map(() => 1),
        1000,
      ),
    ).toEqual([0, 1, 2, 3, 4, 5]);
    expect(chooseCuts(units, [0, 0, 1, 1, 0, 1], 1000)).toEqual(
      [0, 2, 3, 4, 5].filter((i) => i !== 4 || 900 + 100 > 1000),
    );
    expect(chooseCuts([], [], 10)).toEqual([]);
  });

  it("packing is another thing", () => {
    const ends = units.map((_, i) => units.slice(0, i + 1).reduce((sum, n) => sum + n, 0));
    const ranges = ends.map((end, i) => ({ start: ends[i - 1] ?? 0, end }));
    const measure = { tokens: (start: number, end: number) => end - start, reach: () => 0, reachBack: () => 0 };
    expect(pack(ranges, 1000, measure).map(({ start }) => ranges.findIndex((range) => range.start === start))).toEqual([
      0, 3, 5,
    ]);
  });

  it("equals trying all partitions", () => {
    const sizes = fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 0, max: 16 })), {
      minLength: 1,
      maxLength: 11,
    });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 9, max: 25 }), (list, limit) => {
        const tokens = list.map(([size]) => size);
        const scores = list.map(([, score]) => score / 16);
        const value = (starts: readonly number[]): [number, number] | undefined => {
          const parts = starts.map((start, i) => tokens.slice(start, starts[i + 1]).reduce((sum, n) => sum + n, 0));
          if (parts.some((part) => part > limit)) return undefined;
          const gain = starts.reduce((sum, start) => sum + (start === 0 ? 0 : scores[start]! - 0.5), 0);
          return [gain, -parts.reduce((sum, part) => sum + part * part, 0)];
        };
        let best: [number, number] = [Number.NEGATIVE_INFINITY, 0];
        for (let mask = 0; mask < 2 ** (list.length - 1); mask++) {
          const starts = [0, ...tokens.slice(1).flatMap((_, i) => ((mask >> i) & 1 ? [i + 1] : []))];
          const found = value(starts);
          if (found !== undefined && (found[0] > best[0] || (found[0] === best[0] && found[1] > best[1]))) best = found;
        }
        expect(value(chooseCuts(tokens, scores, limit))).toEqual(best);
      }),
    );
  });
});

describe("line rules", () => {
  const firstWords = (text: string, starts: readonly number[]): string[] =>
    starts.map((start) => /[\w%-]+/.exec(text.slice(start).replace(/^(?:\*.*\n|.{6}\*.*\n)+/, ""))![0]);

  it("MUMPS: labels", () => {
    const text =
      "XUTEST ;SF/RWF - TEST ;1/1/90\n ;;8.0;KERNEL\n Q\nEN(X) ;entry\n N Y\n I X D\n . S Y=1\n . . W Y\n Q Y\n%ZIS W 1\n1 Q\n";
    expect(firstWords(text, startsByRule(text, "mumps"))).toEqual(["XUTEST", "EN", "%ZIS", "1"]);
  });

  it("HLASM: sections, macros and labels, with the comments above; column 72 continues", () => {
    const far = `LONG     EQU   A+B${" ".repeat(53)}X`;
    const text = `* main\nMAIN     CSECT\n         USING *,15\nLOOP     DS    0H\n         B     LOOP\nEXIT     EQU   *\nNO       DS    F\n${far}\nCONT     CSECT\n* area\nAREA     DSECT\n         MACRO\n`;
    expect(far).toHaveLength(72);
    expect(firstWords(text, startsByRule(text, "hlasm"))).toEqual(["MAIN", "LOOP", "EXIT", "AREA", "MACRO"]);
    expect(text.slice(startsByRule(text, "hlasm")[3]).startsWith("* area")).toBe(true);
  });

  it("COBOL: divisions, sections and paragraphs in area A", () => {
    const text =
      "000100 IDENTIFICATION DIVISION.\n000200 PROGRAM-ID. TEST.\n000300 PROCEDURE DIVISION USING A.\n000350*comment\n000400 MAIN-PARA.\n000500     MOVE A TO B.\n000600 END-SECTION SECTION.\n000700     STOP RUN.\n";
    expect(firstWords(text, startsByRule(text, "cobol")).map((word, i) => (i < 9 ? word : ""))).toHaveLength(4);
    const starts = startsByRule(text, "cobol").map((start) => text.slice(start));
    expect(starts.map((rest) => /(?:IDENT|PROC|MAIN|END)[\w-]*/.exec(rest)![0])).toEqual([
      "IDENTIFICATION",
      "PROCEDURE",
      "MAIN-PARA",
      "END-SECTION",
    ]);
  });

  it("SQL and shell: headers of definitions", () => {
    const sql = "-- t\nCREATE TABLE t (a int);\nINSERT INTO t VALUES (1);\n  create view v as select 1;\n";
    expect(startsByRule(sql, "sql").map((start) => sql.slice(start, start + 8))).toEqual(["-- t\nCRE", "  create"]);
    const shell = "set -e\nfunction a { x; }\nb() {\n  c\n}\n";
    expect(firstWords(shell, startsByRule(shell, "shell"))).toEqual(["function", "b"]);
  });

  it("indentation: after blank lines, and after a form feed", () => {
    const text = "  a\n  b\n\n    c\n\n  d\n\ff\n   \n  g";
    expect(startsByIndentation(text).map((start) => text.slice(start).trim()[0])).toEqual(["d", "f", "g"]);
  });

  it("names the rule that was used, and refuses a language without a grammar where one is asked for", async () => {
    const mumps = "EN ;x\n Q\nTWO ;y\n Q\n";
    const options = { limit: 64, measure: tokenMeasure(mumps, context) };
    expect(await codeUnits({ uri: "r.m", text: mumps }, { rule: "auto", ...options })).toMatchObject({
      by: "lines",
      language: "mumps",
    });
    const one = "a\n".repeat(50);
    const counted = await codeUnits(
      { uri: "x.asm", text: one },
      { rule: "auto", limit: 64, measure: tokenMeasure(one, context) },
    );
    expect(counted.by).toBe("count");
    expect(counted.units).toHaveLength(3);
    const document = await parseDocument({ uri: "r.m", bytes: Buffer.from(mumps) });
    const chunks = codeChunking({ rule: "grammar", language: "pyth" }).chunk(document, context);
    await expect(collect(chunks)).rejects.toMatchObject({ code: "bad-option" });
    expect(() => codeChunking({ tokens: 63 })).toThrow(/tokens/);
  });
});

describe("partition points of a model", () => {
  const labels = ["AA", "BB", "CC", "DD", "EE", "FF"];
  const text = labels.map((label) => `${label} ;${label.toLowerCase()}\n${" S X=1 W X,Y,Z\n".repeat(3)}`).join("");
  const document = parseDocument({ uri: "r.m", bytes: Buffer.from(text) });
  const heads = (chunks: readonly { text: string }[]): string[] => chunks.map((chunk) => chunk.text.slice(0, 2));
  const run = async (
    model: ReturnType<typeof pretendModel>,
    options: Parameters<typeof codeChunking>[0] = {},
    notes: string[] = [],
  ): Promise<string[]> => {
    const part = codeChunking({ by: "llm", tokens: 400, ...options });
    return heads(
      await collect(part.chunk(await document, { ...context, model, note: (notice) => notes.push(notice) })),
    );
  };
  const idOf = (prompt: string, label: string): string => new RegExp(`@@([A-Z0-9]{8})\\n${label} `).exec(prompt)![1]!;

  it("list: exactly the named cuts", async () => {
    const model = pretendModel({
      answer: (prompt) => JSON.stringify({ starts: ["CC", "EE"].map((label) => idOf(prompt, label)) }),
    });
    expect(await run(model)).toEqual(["AA", "CC", "EE"]);
    expect(model.calls.answered).toHaveLength(1);
    expect(await run(pretendModel({ answer: (prompt) => JSON.stringify([idOf(prompt, "DD")]) }))).toEqual(["AA", "DD"]);
  });

  it("score: where the odds of a new part stand above the file's mean", async () => {
    const odds = [0.1, 0.9, 0.1, 0.2, 0.1];
    const model = pretendModel({ parameters: 135e6, choose: (_, call) => [1 - odds[call]!, odds[call]!] });
    expect(await run(model)).toEqual(["AA", "CC"]);
    expect(model.calls.chosen).toHaveLength(5);
    const leaning = pretendModel({ parameters: 135e6, choose: () => [0.05, 0.9] });
    expect(await run(leaning)).toEqual(["AA"]);
  });

  it.each([
    ["no JSON", "I would begin a new part at BB."],
    ["an unknown id", '{"starts": ["ZZZZZZZZ"]}'],
    ["a sentence around the list", 'Here: {"starts": []}'],
    ["another shape", '{"parts": 3}'],
    ["nothing", ""],
  ])("%s, twice: the next way is taken, and said", async (_, reply) => {
    const notes: string[] = [];
    const model = pretendModel({
      answer: () => reply,
      choose: (_prompt, call) => (call === 2 ? [0.1, 0.9] : [0.9, 0.1]),
    });
    expect(await run(model, { mode: "list" }, notes)).toEqual(["AA", "DD"]);
    expect(model.calls.answered).toHaveLength(2);
    expect(notes.join()).toContain("by list");
    const { scoring: _none, ...silent } = model;
    expect(await run(silent as typeof model, { mode: "list", tokens: 80 }, notes)).toEqual(
      await run(model, { by: "structure", tokens: 80 }),
    );
    expect(notes.at(-1)).toContain("packed");
  });

  it("an answer that is right the second time is taken", async () => {
    const model = pretendModel({
      answer: (prompt, call) => (call === 0 ? "?" : JSON.stringify({ starts: [idOf(prompt, "BB")] })),
    });
    expect(await run(model)).toEqual(["AA", "BB"]);
    expect(model.calls.answered[1]).toContain("could not be used: it is not JSON");
  });

  it("duplicates and wrong order are no answer", () => {
    expect(readStarts('["B","A"]', ["A", "B"])).toContain("order");
    expect(readStarts('["A","A"]', ["A", "B"])).toContain("order");
    expect(readStarts('["A","B"]', ["A", "B"])).toEqual([0, 1]);
  });

  it("asks window by window where the context is short, each unit decided once, none lost", async () => {
    const model = pretendModel({
      contextTokens: 700,
      answer: (prompt) => {
        const shown = ["CC", "FF"].filter((label) => prompt.includes(`\n${label} ;`));
        return JSON.stringify({ starts: shown.map((label) => idOf(prompt, label)) });
      },
    });
    expect(await run(model, { share: 0.6 })).toEqual(["AA", "CC", "FF"]);
    expect(model.calls.answered.length).toBeGreaterThan(1);
  });

  it("needs a model, and says so", async () => {
    const chunks = codeChunking({ by: "llm" }).chunk(await document, { countTokens: countWordPieces });
    await expect(collect(chunks)).rejects.toMatchObject({ code: "unsupported", got: "no model" });
  });

  it("ids: different, absent from the text, the same for the same seed", () => {
    const ids = unitIds("x", 500, 7);
    expect(new Set(ids).size).toBe(500);
    expect(unitIds("x", 500, 7)).toEqual(ids);
    expect(unitIds("x", 500, 8)).not.toEqual(ids);
    const redrawn = unitIds(`x ${ids[3]} y`, 500, 7);
    expect(redrawn).not.toContain(ids[3]);
    for (const id of redrawn) expect(id).toMatch(/^[A-Z0-9]{8}$/);
  });
});

test("10 MB without a grammar or a blank line", { timeout: 60_000 }, async () => {
  const text = "some words of a very long listing, line after line\n".repeat(200_000);
  const document = { ...(await parseDocument({ uri: "a.asm", bytes: Buffer.from("x") })), text, sections: [] };
  let length = 0;
  const part = codeChunking();
  for await (const chunk of part.chunk(document, { countTokens: (words) => words.length / 4 }))
    length += chunk.text.length;
  expect(length).toBe(text.length);
});
