import fc from "fast-check";
import { expect, it } from "vitest";
import { json, testApp } from "./test-app.case.js";

/** Ten thousand requests that nobody should send. Whatever comes, the answer is a typed error or what was asked for, and the server
 *  lives on. */

const requests = 10_000;

const paths = [
  ...["/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings", "/v1/tokenize", "/v1/detokenize"],
  ...["/v1/corpora", "/v1/corpora/x/ask", "/v1/corpora/x/search", "/v1/corpora/x/files", "/v1/files", "/v1/requests/x"],
  ...[
    "/v1/models/x",
    "/v1/models/%ff",
    "/assets/%00",
    "/assets/..%2f..%2fetc/passwd",
    "/",
    "/v1",
    "//",
    "/v1/corpora/x/source",
  ],
];

const fields = [
  ...["messages", "prompt", "input", "text", "tokens", "model", "stream", "n", "stop", "tools", "tool_choice", "quire"],
  ...[
    "response_format",
    "max_tokens",
    "temperature",
    "logit_bias",
    "seed",
    "logprobs",
    "top_logprobs",
    "name",
    "query",
  ],
  ...["question", "file_id", "stream_options", "__proto__", "constructor", "toString", "previous_response_id"],
];

const value: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(null, true, 0, -1, 1e308, 2 ** 53, "", "x", [], {}, "\ud800", "\u0000") },
  { weight: 2, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
  {
    weight: 2,
    arbitrary: fc.constantFrom<unknown>(
      [{ role: "user", content: "hi" }],
      [{ role: "assistant", tool_calls: [{ id: "a", type: "function", function: { name: "f", arguments: "{" } }] }],
      [{ type: "function", function: { name: "f", parameters: { $ref: "#" } } }],
      { type: "json_schema", json_schema: { schema: { $ref: "#/$defs/x", $defs: { x: { allOf: [{ $ref: "#" }] } } } } },
      { type: "json_schema", json_schema: { schema: { pattern: "(a+)+$", type: "string", minLength: 1e9 } } },
      { grammar: "root ::= root" },
      { grammar: 'root ::= "a' },
      { cache: "h2o:budget=0.2", decoder: "nothing:x" },
      { cache: "toString", overflow: "drop-middle" },
      { include_usage: true },
    ),
  },
);

const wellFormed = fc
  .array(fc.tuple(fc.constantFrom(...fields), value), { maxLength: 6 })
  .map((entries) => JSON.stringify(Object.fromEntries([["messages", [{ role: "user", content: "hi" }]], ...entries])));

const body = fc.oneof(
  { weight: 6, arbitrary: wellFormed },
  { weight: 1, arbitrary: fc.tuple(wellFormed, fc.nat(200)).map(([text, at]) => text.slice(0, at)) },
  { weight: 1, arbitrary: fc.string({ maxLength: 100 }) },
  { weight: 1, arbitrary: fc.nat(3000).map((depth) => `{"messages":${"[".repeat(depth)}${"]".repeat(depth)}}`) },
  { weight: 1, arbitrary: fc.constantFrom("null", "[]", "1", '"x"', '{"messages":{"length":1e9}}', "{}", "\ufeff{}") },
);

const headers = fc.record({
  "content-type": fc.constantFrom(
    ...["application/json", "application/json", "application/json", "text/plain", "multipart/form-data"],
    "multipart/form-data; boundary=x",
  ),
  ...{ authorization: fc.constantFrom("", "Bearer", "Bearer x", "Basic eDp5") },
});

it(`answers ${requests.toLocaleString("en-US")} malformed requests`, async () => {
  const { app, service } = await testApp({ contextTokens: 300 }, { maxBodyBytes: 20_000 });
  const seen = new Map<number, number>();
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom("POST", "POST", "POST", "POST", "GET", "DELETE", "PUT"),
      fc.constantFrom(...paths),
      body,
      headers,
      async (method, path, sent, sentHeaders) => {
        const init = { method, headers: sentHeaders, ...(method === "GET" ? {} : { body: sent }) };
        const response = await app.request(path, init);
        seen.set(response.status, (seen.get(response.status) ?? 0) + 1);
        if (response.status >= 400) {
          const { error } = await json(response);
          expect(error).toMatchObject({ message: expect.stringMatching(/\S/), type: expect.stringMatching(/_error$/) });
          // 500 is for what was not foreseen, and nothing here may be.
          if (response.status === 500) throw new Error(`${method} ${path} ${sent}: ${JSON.stringify(error)}`);
        } else {
          const text = await response.text();
          expect(text).not.toContain('"internal_error"');
        }
      },
    ),
    { numRuns: requests, seed: 20_230_831 },
  );
  expect(service.runs.all).toEqual([]);
  expect(service.queue.running).toBe(0);
  // Most are refused, some are good by chance.
  expect(seen.get(400) ?? 0).toBeGreaterThan(1000);
  expect(seen.get(200) ?? 0).toBeGreaterThan(100);
  const well = await app.request("/health");
  expect(well.status).toBe(200);
}, 120_000);
