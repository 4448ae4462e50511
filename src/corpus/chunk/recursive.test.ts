import { expect, test } from "vitest";
import { parseDocument } from "../parse/parse.js";
import { collect, countWordPieces, describeChunker } from "./chunker.case.js";
import { recursive } from "./recursive.js";

describeChunker("recursive", {
  chunkers: [recursive(), recursive({ tokens: 12 }), recursive({ tokens: 1 })],
  limit: ({ label }) => (label === "recursive" ? 256 : Number(label.split("=")[1])),
});

const cut = async (uri: string, text: string, tokens: number, countTokens = countWordPieces) => {
  const document = await parseDocument({ uri, bytes: Buffer.from(text) });
  return collect(recursive({ tokens }).chunk(document, { countTokens }));
};

test("cuts at sections first, then at blank lines, and says what stands above", async () => {
  const words = (n: number, word: string): string => `${Array.from({ length: n }, () => word).join(" ")}.\n`;
  const text = `# Guide\n\n${words(6, "in")}\n## Install\n\n${words(8, "one")}\n${words(8, "two")}\n## Use\n\n${words(9, "use")}`;
  const chunks = await cut("g.md", text, 16);
  expect(chunks.map(({ text, header }) => [header, text.trim().split(/\s+/).slice(0, 3).join(" ")])).toEqual([
    ["Guide", "# Guide in"],
    ["Guide > Install", "## Install one"],
    ["Guide > Install", "two two two"],
    ["Guide > Use", "## Use use"],
  ]);
});

test("a heading is not left behind by its text", async () => {
  const text = `${"Before it. ".repeat(8)}\n\n# Alone\n\n${"Much text follows here and there. ".repeat(20)}`;
  for (const { text: piece } of await cut("a.md", text, 40)) expect(piece.trimEnd().endsWith("# Alone")).toBe(false);
});

test("small neighbours are joined, so that chunks are well filled", async () => {
  const text = Array.from({ length: 400 }, (_, i) => `Paragraph ${i} has some words in it.\n\n`).join("");
  const chunks = await cut("a.md", text, 100);
  const tokens = chunks.map(({ text }) => countWordPieces(text));
  expect(tokens.slice(0, -1).every((n) => n > 75)).toBe(true);
});

test("a definition stays whole and bears its class in the header", async () => {
  const methods = Array.from(
    { length: 6 },
    (_, i) => `    def method${i}(self):\n        return ${"x + ".repeat(6)}1\n\n`,
  );
  const chunks = await cut("a.py", `class Box:\n${methods.join("")}`, 40);
  expect(chunks.length).toBeGreaterThan(3);
  for (const { text, header } of chunks.slice(1)) {
    expect(text).toMatch(/^ {4}def method\d/);
    expect(header).toMatch(/^class Box > def method\d\(self\)/);
  }
});

test("counting is linear in the text, also where its beginning misleads or no blank comes for long", async () => {
  const texts = [
    `${" ".repeat(20_000)}${"dense,text;".repeat(20_000)}`,
    "a".repeat(300_000),
    "word ".repeat(60_000),
    "Line of text.\n".repeat(20_000),
    "😀".repeat(50_000),
  ];
  for (const text of texts) {
    let counted = 0;
    const chunks = await cut("a.txt", text, 256, (piece) => {
      counted += piece.length;
      return Math.ceil(Buffer.byteLength(piece) / 4);
    });
    expect(chunks.map((chunk) => chunk.text).join("")).toBe(text);
    expect(counted).toBeLessThan(8 * text.length + 100_000);
  }
});

test("options that cannot be are refused", () => {
  expect(() => recursive({ tokens: 0 })).toThrow(/tokens/);
  expect(() => recursive({ token: 5 } as never)).toThrow(/no option/);
});
