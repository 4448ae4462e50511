import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { questionsThatHold } from "./debian-package.js";
import { debianPolicyQuestions } from "./debian-policy.js";
import { type AskedAnswer, askTable, bootstrap, evaluateAsk, normalise } from "./evaluate.js";
import { generateCorpus, writeCorpus } from "./generate.js";
import type { AskQuestion } from "./question.js";
import { random } from "./random.js";

describe("generated corpus", () => {
  const corpus = generateCorpus({ seed: 11 });
  const textOf = new Map(corpus.files.map(({ path, text }) => [path, text]));

  it("has the documents and questions it should, the same for the same seed", () => {
    expect(textOf.size).toBe(200);
    const kinds = corpus.questions.map(({ kind }) => kind);
    expect(["single", "two-hop", "none"].map((kind) => kinds.filter((k) => k === kind).length)).toEqual([40, 30, 30]);
    expect(new Set(corpus.questions.map(({ question }) => question)).size).toBe(100);
    expect(generateCorpus({ seed: 11 })).toEqual(corpus);
    expect(generateCorpus({ seed: 12 }).files[0]?.text).not.toBe(corpus.files[0]?.text);
    expect(generateCorpus({ seed: 1, documents: 50, questions: 20 }).questions).toHaveLength(20);
  });

  it("knows to the byte where each answer stands, for several seeds", () => {
    for (const seed of [1, 2, 3]) {
      const { files, questions } = generateCorpus({ seed });
      for (const { gold, answers, kind } of questions) {
        expect(gold).toHaveLength({ single: 1, "two-hop": 2, none: 0 }[kind]);
        for (const { file, startByte, endByte, phrase } of gold) {
          const text = files.find(({ path }) => path === file)?.text ?? "";
          expect(Buffer.from(text).subarray(startByte, endByte).toString()).toBe(phrase);
        }
        if (kind !== "none") expect(gold.at(-1)?.phrase.toLowerCase()).toContain(answers[0]?.toLowerCase());
      }
    }
  });

  it("cannot be short-cut: no document of a question over two answers it alone, and what is missing is missing", () => {
    for (const { kind, gold, answers, question, missing } of corpus.questions) {
      if (kind === "two-hop") {
        const [first, second] = gold;
        expect(first?.file).not.toBe(second?.file);
        expect(first?.phrase).not.toContain(answers[0]);
        const asked = question.match(/\p{Lu}[\p{L}]+/gu)?.slice(1) ?? [];
        for (const name of asked) expect(second?.phrase.split(/\P{L}+/u)).not.toContain(name);
      }
      if (missing === "thing") {
        const stranger = question.match(/\p{Lu}\p{L}+/gu)?.slice(1)[0] ?? "";
        expect(
          [...textOf.values()].some((text) => new RegExp(`(?<!\\p{L})${stranger}(?!\\p{L})`, "u").test(text)),
        ).toBe(false);
      }
    }
  });

  it("writes a folder and its questions", async () => {
    const folder = await mkdtemp(join(tmpdir(), "quire-ask-"));
    try {
      await writeCorpus(folder, corpus);
      const lines = (await readFile(join(folder, "questions.jsonl"), "utf8")).trim().split("\n");
      expect(lines.map((line) => JSON.parse(line) as AskQuestion)).toEqual(corpus.questions);
      for (const { path, text } of corpus.files) expect(await readFile(join(folder, "docs", path), "utf8")).toBe(text);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe("scoring", () => {
  const { files, questions } = generateCorpus({ seed: 5, documents: 60, questions: 40 });
  const readText = async (file: string) => files.find(({ path }) => path === file)?.text;
  const oracle = (question: AskQuestion): AskedAnswer => {
    const evidence = question.gold.map(({ file, startByte = 0, endByte = 0, phrase }) => ({
      file,
      startByte,
      endByte,
      quote: phrase,
    }));
    return {
      answer: question.kind === "none" ? "The documents do not say." : `It is ${question.answers[0]} [1].`,
      unsupported: question.kind === "none",
      evidence,
      citations: evidence,
    };
  };
  const rate = async (askOne: (question: AskQuestion) => AskedAnswer, group: string) => {
    const { summary } = await evaluateAsk({ questions, readText, askOne: async (question) => askOne(question) });
    return summary.find((one) => one.group === group)?.rates ?? {};
  };

  it("gives an oracle full marks and a mute none", async () => {
    expect(await rate(oracle, "answerable")).toMatchObject({
      recallAt5: { mean: 1 },
      right: { mean: 1, low: 1, high: 1 },
      exact: { mean: 0 },
      citesGold: { mean: 1 },
      abstained: { mean: 0 },
      falseCitations: { mean: 0 },
    });
    expect(await rate(oracle, "none")).toMatchObject({ abstained: { mean: 1 } });
    expect(await rate(oracle, "all")).toMatchObject({ right: { mean: 1 } });
    const mute = () => ({ answer: "", unsupported: true, evidence: [] });
    expect(await rate(mute, "answerable")).toMatchObject({
      recallAt5: { mean: 0 },
      right: { mean: 0 },
      abstained: { mean: 1 },
    });
    expect(await rate(mute, "all")).toMatchObject({ right: { mean: 12 / 40 } });
  });

  it("sees quotes that are not there, files that are not there, and numbers that point nowhere", async () => {
    const spoil = (change: (answer: AskedAnswer) => AskedAnswer) =>
      rate((question) => change(oracle(question)), "single");
    const shifted = await spoil((a) => ({
      ...a,
      evidence: a.evidence.map((e) => ({ ...e, startByte: e.startByte + 1 })),
      citations: [],
    }));
    expect(shifted.falseCitations?.mean).toBe(1);
    const lost = await spoil((a) => ({ ...a, evidence: a.evidence.map((e) => ({ ...e, file: "gone.md" })) }));
    expect(lost.falseCitations?.mean).toBe(1);
    expect(lost.recallAt5?.mean).toBe(0);
    expect((await spoil((a) => ({ ...a, answer: "It is so [2]." }))).falseCitations?.mean).toBe(1);
    expect((await spoil((a) => ({ ...a, answer: "Use `args[2]`." }))).falseCitations?.mean).toBe(0);
    expect(
      (await spoil((a) => ({ ...a, citations: a.evidence.map((e) => ({ ...e, quote: "" })) }))).falseCitations?.mean,
    ).toBe(1);
  });

  it("counts only the first five, half of a place at least, and both places of two", async () => {
    const filler = { file: files[0]?.path ?? "", startByte: 0, endByte: 1, quote: files[0]?.text.slice(0, 1) ?? "" };
    const pushed = (n: number) =>
      rate((q) => ({ ...oracle(q), evidence: [...Array(n).fill(filler), ...oracle(q).evidence] }), "single");
    expect((await pushed(4)).recallAt5?.mean).toBe(1);
    expect((await pushed(5)).recallAt5?.mean).toBe(0);
    const firstOnly = await rate((q) => ({ ...oracle(q), evidence: oracle(q).evidence.slice(0, 1) }), "two-hop");
    expect(firstOnly.recallAt5?.mean).toBe(0.5);
  });

  it("takes an answer as whole words, however it is written", () => {
    expect(normalise("The population is 13,881 [2].")).toBe("population is 13881");
    expect(normalise("/usr/games")).toBe("/usr/games");
    expect(normalise("Version 3.0, of course!")).toBe("version 3.0 of course");
    expect(` ${normalise("It is 1,234.5 m.")} `).toContain(" 1234.5 ");
  });

  it("gives intervals that hold the mean and shrink with certainty", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(0, 1), { minLength: 1, maxLength: 60 }), fc.nat(), (values, seed) => {
        const { mean, low, high } = bootstrap(values, random(seed), 200);
        expect(low).toBeLessThanOrEqual(mean + 1e-9);
        expect(high).toBeGreaterThanOrEqual(mean - 1e-9);
        expect(bootstrap(values, random(seed), 200)).toEqual(bootstrap(values, random(seed), 200));
      }),
      { numRuns: 50 },
    );
  });

  it("prints a table with a row a group", async () => {
    const { summary } = await evaluateAsk({ questions, readText, askOne: async (question) => oracle(question) });
    const lines = askTable(summary).split("\n");
    expect(lines).toHaveLength(summary.length + 2);
    expect(lines.find((line) => line.startsWith("| single |"))).toContain("100 % (100–100)");
  });
});

describe("questions about the Debian Policy Manual", () => {
  it("are complete and unlike", () => {
    expect(debianPolicyQuestions.length).toBeGreaterThanOrEqual(25);
    expect(new Set(debianPolicyQuestions.map(({ question }) => question)).size).toBe(debianPolicyQuestions.length);
    for (const { kind, gold, answers } of debianPolicyQuestions) {
      expect(gold.length).toBe(kind === "none" ? 0 : 1);
      expect(answers.length > 0).toBe(kind !== "none");
    }
  });

  it("are kept only where their words stand in the documents", async () => {
    const folder = await mkdtemp(join(tmpdir(), "quire-policy-"));
    try {
      await mkdir(folder, { recursive: true });
      await writeFile(
        join(folder, "ch-docs.html"),
        "<p>Manual pages should be installed\n<em>compressed</em> using <code>gzip -9</code>.</p>",
      );
      const { held, lost } = await questionsThatHold(debianPolicyQuestions, folder);
      expect(held.filter(({ kind }) => kind === "single").map(({ question }) => question)).toEqual([
        "How should manual pages be compressed?",
      ]);
      expect(held.length + lost.length).toBe(debianPolicyQuestions.length);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
