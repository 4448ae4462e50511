/** The suite that every selector must pass: the budget held, no passage twice, same input same output, a reason in words. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { QuireError } from "../../errors.js";
import { countWordPieces } from "../chunk/chunker.case.js";
import type { Chunk } from "../document.js";
import { hashingEmbedder } from "../index/hashing-embedder.case.js";
import type { Candidate, CandidateSource, SearchMode, SelectContext, Selector } from "./selector.js";

export const embed = hashingEmbedder(32);

export function makeChunk(text: string, order: number, header = ""): Chunk {
  const startByte = order * 10_000;
  return {
    id: `${order}-${text.length}`,
    documentId: "d",
    uri: "d.md",
    text,
    startByte,
    endByte: startByte + Buffer.byteLength(text),
    startLine: order + 1,
    endLine: order + 1,
    header,
    order,
  };
}

/** A source in memory: by meaning the cosine, by words the number of shared words. */
export function memorySource(chunks: readonly Chunk[], { vectors = true } = {}): CandidateSource {
  const cosine = async (query: string): Promise<Candidate[]> => {
    const [queryVector, ...rows] = await embed([query, ...chunks.map(({ text }) => text)]);
    return rows.map((vector, i) => ({
      chunk: chunks[i]!,
      score: vector.reduce((sum, value, j) => sum + value * queryVector![j]!, 0),
      vector,
    }));
  };
  const words = (text: string): Set<string> => new Set(text.toLowerCase().match(/\p{L}+/gu) ?? []);
  const overlap = (query: string): Candidate[] => {
    const asked = words(query);
    const scored = chunks.map((chunk) => ({
      chunk,
      score: [...words(chunk.text)].filter((word) => asked.has(word)).length,
    }));
    return scored.filter(({ score }) => score > 0);
  };
  return {
    async search(query, { k, mode = "hybrid" satisfies SearchMode, signal }) {
      if (signal?.aborted) throw new QuireError("cancelled", "Stopped on request.");
      if (mode !== "text" && !vectors) throw new QuireError("unsupported", "no vectors");
      const found = mode === "text" ? overlap(query) : await cosine(query);
      return found.sort((a, b) => b.score - a.score || a.chunk.order - b.chunk.order).slice(0, k);
    },
    async neighbours(chunk, width) {
      return chunks.filter(({ order }) => order !== chunk.order && Math.abs(order - chunk.order) <= width);
    },
  };
}

const anyWord = fc.constantFrom("vacuum", "restart", "server", "list", "table", "index", "user", "role", "中文", "😀");
const anyChunks = fc
  .array(fc.tuple(fc.array(anyWord, { minLength: 1, maxLength: 30 }), fc.constantFrom("", "Guide", "Guide > Use")), {
    maxLength: 60,
  })
  .map((parts) => parts.map(([words, header], i) => makeChunk(words.join(" "), i, header)));

export interface SelectorCase {
  readonly selectors: readonly Selector[];
  /** What the selector needs besides `countTokens` and `embed`. */
  readonly context?: Partial<SelectContext>;
  readonly runs?: number;
}

export function describeSelector(name: string, { selectors, context = {}, runs = 100 }: SelectorCase): void {
  const selectContext: SelectContext = { countTokens: countWordPieces, embed, seed: 1, ...context };
  describe(`${name}: what holds for every selector`, () => {
    for (const part of selectors) {
      test(`${part.label}: budget, no passage twice, same again, reasons`, async () => {
        const anyBudget = fc.record({
          tokens: fc.integer({ min: 1, max: 200 }),
          passages: fc.option(fc.integer({ min: 1, max: 8 }), { nil: undefined }),
        });
        const anyQuestion = fc.array(anyWord, { minLength: 1, maxLength: 5 }).map((words) => `${words.join(" ")}?`);
        await fc.assert(
          fc.asyncProperty(anyChunks, anyQuestion, anyBudget, async (chunks, question, budget) => {
            const source = memorySource(chunks);
            const evidence = await part.select(question, source, budget, selectContext);
            const tokens = evidence.reduce(
              (sum, { chunk }) =>
                sum + countWordPieces(chunk.header === "" ? chunk.text : `${chunk.header}\n${chunk.text}`),
              0,
            );
            expect(tokens).toBeLessThanOrEqual(budget.tokens);
            expect(evidence.length).toBeLessThanOrEqual(budget.passages ?? Number.POSITIVE_INFINITY);
            expect(new Set(evidence.map(({ chunk }) => chunk.id)).size).toBe(evidence.length);
            expect(new Set(evidence.map(({ chunk }) => chunk.text)).size).toBe(evidence.length);
            for (const { chunk, score, reason, by } of evidence) {
              expect(chunks).toContain(chunk);
              expect(Number.isFinite(score)).toBe(true);
              expect(reason).toMatch(/\p{L}+ .*\.$/u);
              expect(by).toBe(part.label);
            }
            expect(await part.select(question, source, budget, selectContext)).toEqual(evidence);
          }),
          { numRuns: runs },
        );
      });

      test(`${part.label}: nothing to choose from, impossible budgets, a stop`, async () => {
        const source = memorySource([makeChunk("a list of users", 0)]);
        expect(await part.select("list?", memorySource([]), { tokens: 100 }, selectContext)).toEqual([]);
        for (const budget of [{ tokens: 0 }, { tokens: Number.NaN }, { tokens: 5, passages: 0 }]) {
          await expect(part.select("list?", source, budget, selectContext)).rejects.toMatchObject({
            code: "bad-option",
          });
        }
        const stopped = part.select("list?", source, { tokens: 9 }, { ...selectContext, signal: AbortSignal.abort() });
        await expect(stopped).rejects.toMatchObject({ code: "cancelled" });
      });
    }
  });
}
