import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { json, readEvents, testApp } from "../test-app.case.js";

describe("POST /v1/completions", () => {
  it("goes on with a text, a list of texts, or tokens", async () => {
    const { post } = await testApp();
    const one = await json(await post("/v1/completions", { prompt: "abc" }));
    expect(one).toMatchObject({
      object: "text_completion",
      choices: [{ text: "abc", index: 0, finish_reason: "stop" }],
    });
    const two = await json(await post("/v1/completions", { prompt: ["ab", "cd"], n: 2 }));
    expect(two.choices.map(({ text }: { text: string }) => text)).toEqual(["ab", "ab", "cd", "cd"]);
    expect(two.usage).toMatchObject({ prompt_tokens: 4, completion_tokens: 8, total_tokens: 12 });
    expect((await json(await post("/v1/completions", { prompt: [97, 98] }))).choices[0].text).toBe("ab");
    const echoed = await json(await post("/v1/completions", { prompt: "abc", echo: true, max_tokens: 1 }));
    expect(echoed.choices[0]).toMatchObject({ text: "abca", finish_reason: "length" });
  });

  it("streams, with log probabilities", async () => {
    const { post } = await testApp();
    const body = { prompt: "abc", stream: true, logprobs: 1, stream_options: { include_usage: true } };
    const events = await readEvents(await post("/v1/completions", body));
    const chunks = events.slice(0, -1).map(({ data }) => JSON.parse(data));
    expect(chunks.map(({ choices }) => choices[0]?.text ?? "").join("")).toBe("abc");
    expect(chunks[0].choices[0].logprobs).toEqual({
      tokens: ["a"],
      token_logprobs: [-0.5],
      top_logprobs: [{ a: -0.5 }],
      text_offset: [0],
    });
    expect(chunks.at(-1).usage.completion_tokens).toBe(3);
  });

  it.each([
    [{ prompt: "" }, "prompt"],
    [{ prompt: [2 ** 30] }, "prompt"],
    [{ prompt: "a", suffix: "b" }, "suffix"],
    [{ prompt: "a", best_of: 3 }, "best_of"],
    [{ prompt: ["a", "b"], n: 99 }, "n"],
  ])("refuses %j", async (body, param) => {
    const { post } = await testApp();
    const response = await post("/v1/completions", body);
    expect(response.status).toBe(400);
    expect((await json(response)).error.param).toBe(param);
  });
});

describe("POST /v1/responses", () => {
  it("answers, and goes on from an earlier response", async () => {
    const { app, post, engine } = await testApp();
    const first = await json(await post("/v1/responses", { input: "Hello", instructions: "Be kind." }));
    expect(first).toMatchObject({
      ...{ object: "response", status: "completed", error: null },
      output: [{ type: "message", role: "assistant", content: [{ type: "output_text", text: "Hello" }] }],
      usage: { output_tokens: 5 },
    });
    const next = { input: [{ role: "user", content: [{ type: "input_text", text: "Bye" }] }] };
    const second = await json(await post("/v1/responses", { ...next, previous_response_id: first.id }));
    expect(second.output[0].content[0].text).toBe("Bye");
    expect(String.fromCodePoint(...engine.jobs[1]!.prompt)).toMatch(/User: Hello\nAssistant: Hello\nUser: Bye/);
    expect((await json(await app.request(`/v1/responses/${first.id}`))).id).toBe(first.id);
    expect((await app.request(`/v1/responses/${first.id}`, { method: "DELETE" })).status).toBe(200);
    const gone = await post("/v1/responses", { ...next, previous_response_id: first.id });
    expect((await json(gone)).error.param).toBe("previous_response_id");
  });

  it("streams named events in order, and says when it was cut", async () => {
    const { post } = await testApp();
    const events = await readEvents(
      await post("/v1/responses", { input: "Hello", stream: true, max_output_tokens: 3 }),
    );
    const all = events.map(({ event, data }) => ({ ...JSON.parse(data), event }));
    expect(all.every(({ event, type }) => event === type)).toBe(true);
    expect(all.map(({ sequence_number }) => sequence_number)).toEqual(all.map((_, i) => i));
    expect(all.map(({ type }) => type).filter((type) => !type.endsWith("delta"))).toEqual([
      ...["response.created", "response.in_progress", "response.output_item.added", "response.content_part.added"],
      ...["response.output_text.done", "response.content_part.done", "response.output_item.done"],
      "response.incomplete",
    ]);
    const text = all.filter(({ type }) => type === "response.output_text.delta").map(({ delta }) => delta);
    expect(text.join("")).toBe("Hel");
    expect(all.at(-1).response.incomplete_details).toEqual({ reason: "max_output_tokens" });
  });

  it("calls functions, and takes their results", async () => {
    const { post, engine } = await testApp({ reply: () => '{"name": "now", "arguments": {}}' });
    const tools = [{ type: "function", name: "now", parameters: { type: "object", properties: {} } }];
    const called = await json(await post("/v1/responses", { input: "Time?", tools, tool_choice: "required" }));
    expect(called.output).toMatchObject([{ type: "function_call", name: "now", arguments: "{}" }]);
    const input = [{ type: "function_call_output", call_id: called.output[0].call_id, output: "noon" }];
    await post("/v1/responses", { input, previous_response_id: called.id });
    expect(String.fromCodePoint(...engine.jobs.at(-1)!.prompt)).toContain("<tool_response>\nnoon\n</tool_response>");
  });

  it.each([
    [{ input: "x", background: true }, "background"],
    [{ input: "x", truncation: "auto" }, "truncation"],
    [{ input: "x", tools: [{ type: "web_search" }] }, "tools[0].type"],
    [{ input: [] }, "input"],
  ])("refuses %j", async (body, param) => {
    const { post } = await testApp();
    const response = await post("/v1/responses", body);
    expect([response.status, (await json(response)).error.param]).toEqual([400, param]);
  });
});

describe("the rest of the API", () => {
  it("lists models", async () => {
    const { app } = await testApp();
    const { data } = await json(await app.request("/v1/models"));
    expect(data.map(({ id }: { id: string }) => id)).toEqual(["echo", "echo-embedder"]);
    expect(await json(await app.request("/v1/models/echo"))).toMatchObject({ id: "echo", max_model_len: 4096 });
    expect((await app.request("/v1/models/none")).status).toBe(404);
  });

  it("embeds, as numbers and in base64", async () => {
    const { post } = await testApp();
    const { data, usage } = await json(await post("/v1/embeddings", { input: ["a", "b"] }));
    expect(data.map(({ index }: { index: number }) => index)).toEqual([0, 1]);
    expect(usage.total_tokens).toBe(2);
    const packed = await json(await post("/v1/embeddings", { input: "a", encoding_format: "base64" }));
    const bytes = Buffer.from(packed.data[0].embedding, "base64");
    const floats = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
    expect([...floats]).toEqual(data[0].embedding);
    for (const body of [{ input: [] }, { input: [1, 2] }, { input: "a", dimensions: 3 }]) {
      expect((await post("/v1/embeddings", body)).status).toBe(400);
    }
    const { post: without } = await testApp({ embedder: false });
    expect((await json(await without("/v1/embeddings", { input: "a" }))).error.code).toBe("unsupported");
  });

  it("makes tokens of texts and texts of tokens", async () => {
    const { post } = await testApp();
    const body = await json(await post("/v1/tokenize", { text: "añ" }));
    expect(body).toMatchObject({ tokens: [97, 241], count: 2 });
    expect(await json(await post("/v1/detokenize", { tokens: body.tokens }))).toEqual({ text: "añ" });
    expect((await json(await post("/tokenize", { content: "a" }))).count).toBe(1);
    expect((await post("/v1/detokenize", { tokens: [2 ** 31] })).status).toBe(400);
    expect((await post("/v1/tokenize", {})).status).toBe(400);
  });

  it("tells how it is", async () => {
    const { app, post, service } = await testApp();
    await post("/v1/chat/completions", { messages: [{ role: "user", content: "hello" }] });
    expect(await json(await app.request("/health"))).toEqual({ status: "ok" });
    expect(await json(await app.request("/v1/server"))).toMatchObject({
      ...{ model: "echo", context_tokens: 4096 },
      engine: { state: "ready", restarts: 0 },
    });
    const metrics = await (await app.request("/metrics")).text();
    expect(metrics).toMatch(/quire_generation_tokens_total\{model="echo"\} 5/);
    expect(metrics).toMatch(/quire_time_to_first_token_seconds_count\{model="echo"\} 1/);
    expect(metrics).toMatch(/quire_inter_token_latency_seconds_count\{model="echo"\} 4/);
    expect(metrics).toMatch(/quire_http_requests_total\{route="\/v1\/chat\/completions",status="200",model="echo"\} 1/);
    service.draining = true;
    expect((await app.request("/health")).status).toBe(503);
    expect((await json(await post("/v1/completions", { prompt: "a" }))).error.code).toBe("draining");
  });

  it("says what the catalogue holds", async () => {
    const { app } = await testApp();
    const { data } = await json(await app.request("/v1/methods"));
    const found = new Map(data.map((row: { name: string }) => [row.name, row]));
    expect(found.get("h2o")).toMatchObject({ kind: "cache", arxiv: "2306.14048" });
    expect(found.get("full")).toMatchObject({ kind: "cache", state: "works", selectable: true });
    expect(found.get("window")).toMatchObject({
      options: { properties: { budget: { description: expect.any(String) } } },
    });
  });

  it("shows requests at work, and stops them", async () => {
    const { app, post } = await testApp({ delayMs: 5, reply: () => "x".repeat(500) });
    const running = post("/v1/chat/completions", { messages: [{ role: "user", content: "a" }], user: "anna" });
    await new Promise((resolve) => setTimeout(resolve, 30));
    const { data } = await json(await app.request("/v1/requests"));
    expect(data).toMatchObject([{ user: "anna", state: "running", started_at: expect.any(Number) }]);
    expect((await app.request(`/v1/requests/${data[0].id}`, { method: "DELETE" })).status).toBe(200);
    expect((await running).status).toBe(499);
    expect((await json(await app.request("/v1/requests"))).data).toEqual([]);
    expect((await app.request("/v1/requests/none", { method: "DELETE" })).status).toBe(404);
  });

  it("streams what passes carry", async () => {
    const { app, post } = await testApp();
    const response = await app.request("/v1/scheduler/events");
    const reader = response.body!.getReader();
    await reader.read();
    await post("/v1/completions", { prompt: "a", user: "ben" });
    const text = new TextDecoder().decode((await reader.read()).value);
    await reader.cancel();
    expect(text).toMatch(/^event: pass\ndata: /);
    expect(JSON.parse(text.split("data: ")[1]!)).toMatchObject({ decode_rows: 0, slices: [{ user: "ben", rows: 1 }] });
  });

  it("refuses more than its queue holds, at once", async () => {
    const { post } = await testApp({ delayMs: 20 }, { parallel: 1, queueSize: 1 });
    const ask = () => post("/v1/completions", { prompt: "abc" });
    const all = await Promise.all([ask(), ask(), ask()]);
    expect(all.map(({ status }) => status).sort()).toEqual([200, 200, 429]);
    const refused = all.find(({ status }) => status === 429)!;
    expect(refused.headers.get("retry-after")).toMatch(/^\d+$/);
    const streamed = await Promise.all([ask(), ask(), post("/v1/completions", { prompt: "a", stream: true })]);
    expect(streamed[2].status).toBe(429);
  });

  it("describes itself", async () => {
    const { app } = await testApp();
    const document = await json(await app.request("/openapi.json"));
    expect(document.openapi).toBe("3.1.0");
    const body = document.paths["/v1/chat/completions"].post.requestBody.content["application/json"].schema;
    expect(body.required).toEqual(["messages"]);
    expect(body.properties.quire).toBeDefined();
    // Every path of the document leads somewhere, and every route of the API is in it.
    const written = new Set(Object.keys(document.paths).map((path) => path.replace(/\{\w+\}/g, ":")));
    const routed = app.routes.filter(({ method, path }) => method !== "ALL" && /^\/(v1|health|metrics)/.test(path));
    const missing = routed.map(({ path }) => path.replace(/:\w+(\{.*?\})?/g, ":")).filter((path) => !written.has(path));
    expect(missing).toEqual(["/v1/responses/:", "/v1/responses/:"]);
  });

  it("gives the page, or says how to build it", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "quire-page-"));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    await mkdir(path.join(folder, "assets"));
    await writeFile(path.join(folder, "index.html"), "<p>page</p>");
    await writeFile(path.join(folder, "assets", "main-Ab3dEf9h.js"), "let a;");
    await writeFile(path.join(folder, "secret.txt"), "no");
    const { app } = await testApp({}, { pageFolder: folder });
    const page = await app.request("/");
    expect(await page.text()).toBe("<p>page</p>");
    expect(page.headers.get("content-security-policy")).toContain("default-src 'self'");
    const asset = await app.request("/assets/main-Ab3dEf9h.js");
    expect(asset.headers.get("content-type")).toBe("text/javascript; charset=utf-8");
    expect(asset.headers.get("cache-control")).toContain("immutable");
    for (const bad of ["/assets/..%2Fsecret.txt", "/assets/%2e%2e/secret.txt", "/assets/none.js", "/secret.txt"]) {
      expect((await app.request(bad)).status).toBe(404);
    }
    const { app: without } = await testApp();
    expect(await (await without.request("/")).text()).toContain("npm run build");
  });

  it("knows what it does not know", async () => {
    const { app } = await testApp();
    const response = await app.request("/v1/nothing");
    expect(response.status).toBe(404);
    expect((await json(response)).error).toMatchObject({ code: "unknown_url", type: "not_found_error" });
  });
});
