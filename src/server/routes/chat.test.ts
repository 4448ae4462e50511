import { describe, expect, it } from "vitest";
import { json, readEvents, testApp } from "../test-app.case.js";

const messages = [{ role: "user", content: "Hello, wörld" }];
const path = "/v1/chat/completions";

describe("POST /v1/chat/completions", () => {
  it("answers, with usage and a reason", async () => {
    const { post } = await testApp();
    const response = await post(path, { model: "echo", messages });
    expect(response.status).toBe(200);
    const body = await json(response);
    expect(body).toMatchObject({
      object: "chat.completion",
      model: "echo",
      choices: [
        { index: 0, message: { role: "assistant", content: "Hello, wörld" }, finish_reason: "stop", logprobs: null },
      ],
    });
    const { prompt_tokens, completion_tokens, total_tokens } = body.usage;
    expect(completion_tokens).toBe(12);
    expect(total_tokens).toBe(prompt_tokens + completion_tokens);
    expect(body.quire.stats.dropped_tokens).toBe(0);
  });

  it("streams as clients expect it: role first, text, reason, usage, [DONE]", async () => {
    const { post } = await testApp();
    const response = await post(path, { messages, stream: true, stream_options: { include_usage: true } });
    expect(response.headers.get("content-type")).toMatch(/^text\/event-stream/);
    const events = await readEvents(response);
    expect(events.at(-1)!.data).toBe("[DONE]");
    const chunks = events.slice(0, -1).map(({ data }) => JSON.parse(data));
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
    expect(chunks.every(({ object }) => object === "chat.completion.chunk")).toBe(true);
    expect(chunks[0].choices[0].delta).toEqual({ role: "assistant", content: "", refusal: null });
    const text = chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("");
    expect(text).toBe("Hello, wörld");
    expect(chunks.slice(1).some(({ choices }) => choices[0]?.delta.role !== undefined)).toBe(false);
    expect(chunks.at(-2).choices[0]).toMatchObject({ delta: {}, finish_reason: "stop" });
    expect(chunks.slice(0, -2).every(({ choices }) => choices[0].finish_reason === null)).toBe(true);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 12 } });
    expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
  });

  it("cuts at max_tokens and at stop texts, which are held back", async () => {
    const { post } = await testApp();
    const cut = await json(await post(path, { messages, max_tokens: 3 }));
    expect(cut.choices[0]).toMatchObject({ message: { content: "Hel" }, finish_reason: "length" });
    const stopped = await json(await post(path, { messages, stop: ["wör", "nothing"] }));
    expect(stopped.choices[0]).toMatchObject({ message: { content: "Hello, " }, finish_reason: "stop" });
    const one = await json(await post(path, { messages, stop: "lo" }));
    expect(one.choices[0].message.content).toBe("Hel");
  });

  it("gives n answers, each with a seed of its own", async () => {
    const { post, engine } = await testApp();
    const body = await json(await post(path, { messages, n: 3, seed: 7, temperature: 1 }));
    expect(body.choices.map(({ index }: { index: number }) => index)).toEqual([0, 1, 2]);
    expect(engine.jobs.map(({ options }) => options.seed)).toEqual([7, 8, 9]);
    expect(body.usage.completion_tokens).toBe(36);
    const events = await readEvents(await post(path, { messages, n: 2, stream: true }));
    const chunks = events.slice(0, -1).map(({ data }) => JSON.parse(data).choices[0]);
    for (const index of [0, 1]) {
      const own = chunks.filter((chunk) => chunk.index === index);
      expect(own.map(({ delta }) => delta.content ?? "").join("")).toBe("Hello, wörld");
      expect(own.at(-1).finish_reason).toBe("stop");
    }
  });

  it("reports log probabilities with bytes", async () => {
    const { post } = await testApp();
    const body = await json(await post(path, { messages, logprobs: true, top_logprobs: 1 }));
    const { content } = body.choices[0].logprobs;
    expect(content).toHaveLength(12);
    expect(content[8]).toMatchObject({ token: "ö", logprob: -0.5, bytes: [195, 182] });
    expect(content[0].top_logprobs).toHaveLength(1);
    const none = await json(await post(path, { messages, logprobs: true }));
    expect(none.choices[0].logprobs.content[0].top_logprobs).toEqual([]);
    const wrong = await post(path, { messages, top_logprobs: 2 });
    expect((await json(wrong)).error).toMatchObject({ param: "top_logprobs", type: "invalid_request_error" });
  });

  it("passes sampling, shape and Quire's own options on", async () => {
    const { post, engine } = await testApp();
    const schema = { type: "object", properties: { a: { type: "integer" } }, required: ["a"] };
    await post(path, {
      messages,
      temperature: 0.5,
      top_p: 0.9,
      logit_bias: { 5: -100 },
      response_format: { type: "json_schema", json_schema: { name: "x", schema, strict: true } },
      quire: { cache: "window:budget=64", decoder: "prompt-lookup", overflow: "drop-start" },
    });
    expect(engine.jobs[0]!.options).toMatchObject({
      ...{ temperature: 0.5, topP: 0.9, logitBias: { 5: -100 }, schema },
      ...{ cache: "window:budget=64", decoder: "prompt-lookup", overflow: "drop-oldest" },
    });
  });

  it("never cuts a prompt in silence", async () => {
    const { post } = await testApp({ contextTokens: 200 });
    const long = [{ role: "user", content: "x".repeat(300) }];
    const response = await post(path, { messages: long });
    expect(response.status).toBe(400);
    const { error } = await json(response);
    expect(error.code).toBe("context_length_exceeded");
    expect(error.message).toMatch(/200 tokens.*317/);
    const dropped = await json(await post(path, { messages: long, max_tokens: 5, quire: { overflow: "drop-start" } }));
    expect(dropped.quire.stats.dropped_tokens).toBe(217);
    expect(dropped.choices[0].finish_reason).toBe("length");
  });

  it.each([
    [{}, "messages"],
    [{ messages: [] }, "messages"],
    [{ messages: [{ role: "king", content: "x" }] }, "messages[0].role"],
    [{ messages, temperature: "hot" }, "temperature"],
    [{ messages, n: 0 }, "n"],
    [{ messages, max_tokens: 1.5 }, "max_tokens"],
    [{ messages, functions: [{}] }, "functions"],
    [{ messages, audio: { voice: "a" } }, "audio"],
    [{ messages, modalities: ["audio"] }, "modalities"],
    [{ messages, quire: { cash: "h2o" } }, "quire"],
    [{ messages: [{ role: "user", content: [{ type: "image_url", image_url: {} }] }] }, "messages[0].content[0]"],
    [{ messages, quire: { cache: "h3o" } }, "quire.cache"],
    [{ messages, quire: { decoder: "prompt-lookup:draft=-3" } }, "quire.decoder"],
    [{ messages, quire: { decoder: "rsd:draft=model:smollm2-135m-instruct" } }, "quire.decoder"],
    [{ messages, quire: { decoder: "rsd:draft=tiny:/etc/passwd" } }, "quire.decoder"],
    [{ messages, tool_choice: "required" }, "tool_choice"],
    [{ messages, response_format: { type: "xml" } }, "response_format.type"],
    [
      { messages, response_format: { type: "json_schema", json_schema: { schema: { type: "nonsense" } } } },
      "response_format",
    ],
  ])("refuses %j and names %s", async (body, param) => {
    const { post } = await testApp();
    const response = await post(path, body);
    expect(response.status).toBe(400);
    const { error } = await json(response);
    expect(error).toMatchObject({ type: "invalid_request_error", param });
    expect(error.message.length).toBeGreaterThan(5);
  });

  it("says which models there are", async () => {
    const { post } = await testApp({}, { aliases: ["gpt-4o"] });
    const response = await post(path, { model: "gpt-9", messages });
    expect(response.status).toBe(404);
    expect((await json(response)).error).toMatchObject({ code: "model_not_found", param: "model" });
    expect((await post(path, { model: "gpt-4o", messages })).status).toBe(200);
  });

  it("reads text parts, leaves unknown fields alone, takes null for left out", async () => {
    const { post } = await testApp();
    const content = [
      { type: "text", text: "a" },
      { type: "text", text: "b" },
    ];
    const body = { messages: [{ role: "user", content }], stop: null, tools: null, seed: null, whatever: 1 };
    expect((await json(await post(path, body))).choices[0].message.content).toBe("ab");
  });

  it("stops the engine when a reader leaves", async () => {
    const { post, service } = await testApp({ delayMs: 5, reply: () => "x".repeat(1000) });
    const response = await post(path, { messages, stream: true, max_tokens: 1000 });
    const reader = response.body!.getReader();
    await reader.read();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(service.runs.all).toHaveLength(1);
    await reader.cancel();
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(service.runs.all).toHaveLength(0);
    expect(service.queue.running).toBe(0);
  });

  it("tells of an error in the middle of a stream as an event", async () => {
    let said = 0;
    const { post } = await testApp({
      reply: () => {
        said++;
        throw new Error("secret /etc/passwd");
      },
    });
    const events = await readEvents(await post(path, { messages, stream: true }));
    expect(said).toBe(1);
    expect(events.at(-1)!.data).toBe("[DONE]");
    const { error } = JSON.parse(events.at(-2)!.data);
    expect(error).toMatchObject({ code: "internal_error", type: "server_error" });
    expect(error.message).not.toContain("secret");
  });
});
