import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { testModel } from "../weights/test-models.js";
import type { SupervisedEngine } from "./engine-process/supervised-engine.js";
import { type RunningServer, startServer } from "./start-server.js";
import { type Json, json, readEvents } from "./test-app.case.js";

/** The whole server with a real, very small model in a process of its own. */

let server: RunningServer;
let folder: string;

beforeAll(async () => {
  const model = await testModel("smollm2-135m-instruct");
  folder = await mkdtemp(path.join(tmpdir(), "quire-serve-"));
  await mkdir(path.join(folder, "docs"));
  await writeFile(path.join(folder, "docs", "port.md"), "# Port\n\nThe widget server listens on port 4711.\n");
  server = await startServer({
    version: "0.0.0",
    engine: { model, threads: 1, embedder: "none", offline: true },
    corpora: [path.join(folder, "docs")],
    dataFolder: path.join(folder, "data"),
    port: 0,
    aliases: ["tiny"],
  });
});

afterAll(async () => {
  await server?.stop(1000);
  await rm(folder, { recursive: true, force: true });
});

function post(route: string, body: object): Promise<Response> {
  return fetch(`${server.url}${route}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

const chat = (body: object): Promise<Response> =>
  post("/v1/chat/completions", { model: "tiny", messages: [{ role: "user", content: "Say hello." }], ...body });

describe("quire serve", () => {
  it("gives the same greedy text whole, streamed and side by side", async () => {
    const whole = (await json(await chat({ max_tokens: 12 }))).choices[0].message.content;
    expect(whole).toMatch(/\w/);
    const many = await Promise.all(Array.from({ length: 3 }, async () => json(await chat({ max_tokens: 12 }))));
    expect(many.map(({ choices }: Json) => choices[0].message.content)).toEqual([whole, whole, whole]);
    const events = await readEvents(await chat({ max_tokens: 12, stream: true }));
    const text = events.slice(0, -1).map(({ data }) => JSON.parse(data).choices[0].delta.content ?? "");
    expect(text.join("")).toBe(whole);
  });

  it("tells what a decoder drafts, branches and writes at once", async () => {
    const watched = async (body: object): Promise<Json[]> => {
      const prompt = "Repeat: one two three one two three one two three one two";
      const response = await post("/v1/decoders/watch", { prompt, max_tokens: 24, ...body });
      expect(response.status).toBe(200);
      return (await readEvents(response)).slice(0, -1).map(({ data }) => JSON.parse(data));
    };
    const plain = await watched({});
    const drafted = await watched({ decoder: "rsd:width=2,depth=3,draft=lookup" });
    const textOf = (events: Json[]): string =>
      events.flatMap(({ type, text, channel }) => (type === "piece" && channel === 0 ? [text] : [])).join("");
    expect(textOf(drafted)).toBe(textOf(plain));
    const rounds = drafted.filter(({ type }) => type === "round");
    expect(rounds.length).toBeGreaterThan(0);
    for (const { tokens, parents, accepted } of rounds) {
      expect(parents).toHaveLength(tokens.length);
      expect(parents.every((parent: number, row: number) => parent < row)).toBe(true);
      expect(accepted.every((row: number) => row < tokens.length)).toBe(true);
    }
    expect(drafted.at(-1)).toMatchObject({ type: "end", finish_reason: expect.any(String) });
    const tree = await watched({ decoder: "treepo:width=4,segment=8,depth=4", temperature: 1, seed: 3 });
    expect(tree.some(({ type }) => type === "branch")).toBe(true);
    expect(tree.at(-1).answers).toHaveLength(4);
    const workers = await watched({ decoder: "hogwild:workers=2", seed: 3 });
    expect(new Set(workers.flatMap(({ channel }) => channel ?? []))).toEqual(new Set([0, 1]));
  });

  it("shows what cache policies keep, and names what it cannot show", async () => {
    const prompt = "The widget server listens on port 4711. ".repeat(8);
    const cache = ["h2o:budget=0.3", "window:budget=0.3"];
    const { data } = await json(await post("/v1/cache/inspect", { prompt, cache, max_tokens: 4 }));
    expect(data.map(({ policy }: Json) => policy)).toEqual(cache);
    expect(data[0]).toMatchObject({ kvHeads: 3, snapshots: expect.any(Array) });
    const refused = async (body: object): Promise<string> => {
      const response = await post("/v1/cache/inspect", { prompt, cache, ...body });
      expect(response.status).toBe(400);
      return (await json(response)).error.message;
    };
    expect(await refused({ cache: ["h20"] })).toMatch(/h2o/);
    expect(await refused({ cache: ["chunkllm:adapters=/etc/passwd"] })).toMatch(/file of adapters/);
    expect(await refused({ prompt: "word ".repeat(5000) })).toMatch(/at most 4096/);
  });

  it("forces a schema, and a tool's arguments", async () => {
    const schema = {
      type: "object",
      properties: { colour: { enum: ["red", "blue"] } },
      required: ["colour"],
      additionalProperties: false,
    };
    const format = { type: "json_schema", json_schema: { name: "x", schema } };
    const shaped = await json(await chat({ response_format: format, max_tokens: 30 }));
    expect(["red", "blue"]).toContain(JSON.parse(shaped.choices[0].message.content).colour);
    const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
    const tools = [{ type: "function", function: { name: "weather", parameters } }];
    const called = await json(await chat({ tools, tool_choice: "required", max_tokens: 60 }));
    expect(called.choices[0].finish_reason).toBe("tool_calls");
    const call = called.choices[0].message.tool_calls[0].function;
    expect([call.name, typeof JSON.parse(call.arguments).city]).toEqual(["weather", "string"]);
  });

  it("reports log probabilities, counts tokens, and refuses what is too long", async () => {
    const { choices } = await json(await chat({ max_tokens: 3, logprobs: true, top_logprobs: 2 }));
    const { content } = choices[0].logprobs;
    expect(content).toHaveLength(3);
    expect(content[0].logprob).toBeCloseTo(content[0].top_logprobs[0].logprob, 5);
    expect(content.map(({ token }: Json) => token).join("")).toBe(choices[0].message.content);
    const { tokens } = await json(await post("/v1/tokenize", { text: "Hello world" }));
    expect((await json(await post("/v1/detokenize", { tokens }))).text).toBe("Hello world");
    const long = await chat({ messages: [{ role: "user", content: "word ".repeat(9000) }] });
    expect(long.status).toBe(400);
    expect((await json(long)).error).toMatchObject({ code: "context_length_exceeded" });
  });

  it("answers from a corpus", async () => {
    const [corpus] = (await json(await fetch(`${server.url}/v1/corpora`))).data;
    await server.service.library.list({ key: undefined, address: "" })[0]!.settled();
    const question = "On which port does the widget server listen?";
    const answer = await json(await post(`/v1/corpora/${corpus.id}/ask`, { question }));
    expect(answer.answer).toContain("4711");
    expect(answer.evidence[0]).toMatchObject({ file: "port.md", start_line: 3, end_line: 3 });
  });

  it("tells of passes", async () => {
    const response = await fetch(`${server.url}/v1/scheduler/events`);
    const reader = response.body!.getReader();
    const done = chat({ max_tokens: 3, user: "anna" });
    let heard = "";
    while (!/"user":"anna"/.test(heard)) heard += new TextDecoder().decode((await reader.read()).value);
    await reader.cancel();
    expect(heard).toMatch(/event: pass/);
    await done;
  });

  it("lives on when the engine is killed: an error event, and soon another engine", async () => {
    const engine = server.service.engine as SupervisedEngine;
    const streams = [1, 2].map((seed) => chat({ max_tokens: 500, stream: true, temperature: 1, seed }));
    const [first, second] = await Promise.all(streams);
    const talking = () => server.service.runs.all.filter(({ completionTokens }) => completionTokens > 2).length;
    await expect.poll(talking, { timeout: 30_000 }).toBe(2);
    process.kill(engine.pid!, "SIGKILL");
    for (const response of [first!, second!]) {
      const events = await readEvents(response);
      expect(events.length).toBeGreaterThan(3);
      expect(JSON.parse(events.at(-2)!.data).error).toMatchObject({ code: "engine_unavailable" });
    }
    const killed = performance.now();
    // Waits for the engine by itself.
    const after = await chat({ max_tokens: 5 });
    expect(after.status).toBe(200);
    expect(performance.now() - killed).toBeLessThan(20_000);
    const state = await json(await fetch(`${server.url}/v1/server`));
    expect(state.engine).toEqual({ state: "ready", restarts: 1 });
  });
});
