import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isQuireError } from "../../errors.js";
import type { Document } from "../document.js";
import { textPositions } from "../lines.js";
import { parseDocument } from "./parse.js";
import { makeDocx, makePdf } from "./sample-files.case.js";

const parse = (uri: string, content: string | Uint8Array): Promise<Document> =>
  parseDocument({ uri, bytes: typeof content === "string" ? Buffer.from(content) : content });

const outline = ({ sections }: Document): string[] => sections.map(({ level, title }) => `${level} ${title}`);
const sectionText = (document: Document, title: string): string => {
  const section = document.sections.find((candidate) => candidate.title === title)!;
  return textPositions(document.text).slice(section.startByte, section.endByte);
};
const failure = async (uri: string, content: string | Uint8Array) => {
  const error = await parse(uri, content).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!isQuireError(error)) throw new Error(`no QuireError but ${String(error)}`);
  return error;
};

describe("Markdown", () => {
  const text =
    "---\ntitle: My guide\ndraft: true\nn: 3\n---\n# Guide 😀\n\nIntro.\n\n## Install `now`\n\n```sh\n# no heading\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nSetext\n======\nEnd.";

  test("headings, code, tables, front matter", async () => {
    const document = await parse("guide.md", text);
    expect(document.text).toBe(text);
    expect(outline(document)).toEqual(["1 Guide 😀", "2 Install now", "1 Setext"]);
    expect(document.meta).toMatchObject({
      title: "My guide",
      draft: true,
      n: 3,
      encoding: "utf-8",
      format: "markdown",
    });
    expect(sectionText(document, "Install now")).toBe(text.slice(text.indexOf("## Install"), text.indexOf("Setext")));
    expect(sectionText(document, "Guide 😀")).toBe(text.slice(text.indexOf("# Guide"), text.indexOf("Setext")));
  });

  test("very long Markdown is read line by line with the same outcome", async () => {
    const filler = `${"words ".repeat(200_000)}\n\n`;
    const document = await parse("long.md", filler + text.slice(text.indexOf("# Guide"), text.indexOf("Setext")));
    expect(outline(document)).toEqual(["1 Guide 😀", "2 Install now"]);
  });

  test("titles without their markup; hostile text costs no more than other text", async () => {
    const marked = await parse("a.md", "# A *b* `c_d` [e](f) <b>g</b> &amp; \\*h\n\n- # In a list\n\n> ## Quoted\n");
    expect(outline(marked)).toEqual(["1 A b c_d e g & *h", "1 In a list", "2 Quoted"]);
    const began = performance.now();
    for (const piece of ["_a*", "[a](", "*a ", "[", "- ", "> ", "`", "1. "]) await parse("a.md", piece.repeat(15_000));
    expect(performance.now() - began).toBeLessThan(15_000);
  });
});

describe("encodings of plain text", () => {
  const words = "Grüße, naïve café\nzweite Zeile\n";
  test.each([
    ["utf-8", Buffer.from(words), {}],
    ["utf-8", Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(words)]), { byteOrderMark: true }],
    ["utf-16le", Buffer.from(`\ufeff${words}`, "utf16le"), { byteOrderMark: true }],
    ["utf-16be", Buffer.from(`\ufeff${words}`, "utf16le").swap16(), { byteOrderMark: true }],
    ["utf-16le", Buffer.from(words, "utf16le"), {}],
    ["latin1", Buffer.from(words, "latin1"), {}],
  ])("%s", async (encoding, bytes, more) => {
    const document = await parse("a.txt", bytes);
    expect(document.text).toBe(words);
    expect(document.meta).toMatchObject({ encoding, ...more });
  });

  test("invalid UTF-8 amid valid keeps what is valid and says how much was replaced", async () => {
    const document = await parse(
      "a.txt",
      Buffer.concat([Buffer.from("äöü ß "), Buffer.from([0xff]), Buffer.from(" end")]),
    );
    expect(document.text).toBe("äöü ß \ufffd end");
    expect(document.meta).toMatchObject({ encoding: "utf-8", replacedBytes: 1 });
  });

  test("binary data is refused, whatever its name", async () => {
    expect((await failure("a.txt", Buffer.from([65, 0, 1, 2, 0, 66, 7, 8, 9]))).code).toBe("unsupported");
    expect((await failure("a.md", Buffer.from("\x7fELF\x02\x01\x01\x00\x00"))).code).toBe("unsupported");
  });

  test("any bytes at all give a document or a typed error, in every format", async () => {
    const names = [
      "a.txt",
      "a.md",
      "a.html",
      "a.pdf",
      "a.docx",
      "a.ipynb",
      "a.json",
      "a.jsonl",
      "a.csv",
      "a.ts",
      "a.py",
      "a.rst",
    ];
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.constantFrom(...names), async (bytes, name) => {
        const outcome = await parse(name, bytes).catch((error: unknown) => error);
        if (!isQuireError(outcome)) {
          const { text, sections } = outcome as Document;
          expect(Buffer.from(text).toString()).toBe(text);
          for (const { startByte, endByte } of sections) {
            expect(startByte).toBeLessThanOrEqual(endByte);
            expect(endByte).toBeLessThanOrEqual(Buffer.byteLength(text));
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe("structured plain text", () => {
  test("underlined titles", async () => {
    const document = await parse(
      "a.rst",
      "====\nTop\n====\n\nText.\n\nPart\n----\nMore.\n\nOther\n-----\n\n=====  ====\na      b\n=====  ====\n",
    );
    expect(outline(document)).toEqual(["1 Top", "2 Part", "2 Other"]);
  });
  test("turns of a transcript, but not a single note", async () => {
    expect(outline(await parse("t.txt", "Ann: Hello.\nBob: Hi.\nAnn: How?\nBob: Well.\n"))).toHaveLength(4);
    expect(outline(await parse("t.txt", "Note: this.\nSome text.\nMore text.\nMore.\nMore.\n"))).toEqual([]);
  });
});

describe("HTML", () => {
  const html = `<!doctype html><html><head><title>T &amp; t</title><style>p{}</style></head><body>
<nav>Menu</nav><main><h1>Main <em>title</em></h1><p>One
two</p><script>alert(1)</script>
<h2>Sub</h2><table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>
<pre>x
  y</pre><ul><li>first</li><li>second</li></ul></main><footer>Foot</footer></body></html>`;

  test("main content with structure, and lines of the file", async () => {
    const document = await parse("a.html", html);
    expect(document.text).toBe("Main title\n\nOne two\n\nSub\n\na | b\n1 | 2\n\nx\n  y\n\n- first\n- second\n");
    expect(outline(document)).toEqual(["1 Main title", "2 Sub"]);
    expect(document.meta["title"]).toBe("T & t");
    const positions = textPositions(document.text);
    const lineOf = (words: string): number | undefined => {
      const byte = positions.byteOfIndex(document.text.indexOf(words));
      return document.sourceMap.find((span) => span.startByte <= byte && byte < span.endByte)?.startLine;
    };
    expect(lineOf("Sub")).toBe(4);
    expect(lineOf("One two")).toBe(2);
    expect(lineOf("x\n")).toBe(5);
  });

  test("no main, sniffed without extension, declared charset, deep nesting", async () => {
    expect((await parse("page", "<html><body><p>a<p>b</body></html>")).text).toBe("a\n\nb\n");
    const latin = Buffer.from('<html><meta charset="iso-8859-2"><body>\xb1</body></html>', "latin1");
    expect((await parse("a.html", latin)).text).toBe("ą\n");
    expect((await parse("a.html", `${"<div>".repeat(20_000)}deep`)).text).toBe("deep\n");
  });
});

describe("PDF", () => {
  test("pages become sections with their numbers", async () => {
    const document = await parse(
      "a.pdf",
      makePdf({ pages: [["First page speaks", "of hyphen-", "ation here."], ["Second page."]] }),
    );
    expect(document.text).toBe("First page speaks\nof hyphenation\nhere.\n\nSecond page.\n\n");
    expect(outline(document)).toEqual(["1 Page 1", "1 Page 2"]);
    expect(document.sourceMap.map(({ page }) => page)).toEqual([1, 2]);
    expect(sectionText(document, "Page 2")).toBe("Second page.\n\n");
  });

  test("running lines are removed", async () => {
    const pages = Array.from({ length: 6 }, (_, i) => ["The Manual", `Words of page ${"abcdef"[i]}.`, `Page ${i + 1}`]);
    expect((await parse("a.pdf", makePdf({ pages }))).text).toBe("abcdef".replace(/./g, "Words of page $&.\n\n"));
  });

  test("broken, encrypted and empty files give typed errors", async () => {
    const whole = makePdf({ pages: [["text"]] });
    expect(await failure("a.pdf", "%PDF-1.4\nrubbish")).toMatchObject({ code: "bad-file" });
    expect(await failure("a.pdf", "no pdf at all")).toMatchObject({ code: "bad-file" });
    expect(await failure("a.pdf", whole.subarray(0, 60))).toMatchObject({ code: "bad-file" });
    const locked = await failure("a.pdf", makePdf({ pages: [["secret"]], encrypted: true }));
    expect(locked.code).toBe("bad-file");
    expect(locked.message).toContain("encrypted");
    expect(await failure("a.pdf", makePdf({ pages: [[]] }))).toMatchObject({ code: "unsupported" });
  });
});

describe("DOCX", () => {
  test("headings and paragraphs", async () => {
    const document = await parse("a.docx", makeDocx(["# Title", "Hello world.", "More."]));
    expect(document.text).toBe("Title\n\nHello world.\n\nMore.\n");
    expect(outline(document)).toEqual(["1 Title"]);
    expect((await parse("noname", makeDocx(["Sniffed."]))).text).toBe("Sniffed.\n");
  });
  test("broken and encrypted", async () => {
    expect(await failure("a.docx", makeDocx(["x"]).subarray(0, 400))).toMatchObject({ code: "bad-file" });
    expect(await failure("a.docx", Buffer.from("d0cf11e0a1b11ae1000000", "hex"))).toMatchObject({ code: "bad-file" });
    const bomb = Buffer.from(makeDocx(["x"]));
    bomb.writeUInt32LE(4_000_000_000, bomb.indexOf("PK\x01\x02") + 24);
    expect((await failure("a.docx", bomb)).message).toContain("unpack");
  });
});

describe("source code", () => {
  test("TypeScript definitions with signatures, characters beyond 16 bits before them", async () => {
    const code =
      'const s = "😀é";\n/** doc */\nexport class Box<T> extends Base {\n  get(key: string): T {\n    return 1;\n  }\n}\n\nexport const twice = (n: number) => n * 2;\nfunction last() {}\n';
    const document = await parse("a.ts", code);
    expect(document.text).toBe(code);
    expect(outline(document)).toEqual([
      "1 class Box<T> extends Base",
      "2 get(key: string): T",
      "1 const twice = (n: number)",
      "1 function last()",
    ]);
    expect(sectionText(document, "get(key: string): T")).toBe("  get(key: string): T {\n    return 1;\n  }");
    expect(sectionText(document, "class Box<T> extends Base").startsWith("export class")).toBe(true);
  });

  test.each([
    ["a.py", "@wrap\nclass A(B):\n    def f(self, x):\n        return x\n", ["1 class A(B)", "2 def f(self, x)"]],
    [
      "a.rs",
      "impl A {\n  fn f(&self) -> u8 { 1 }\n}\nstruct S { a: u8 }\n",
      ["1 impl A", "2 fn f(&self) -> u8", "1 struct S"],
    ],
    [
      "a.go",
      "package p\nfunc (t *T) F(a int) error {\n}\ntype T struct {\n}\n",
      ["1 func (t *T) F(a int) error", "1 type T struct"],
    ],
    ["a.java", "class A {\n  int f(int x) { return x; }\n}\n", ["1 class A", "2 int f(int x)"]],
    ["a.c", "struct s { int a; };\nint main(void) { struct s *p; return 0; }\n", ["1 struct s", "1 int main(void)"]],
    ["a.cpp", "namespace n {\nclass A { int f() { return 1; } };\n}\n", ["1 namespace n", "2 class A", "3 int f()"]],
    ["a.rb", "module M\n  def f(x)\n    x\n  end\nend\n", ["1 module M", "2 def f(x)"]],
    ["a.sh", "f() {\n  echo\n}\n", ["1 f()"]],
    ["a.js", "export default function f(a) {}\n", ["1 function f(a)"]],
    ["a.pl", "sub one {\n}\n\nsub two {\n}\n", ["1 sub one", "1 sub two"]],
  ])("%s", async (name, code, expected) => {
    const document = await parse(name, code);
    expect(document.text).toBe(code);
    expect(outline(document)).toEqual(expected);
    expect(document.meta["definitionsBy"]).toBe(name === "a.pl" ? "lines" : undefined);
  });
});

describe("records", () => {
  test("tables, JSON, JSON lines, notebooks", async () => {
    const table = await parse("a.csv", 'name,"home\ntown",age\nAnn,Rome,3\n');
    expect(outline(table)).toEqual(["1 name | home town | age"]);
    expect(sectionText(table, "name | home town | age")).toBe("Ann,Rome,3\n");
    expect((await parse("a.tsv", "1\t2\n3\t4\n")).sections).toEqual([]);

    const json = await parse("a.json", '{"a": {"b": [1, 2]}, "c\\"d": "x,y", "e": 1}');
    expect(outline(json)).toEqual(["1 a", '1 c\\"d', "1 e"]);
    expect(sectionText(json, "a")).toBe('"a": {"b": [1, 2]}, ');
    expect(outline(await parse("a.json", '[1, {"k": 2}]'))).toEqual(["1 [0]", "1 [1]"]);
    expect((await parse("a.json", "{broken")).meta["validJson"]).toBe(false);
    expect((await parse("a.jsonl", '{"a":1}\nnope\n{"b":2}\n')).meta).toMatchObject({ records: 2, invalidLines: 1 });

    const cells = [
      { cell_type: "markdown", source: ["# Top\n", "words \ud800"] },
      { cell_type: "code", source: "print(1)", outputs: [{ output_type: "stream", text: ["1\n"] }] },
    ];
    const notebook = await parse(
      "a.ipynb",
      JSON.stringify({ cells, metadata: { kernelspec: { language: "python" } } }),
    );
    expect(notebook.text).toBe("# Top\nwords \ufffd\n\nprint(1)\n\nOutput:\n1\n\n");
    expect(outline(notebook)).toEqual(["1 Top", "7 Cell 1 (markdown)", "7 Cell 2 (code)"]);
    expect(await failure("a.ipynb", "{")).toMatchObject({ code: "bad-file" });
    expect(await failure("a.ipynb", "[]")).toMatchObject({ code: "bad-file" });
  });
});
