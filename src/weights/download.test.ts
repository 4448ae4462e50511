import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type DownloadProgress, downloadFile } from "./download.js";
import { cutOff, type StandIn, serve, standIn } from "./stand-in-server.case.js";

const content = randomBytes(300_000);
const sha256 = createHash("sha256").update(content).digest("hex");
const known = { sha256, sizeBytes: content.byteLength, pauseMs: 5 };

let server: StandIn;
let folder: string;
let path: string;
beforeAll(async () => {
  server = await standIn();
});
afterAll(() => server.close());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "quire-download-"));
  path = join(folder, "model.gguf");
  return () => rm(folder, { recursive: true });
});

async function expectContent(expected: Buffer): Promise<void> {
  expect((await readFile(path)).equals(expected)).toBe(true);
}

describe("a download that works", () => {
  test("is verified, reported, and leaves nothing else behind", async () => {
    server.answer(serve(content));
    const reports: DownloadProgress[] = [];
    const done = await downloadFile(`${server.url}/f`, path, {
      ...known,
      onProgress: (report) => reports.push(report),
    });
    expect(done).toEqual({ path, sha256, sizeBytes: content.byteLength, verifiedBy: "known-sha256" });
    await expectContent(content);
    expect(await readdir(folder)).toEqual(["model.gguf"]);
    expect(reports[0]).toEqual({ file: "model.gguf", receivedBytes: 0, totalBytes: content.byteLength });
    expect(reports.at(-1)).toEqual({
      file: "model.gguf",
      receivedBytes: content.byteLength,
      totalBytes: content.byteLength,
    });
    server.answer(serve(content));
    await downloadFile(`${server.url}/f`, path, known);
    expect(server.asked).toHaveLength(0);
  });

  test("without length or hash is taken as it comes", async () => {
    server.answer((_, response) => {
      response.write(content.subarray(0, 1000));
      response.end(content.subarray(1000));
    });
    expect(await downloadFile(`${server.url}/f`, path)).toMatchObject({ sha256, verifiedBy: "size" });
  });

  test("compressed against our wish arrives as what it is", async () => {
    const packed = gzipSync(content);
    server.answer((_, response) => {
      response.writeHead(200, { "content-encoding": "gzip", "content-length": packed.byteLength }).end(packed);
    });
    await downloadFile(`${server.url}/f`, path, known);
    await expectContent(content);
  });

  test("follows redirects, keeps the token to the first host, heeds the hub's hash", async () => {
    const store = await standIn();
    store.answer(serve(content, '"other"'));
    server.answer((request, response) => {
      if (request.url === "/f") response.writeHead(307, { location: "/g" }).end();
      else response.writeHead(302, { location: `${store.url}/h`, "x-linked-etag": `"${sha256}"` }).end();
    });
    const headers = { authorization: "Bearer secret" };
    const done = await downloadFile(`${server.url}/f`, path, { headers });
    expect(done.verifiedBy).toBe("hub-sha256");
    expect(server.asked.map((asked) => asked.authorization)).toEqual(["Bearer secret", "Bearer secret"]);
    expect(store.asked.map((asked) => asked.authorization)).toEqual([undefined]);
    await store.close();
  });

  test("of a small file is held against Git's hash", async () => {
    const small = Buffer.from("{}\n");
    const headers = { "x-repo-commit": "main" };
    // What `printf '{}\n' | git hash-object --stdin` says.
    server.answer(serve(small, '"0967ef424bce6791893e9a57bb952f80fd536e93"', headers));
    expect(await downloadFile(`${server.url}/f`, path)).toMatchObject({ verifiedBy: "hub-git-sha1" });
    await rm(path);
    server.answer(serve(small, '"1967ef424bce6791893e9a57bb952f80fd536e93"', headers));
    await expect(downloadFile(`${server.url}/f`, path)).rejects.toMatchObject({ code: "checksum" });
  });
});

describe("a download that breaks off", () => {
  test("goes on by itself where it stopped", async () => {
    server.answer((request, response, turn) =>
      (turn === 1 ? cutOff(content, 120_000) : serve(content))(request, response),
    );
    await downloadFile(`${server.url}/f`, path, known);
    await expectContent(content);
    expect(server.asked[1]).toMatchObject({ range: "bytes=120000-", ifRange: '"v1"' });
  });

  test("goes on in the next run", async () => {
    server.answer(cutOff(content, 120_000));
    await expect(downloadFile(`${server.url}/f`, path, { ...known, retries: 0 })).rejects.toMatchObject({
      code: "network",
      partial: { receivedBytes: 120_000 },
    });
    expect(existsSync(path)).toBe(false);
    server.answer(serve(content));
    await downloadFile(`${server.url}/f`, path, known);
    expect(server.asked.map((asked) => asked.range)).toEqual(["bytes=120000-"]);
    await expectContent(content);
  });

  test("is stopped by the user and goes on in the next run", async () => {
    const stop = new AbortController();
    server.answer((_, response) => {
      response.writeHead(200, { "content-length": content.byteLength, etag: '"v1"' });
      response.write(content.subarray(0, 100_000), () => setTimeout(() => stop.abort(), 100));
    });
    const stopped = downloadFile(`${server.url}/f`, path, { ...known, signal: stop.signal });
    await expect(stopped).rejects.toMatchObject({ code: "cancelled" });
    expect((await readdir(folder)).sort()).toEqual(["model.gguf.part", "model.gguf.part.json"]);
    const kept = (await stat(`${path}.part`)).size;
    server.answer(serve(content));
    await downloadFile(`${server.url}/f`, path, known);
    expect(server.asked.map((asked) => asked.range)).toEqual([`bytes=${kept}-`]);
    await expectContent(content);
  });

  test("starts anew when the file has changed, or nothing tells that it has not", async () => {
    server.answer(cutOff(content, 120_000));
    await downloadFile(`${server.url}/f`, path, { retries: 0 }).catch(() => undefined);
    const changed = randomBytes(200_000);
    server.answer(serve(changed, '"v2"'));
    await downloadFile(`${server.url}/f`, path);
    expect(server.asked).toMatchObject([{ ifRange: '"v1"' }]);
    await expectContent(changed);
    await rm(path);
    server.answer((_, response) => cutOff(content, 120_000, 'W/"weak"')(_, response));
    await downloadFile(`${server.url}/f`, path, { retries: 0 }).catch(() => undefined);
    server.answer(serve(content));
    await downloadFile(`${server.url}/f`, path);
    expect(server.asked).toMatchObject([{ range: undefined }]);
  });

  test("a kept part that turns out to be of another file is thrown away once", async () => {
    server.answer(cutOff(randomBytes(300_000), 120_000, undefined));
    await downloadFile(`${server.url}/f`, path, { ...known, retries: 0 }).catch(() => undefined);
    server.answer(serve(content));
    await downloadFile(`${server.url}/f`, path, known);
    expect(server.asked.map((asked) => asked.range)).toEqual(["bytes=120000-", undefined]);
    await expectContent(content);
  });

  test("killed just before the end", async () => {
    await writeFile(`${path}.part`, content);
    const note = { url: `${server.url}/f`, etag: '"v1"', sha256, totalBytes: content.byteLength };
    await writeFile(`${path}.part.json`, JSON.stringify(note));
    server.answer(serve(content));
    await downloadFile(`${server.url}/f`, path, known);
    expect(server.asked.map((asked) => asked.range)).toEqual([`bytes=${content.byteLength - 1}-`]);
    await expectContent(content);
  });

  test("a server that falls silent, or is busy for a while", async () => {
    server.answer((request, response, turn) => {
      if (turn === 1) response.writeHead(200, { "content-length": content.byteLength }).write(content.subarray(0, 10));
      else if (turn === 2) response.writeHead(503, { "retry-after": "0" }).end();
      else serve(content)(request, response);
    });
    await downloadFile(`${server.url}/f`, path, { ...known, silenceMs: 100 });
    expect(server.asked).toHaveLength(3);
  });
});

describe("a download that cannot be", () => {
  async function refused(options = {}): Promise<{ code: string; fix?: string; message: string }> {
    const error = await downloadFile(`${server.url}/f`, path, { pauseMs: 5, ...options }).then(
      () => undefined,
      (caught: { code: string; fix?: string; message: string }) => caught,
    );
    if (!error) throw new Error("it worked");
    expect(await readdir(folder)).toEqual([]);
    return error;
  }

  test("wrong bytes are refused and removed", async () => {
    server.answer(serve(randomBytes(content.byteLength)));
    expect(await refused(known)).toMatchObject({ code: "checksum", expected: sha256 });
    server.answer(serve(content, '"v1"', { "x-linked-etag": `"${"0".repeat(64)}"` }));
    expect(await refused()).toMatchObject({ code: "checksum" });
  });

  test("a wrong length or a wrong promise is refused before the bytes are fetched", async () => {
    const endless = (extra: Record<string, string>) => (_: unknown, response: import("node:http").ServerResponse) => {
      response.writeHead(200, extra).write("x");
    };
    server.answer(endless({ "content-length": "1000000" }));
    expect(await refused(known)).toMatchObject({ code: "checksum", got: 1_000_000 });
    server.answer(endless({ "x-linked-etag": `"${"0".repeat(64)}"` }));
    expect(await refused(known)).toMatchObject({ code: "checksum", expected: sha256 });
  });

  test("401, 403, 404, 500, redirects in a circle or to nowhere", async () => {
    for (const [status, code] of [
      [401, "network"],
      [403, "network"],
      [404, "not-found"],
      [400, "network"],
    ] as const) {
      server.answer((_, response) => void response.writeHead(status).end());
      expect(await refused()).toMatchObject({ code });
      expect(server.asked).toHaveLength(1);
    }
    server.answer((_, response) => void response.writeHead(401).end());
    expect((await refused()).fix).toMatch(/HF_TOKEN/);
    server.answer((_, response) => void response.writeHead(500).end());
    expect(await refused({ retries: 2 })).toMatchObject({ code: "network", message: /500/ });
    expect(server.asked).toHaveLength(3);
    server.answer((_, response) => void response.writeHead(302, { location: "/f" }).end());
    expect(await refused()).toMatchObject({ code: "network", message: /without end/ });
    server.answer((_, response) => void response.writeHead(302, { location: "file:///etc/passwd" }).end());
    expect(await refused()).toMatchObject({ code: "bad-option" });
  });

  test("nobody there", async () => {
    const gone = await standIn();
    await gone.close();
    const error = downloadFile(`${gone.url}/f`, path, { pauseMs: 5 });
    await expect(error).rejects.toMatchObject({ code: "network", message: /ECONNREFUSED/ });
    await expect(downloadFile("ftp://x/y", path)).rejects.toMatchObject({ code: "bad-option" });
    await expect(downloadFile("nonsense", path)).rejects.toMatchObject({ code: "bad-option" });
  });

  test("a file larger than the disk names what is needed", async () => {
    server.answer(
      (_, response) => void response.writeHead(200, { "content-length": String(1e15), etag: '"v1"' }).write("x"),
    );
    const error = await downloadFile(`${server.url}/f`, path).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: "disk", expected: { neededBytes: 1e15 } });
  });

  test.runIf(existsSync("/dev/full"))("a disk that fills up on the way", async () => {
    server.answer(serve(content));
    await symlink("/dev/full", `${path}.part`);
    const error = await downloadFile(`${server.url}/f`, path, known).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: "disk", got: "ENOSPC", expected: { neededBytes: content.byteLength } });
  });
});

describe("two at once", () => {
  test("the second waits and fetches nothing", async () => {
    server.answer((request, response) => void setTimeout(() => serve(content)(request, response), 100));
    const waits: string[] = [];
    const options = { ...known, onWait: (holder: string) => void waits.push(holder) };
    await Promise.all([downloadFile(`${server.url}/f`, path, options), downloadFile(`${server.url}/f`, path, options)]);
    expect(server.asked).toHaveLength(1);
    expect(waits).toEqual([`process ${process.pid} on ${hostname()}`]);
  });

  test("a lock that was left behind does not hold", async () => {
    server.answer(serve(content));
    // Far above any process number that a system gives.
    await writeFile(`${path}.lock`, JSON.stringify({ token: "t", pid: 2 ** 30, host: hostname() }));
    await downloadFile(`${server.url}/f`, path, known);
    expect(await readdir(folder)).toEqual(["model.gguf"]);
  });

  test("the second goes on when the first is killed", async () => {
    server.answer(serve(content));
    const holder = spawn("sleep", ["30"]);
    await writeFile(`${path}.lock`, JSON.stringify({ token: "t", pid: holder.pid, host: hostname() }));
    const waits: string[] = [];
    const waiting = downloadFile(`${server.url}/f`, path, { ...known, onWait: (who) => void waits.push(who) });
    setTimeout(() => holder.kill("SIGKILL"), 100);
    await waiting;
    expect(waits).toHaveLength(1);
    expect(await readdir(folder)).toEqual(["model.gguf"]);
  });

  test("waiting can be stopped", async () => {
    await writeFile(`${path}.lock`, JSON.stringify({ token: "t", pid: process.ppid, host: hostname() }));
    const waiting = downloadFile(`${server.url}/f`, path, { ...known, signal: AbortSignal.timeout(80) });
    await expect(waiting).rejects.toMatchObject({ code: "cancelled" });
    expect(await readdir(folder)).toEqual(["model.gguf.lock"]);
  });
});
