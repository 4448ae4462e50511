import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CitationStream, type SentenceCitations } from "./citations.js";

function run(pieces: readonly string[], evidence: number, attribute: (sentence: string) => number[] = () => []) {
  const sentences: SentenceCitations[] = [];
  const stream = new CitationStream({ evidence, attribute, onCitations: (one) => sentences.push({ ...one }) });
  const shown = pieces.map((piece) => stream.push(piece)).join("") + stream.end();
  return { shown, answer: stream.answer, removed: stream.removed, sentences };
}

const cited = (answer: string) => [...answer.matchAll(/\[(\d+)\]/g)].map(([, number]) => Number(number));

describe("citations", () => {
  it("keeps those that refer to evidence and takes out the others", () => {
    for (const [text, answer, removed] of [
      ["It restarts [1].", "It restarts [1].", 0],
      ["It restarts.[1]", "It restarts [1].", 0],
      ["It restarts. [2] Then it waits [3].", "It restarts [2]. Then it waits [3].", 0],
      ["It restarts [9].", "It restarts.", 1],
      ["It restarts [9] at night.", "It restarts at night.", 1],
      ["It restarts [1, 9] [3].", "It restarts [1][3].", 1],
      ["It restarts [1-3].", "It restarts [1][2][3].", 0],
      ["It restarts [1-900].", "It restarts.", 1],
      ["It restarts [Document 2] 【3】 [^1].", "It restarts [2][3][1].", 0],
      ["It restarts [0] [1] [1].", "It restarts [1].", 1],
      ["See [the manual] and [4 pages].", "See [the manual] and [4 pages].", 0],
      ["Version 1.5 of file.md is 3.2 MB", "Version 1.5 of file.md is 3.2 MB", 0],
      ["Use `args[9]` and\n```\na[7]\n```\nthen stop [1].", "Use `args[9]` and\n```\na[7]\n```\nthen stop [1].", 0],
      ["A forgotten ` tick\nand [9] more", "A forgotten ` tick\nand more", 1],
      ["[1]", "[1]", 0],
      ["[12", "[12", 0],
      ["", "", 0],
    ] as const) {
      const result = run([text], 3);
      expect([result.answer, result.removed]).toEqual([answer, removed]);
      expect(result.shown).toBe(answer);
    }
  });

  it("gives a sentence that cites nothing what bears it out, and leaves the others alone", () => {
    const asked: string[] = [];
    const { answer, sentences } = run(["Cats sleep. Dogs bark [2]! ", "Fish swim\n- Birds fly"], 3, (sentence) => {
      asked.push(sentence);
      return sentence.startsWith("Fish") ? [] : [3, 7];
    });
    expect(answer).toBe("Cats sleep [3]. Dogs bark [2]! Fish swim\n- Birds fly [3]");
    expect(asked).toEqual(["Cats sleep", "Fish swim", "- Birds fly"]);
    expect(sentences.map(({ sentence, numbers, by }) => [sentence, numbers, by])).toEqual([
      ["Cats sleep.", [3], "attribution"],
      ["Dogs bark!", [2], "model"],
      ["- Birds fly", [3], "attribution"],
    ]);
    for (const { at, numbers } of sentences) expect(answer.startsWith(`[${numbers[0]}]`, at)).toBe(true);
  });

  const piece = fc.oneof(
    fc.constantFrom(
      "[1]",
      "[9]",
      "[2,",
      " 3]",
      "[",
      "]",
      ". ",
      ".",
      " ",
      "\n",
      "[1-4]",
      "[^0]",
      "word",
      "`",
      "```",
      "【2】",
      "[doc 3]",
      "[00001]",
      "!",
      "…",
    ),
    fc.string({ unit: "grapheme", maxLength: 4 }),
  );

  it("never lets an invalid citation through, however the text is cut, and shows what it says it answered", () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), fc.integer({ min: 0, max: 4 }), (pieces, evidence) => {
        const result = run(pieces, evidence, () => [1, 5]);
        expect(result.shown).toBe(result.answer);
        expect(run([pieces.join("")], evidence, () => [1, 5]).answer).toBe(result.answer);
        for (const { numbers } of result.sentences) {
          for (const number of numbers) expect(number >= 1 && number <= evidence).toBe(true);
        }
        if (!pieces.join("").includes("`")) {
          for (const number of cited(result.answer)) expect(number >= 1 && number <= evidence).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("takes long nonsense in its stride", () => {
    const started = performance.now();
    for (const text of [
      `[${"1".repeat(1000)}]`,
      `[${" ".repeat(1000)}x`,
      `[${"1, ".repeat(400)}`,
      " ".repeat(1000),
      ".".repeat(1000),
    ]) {
      expect(cited(run([text], 3).answer).every((number) => number <= 3)).toBe(true);
    }
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it("changes nothing else: without citations and attribution the text comes out as it went in", () => {
    const noBrackets = piece.map((text) => text.replace(/[[\]【】]/g, ""));
    fc.assert(
      fc.property(fc.array(noBrackets, { maxLength: 30 }), (pieces) => {
        expect(run(pieces, 3).answer).toBe(pieces.join(""));
      }),
      { numRuns: 500 },
    );
  });
});
