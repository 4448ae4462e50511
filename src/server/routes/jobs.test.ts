import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { scriptedModel } from "../../programs/scripted-model.js";
import { hasRedis, testRedis } from "../../queue/redis-server.case.js";
import { startWorker } from "../../queue/worker.js";
import { type Json, json, testApp } from "../test-app.case.js";

/** Jobs over the API. The engine of the server is not asked: workers have models of their own. */

describe.skipIf(!hasRedis)("jobs of a server with a queue", { timeout: 60_000 }, () => {
  it("read and index a corpus that was sent, and answer a batch", async () => {
    const redis = await testRedis();
    const { app, post, service } = await testApp({ embedder: false }, { jobQueue: redis.address });
    const model = scriptedModel(({ messages }) => `about ${messages[0]!.content.slice(0, 40)}`);
    const worker = await startWorker({ address: redis.address, model, lostAfterMs: 2000 });
    onTestFinished(async () => {
      await worker.stop(0);
      await service.jobs?.close();
    });
    const corpus = await json(await post("/v1/corpora", { name: "Minutes" }));
    const form = new FormData();
    form.set("file", new File(["The budget was approved.\n"], "may.md"));
    await app.request(`/v1/corpora/${corpus.id}/files`, { method: "POST", body: form });
    const finished = async (body: object): Promise<Json> => {
      const response = await post("/v1/jobs", body);
      expect(response.status).toBe(202);
      const { id } = await json(response);
      const look = async () => json(await app.request(`/v1/jobs/${id}`));
      await expect.poll(async () => (await look()).status, { timeout: 15_000 }).toBe("done");
      return look();
    };
    const read = await finished({ type: "read", corpus: corpus.id, instruction: "Summarise" });
    expect(read).toMatchObject({ object: "job", corpus: "Minutes", calls: { done: 1, open: 0 }, model: "scripted" });
    expect(read.result.parts[0].sources).toMatchObject([{ file: "may.md", start_line: 1 }]);
    expect(read.result).toMatchObject({
      answer: "about === may.md ===\nThe budget was approved.",
      usage: { calls: 1 },
    });
    expect((await finished({ type: "index", corpus: corpus.id })).result).toMatchObject({ documents: 1 });
    const requests = [{ custom_id: "a", messages: [{ role: "user", content: "One?" }] }];
    const answered = await finished({ type: "batch", requests });
    expect(answered.result.answers).toEqual([{ custom_id: "a", content: "about One?", finish_reason: "stop" }]);
    const { data } = await json(await app.request("/v1/jobs"));
    expect(data.map(({ type }: { type: string }) => type)).toEqual(["batch", "index", "read"]);

    const over = await app.request(`/v1/jobs/${read.id}`, { method: "DELETE" });
    expect(over.status).toBe(400);
    expect((await app.request("/v1/jobs/read_0")).status).toBe(404);
    expect((await post("/v1/jobs", { type: "read", corpus: "corpus-0", instruction: "x" })).status).toBe(404);
    expect((await post("/v1/jobs", { type: "read", folder: "/etc", instruction: "x" })).status).toBe(400);
    await redis.stop();
    const gone = await app.request("/v1/jobs");
    expect([gone.status, (await json(gone)).error.code]).toEqual([502, "upstream_failed"]);
  });

  it("fail without naming folders of the server, and are cancelled", async () => {
    const redis = await testRedis();
    const folder = await mkdtemp(path.join(tmpdir(), "quire-jobs-"));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    await writeFile(path.join(folder, "a.md"), "Text.\n");
    const { app, post, service } = await testApp({}, { jobQueue: redis.address, corpora: [folder] });
    onTestFinished(async () => service.jobs?.close());
    const { data } = await json(await app.request("/v1/corpora"));
    const added = await json(await post("/v1/jobs", { type: "read", corpus: data[0].id, instruction: "Summarise" }));
    expect(added).toMatchObject({ status: "waiting", corpus: path.basename(folder) });
    expect(JSON.stringify(added)).not.toContain(tmpdir());
    const cancelled = await app.request(`/v1/jobs/${added.id}`, { method: "DELETE" });
    expect([cancelled.status, (await json(cancelled)).status]).toEqual([200, "cancelled"]);
    await service.library.get({ key: undefined, address: "" }, data[0].id).settled();
    await rm(path.join(folder, "a.md"));
    const empty = await json(await post("/v1/jobs", { type: "read", corpus: data[0].id, instruction: "Summarise" }));
    const worker = await startWorker({ address: redis.address, model: scriptedModel(["x"]), lostAfterMs: 2000 });
    onTestFinished(() => worker.stop(0));
    const look = async () => json(await app.request(`/v1/jobs/${empty.id}`));
    await expect.poll(async () => (await look()).status, { timeout: 15_000 }).toBe("failed");
    const failed = await look();
    expect(failed.error).toMatchObject({ code: "invalid_value", type: "invalid_request_error" });
    expect(JSON.stringify(failed)).not.toContain(tmpdir());
  });
});

it("a server without a queue says so", async () => {
  const { app } = await testApp();
  const response = await app.request("/v1/jobs");
  expect([response.status, (await json(response)).error.code]).toEqual([404, "no_queue"]);
});
