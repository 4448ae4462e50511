import { mkdtemp, readFile, rm, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { startServer } from "../start-server.js";
import { json, testApp } from "../test-app.case.js";
import { addKey, KeyRing, removeKey } from "./key-ring.js";
import { TokenBucket } from "./token-bucket.js";

async function keyFile(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "quire-keys-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return path.join(folder, "keys.json");
}

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const chat = { messages: [{ role: "user", content: "hi" }] };

describe("keys", () => {
  it("are kept as hashes, and let their owners in", async () => {
    const file = await keyFile();
    const key = await addKey(file, "anna");
    expect(await readFile(file, "utf8")).not.toContain(key.slice(9));
    const { app, post } = await testApp({}, { keys: new KeyRing(file) });
    const none = await app.request("/v1/models");
    expect(none.status).toBe(401);
    expect(none.headers.get("www-authenticate")).toBe("Bearer");
    expect((await json(none)).error).toMatchObject({ code: "missing_api_key", type: "authentication_error" });
    expect((await json(await app.request("/v1/models", { headers: bearer("sk-quire-no") }))).error.code).toBe(
      "invalid_api_key",
    );
    expect((await app.request("/v1/models", { headers: bearer(key) })).status).toBe(200);
    expect((await post("/v1/chat/completions", chat, bearer(key))).status).toBe(200);
    expect((await app.request("/metrics")).status).toBe(401);
    for (const open of ["/health", "/openapi.json", "/"]) expect((await app.request(open)).status).toBe(200);
  });

  it("stop working when they are removed, and names are taken once", async () => {
    const file = await keyFile();
    const key = await addKey(file, "anna");
    await expect(addKey(file, "anna")).rejects.toMatchObject({ code: "bad-option" });
    await expect(addKey(file, "a/b")).rejects.toMatchObject({ code: "bad-option" });
    const ring = new KeyRing(file);
    expect(ring.nameOf(key)).toBe("anna");
    await removeKey(file, "anna");
    await utimes(file, new Date(), new Date(Date.now() + 5000));
    vi.useFakeTimers({ now: Date.now() + 2000 });
    onTestFinished(() => void vi.useRealTimers());
    expect(ring.nameOf(key)).toBeUndefined();
    await expect(removeKey(file, "anna")).rejects.toMatchObject({ code: "not-found" });
  });

  it("have limits of their own", async () => {
    const file = await keyFile();
    const [slow, free] = [await addKey(file, "slow", 2), await addKey(file, "free")];
    const { post } = await testApp({}, { keys: new KeyRing(file) });
    const codes = [];
    for (let i = 0; i < 3; i++) codes.push((await post("/v1/chat/completions", chat, bearer(slow))).status);
    expect(codes).toEqual([200, 200, 429]);
    const refused = await post("/v1/chat/completions", chat, bearer(slow));
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await json(refused)).error.code).toBe("rate_limit_exceeded");
    expect((await post("/v1/chat/completions", chat, bearer(free))).status).toBe(200);
  });

  it("see their own files, corpora and requests only", async () => {
    const file = await keyFile();
    const [anna, ben] = [await addKey(file, "anna"), await addKey(file, "ben")];
    const { app, post } = await testApp({}, { keys: new KeyRing(file) });
    const corpus = await json(await post("/v1/corpora", { name: "hers" }, bearer(anna)));
    const list = async (key: string) => (await json(await app.request("/v1/corpora", { headers: bearer(key) }))).data;
    expect(await list(anna)).toHaveLength(1);
    expect(await list(ben)).toHaveLength(0);
    expect((await app.request(`/v1/corpora/${corpus.id}`, { headers: bearer(ben) })).status).toBe(404);
    const form = new FormData();
    form.append("file", new File(["secret"], "a.txt"));
    const sent = await json(await app.request("/v1/files", { method: "POST", body: form, headers: bearer(anna) }));
    expect((await app.request(`/v1/files/${sent.id}/content`, { headers: bearer(ben) })).status).toBe(404);
    expect(await (await app.request(`/v1/files/${sent.id}/content`, { headers: bearer(anna) })).text()).toBe("secret");
  });

  it("fill again with time", () => {
    let now = 0;
    const bucket = new TokenBucket(60, () => now);
    for (let i = 0; i < 60; i++) expect(bucket.take()).toBe(0);
    expect(bucket.take()).toBe(1);
    now += 1000;
    expect(bucket.take()).toBe(0);
    expect(bucket.take()).toBe(1);
  });
});

describe("from where", () => {
  it("pages of other sites may not call, unless their origin was allowed", async () => {
    const { app } = await testApp();
    const foreign = await app.request("/v1/models", { headers: { origin: "https://evil.example" } });
    expect(foreign.status).toBe(403);
    expect(foreign.headers.get("access-control-allow-origin")).toBeNull();
    const own = await app.request("/v1/models", { headers: { origin: "http://localhost", host: "localhost" } });
    expect(own.status).toBe(200);
    const { app: open } = await testApp({}, { cors: ["https://app.example"] });
    const headers = { origin: "https://app.example" };
    const allowed = await open.request("/v1/models", { headers });
    expect(allowed.headers.get("access-control-allow-origin")).toBe("https://app.example");
    const asked = await open.request("/v1/chat/completions", { method: "OPTIONS", headers });
    expect(asked.status).toBe(204);
    expect(asked.headers.get("access-control-allow-headers")).toContain("authorization");
    expect((await open.request("/v1/models", { headers: { origin: "https://evil.example" } })).status).toBe(403);
  });

  it("names that were made to lead here are refused", async () => {
    const { app } = await testApp({}, { hosts: ["localhost", "127.0.0.1"] });
    expect((await app.request("/v1/models", { headers: { host: "evil.example:8000" } })).status).toBe(403);
    expect((await app.request("/v1/models", { headers: { host: "127.0.0.1:8000" } })).status).toBe(200);
  });

  it("forms of other sites cannot pass for requests", async () => {
    const { app } = await testApp();
    const body = JSON.stringify(chat);
    const response = await app.request("/v1/chat/completions", {
      method: "POST",
      body,
      headers: { "content-type": "text/plain" },
    });
    expect(response.status).toBe(415);
  });

  it("a server without keys does not listen beyond this machine", async () => {
    const options = { version: "0", engine: {}, echo: true, port: 0 };
    await expect(startServer({ ...options, host: "0.0.0.0" })).rejects.toMatchObject({
      code: "bad-option",
      fix: expect.stringContaining("quire keys add"),
    });
    const file = await keyFile();
    await expect(startServer({ ...options, keysFile: file })).rejects.toMatchObject({ code: "not-found" });
  });
});
