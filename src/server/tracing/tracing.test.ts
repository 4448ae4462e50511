import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { type Json, testApp } from "../test-app.case.js";
import { readTraceparent, tracerFromEnvironment } from "./tracer.js";

it("sends a span for a request and one for its generation, in the caller's trace", async () => {
  const received: { path: string; key: string; body: Json }[] = [];
  const collector = createServer((request, response) => {
    let text = "";
    request.on("data", (part) => {
      text += part;
    });
    request.on("end", () => {
      received.push({ path: request.url!, key: String(request.headers["x-key"]), body: JSON.parse(text) });
      response.end("{}");
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void collector.close());
  const address = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: address, OTEL_EXPORTER_OTLP_HEADERS: "x-key=a%20b" };
  const tracer = tracerFromEnvironment("1.0", env)!;
  const { post } = await testApp({}, { tracer });
  const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
  await post("/v1/completions", { prompt: "secret" }, { traceparent: `00-${traceId}-00f067aa0ba902b7-01` });
  await post("/v1/completions", { prompt: "unseen" }, { traceparent: `00-${traceId}-00f067aa0ba902b7-00` });
  await tracer.flush();
  expect(received).toHaveLength(1);
  expect(received[0]).toMatchObject({ path: "/v1/traces", key: "a b" });
  const [{ scopeSpans, resource }] = received[0]!.body.resourceSpans;
  expect(resource.attributes).toContainEqual({ key: "service.name", value: { stringValue: "quire" } });
  const spans = scopeSpans[0].spans;
  expect(spans).toHaveLength(2);
  const request = spans.find(({ name }: Json) => name === "POST /v1/completions");
  const generation = spans.find(({ name }: Json) => name === "generate echo");
  expect(request).toMatchObject({ traceId, parentSpanId: "00f067aa0ba902b7", kind: 2 });
  expect(generation).toMatchObject({ traceId, parentSpanId: request.spanId });
  expect(generation.attributes).toContainEqual({ key: "gen_ai.usage.output_tokens", value: { intValue: "6" } });
  expect(JSON.stringify(received)).not.toContain("secret");
});

it("is off unless a collector is named", () => {
  expect(tracerFromEnvironment("1", {})).toBeUndefined();
  const url = "http://127.0.0.1:4318";
  expect(tracerFromEnvironment("1", { OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_SDK_DISABLED: "true" })).toBeUndefined();
  expect(tracerFromEnvironment("1", { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: url })).toBeDefined();
});

it.each(["", "x", "00-0-0-00", `00-${"0".repeat(32)}-00f067aa0ba902b7-01`])("takes %j for no trace", (text) => {
  expect(readTraceparent(text)).toBeUndefined();
});
