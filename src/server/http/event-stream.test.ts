import { describe, expect, it } from "vitest";
import { readEvents } from "../test-app.case.js";
import { eventStream } from "./event-stream.js";

const onError = async (): Promise<void> => {};

describe("server-sent events", () => {
  it("come one by one, with names and without", async () => {
    const response = eventStream(
      async (events) => {
        await events.json({ a: 1 });
        await events.json({ b: 2 }, "named");
      },
      { onError },
    );
    expect(await readEvents(response)).toEqual([
      { event: "message", data: '{"a":1}' },
      { event: "named", data: '{"b":2}' },
    ]);
  });

  it("wait for a slow reader instead of piling up", async () => {
    let sent = 0;
    const response = eventStream(
      async (events) => {
        for (; sent < 5000; sent++) await events.json(sent);
      },
      { onError },
    );
    const reader = response.body!.getReader();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(sent).toBeLessThan(300);
    for (let i = 0; i < 100; i++) await reader.read();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(sent).toBeGreaterThan(300);
    expect(sent).toBeLessThan(500);
    await reader.cancel();
  });

  it("stop the work when the reader leaves", async () => {
    let stopped = false;
    const response = eventStream(
      async (events, gone) => {
        while (!gone.aborted) await events.json(1);
        stopped = true;
      },
      { onError },
    );
    const reader = response.body!.getReader();
    await reader.read();
    await reader.cancel();
    await new Promise((resolve) => setImmediate(resolve));
    expect(stopped).toBe(true);
  });

  it("show that they are alive while nothing comes", async () => {
    const response = eventStream(() => new Promise((resolve) => setTimeout(resolve, 60)), { pingMs: 10, onError });
    const text = await response.text();
    expect(text.match(/^: wait$/gm)!.length).toBeGreaterThan(1);
  });
});
