import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createApp } from "./app.js";
import { createService } from "./create-service.js";
import { echoEngine } from "./engine/echo-engine.js";
import { json, testApp } from "./test-app.case.js";
import { parseUsagePrivacy } from "./usage-privacy-setting.js";

const usagePrivacy = parseUsagePrivacy("epsilon=10,horizon=1d,tick=1m");

test("with private figures, /metrics tells of no single request, and /v1/usage has counts with their errors", async () => {
  const { app, post } = await testApp({}, { usagePrivacy });
  for (let i = 0; i < 3; i++) {
    const answer = await post("/v1/chat/completions", { messages: [{ role: "user", content: "hello" }], user: "u" });
    expect(answer.status).toBe(200);
  }
  const metrics = await (await app.request("/metrics")).text();
  expect(metrics).toContain("quire_engine_up");
  expect(metrics).toMatch(/quire_usage_requests\{tenant="others"\} \d+/);
  for (const exact of ["prompt_tokens_total", "http_requests_total", "requests_running", "kv_cache_bytes", "_bucket"]) {
    expect(metrics).not.toContain(exact);
  }
  const usage = await json(await app.request("/v1/usage"));
  expect(usage).toMatchObject({ object: "usage", epsilon: 10, unit: "event", window: { as_of: expect.any(String) } });
  expect(usage.requests).toEqual([{ name: "others", value: expect.any(Number), error_95: expect.any(Number) }]);
});

test("without the flag figures are exact, and there is no usage page", async () => {
  const { app } = await testApp();
  expect(await (await app.request("/metrics")).text()).toContain("quire_prompt_tokens_total");
  expect((await app.request("/v1/usage")).status).toBe(404);
});

test("files of the folders are announced, and a restart shows what was shown before", async () => {
  const base = await mkdtemp(path.join(tmpdir(), "quire-usage-server-"));
  onTestFinished(() => rm(base, { recursive: true, force: true }));
  const docs = path.join(base, "docs");
  await mkdir(docs);
  await writeFile(path.join(docs, "port.md"), "The port survives a restart.\n");
  const open = async () => {
    const engine = echoEngine();
    const dataFolder = path.join(base, "data");
    return createService({ engine, text: engine.text, version: "0.0.0", dataFolder, corpora: [docs], usagePrivacy });
  };
  const first = await open();
  const shown = await json(await createApp(first).request("/v1/usage"));
  expect(shown.documents.map(({ name }: { name: string }) => name).sort()).toEqual(["docs/port.md", "others"]);
  first.usage?.close();
  await first.library.close();
  const second = await open();
  onTestFinished(() => second.library.close());
  const again = await json(await createApp(second).request("/v1/usage"));
  expect(again.window.start).toBe(shown.window.start);
});
