import { expect, test } from "vitest";
import { parseDocument } from "../parse/parse.js";
import { collect, describeChunker } from "./chunker.case.js";
import { fixed } from "./fixed.js";

describeChunker("fixed", {
  chunkers: [fixed(), fixed({ tokens: 12 }), fixed({ tokens: 1 })],
  limit: ({ label }) => (label === "fixed" ? 256 : Number(label.split("=")[1])),
});

test("fills every chunk but the last", async () => {
  const document = await parseDocument({ uri: "a.txt", bytes: Buffer.from("some words, and more. ".repeat(500)) });
  const chunks = await collect(
    fixed({ tokens: 100 }).chunk(document, { countTokens: (text) => Math.ceil(text.length / 4) }),
  );
  for (const { text } of chunks.slice(0, -1)) expect(Math.ceil(text.length / 4)).toBeGreaterThanOrEqual(98);
});
