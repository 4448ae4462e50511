import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { full } from "./cache/full.js";
import type { Decoder } from "./decode/decoder.js";
import { createSampler } from "./decode/sample/sampler.js";
import { Quire } from "./quire.js";
import { scoreText } from "./scoring.js";
import { testModel } from "./weights/test-models.js";

const text =
  "The harbour of Lindau lies on an island. Ferries leave every hour. 😀 Größe — 中文。\r\nBread is baked from flour, water and salt.";

describe("scoring with SmolLM2-135M", () => {
  let quire: Quire;
  /** Each reads all of its prompt anew. */
  let runs = 0;
  beforeAll(async () => {
    quire = await Quire.open(await testModel("smollm2-135m-instruct"), { device: "cpu", threads: 1 });
  });
  afterAll(() => quire.close());

  /** All logits of one pass, softmax in double precision. */
  async function reference(tokens: Int32Array): Promise<number[]> {
    const scores: number[] = [];
    const decoder: Decoder = {
      ...{ kind: "decoder", name: "reference", label: "reference", exact: true, rewinds: false },
      *decode({ prompt, memory }) {
        const result = yield { tokens: prompt.subarray(memory.length, -1), want: "all" };
        for (let row = 0; row + 1 < prompt.length; row++) {
          const logits = Float64Array.from(result.logits(row));
          const sum = logits.reduce((total, value) => total + Math.exp(value), 0);
          scores.push(Math.log(Math.exp(logits[prompt[row + 1]!]!) / sum));
        }
      },
    };
    const sampler = createSampler({ temperature: 0 });
    const { engine } = quire;
    const sequence = engine.start({
      prompt: tokens,
      decoder,
      policy: full(),
      sampler,
      maxTokens: 1,
      scope: `alone ${runs++}`,
    });
    for await (const _ of sequence.pieces);
    return scores;
  }

  it("gives the log-probability of every token, as computed from all logits at once", async () => {
    const { tokens, endBytes, logProbs } = await quire.score(text);
    const all = quire.tokenizer.encode(text);
    const wanted = await reference(all);
    expect([...tokens]).toEqual([...all.subarray(1)]);
    expect(endBytes.at(-1)).toBe(Buffer.byteLength(text));
    expect(logProbs).toHaveLength(wanted.length);
    for (const [i, value] of wanted.entries()) expect(logProbs[i]).toBeCloseTo(value, 4);
    const bytes = Buffer.from(text);
    expect(quire.tokenizer.decode(tokens.subarray(-5))).toBe(bytes.subarray(endBytes.at(-6)).toString());
  });

  it("scores after a given text, which is the same as scoring both and keeping the end", async () => {
    const given = "The capital of France is";
    const { logProbs } = await quire.score(" Paris, of course.", { given });
    const both = await reference(quire.tokenizer.encode(`${given} Paris, of course.`));
    for (const [i, value] of [...both.slice(-logProbs.length)].entries()) expect(logProbs[i]).toBeCloseTo(value, 4);
    const [paris] = logProbs;
    const [banana] = (await quire.score(" banana", { given })).logProbs;
    expect(paris).toBeGreaterThan(banana! + 3);
  });

  it("windows: every token once, the first window and all of a short text as one pass, later ones with half a window before", async () => {
    const long = `${text} `.repeat(5);
    const parts = [];
    for await (const part of scoreText(quire.engine, long, { window: 64 })) parts.push(part);
    const ends = parts.flatMap(({ endBytes }) => [...endBytes]);
    const tokens = quire.tokenizer.encode(long);
    expect(ends).toHaveLength(tokens.length - 1);
    expect(ends).toEqual([...ends].sort((a, b) => a - b));
    expect(parts.map(({ logProbs }) => logProbs.length).slice(0, 3)).toEqual([63, 32, 32]);
    const second = await reference(tokens.subarray(32, 96));
    for (let i = 0; i < 32; i++) expect(parts[1]!.logProbs[i]).toBeCloseTo(second[31 + i]!, 4);
    const whole = await quire.score(text, { window: 256 });
    const windowed = await quire.score(text, { window: 128 });
    expect([...windowed.logProbs]).toEqual([...whole.logProbs]);
  });

  it("chooses: probabilities over everything the model could say, of labels of one and of several tokens", async () => {
    const prompt = "Answer with one word. Which animal barks?";
    const labels = ["Dog", "Cat", "Dogs bark, cats do not"];
    const chosen = await quire.choose(prompt, labels);
    const prefix = quire.encodeChat(prompt);
    for (const [i, label] of labels.entries()) {
      const tokens = quire.tokenizer.encode(label);
      const scores = await reference(Int32Array.from([...prefix, ...tokens]));
      const sum = scores.slice(-tokens.length).reduce((total, value) => total + value, 0);
      expect(Math.log(chosen[i]!)).toBeCloseTo(sum, 3);
    }
    expect(chosen[0]! + chosen[1]!).toBeLessThanOrEqual(1);
  });

  it("runs beside others, and stops", async () => {
    const alone = await quire.score(text);
    const [again, reply] = await Promise.all([quire.score(text), quire.generate("Hi", { maxTokens: 8 })]);
    expect(reply.usage.completionTokens).toBeGreaterThan(0);
    for (const [i, value] of alone.logProbs.entries()) expect(again.logProbs[i]).toBeCloseTo(value, 3);
    const signal = AbortSignal.abort();
    await expect(quire.score(text, { signal })).rejects.toMatchObject({ code: "cancelled" });
  });

  it("empty texts have no scores; what does not fit is refused", async () => {
    expect((await quire.score("")).logProbs).toHaveLength(0);
    expect((await quire.score("", { given: "Hello" })).logProbs).toHaveLength(0);
    await expect(quire.choose("Hi", ["a", ""])).rejects.toMatchObject({ code: "bad-option" });
    await expect(quire.score("a", { window: 10 })).rejects.toMatchObject({ code: "bad-option", got: 10 });
    const long = "word ".repeat(quire.contextTokens);
    await expect(quire.score(long, { given: "x" })).rejects.toMatchObject({ code: "context-overflow" });
  });
});
