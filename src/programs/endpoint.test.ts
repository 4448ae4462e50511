import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { isQuireError, type QuireError } from "../errors.js";
import { embeddingEndpoint } from "./embedding-endpoint.js";
import { openEndpoint, sizeInName } from "./endpoint.js";
import { runProgram } from "./run.js";

type Handler = (
  request: { path: string; body: Record<string, unknown>; headers: IncomingMessage["headers"] },
  response: ServerResponse,
  call: number,
) => void;

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A stand-in for an endpoint: `/models` is answered, everything else is the handler's. */
async function standIn(handler: Handler, models: object[] = [{ id: "stand-in-7B", max_model_len: 2000 }]) {
  const calls: { path: string; body: Record<string, unknown>; headers: IncomingMessage["headers"] }[] = [];
  const server = createServer((incoming, response) => {
    const pieces: Buffer[] = [];
    incoming.on("data", (piece: Buffer) => pieces.push(piece));
    incoming.on("end", () => {
      const text = Buffer.concat(pieces).toString();
      const request = { path: incoming.url ?? "", body: text ? JSON.parse(text) : {}, headers: incoming.headers };
      if (request.path.endsWith("/models")) return void send(response, 200, { data: models });
      calls.push(request);
      handler(request, response, calls.length - 1);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(
    () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  );
  return { baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, calls };
}

function send(response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}) {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

const reply = (text: string, finish = "stop") => ({
  choices: [{ message: { role: "assistant", content: text }, finish_reason: finish }],
  usage: { prompt_tokens: 11, completion_tokens: 5, prompt_tokens_details: { cached_tokens: 4 } },
});

function streamed(pieces: string[], end = "\n"): string {
  const events = [
    ...pieces.map((content) => ({ choices: [{ delta: { content }, finish_reason: null }] })),
    { choices: [{ delta: {}, finish_reason: "length" }] },
    { choices: [], usage: { prompt_tokens: 3, completion_tokens: pieces.length } },
  ];
  return `: keep-alive${end}${end}${events.map((e) => `data: ${JSON.stringify(e)}${end}${end}`).join("")}data: [DONE]${end}${end}`;
}

const ask = { messages: [{ role: "user" as const, content: "How?" }], maxTokens: 20 };

async function failure(promise: Promise<unknown>): Promise<QuireError> {
  try {
    await promise;
  } catch (error) {
    if (isQuireError(error)) return error;
    throw error;
  }
  throw new Error("expected a failure");
}

describe("endpoint", () => {
  it("learns model and window from the endpoint, sends key and options, reads answer and usage", async () => {
    const { baseUrl, calls } = await standIn((_, response) => send(response, 200, reply("So.")));
    const model = await openEndpoint({ baseUrl: `${baseUrl}/`, apiKey: "secret", headers: { "x-team": "docs" } });
    expect(model).toMatchObject({ id: "stand-in-7B", contextTokens: 2000, exactCounts: false, parameters: 7e9 });
    const schema = { type: "object", properties: { a: { type: "string" } } };
    const generation = await model.generate({ ...ask, temperature: 0.5, seed: 9, stop: ["\n"], schema });
    expect(generation).toMatchObject({
      text: "So.",
      finishReason: "stop",
      usage: { promptTokens: 11, completionTokens: 5, cachedTokens: 4 },
    });
    expect(generation.usage.seconds).toBeGreaterThan(0);
    expect(calls[0]?.headers).toMatchObject({ authorization: "Bearer secret", "x-team": "docs" });
    expect(calls[0]?.body).toEqual({
      model: "stand-in-7B",
      messages: ask.messages,
      max_tokens: 20,
      temperature: 0.5,
      seed: 9,
      stop: ["\n"],
      response_format: { type: "json_schema", json_schema: { name: "answer", strict: true, schema } },
    });
  });

  it("streams, however the bytes are cut", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: "grapheme", minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 5 }),
        fc.constantFrom("\n", "\r\n"),
        fc.array(fc.nat(), { maxLength: 6 }),
        async (pieces, end, places) => {
          const bytes = Buffer.from(streamed(pieces, end));
          const at = [...places.map((n) => n % bytes.length), 0, bytes.length].sort((a, b) => a - b);
          const { baseUrl } = await standIn(async (_, response) => {
            response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
            for (let i = 1; i < at.length; i++) {
              response.write(bytes.subarray(at[i - 1], at[i]));
              await new Promise((resolve) => setImmediate(resolve));
            }
            response.end();
          });
          const model = await openEndpoint({ baseUrl });
          const heard: string[] = [];
          const generation = await model.generate({ ...ask, onText: (text) => heard.push(text) });
          expect(heard).toEqual(pieces);
          expect(generation.text).toBe(pieces.join(""));
          expect(generation.finishReason).toBe("length");
          expect(generation.usage).toMatchObject({ promptTokens: 3, completionTokens: pieces.length });
        },
      ),
      { numRuns: 25 },
    );
  });

  it("tries again after 429 and 5xx, honours Retry-After, and gives up with a typed error", async () => {
    const { baseUrl, calls } = await standIn((_, response, call) => {
      if (call === 0) send(response, 429, { error: { message: "slow down" } }, { "retry-after": "0.15" });
      else if (call === 1) send(response, 503, {});
      else if (call === 2) response.destroy();
      else send(response, 200, reply("at last"));
    });
    const model = await openEndpoint({ baseUrl, retryDelayMs: 1 });
    const started = performance.now();
    expect((await model.generate(ask)).text).toBe("at last");
    expect(performance.now() - started).toBeGreaterThan(145);
    expect(calls).toHaveLength(4);

    const down = await standIn((_, response) => send(response, 500, { error: "out of memory" }));
    const sick = await openEndpoint({ baseUrl: down.baseUrl, retryDelayMs: 1, retries: 2 });
    const error = await failure(sick.generate(ask));
    expect(error.code).toBe("network");
    expect(error.message).toContain("out of memory");
    expect(down.calls).toHaveLength(3);
  });

  it("does not try again what cannot succeed, and says what it was", async () => {
    for (const [status, body, code] of [
      [401, { error: { message: "bad key" } }, "bad-option"],
      [404, { error: { message: "no such model" } }, "not-found"],
      [400, { error: { message: "too long", code: "context_length_exceeded" } }, "context-overflow"],
      [400, { error: { message: "This model's maximum context length is 8192 tokens" } }, "context-overflow"],
      [400, { error: { message: "messages is empty" } }, "bad-input"],
      [429, { error: { message: "pay first", code: "insufficient_quota" } }, "network"],
      [501, { message: "not implemented" }, "network"],
    ] as const) {
      const { baseUrl, calls } = await standIn((_, response) => send(response, status, body));
      const error = await failure((await openEndpoint({ baseUrl, retryDelayMs: 1 })).generate(ask));
      expect([status, error.code]).toEqual([status, code]);
      expect(calls).toHaveLength(1);
    }
  });

  it("adapts to servers with other names for the same things", async () => {
    const { baseUrl, calls } = await standIn((request, response) => {
      if ("max_tokens" in request.body) {
        send(response, 400, { error: { message: "Use 'max_completion_tokens' instead of 'max_tokens'." } });
      } else if ("stream_options" in request.body) {
        send(response, 400, { error: { message: "Unrecognized request argument: stream_options" } });
      } else send(response, 200, reply("plain JSON though streaming was asked for"));
    });
    const model = await openEndpoint({ baseUrl });
    const heard: string[] = [];
    await model.generate({ ...ask, onText: (text) => heard.push(text) });
    await model.generate({ ...ask, onText: (text) => heard.push(text) });
    expect(heard).toEqual(Array(2).fill("plain JSON though streaming was asked for"));
    expect(calls).toHaveLength(4);
  });

  it("keeps what had arrived when a stream breaks, reports an error, or goes silent", async () => {
    const start = `data: ${JSON.stringify({ choices: [{ delta: { content: "Half" } }] })}\n\n`;
    for (const finish of [
      (response: ServerResponse) => response.destroy(),
      (response: ServerResponse) => response.end(),
      (response: ServerResponse) => response.end('data: {"error": {"message": "gone"}}\n\n'),
      (response: ServerResponse) => response.end("data: {oops\n\n"),
      () => {},
    ]) {
      const { baseUrl, calls } = await standIn((_, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.write(start);
        setTimeout(() => finish(response), 10);
      });
      const model = await openEndpoint({ baseUrl, retryDelayMs: 1, silenceMs: 1000 });
      const error = await failure(model.generate({ ...ask, onText: () => {} }));
      expect(error.code).toBe("network");
      expect(error.partial).toBe("Half");
      expect(calls).toHaveLength(1);
    }
  });

  it("stops on request: while waiting for an answer, in a stream, and between attempts", async () => {
    const handlers: Handler[] = [
      () => {},
      (_, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.write(": here\n\n");
      },
      (_, response) => send(response, 429, {}, { "retry-after": "30" }),
    ];
    for (const handler of handlers) {
      const { baseUrl } = await standIn(handler);
      const model = await openEndpoint({ baseUrl });
      const stop = new AbortController();
      setTimeout(() => stop.abort(), 40);
      const started = performance.now();
      const error = await failure(model.generate({ ...ask, signal: stop.signal, onText: () => {} }));
      expect(error.code).toBe("cancelled");
      expect(performance.now() - started).toBeLessThan(3000);
    }
  });

  it("says what is wrong with an address, a missing server and an unnamed model", async () => {
    expect((await failure(openEndpoint({ baseUrl: "localhost:80" }))).code).toBe("bad-option");
    const gone = await failure(openEndpoint({ baseUrl: "http://127.0.0.1:9/v1", retries: 0 }));
    expect(gone.code).toBe("network");
    expect(gone.message).toContain("127.0.0.1:9");
    const two = await standIn(() => {}, [{ id: "a" }, { id: "b" }]);
    const error = await failure(openEndpoint({ baseUrl: two.baseUrl }));
    expect(error.expected).toBe("a, b");
    expect(await openEndpoint({ baseUrl: two.baseUrl, model: "b" })).toMatchObject({ id: "b", contextTokens: 8192 });
  });

  it("counts exactly where the server can tokenize", async () => {
    const { baseUrl, calls } = await standIn((request, response) => {
      if (request.path === "/tokenize") send(response, 200, { tokens: [1, 2, 3] });
      else send(response, 404, {});
    });
    expect(await (await openEndpoint({ baseUrl })).countTokensExactly("a b c")).toBe(3);
    expect(calls[0]?.body).toMatchObject({ content: "a b c" });
    const without = await standIn((_, response) => send(response, 404, {}));
    expect(await (await openEndpoint({ baseUrl: without.baseUrl })).countTokensExactly("a")).toBeUndefined();
  });

  it("is the model of a program like any other", async () => {
    const { baseUrl } = await standIn((_, response) => send(response, 200, reply("yes")));
    const model = await openEndpoint({ baseUrl });
    const trial = { kind: "program", name: "trial", label: "trial" } as const;
    const run = await runProgram({ ...trial, run: async (_: null, context) => (await context.ask(ask)).text }, null, {
      model,
    });
    expect(run.output).toBe("yes");
    expect(run.trace.usage).toMatchObject({ promptTokens: 11, completionTokens: 5, cachedTokens: 4 });
  });

  it("reads sizes from names", () => {
    expect(sizeInName("SmolLM2-135M-Instruct")).toBe(135e6);
    expect(sizeInName("qwen2.5:0.5b")).toBe(0.5e9);
    expect(sizeInName("Llama-3.1-8B")).toBe(8e9);
    expect(sizeInName("gpt-4o")).toBeUndefined();
  });
});

describe("embedding endpoint", () => {
  it("batches, keeps the order of the texts and gives unit vectors", async () => {
    const { baseUrl, calls } = await standIn((request, response) => {
      const input = request.body["input"] as string[];
      const data = input.map((text, index) => ({ index, embedding: [text.length, 0, 1] })).reverse();
      send(response, 200, { data });
    });
    const embed = embeddingEndpoint({ baseUrl, model: "e", batch: 2 });
    const vectors = await embed(["a", "bb", "ccc"]);
    expect(calls).toHaveLength(2);
    vectors.forEach((vector, i) => {
      const norm = Math.hypot(i + 1, 1);
      expect([...vector]).toEqual([Math.fround((i + 1) / norm), 0, Math.fround(1 / norm)]);
    });
  });

  it("refuses a reply that does not fit the texts", async () => {
    for (const data of [
      [],
      [{ embedding: [1] }],
      [{ embedding: [1] }, { embedding: [1, 2] }],
      [{ embedding: ["x"] }, {}],
    ]) {
      const { baseUrl } = await standIn((_, response) => send(response, 200, { data }));
      expect((await failure(embeddingEndpoint({ baseUrl, model: "e" })(["a", "b"]))).code).toBe("network");
    }
  });
});
