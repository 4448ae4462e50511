import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { QuireError } from "../errors.js";
import { read } from "../programs/read.js";
import { runProgram } from "../programs/run.js";
import { type Script, scriptedModel } from "../programs/scripted-model.js";
import { readableText } from "../read-session.js";
import { JobQueue } from "./job-queue.js";
import { openRedis } from "./redis-link.js";
import { freePort, hasRedis, testRedis, withoutRedis } from "./redis-server.case.js";
import { startWorker, type WorkerSettings } from "./worker.js";

if (!hasRedis) console.warn(withoutRedis);

async function book(paragraphs: number): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "quire-queue-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const texts = Array.from({ length: paragraphs }, (_, i) => `Chapter ${i}. ${`word${i} `.repeat(90)}`);
  await writeFile(path.join(folder, "book.txt"), texts.join("\n\n"));
  return folder;
}

/** Another answer to every prompt, so that no two calls are equal. */
const echo: Script = ({ messages }) => `about ${createHash("sha1").update(messages[0]!.content).digest("hex")}`;
const modelOf = (script: Script, id = "scripted") => scriptedModel(script, { id, contextTokens: 1000 });

async function queueAt(address: string): Promise<JobQueue> {
  const queue = await JobQueue.open(address);
  onTestFinished(() => queue.close());
  return queue;
}

async function workAt(address: string, settings: Omit<WorkerSettings, "address">) {
  const worker = await startWorker({ address, lostAfterMs: 2000, ...settings });
  onTestFinished(() => worker.stop(0));
  return worker;
}

const options = { part: 150, answer: 30, group: 3 };

describe.skipIf(!hasRedis)("a queue of jobs", { timeout: 60_000 }, () => {
  it("reads a folder as one machine would, call for call, over two workers", async () => {
    const { address } = await testRedis();
    const folder = await book(12);
    const [one, two] = [modelOf(echo), modelOf(echo)];
    await workAt(address, { model: one, concurrency: 2 });
    await workAt(address, { model: two, concurrency: 2 });
    const queue = await queueAt(address);
    const added = await queue.add({ type: "read", folder, instruction: "Summarise", ...options });
    expect(added).toMatchObject({ type: "read", target: folder, calls: { done: 0, open: 0 } });
    const { state, result, calls, progress } = await queue.wait(added.id);
    expect(state).toBe("done");
    const local = modelOf(echo);
    const { chunks } = await readableText(folder, { model: local });
    const whole = await runProgram(read(options), { instruction: "Summarise", chunks }, { model: local });
    const { promptTokens, completionTokens } = whole.trace.usage;
    expect(result).toMatchObject({
      ...whole.output,
      usage: { promptTokens, completionTokens, calls: whole.trace.calls },
    });
    expect(one.requests.length + two.requests.length).toBe(local.requests.length);
    expect(calls).toEqual({ done: local.requests.length, open: 0 });
    expect(progress).toEqual({ phase: "calls", done: calls.done, total: calls.done });
    expect((await queue.list()).map(({ id, state: listed }) => [id, listed])).toEqual([[added.id, "done"]]);
  });

  it("answers a batch in order, with each failure in its place", async () => {
    const { address } = await testRedis();
    const model = modelOf(({ messages: [first] }) =>
      first!.content === "bad" ? { error: new QuireError("unsupported", "Not that.") } : first!.content.toUpperCase(),
    );
    await workAt(address, { model, concurrency: 3 });
    const queue = await queueAt(address);
    const requests = ["one", "bad", "two", "one"].map((content, i) => ({
      id: `r${i}`,
      messages: [{ role: "user" as const, content }],
      maxTokens: 10,
    }));
    const { result } = await queue.wait((await queue.add({ type: "batch", requests })).id);
    expect(
      result?.type === "batch" && result.answers.map((one) => ("error" in one ? one.error.code : one.text)),
    ).toEqual(["ONE", "unsupported", "TWO", "ONE"]);
    expect(model.requests.length).toBe(3);
  });

  it("indexes a folder", async () => {
    const { address } = await testRedis();
    const folder = await book(3);
    const indexFolder = path.join(folder, "..", `${path.basename(folder)}-index`);
    onTestFinished(() => rm(indexFolder, { recursive: true, force: true }));
    await workAt(address, { model: modelOf(echo) });
    const queue = await queueAt(address);
    const { id } = await queue.add({ type: "index", folder, indexFolder, embedder: "none" });
    expect(await queue.wait(id)).toMatchObject({ state: "done", result: { type: "index", documents: 1, added: 1 } });
    const again = await queue.add({ type: "index", folder, indexFolder, embedder: "none" });
    expect((await queue.wait(again.id)).result).toMatchObject({ added: 0, unchanged: 1 });
  });

  it("fails with typed errors", async () => {
    const { address } = await testRedis();
    await workAt(address, { model: modelOf(echo) });
    const queue = await queueAt(address);
    const missing = await queue.add({ type: "read", folder: "/nowhere/at/all", instruction: "Summarise" });
    expect(await queue.wait(missing.id)).toMatchObject({ state: "failed", error: { code: "not-found" } });
    const asking = await queue.add({ type: "index", folder: await book(1), chunker: "meta-chunking" });
    expect(await queue.wait(asking.id)).toMatchObject({ state: "failed", error: { code: "unsupported" } });
    await expect(queue.show("read_0")).rejects.toMatchObject({ code: "not-found" });
    await expect(queue.cancel(missing.id)).rejects.toMatchObject({ code: "bad-input" });
    await expect(queue.add({ type: "read", folder: "x", instruction: " " })).rejects.toMatchObject({
      code: "bad-input",
    });
  });

  it("cancels what waits and what is at work", async () => {
    const { address } = await testRedis();
    const queue = await queueAt(address);
    const folder = await book(6);
    const early = await queue.add({ type: "read", folder, instruction: "Summarise", ...options });
    expect(await queue.cancel(early.id)).toMatchObject({ state: "cancelled" });
    const model = modelOf(() => ({ text: "late", delayMs: 60_000 }));
    await workAt(address, { model });
    const { id } = await queue.add({ type: "read", folder, instruction: "Summarise", ...options });
    await expect.poll(() => model.inFlight, { timeout: 10_000 }).toBe(1);
    await queue.cancel(id);
    await expect.poll(() => model.inFlight, { timeout: 10_000 }).toBe(0);
    await expect.poll(async () => (await queue.show(id)).finishedAt, { timeout: 10_000 }).toBeDefined();
    expect(await queue.show(id)).toMatchObject({ state: "cancelled" });
    expect(model.requests.length).toBe(1);
    expect((await queue.list({ state: "cancelled" })).length).toBe(2);
  });

  it("keeps a job to one model, and owners to their own", async () => {
    const { address } = await testRedis();
    const queue = await queueAt(address);
    const [wrong, right] = [modelOf(echo, "wrong"), modelOf(echo, "right")];
    await workAt(address, { model: wrong });
    const { id } = await queue.add(
      { type: "read", folder: await book(4), instruction: "Summarise", ...options },
      { model: "right", owner: "anna", shown: "Book" },
    );
    await workAt(address, { model: right });
    expect(await queue.wait(id)).toMatchObject({ state: "done", target: "Book", result: { model: "right" } });
    expect(wrong.requests.length).toBe(0);
    await expect(queue.show(id, { owner: "ben" })).rejects.toMatchObject({ code: "not-found" });
    expect(await queue.list({ owner: "ben" })).toEqual([]);
    expect((await queue.list({ owner: "anna" })).length).toBe(1);
  });

  it("goes on when Redis was gone and is back", async () => {
    const redis = await testRedis();
    const folder = await book(12);
    const model = modelOf((request, call) => ({
      text: `${call} ${request.messages[0]!.content.length}`,
      delayMs: 100,
    }));
    const events: string[] = [];
    await workAt(redis.address, {
      model,
      onEvent: (event) => event.type === "connection" && events.push(event.state),
    });
    const queue = await queueAt(redis.address);
    const { id } = await queue.add({ type: "read", folder, instruction: "Summarise", ...options });
    await expect
      .poll(async () => (await queue.show(id)).calls.done, { timeout: 10_000, interval: 20 })
      .toBeGreaterThan(2);
    await redis.stop();
    await expect(queue.show(id)).rejects.toMatchObject({ code: "network", expected: "a running Redis or Valkey" });
    await new Promise((resolve) => setTimeout(resolve, 500));
    await redis.start();
    const { state, calls } = await queue.wait(id);
    expect(state).toBe("done");
    expect(events).toEqual(["lost", "back"]);
    // The one call at work when it went may be made again; those that were done are not.
    expect(model.requests.length).toBeLessThanOrEqual(calls.done + 1);
  });
});

it("says clearly that a queue cannot be reached", async () => {
  const address = `redis://:secret@127.0.0.1:${await freePort()}`;
  const error = await JobQueue.open(address).catch((failure: unknown) => failure);
  expect(error).toMatchObject({ code: "network", fix: expect.stringContaining("Start it") });
  expect((error as Error).message).toMatch(/cannot be reached \(ECONNREFUSED\)/);
  expect((error as Error).message).not.toContain("secret");
  await expect(openRedis("http://127.0.0.1", { patient: false })).rejects.toMatchObject({ code: "bad-option" });
});
