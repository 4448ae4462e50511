import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embedMany, generateObject, generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import { describe, expect, it } from "vitest";
import { runningServer, weatherCaller } from "./running-server.case.js";

/** Vercel's AI SDK, through its provider for OpenAI-compatible servers. */

async function provider(...options: Parameters<typeof runningServer>) {
  const { url } = await runningServer(...options);
  return createOpenAICompatible({
    name: "quire",
    baseURL: `${url}/v1`,
    includeUsage: true,
    supportsStructuredOutputs: true,
  });
}

const weather = tool({
  description: "The weather",
  inputSchema: jsonSchema<{ city: string }>({
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
  }),
  execute: async ({ city }) => `sunny in ${city}`,
});

describe("the AI SDK", () => {
  it("generates and streams text", async () => {
    const quire = await provider();
    const { text, usage, finishReason } = await generateText({ model: quire("echo"), prompt: "Hello" });
    expect([text, usage.outputTokens, finishReason]).toEqual(["Hello", 5, "stop"]);
    const stream = streamText({ model: quire("echo"), prompt: "Hello" });
    let streamed = "";
    for await (const piece of stream.textStream) streamed += piece;
    expect(streamed).toBe("Hello");
    expect((await stream.usage).outputTokens).toBe(5);
  });

  it("calls tools in a loop", async () => {
    const quire = await provider({ reply: weatherCaller() });
    const { text, steps } = await generateText({
      model: quire("echo"),
      prompt: "Weather in Oslo?",
      tools: { weather },
      stopWhen: stepCountIs(3),
    });
    expect(text).toBe("It is sunny in Oslo.");
    expect(steps[0]!.toolCalls).toMatchObject([{ toolName: "weather", input: { city: "Oslo" } }]);
  });

  it("streams calls of tools", async () => {
    const quire = await provider({ reply: weatherCaller() });
    const stream = streamText({
      model: quire("echo"),
      prompt: "Weather in Oslo?",
      tools: { weather },
      stopWhen: stepCountIs(3),
    });
    expect(await stream.text).toBe("It is sunny in Oslo.");
  });

  it("generates objects that fit a schema", async () => {
    const quire = await provider({
      reply: (_, job) => (job.options.schema === undefined ? "no schema came" : '{"name":"Ada"}'),
    });
    const schema = jsonSchema<{ name: string }>({
      type: "object",
      properties: { name: { type: "string" } },
      required: ["name"],
    });
    const { object } = await generateObject({ model: quire("echo"), prompt: "A person", schema });
    expect(object).toEqual({ name: "Ada" });
  });

  it("embeds", async () => {
    const quire = await provider();
    const { embeddings } = await embedMany({ model: quire.textEmbeddingModel("echo-embedder"), values: ["a", "b"] });
    expect(embeddings).toHaveLength(2);
  });
});
