import { HumanMessage, ToolMessage } from "@langchain/core/messages";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { describe, expect, it } from "vitest";
import { runningServer, weatherCaller } from "./running-server.case.js";

/** LangChain.js' ChatOpenAI and OpenAIEmbeddings, pointed here. */

async function model(...options: Parameters<typeof runningServer>) {
  const { url } = await runningServer(...options);
  const configuration = { baseURL: `${url}/v1` };
  return {
    chat: new ChatOpenAI({ model: "echo", apiKey: "none", maxRetries: 0, configuration }),
    embeddings: new OpenAIEmbeddings({ model: "echo-embedder", apiKey: "none", maxRetries: 0, configuration }),
  };
}

const weather = {
  type: "function" as const,
  function: {
    name: "weather",
    description: "The weather",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};

describe("LangChain.js", () => {
  it("invokes and streams", async () => {
    const { chat } = await model();
    const answer = await chat.invoke("Hello");
    expect(answer.content).toBe("Hello");
    expect(answer.usage_metadata?.output_tokens).toBe(5);
    let text = "";
    for await (const chunk of await chat.stream("Hello")) text += String(chunk.content);
    expect(text).toBe("Hello");
  });

  it("binds tools", async () => {
    const { chat } = await model({ reply: weatherCaller() });
    const bound = chat.bindTools([weather]);
    const question = new HumanMessage("Weather in Oslo?");
    const called = await bound.invoke([question]);
    expect(called.tool_calls).toMatchObject([{ name: "weather", args: { city: "Oslo" } }]);
    const result = new ToolMessage({ content: "sunny", tool_call_id: called.tool_calls![0]!.id! });
    expect((await bound.invoke([question, called, result])).content).toBe("It is sunny in Oslo.");
  });

  it("gets structured output", async () => {
    const { chat } = await model({ reply: () => '{"name":"Ada"}' });
    const schema = {
      title: "person",
      type: "object",
      properties: { name: { type: "string" } },
      required: ["name"],
      additionalProperties: false,
    };
    const structured = chat.withStructuredOutput<{ name: string }>(schema, { method: "jsonSchema" });
    expect(await structured.invoke("A person")).toEqual({ name: "Ada" });
  });

  it("embeds", async () => {
    const { embeddings } = await model();
    expect(await embeddings.embedDocuments(["a", "b"])).toHaveLength(2);
    expect(await embeddings.embedQuery("a")).toHaveLength(16);
  });
});
