import { expect, test } from "vitest";
import { parseDocument } from "../parse/parse.js";
import { collect, countWordPieces, describeChunker } from "./chunker.case.js";
import { sentence } from "./sentence.js";
import { isSentenceStart } from "./sentence-start.js";

describeChunker("sentence", {
  chunkers: [sentence(), sentence({ tokens: 12 }), sentence({ tokens: 1 })],
  limit: ({ label }) => (label === "sentence" ? 256 : Number(label.split("=")[1])),
});

function sentences(text: string): string[] {
  const parts: string[] = [];
  let from = 0;
  for (let at = 1; at < text.length; at++) {
    if (!isSentenceStart(text, at)) continue;
    parts.push(text.slice(from, at));
    from = at;
  }
  return [...parts, text.slice(from)];
}

test.each([
  ["One. Two! Three? Four", ["One. ", "Two! ", "Three? ", "Four"]],
  [
    "Dr. No met Mr. X at 3.14 p.m. today. Then J. K. left.",
    ["Dr. No met Mr. X at 3.14 p.m. today. ", "Then J. K. left."],
  ],
  ['He said "Stop." Then he left. (He did.) End', ['He said "Stop." ', "Then he left. ", "(He did.) ", "End"]],
  ["See e.g. this. and not that", ["See e.g. this. and not that"]],
  [
    "Title\n\nText here\nand on\n- item\n- other\n1. first",
    ["Title\n\n", "Text here\nand on\n", "- item\n", "- other\n", "1. first"],
  ],
  ["中文句子。下一句！「はい。」次", ["中文句子。", "下一句！", "「はい。」", "次"]],
  ["Version 1.2.3 is out... Really? yes", ["Version 1.2.3 is out... ", "Really? ", "yes"]],
])("%s", (text, expected) => {
  expect(sentences(text)).toEqual(expected);
});

test("packs whole sentences", async () => {
  const text = Array.from({ length: 60 }, (_, i) => `Sentence number ${i} is here. `).join("");
  const document = await parseDocument({ uri: "a.txt", bytes: Buffer.from(text) });
  const chunks = await collect(sentence({ tokens: 40 }).chunk(document, { countTokens: countWordPieces }));
  for (const chunk of chunks) expect(chunk.text).toMatch(/^Sentence .*here\. $/);
  expect(chunks.length).toBeLessThan(15);
});
