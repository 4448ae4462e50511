import { expect, test } from "vitest";
import { countWordPieces } from "../chunk/chunker.case.js";
import { hybrid } from "./hybrid.js";
import { marginalOrder, mmr } from "./mmr.js";
import { describeSelector, embed, makeChunk, memorySource } from "./selector.case.js";
import { topk } from "./topk.js";

describeSelector("topk", { selectors: [topk(), topk({ from: 3 })] });
describeSelector("hybrid", { selectors: [hybrid(), hybrid({ from: 3 })] });
describeSelector("mmr", { selectors: [mmr(), mmr({ lambda: 1 }), mmr({ lambda: 0 })] });

const context = { countTokens: countWordPieces, embed };
const chunks = ["vacuum the table", "restart the server", "vacuum the table now", "users and roles", "restart"].map(
  (text, i) => makeChunk(text, i),
);

test("hybrid fuses by rank, by hand", async () => {
  const source = memorySource(chunks);
  const question = "restart the server";
  const meaning = await source.search(question, { k: 100, mode: "vector" });
  const words = await source.search(question, { k: 100, mode: "text" });
  const expected = chunks
    .map((chunk) => {
      const ranks = [meaning, words].map((list) => list.findIndex((candidate) => candidate.chunk === chunk) + 1);
      return { chunk, score: ranks.reduce((sum, rank) => sum + (rank > 0 ? 1 / (60 + rank) : 0), 0) };
    })
    .sort((a, b) => b.score - a.score);
  const evidence = await hybrid().select(question, source, { tokens: 1000 }, context);
  expect(evidence.map(({ chunk }) => chunk.order)).toEqual(expected.map(({ chunk }) => chunk.order));
  for (const [i, { score }] of evidence.entries()) expect(score).toBeCloseTo(expected[i]!.score, 12);
  expect(evidence[0]!.reason).toBe('Rank 1 by meaning and 1 by words: "restart", "server", "the".');
});

test("hybrid goes by words alone where there are no vectors; the others say so", async () => {
  const source = memorySource(chunks, { vectors: false });
  const evidence = await hybrid().select("roles", source, { tokens: 100 }, context);
  expect(evidence.map(({ chunk, reason }) => [chunk.text, reason])).toEqual([
    ["users and roles", 'Rank 1 by words: "roles".'],
  ]);
  for (const part of [topk(), mmr()]) {
    await expect(part.select("roles", source, { tokens: 100 }, context)).rejects.toMatchObject({ code: "unsupported" });
  }
});

test("a passage that does not fit is passed over for a shorter one", async () => {
  const source = memorySource([makeChunk("restart ".repeat(50).trim(), 0), makeChunk("restart it", 1)]);
  const evidence = await topk().select("restart", source, { tokens: 10 }, context);
  expect(evidence.map(({ chunk }) => chunk.order)).toEqual([1]);
});

test("MMR picks as its formula says, and prefers what is new", () => {
  const unit = (degrees: number) =>
    Float32Array.of(Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180));
  const angles = [20, 24, 30, 75, -55];
  const asked = 21;
  const vectors = angles.map(unit);
  const candidates = angles.map((angle, i) => ({
    chunk: makeChunk(`text ${i}`, i),
    score: Math.cos(((angle - asked) * Math.PI) / 180),
  }));
  const cos = (i: number, j: number) => Math.cos(((angles[i]! - angles[j]!) * Math.PI) / 180);
  const chosen: number[] = [];
  while (chosen.length < angles.length) {
    const scores = angles.map((_, i) =>
      chosen.includes(i)
        ? Number.NEGATIVE_INFINITY
        : 0.5 * candidates[i]!.score - 0.5 * (chosen.length === 0 ? 0 : Math.max(...chosen.map((j) => cos(i, j)))),
    );
    chosen.push(scores.indexOf(Math.max(...scores)));
  }
  const order = [...marginalOrder(candidates, vectors, 0.5)].map(({ candidate }) => candidate.chunk.order);
  expect(order).toEqual(chosen);
  expect(order[0]).toBe(0);
  expect(order.indexOf(1)).toBeGreaterThan(1);
  expect([...marginalOrder(candidates, vectors, 1)].map(({ candidate }) => candidate.chunk.order)).toEqual([
    0, 1, 2, 3, 4,
  ]);
});
