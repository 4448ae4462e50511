import OpenAI from "openai";
import { describe, expect, it } from "vitest";
import { runningServer, weatherCaller } from "./running-server.case.js";

/** OpenAI's own client, unmodified. */

const messages = [{ role: "user" as const, content: "Hello, wörld" }];
const weather = {
  type: "function" as const,
  function: {
    name: "weather",
    description: "The weather",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};

async function client(...options: Parameters<typeof runningServer>) {
  const server = await runningServer(...options);
  return { ...server, openai: new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 }) };
}

describe("the openai package", () => {
  it("chats, whole and streamed", async () => {
    const { openai } = await client();
    const whole = await openai.chat.completions.create({ model: "echo", messages });
    expect(whole.choices[0]!.message.content).toBe("Hello, wörld");
    const stream = openai.chat.completions.stream({ model: "echo", messages, stream_options: { include_usage: true } });
    let text = "";
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
    expect(text).toBe("Hello, wörld");
    const final = await stream.finalChatCompletion();
    expect(final.choices[0]).toMatchObject({ finish_reason: "stop", message: { content: "Hello, wörld" } });
    expect(final.usage?.completion_tokens).toBe(12);
  });

  it("runs tools to the end", async () => {
    const { openai } = await client({ reply: weatherCaller() });
    const runner = openai.chat.completions.runTools({
      model: "echo",
      messages: [{ role: "user", content: "Weather in Oslo?" }],
      tools: [
        {
          type: "function",
          function: {
            ...weather.function,
            function: (args: { city: string }) => `sunny in ${args.city}`,
            parse: (text: string) => JSON.parse(text) as { city: string },
          },
        },
      ],
    });
    expect(await runner.finalContent()).toBe("It is sunny in Oslo.");
    expect(runner.messages.some((message) => message.role === "tool")).toBe(true);
  });

  it("merges streamed calls", async () => {
    const { openai } = await client({ reply: weatherCaller() });
    const stream = openai.chat.completions.stream({ model: "echo", messages, tools: [weather] });
    const final = await stream.finalChatCompletion();
    expect(final.choices[0]!.message.tool_calls).toMatchObject([
      { function: { name: "weather", arguments: '{"city":"Oslo"}' } },
    ]);
  });

  it("knows errors by their class", async () => {
    const { openai } = await client();
    await expect(openai.chat.completions.create({ model: "none", messages })).rejects.toBeInstanceOf(
      OpenAI.NotFoundError,
    );
    await expect(
      openai.chat.completions.create({ model: "echo", messages: [{ role: "user", content: "x".repeat(5000) }] }),
    ).rejects.toMatchObject({ status: 400, code: "context_length_exceeded", type: "invalid_request_error" });
  });

  it("stops the engine when it stops reading", async () => {
    const { openai, service } = await client({ delayMs: 5, reply: () => "x".repeat(2000) });
    const stream = await openai.chat.completions.create({ model: "echo", messages, stream: true });
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content === "x") break;
    stream.controller.abort();
    const stop = new AbortController();
    const whole = openai.chat.completions.create({ model: "echo", messages }, { signal: stop.signal });
    whole.catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 50));
    stop.abort();
    await expect(whole).rejects.toThrow();
    await expect.poll(() => service.runs.all.length, { timeout: 2000 }).toBe(0);
  });

  it("completes, embeds, lists models", async () => {
    const { openai } = await client();
    expect((await openai.completions.create({ model: "echo", prompt: "abc" })).choices[0]!.text).toBe("abc");
    // The client asks for base64 by itself and unpacks it.
    const { data } = await openai.embeddings.create({ model: "echo-embedder", input: ["a", "b"] });
    expect(data.map(({ embedding }) => embedding.length)).toEqual([16, 16]);
    expect((await openai.models.list()).data.map(({ id }) => id)).toEqual(["echo", "echo-embedder"]);
  });

  it("speaks the Responses API, whole and streamed", async () => {
    const { openai } = await client();
    const whole = await openai.responses.create({ model: "echo", input: "Hello" });
    expect(whole.output_text).toBe("Hello");
    const next = await openai.responses.create({ model: "echo", input: "Bye", previous_response_id: whole.id });
    expect(next.output_text).toBe("Bye");
    const stream = openai.responses.stream({ model: "echo", input: "Hello" });
    let text = "";
    for await (const event of stream) if (event.type === "response.output_text.delta") text += event.delta;
    expect(text).toBe("Hello");
    expect((await stream.finalResponse()).output_text).toBe("Hello");
  });

  it("sends and deletes files", async () => {
    const { openai } = await client();
    const file = await openai.files.create({ file: new File(["text"], "näme.txt"), purpose: "assistants" });
    expect(file.filename).toBe("näme.txt");
    expect(await (await openai.files.content(file.id)).text()).toBe("text");
    expect((await openai.files.delete(file.id)).deleted).toBe(true);
  });
});
