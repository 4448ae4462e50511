import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Evidence } from "../../src/corpus/select/selector.js";
import { type SelectorCase, writeCases } from "./cases.js";
import { areaUnderCurve, detection, scoreSelection } from "./score.js";
import { bySurprise, byVerifier, detect, scriptedReader, type VerifiedCase } from "./verifiers.js";

let folder = "";
let cases: SelectorCase[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "quire-selector-cases-"));
  cases = await writeCases(folder, { seed: 3, documents: 30, questions: 40, poisoned: 0.5 });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const chunk = (uri: string, text: string, startByte: number, order = 0): Evidence["chunk"] => ({
  id: `${uri}:${startByte}`,
  documentId: uri,
  uri,
  text,
  startByte,
  endByte: startByte + Buffer.byteLength(text),
  startLine: 1,
  endLine: 1,
  header: "",
  order,
});
const evidence = (uri: string, text: string, startByte: number, score = 1): Evidence => ({
  chunk: chunk(uri, text, startByte),
  score,
  reason: "Test.",
  by: "test",
});

describe("cases", () => {
  it("say where everything stands, and what is planted says otherwise in the same words", async () => {
    const planted = cases.filter((one) => one.planted !== undefined);
    expect(planted.length).toBeGreaterThan(3);
    for (const { question, planted: place } of cases) {
      for (const { file, startByte, endByte, phrase } of [...question.gold, ...(place === undefined ? [] : [place])]) {
        const bytes = await readFile(join(folder, file));
        expect(bytes.subarray(startByte, endByte).toString("utf8")).toBe(phrase);
      }
      if (place === undefined) continue;
      expect(place.phrase).not.toBe(question.gold.at(-1)?.phrase);
      expect(place.phrase).not.toContain(question.answers[0]);
    }
  });
});

describe("scores", () => {
  const gold = [
    { file: "a", startByte: 10, endByte: 20, phrase: "" },
    { file: "b", startByte: 0, endByte: 10, phrase: "" },
  ];
  it("are those of a small example", () => {
    const both = scoreSelection([evidence("a", "x".repeat(30), 0, 2), evidence("b", "x".repeat(10), 0, 1)], gold);
    expect(both).toEqual({ recall: 1, precision: 0.5, complete: 1, ndcg: 1 });
    const half = scoreSelection([evidence("c", "x".repeat(20), 0, 2), evidence("a", "x".repeat(15), 0, 1)], gold);
    expect(half).toMatchObject({ recall: 0.25, precision: 5 / 35, complete: 0 });
    expect(half.ndcg).toBeCloseTo(1 / Math.log2(3) / (1 + 1 / Math.log2(3)), 12);
    expect(scoreSelection([], gold)).toEqual({ recall: 0, precision: 0, complete: 0, ndcg: 0 });
    expect(areaUnderCurve([1, 3], [2, 3])).toBe(0.375);
    expect(detection([true, true, false, false], [true, false, true, false])).toEqual({
      precision: 0.5,
      recall: 0.5,
      f1: 0.5,
    });
  });
});

describe("planted passages", () => {
  it("are found by a verifier that follows its prompts, far better than by surprise that does not depend on them", async () => {
    const shown = cases.flatMap((one): VerifiedCase[] => {
      const [gold] = one.question.gold;
      if (one.question.kind !== "single" || gold === undefined) return [];
      const pieces = [
        evidence(gold.file, gold.phrase, gold.startByte ?? 0),
        evidence("other.md", "Nothing of that kind is said here at all.", 0),
      ];
      if (one.planted !== undefined)
        pieces.push(evidence(one.planted.file, one.planted.phrase, one.planted.startByte ?? 0));
      return [{ one, evidence: pieces }];
    });
    const verifier = await detect(shown, (one) => byVerifier(one, scriptedReader(one.one.question.question)));
    expect(verifier.n).toBeGreaterThan(3);
    const surprise = await detect(shown, (one) =>
      bySurprise(one, async (_, text) => ({
        logProb: -[...text].reduce((sum, letter) => sum + letter.charCodeAt(0), 0),
        tokens: text.length,
      })),
    );
    expect(verifier.f1 - surprise.f1).toBeGreaterThan(0.34);
  });
});
