import { expect, test } from "vitest";
import { countWordPieces } from "../chunk/chunker.case.js";
import { questionAfter, questionParts } from "./combine/passage-values.js";
import { corag } from "./corag.js";
import { rerank } from "./rerank.js";
import { describeSelector, embed, makeChunk, memorySource } from "./selector.case.js";
import type { SelectContext, SelectNote } from "./selector.js";

/** The question is the likelier, the more of its words stand before it, each counted once. */
const logLikelihood: NonNullable<SelectContext["logLikelihood"]> = async (prompt, continuation) => {
  const words = (text: string) => text.toLowerCase().match(/\p{L}+/gu) ?? [];
  const before = new Set(words(prompt));
  const asked = words(continuation);
  return {
    logProb: asked.reduce((sum, word) => sum - (before.has(word) ? 1 : 2), 0),
    tokens: Math.max(1, asked.length),
  };
};

const few = { candidates: 6, iterations: 4 };
describeSelector("corag by likelihood", {
  selectors: [corag(few), corag({ ...few, order: "document", update: "all", final: "utility" })],
  context: { logLikelihood },
  runs: 40,
});
describeSelector("corag by coverage", { selectors: [corag({ ...few, reward: "coverage" })], runs: 40 });
describeSelector("rerank", { selectors: [rerank(), rerank({ from: 3, by: "coverage" })], context: { logLikelihood } });

const texts = [
  "the vacuum setting of the server",
  "the vacuum setting of a server",
  "roles are listed in a table",
  "nothing of the kind",
];
const chunks = texts.map((text, i) => makeChunk(text, i));
const context = { countTokens: countWordPieces, embed, logLikelihood };
const question = "which vacuum setting and which roles are listed?";

test("two passages that only together hold the question's words are found, a near copy is not", async () => {
  const notes: SelectNote[] = [];
  const evidence = await corag().select(
    question,
    memorySource(chunks),
    { tokens: 30 },
    {
      ...context,
      onNote: (note) => notes.push(note),
    },
  );
  expect(evidence.map(({ chunk }) => chunk.order).sort()).toContain(2);
  expect(evidence.some(({ chunk }) => chunk.order < 2)).toBe(true);
  const byReward = await corag({ final: "utility" }).select(question, memorySource(chunks), { tokens: 30 }, context);
  expect(byReward.map(({ chunk }) => chunk.order).sort()).toEqual([expect.toSatisfy((order: number) => order < 2), 2]);
  expect(notes).toEqual([{ kind: "search", text: expect.stringMatching(/^Valued \d+ lists of passages: /) }]);
});

test("scores are what each passage adds, and the reason says so", async () => {
  const evidence = await corag({ final: "utility" }).select(question, memorySource(chunks), { tokens: 30 }, context);
  const sigmoid = (z: number) => 1 / (1 + Math.exp(-z));
  let before = 0.5;
  for (const [i, { chunk, score, reason }] of evidence.entries()) {
    const shown = evidence.slice(0, i + 1).map((one) => one.chunk.text);
    const { logProb, tokens } = await logLikelihood(questionAfter(shown), question);
    const alone = await logLikelihood(questionAfter([]), question);
    const value = sigmoid(4 * (logProb / tokens - alone.logProb / alone.tokens));
    expect(score, chunk.text).toBeCloseTo(value - before, 12);
    expect(reason).toContain(
      `the value by ${Math.abs(value - before).toFixed(3)} to ${value.toFixed(3)} (likelihood; `,
    );
    before = value;
  }
});

test("a budget smaller than every passage gives nothing, and says why", async () => {
  const notes: SelectNote[] = [];
  const onNote = (note: SelectNote) => notes.push(note);
  expect(await corag().select(question, memorySource(chunks), { tokens: 1 }, { ...context, onNote })).toEqual([]);
  expect(notes).toEqual([{ kind: "dropped", text: expect.stringMatching(/^Budget: none of the 4 passages/) }]);
});

test("stops on time with the best so far, or with the order of the search where there was no time at all", async () => {
  const notes: SelectNote[] = [];
  /** Answers so many calls, and hangs in the next one until it is stopped. */
  const hangingAfter = (most: number): SelectContext => {
    let calls = 0;
    return {
      ...context,
      onNote: (note) => notes.push(note),
      logLikelihood: async (prompt, continuation, signal) => {
        if (++calls <= most) return logLikelihood(prompt, continuation);
        return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
      },
    };
  };
  const started = performance.now();
  const part = corag({ seconds: 1, iterations: 1000 });
  const some = await part.select(question, memorySource(chunks), { tokens: 40 }, hangingAfter(9));
  expect(some.length).toBeGreaterThan(0);
  expect(some[0]!.reason).toContain("likelihood");
  const none = await corag({ seconds: 0.1 }).select(question, memorySource(chunks), { tokens: 40 }, hangingAfter(0));
  expect(none.map(({ reason }) => reason.slice(0, 20))).toContain("Rank 1 in the search");
  expect(notes.at(-1)).toMatchObject({ kind: "fallback" });
  expect(performance.now() - started).toBeLessThan(10_000);
});

test("being stopped is an error that carries what was found", async () => {
  const stop = new AbortController();
  let calls = 0;
  const part = corag({ iterations: 100 }).select(
    question,
    memorySource(chunks),
    { tokens: 40 },
    {
      ...context,
      signal: stop.signal,
      logLikelihood: async (prompt, continuation) => {
        if (++calls === 30) stop.abort();
        return logLikelihood(prompt, continuation);
      },
    },
  );
  await expect(part).rejects.toMatchObject({
    code: "cancelled",
    partial: [expect.objectContaining({ by: "corag:iterations=100" }), expect.anything()],
  });
});

test("values that are no numbers are left out and reported; none at all is an error; so is having nothing to value by", async () => {
  const notes: SelectNote[] = [];
  const onNote = (note: SelectNote) => notes.push(note);
  const partly: SelectContext["logLikelihood"] = async (prompt, continuation) =>
    prompt.includes("roles") ? { logProb: Number.NaN, tokens: 1 } : logLikelihood(prompt, continuation);
  for (const part of [corag(), rerank()]) {
    const own = { ...context, onNote, logLikelihood: partly };
    const evidence = await part.select(question, memorySource(chunks), { tokens: 40 }, own);
    expect(evidence.map(({ chunk }) => chunk.order)).not.toContain(2);
    expect(notes.at(-1)).toMatchObject({ kind: "fallback" });
    const never = { ...context, logLikelihood: async () => ({ logProb: Number.NaN, tokens: 0 }) };
    await expect(part.select(question, memorySource(chunks), { tokens: 40 }, never)).rejects.toMatchObject({
      code: "bad-input",
    });
    const nothing = { countTokens: countWordPieces };
    await expect(part.select(question, memorySource(chunks), { tokens: 40 }, nothing)).rejects.toMatchObject({
      code: "unsupported",
    });
  }
});

test("settings that cannot work are refused", () => {
  for (const options of [{ iterations: 0 }, { c: -1 }, { lambda: -0.1 }, { candidates: 201 }, { seconds: 0 }]) {
    expect(() => corag(options)).toThrow(expect.objectContaining({ code: "bad-option" }));
  }
});

test("parts of a question", () => {
  expect(questionParts("Who founded it? When was that?")).toEqual(["Who founded it?", "When was that?"]);
  expect(questionParts("In which year was the founder of Brack Works born?")).toEqual([
    "In which year was the founder of Brack Works born?",
    "year was the founder",
    "Brack Works born?",
  ]);
  expect(questionParts("restart?")).toEqual(["restart?"]);
  expect(questionParts("???")).toEqual(["???"]);
});
