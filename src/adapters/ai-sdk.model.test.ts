import { embedMany, generateObject, generateText, jsonSchema, streamText } from "ai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Embedder } from "../engine/embedder.js";
import { Quire } from "../quire.js";
import { testModel } from "../weights/test-models.js";
import { quireEmbedding, quireModel } from "./ai-sdk.js";

/** Vercel's AI SDK with models in this process. */

describe("Quire as a provider of the AI SDK", () => {
  let quire: Quire;
  beforeAll(async () => {
    quire = await Quire.open("smollm2-135m-instruct", { threads: 1 });
  });
  afterAll(() => quire.close());

  it("generates and streams the text that the library gives", async () => {
    const { text: expected, usage } = await quire.generate("Name a colour.", { temperature: 0, maxTokens: 12 });
    const call = { model: quireModel(quire), prompt: "Name a colour.", temperature: 0, maxOutputTokens: 12 };
    const result = await generateText(call);
    expect(result.text).toBe(expected);
    expect(result.usage).toMatchObject({ inputTokens: usage.promptTokens, outputTokens: usage.completionTokens });
    const stream = streamText(call);
    let text = "";
    for await (const piece of stream.textStream) text += piece;
    expect(text).toBe(expected);
    expect(["stop", "length"]).toContain(await stream.finishReason);
  });

  it("keeps roles apart, stops where told, and gives objects that fit", async () => {
    const { text } = await generateText({
      model: quireModel(quire, { cache: "window:budget=256" }),
      system: "You count.",
      messages: [
        { role: "user", content: "1, 2, 3" },
        { role: "assistant", content: "4, 5, 6" },
        { role: "user", content: "Go on." },
      ],
      temperature: 0,
      maxOutputTokens: 20,
      stopSequences: ["9"],
    });
    expect(text).not.toContain("9");
    const schema = jsonSchema<{ name: string }>({
      type: "object",
      properties: { name: { type: "string", maxLength: 20 } },
      required: ["name"],
      additionalProperties: false,
    });
    const { object } = await generateObject({ model: quireModel(quire), schema, prompt: "A name.", temperature: 0 });
    expect(typeof object.name).toBe("string");
  });

  it("ends when it is aborted, and says that tools go another way", async () => {
    const abort = new AbortController();
    const stream = streamText({
      model: quireModel(quire),
      prompt: "Count to a thousand.",
      maxOutputTokens: 2000,
      abortSignal: abort.signal,
      onError: () => {},
    });
    for await (const _ of stream.textStream) abort.abort();
    expect(quire.engine.live).toBe(0);
    const { warnings } = await generateText({
      model: quireModel(quire),
      prompt: "Hello",
      maxOutputTokens: 2,
      tools: { none: { inputSchema: jsonSchema({ type: "object" }) } },
    });
    expect(warnings).toMatchObject([{ type: "unsupported", feature: "tools" }]);
  });

  it("embeds", async () => {
    const embedder = await Embedder.open(await testModel("all-minilm-l6-v2"), { threads: 1 });
    const { embeddings } = await embedMany({
      model: quireEmbedding(embedder),
      values: ["a cat", "a kitten", "a bank"],
    });
    const dot = (a: number[] = [], b: number[] = []) => a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
    expect(dot(embeddings[0], embeddings[1])).toBeGreaterThan(dot(embeddings[0], embeddings[2]));
    await embedder.close();
  });
});
