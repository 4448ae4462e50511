import { expect, it } from "vitest";
import { parseDocument } from "../parse/parse.js";
import { collect, countWordPieces, describeChunker } from "./chunker.case.js";
import { leastAlike, semantic } from "./semantic.js";

/** Vectors of letters: sentences of the same letters are alike. */
const embed = async (texts: readonly string[]): Promise<Float32Array[]> =>
  texts.map((text) => {
    const vector = new Float32Array(64);
    for (const letter of text.toLowerCase()) vector[letter.charCodeAt(0) % 64]! += 1;
    return vector;
  });

describeChunker("semantic", { chunkers: [semantic(), semantic({ tokens: 10 })], context: { embed }, runs: 60 });

it("cuts where neighbours are least alike, as often as gives the wanted size", async () => {
  const text = "Aaaa aaaa. Aaaa aa. Aaa aaa aaa. Zzzz zz. Zz zzzz. Zzz z. Mmm mmmm. Mmmm m.";
  const document = await parseDocument({ uri: "a.txt", bytes: Buffer.from(text) });
  const chunks = await collect(semantic({ tokens: 10 }).chunk(document, { countTokens: countWordPieces, embed }));
  expect(chunks.map((chunk) => chunk.text.trim())).toEqual([
    "Aaaa aaaa. Aaaa aa. Aaa aaa aaa.",
    "Zzzz zz. Zz zzzz. Zzz z.",
    "Mmm mmmm. Mmmm m.",
  ]);
});

it("counts cuts by the mean size", () => {
  const block = Array.from({ length: 10 }, (_, i) => ({ start: i, end: i + 1, tokens: 10 }));
  const vectors = block.map((_, i) => Float32Array.of(i % 3 === 0 ? 0 : 1, 1));
  expect(leastAlike(block, vectors, 20)).toHaveLength(5);
  expect(leastAlike(block, vectors, 1000)).toEqual([0]);
});

it("needs an embedding model", async () => {
  const document = await parseDocument({ uri: "a.txt", bytes: Buffer.from("A. B.") });
  const chunks = semantic().chunk(document, { countTokens: countWordPieces });
  await expect(collect(chunks)).rejects.toMatchObject({ code: "unsupported" });
});
