import { afterAll, beforeAll, describe, expect, it } from "vitest";
/** Greedy continuations of node-llama-cpp 3.22.1 on the same file, two threads: the independent reference. */
import reference from "./greedy-reference.json" with { type: "json" };
import { Quire } from "./quire.js";
import { testModel } from "./weights/test-models.js";

describe("SmolLM2-135M", () => {
  let quire: Quire;
  beforeAll(async () => {
    quire = await Quire.open(await testModel("smollm2-135m-instruct"), { device: "cpu", threads: 1 });
  });
  afterAll(() => quire.close());

  it.each(reference["smollm2-135m-instruct"])("continues $prompt as llama.cpp does", async ({ prompt, tokens }) => {
    const result = await quire.complete(prompt, { maxTokens: tokens.length, ignoreEnd: true });
    expect(result.tokens).toEqual(tokens);
  });

  it("chats, keeping what it has read", async () => {
    const chat = quire.chat({ system: "Answer in one sentence.", maxTokens: 20 });
    const first = await chat.send("What is the capital of France?");
    expect(first.text).toContain("Paris");
    const second = await chat.send("And of Italy?");
    expect(second.usage.cachedTokens).toBeGreaterThan(first.usage.promptTokens);
    expect(chat.messages.map(({ role }) => role)).toEqual(["system", "user", "assistant", "user", "assistant"]);
    chat.close();
  });

  it("gives JSON that fits a schema, also when tokens run out", async () => {
    const schema = {
      type: "object",
      properties: { name: { type: "string" }, tags: { type: "array", items: { type: "string" }, maxItems: 3 } },
      required: ["name", "tags"],
      additionalProperties: false,
    };
    for (const maxTokens of [30, 60]) {
      const { text } = await quire.generate("Describe a cat as JSON.", { schema, maxTokens, temperature: 1, seed: 5 });
      expect(JSON.parse(text)).toMatchObject({ name: expect.any(String), tags: expect.any(Array) });
    }
  });

  it("draws the same text for the same seed, and cuts at stop strings", async () => {
    const options = { temperature: 0.9, topK: 40, seed: 11, maxTokens: 24 };
    const [a, b, c] = await Promise.all([
      quire.generate("Tell me a story.", options),
      quire.generate("Tell me a story.", options),
      quire.generate("Tell me a story.", { ...options, seed: 12 }),
    ]);
    expect(a?.text).toBe(b?.text);
    expect(a?.text).not.toBe(c?.text);
    const word = a?.text.split(" ")[3] as string;
    const stopped = await quire.generate("Tell me a story.", { ...options, stop: [word] });
    expect(stopped.text).toBe(a?.text.slice(0, a.text.indexOf(word)));
    expect(stopped.finishReason).toBe("stop");
  });

  it("reports probabilities, and says what it left out of a long prompt", async () => {
    const { tokens } = await quire.complete("The capital of France is", { maxTokens: 1 });
    const stream = quire.streamCompletion("The capital of France is", { maxTokens: 1, logprobs: 3 });
    const { value } = await stream.next();
    expect(value).toMatchObject({ token: tokens[0], top: expect.any(Array) });
    for await (const _ of stream);
    const long = "word ".repeat(9000);
    await expect(quire.complete(long, { maxTokens: 4 })).rejects.toMatchObject({ code: "context-overflow" });
    await expect(quire.generate("x", { temperature: -1 })).rejects.toMatchObject({ code: "bad-option" });
  });
});
