import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { createService } from "./create-service.js";
import { echoEngine } from "./engine/echo-engine.js";
import { type Listening, listen } from "./listen.js";
import { json, readEvents } from "./test-app.case.js";

async function started(delayMs: number): Promise<Listening> {
  const dataFolder = await mkdtemp(path.join(tmpdir(), "quire-listen-"));
  const engine = echoEngine({ delayMs, reply: () => "x".repeat(40) });
  const service = await createService({ engine, text: engine.text, version: "0", dataFolder });
  onTestFinished(async () => {
    await service.library.close();
    await rm(dataFolder, { recursive: true, force: true });
  });
  return listen(service, { host: "127.0.0.1", port: 0 });
}

const ask = (url: string, stream: boolean) =>
  fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ prompt: "a", stream, max_tokens: 40 }),
  });

describe("shutting down", () => {
  it("lets answers finish, refuses new ones, and is gone then", async () => {
    const { url, drain } = await started(5);
    const running = await ask(url, true);
    const watching = await fetch(`${url}/v1/scheduler/events`);
    const draining = drain(10_000);
    const refused = await ask(url, false);
    expect([refused.status, (await json(refused)).error.code]).toEqual([503, "draining"]);
    expect((await fetch(`${url}/health`)).status).toBe(503);
    const events = await readEvents(running);
    const text = events.slice(0, -1).map(({ data }) => JSON.parse(data).choices[0].text);
    expect(text.join("")).toBe("x".repeat(40));
    await draining;
    await expect(watching.text()).rejects.toThrow();
    await expect(ask(url, false)).rejects.toThrow();
  });

  it("does not wait for ever", async () => {
    const { url, drain } = await started(200);
    const running = await ask(url, true);
    const began = performance.now();
    await drain(100);
    expect(performance.now() - began).toBeLessThan(3000);
    const events = await readEvents(running);
    expect(JSON.parse(events.at(-2)!.data).error.code).toBe("cancelled");
    expect(events.at(-1)!.data).toBe("[DONE]");
  });

  it("says when the port is taken", async () => {
    const { url, drain } = await started(0);
    const port = Number(new URL(url).port);
    const engine = echoEngine();
    const dataFolder = await mkdtemp(path.join(tmpdir(), "quire-listen-"));
    onTestFinished(() => rm(dataFolder, { recursive: true, force: true }));
    const service = await createService({ engine, text: engine.text, version: "0", dataFolder });
    await expect(listen(service, { host: "127.0.0.1", port })).rejects.toMatchObject({
      code: "bad-option",
      fix: expect.stringContaining("--port"),
    });
    await drain(0);
  });
});
