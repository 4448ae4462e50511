import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import type { GenerateResult } from "./generate-options.js";
import { Quire } from "./quire.js";
import { scoreTokens } from "./scoring.js";
import { testModel } from "./weights/test-models.js";

describe("several answers with SmolLM2-135M", () => {
  let quire: Quire;
  beforeAll(async () => {
    // Nothing is rounded where answers are compared with scores.
    quire = await Quire.open(await testModel("smollm2-135m-instruct"), { device: "cpu", threads: 1, cacheType: "f32" });
  });
  afterAll(() => quire.close());

  const prompt = "Name a fruit and say what it tastes like.";

  it("are drawn as a tree, each with the log-probability that it has by itself", async () => {
    const options = { decoder: "treepo:width=4,segment=6", maxTokens: 18, seed: 5 };
    const made = await quire.generate(prompt, options);
    const answers = made.answers as NonNullable<GenerateResult["answers"]>;
    expect(answers).toHaveLength(4);
    expect(answers[0]).toMatchObject({ text: made.text, tokens: made.tokens });
    expect(answers.reduce((sum, { weight = 0 }) => sum + weight, 0)).toBeCloseTo(1, 12);
    expect(new Set(answers.map(({ text }) => text)).size).toBeGreaterThan(1);
    expect(made.usage.completionTokens).toBe(answers.reduce((sum, { tokens }) => sum + tokens.length, 0));
    const { rows = 0, drawnTokens = 0 } = made.stats.decode;
    expect(rows).toBeLessThan(made.usage.completionTokens);
    expect(rows).toBeLessThan(drawnTokens);
    const cut = await quire.generate(prompt, { ...options, decoder: "treepo:width=2,segment=3,depth=2" });
    expect([
      cut.finishReason,
      ...(cut.answers ?? []).map(({ reason, finishReason }) => [reason, finishReason]),
    ]).toEqual(["length", ["depth", "length"], ["depth", "length"]]);
    const encoded = quire.encodeChat(prompt);
    for (const { tokens, logProb } of answers) {
      const logProbs = await scoreTokens(quire.engine, encoded, Int32Array.from(tokens));
      const alone = logProbs.reduce((sum, value) => sum + value, 0);
      expect(Math.abs(alone - logProb)).toBeLessThan(tokens.length * 1e-4);
    }
    const again = await quire.generate(prompt, options);
    expect(again.answers).toEqual(made.answers);
  });

  it("all fit a schema", async () => {
    const schema = z.object({ fruit: z.enum(["apple", "plum", "fig", "cherry"]), ripe: z.boolean() });
    const made = await quire.generate(prompt, { decoder: "treepo:width=4,segment=4", schema, maxTokens: 40, seed: 1 });
    for (const { text, value } of made.answers ?? []) expect(schema.parse(value)).toEqual(JSON.parse(text));
    expect(made.answers).toHaveLength(4);
  });

  it("of one is plain sampling", async () => {
    const options = { temperature: 0.9, seed: 11, maxTokens: 24 };
    const plain = await quire.generate(prompt, options);
    const tree = await quire.generate(prompt, { ...options, decoder: "treepo:width=1,branch=1,segment=7" });
    expect(tree.tokens).toEqual(plain.tokens);
    expect(tree.answers).toBeUndefined();
  });

  it("cannot all be the likeliest", async () => {
    await expect(quire.generate(prompt, { decoder: "treepo:width=2", temperature: 0 })).rejects.toThrow(
      "2 answers at temperature 0 would all be equal.",
    );
    await expect(quire.complete("", { decoder: "treepo" })).rejects.toMatchObject({ code: "bad-input" });
  });
});
