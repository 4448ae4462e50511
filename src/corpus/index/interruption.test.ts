import { type ChildProcess, spawn } from "node:child_process";
import { chmod, chown, mkdir, mkdtemp, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isQuireError } from "../../errors.js";
import { recursive } from "../chunk/recursive.js";
import { type CorpusIndex, type CorpusIndexOptions, openCorpusIndex } from "./corpus-index.js";
import { hashingEmbedder } from "./hashing-embedder.case.js";
import { acquireLock } from "./lock.js";
import type { UpdateResult } from "./update.js";

let base: string;
let docs: string;
let indexFolder: string;
const opened: CorpusIndex[] = [];
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), "quire-stop-"));
  docs = join(base, "docs");
  indexFolder = join(base, "index");
  await mkdir(docs);
});
afterEach(async () => {
  for (const index of opened.splice(0)) await index.close();
  await rm(base, { recursive: true, force: true });
});

async function putMany(count: number, word = "words"): Promise<void> {
  for (let i = 0; i < count; i++) {
    const path = join(docs, `file${String(i).padStart(3, "0")}.txt`);
    await writeFile(path, `File ${i} holds ${word}. `.repeat(20));
    await utimes(path, new Date("2024-01-01"), new Date("2024-01-01"));
  }
}

async function open(options: Partial<CorpusIndexOptions> = {}): Promise<CorpusIndex> {
  const index = await openCorpusIndex(docs, {
    chunker: recursive({ tokens: 32 }),
    countTokens: (text) => Math.ceil(Buffer.byteLength(text) / 4),
    embed: hashingEmbedder(),
    embeddingModel: "hashing",
    indexFolder,
    ...options,
  });
  opened.push(index);
  return index;
}

/** Every chunk as search sees it: equal for equal indexes. */
async function contents(index: CorpusIndex): Promise<string[]> {
  const found = await index.search("file holds words other", { k: 10_000, mode: "vector" });
  return found.map(({ chunk }) => `${chunk.uri} ${chunk.order} ${chunk.id} ${chunk.text}`).sort();
}

async function freshContents(): Promise<string[]> {
  const fresh = await open({ indexFolder: join(base, "fresh") });
  await fresh.update();
  return contents(fresh);
}

const failure = async (work: Promise<unknown>) => {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!isQuireError(error)) throw new Error(`no QuireError but ${String(error)}`);
  return error;
};

function child(whenLocked: "wait" | "fail", delayMs: number): { process: ChildProcess; output: Promise<string> } {
  const script = fileURLToPath(new URL("index-in-child.case.ts", import.meta.url));
  const started = spawn(process.execPath, ["--import", "tsx", script, docs, indexFolder, whenLocked, String(delayMs)]);
  const output = new Promise<string>((resolve) => {
    let text = "";
    started.stdout.on("data", (data) => {
      text += String(data);
    });
    started.on("close", () => resolve(text));
  });
  return { process: started, output };
}

/** Resolves when the child has begun to index files. */
function atWork({ process: started }: ReturnType<typeof child>, files = 1): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = "";
    started.stderr?.on("data", (data) => {
      text += String(data);
      const done = [...text.matchAll(/index (\d+)/g)].at(-1)?.[1];
      if (done !== undefined && Number(done) >= files) resolve();
    });
    started.on("close", () => reject(new Error(`ended too early: ${text}`)));
  });
}

describe("stopped in the middle", () => {
  test("an abort keeps what is written and says what was done; the next update continues", async () => {
    await putMany(300);
    const stop = new AbortController();
    const index = await open({
      signal: stop.signal,
      onProgress: ({ phase, done }) => {
        if (phase === "index" && done === 280) stop.abort();
      },
    });
    const error = await failure(index.update());
    expect(error.code).toBe("cancelled");
    const partial = error.partial as UpdateResult;
    expect(partial.added.length).toBe(280);
    expect(partial.chunks).toBeGreaterThan(0);

    const next = await open();
    expect((await next.stats()).complete).toBe(false);
    expect((await next.search("file holds", { k: 5 })).length).toBe(5);
    const { added, unchanged, rebuilt } = await next.update();
    expect(rebuilt).toBeUndefined();
    expect(added.length + unchanged).toBe(300);
    expect(unchanged).toBeGreaterThan(100);
    expect(await contents(next)).toEqual(await freshContents());
  });

  test("a failing embedder in the middle of changes leaves no mixture behind", async () => {
    await putMany(40);
    await (await open()).update();
    await putMany(40, "other words");
    const embed = hashingEmbedder();
    let calls = 0;
    const failing = await open({
      embed: async (texts) => {
        if (++calls > 3) throw new Error("embedder is gone");
        return embed(texts);
      },
    });
    await expect(failing.update()).rejects.toThrow("embedder is gone");
    await rm(join(docs, "file000.txt"));
    const next = await open();
    const { removed, changed, unchanged, added } = await next.update();
    expect(removed.length + changed.length + unchanged + added.length).toBeGreaterThanOrEqual(39);
    expect(await contents(next)).toEqual(await freshContents());
  });

  test("sudden death of the process: the lock is found stale, the index continued", async () => {
    await putMany(120);
    const dying = child("wait", 30);
    await atWork(dying, 60);
    dying.process.kill("SIGKILL");
    await dying.output;
    expect(await readFile(join(indexFolder, "lock"), "utf8")).toContain(String(dying.process.pid));
    const next = await open({ whenLocked: "fail" });
    const { added, unchanged } = await next.update();
    expect(added.length + unchanged).toBe(120);
    expect(await contents(next)).toEqual(await freshContents());
  }, 60_000);
});

describe("two at once", () => {
  test("one process waits for the other, or is told", async () => {
    await putMany(60);
    const first = child("wait", 60);
    await atWork(first);
    const refused = await failure((await open({ whenLocked: "fail" })).update());
    expect(refused.code).toBe("locked");
    expect(refused.got).toBe(first.process.pid);
    const notices: string[] = [];
    const second = await (await open({ onNotice: (notice) => notices.push(notice) })).update();
    expect(JSON.parse(await first.output)).toEqual({ added: 60, unchanged: 0 });
    expect(second).toMatchObject({ unchanged: 60, added: [] });
    expect(notices).toEqual([expect.stringContaining(String(first.process.pid))]);
    expect(await contents(await open())).toEqual(await freshContents());
  }, 60_000);

  test("an index can be searched while it is updated, also when it is made anew", async () => {
    await putMany(80);
    const embed = hashingEmbedder();
    const index = await open({
      embed: async (texts) => {
        await new Promise((resolve) => setTimeout(resolve, 15));
        return embed(texts);
      },
    });
    await index.update();
    await putMany(80, "other words");
    let done = false;
    const update = index.update().then((result) => {
      done = true;
      return result;
    });
    let searches = 0;
    while (!done) {
      await index.search("file holds words", { k: 5 });
      await index.stats();
      searches++;
    }
    expect(await update).toMatchObject({ documents: 80, unchanged: 0 });
    expect((await update).rebuilt).toBeUndefined();
    expect(searches).toBeGreaterThan(3);
    const results = await Promise.all([index.update({ rebuild: true }), index.update(), (await open()).update()]);
    expect(results.map(({ documents }) => documents)).toEqual([80, 80, 80]);
    expect(await contents(index)).toEqual(await freshContents());
  });

  test("two objects of one process, and waiting that is stopped", async () => {
    await putMany(30);
    const [a, b] = await Promise.all([open(), open()]);
    const results = await Promise.all([a.update(), b.update(), a.update()]);
    expect(results.map(({ added }) => added.length).sort((x, y) => x - y)).toEqual([0, 0, 30]);
    const held = await acquireLock(indexFolder, { whenLocked: "wait" });
    const waiting = a.update({ signal: AbortSignal.timeout(300) });
    expect((await failure(waiting)).code).toBe("cancelled");
    await held.release();
    expect((await a.update()).unchanged).toBe(30);
  });
});

describe("the lock", () => {
  const write = (holder: object) => writeFile(join(indexFolder, "lock"), JSON.stringify(holder));
  const take = () => acquireLock(indexFolder, { whenLocked: "fail" });

  test("is stale when its process is gone, is another one by now, or it was left by an earlier one with our number", async () => {
    await mkdir(indexFolder);
    const here = { host: hostname(), token: "t" };
    const gone = spawn(process.execPath, ["-e", ""]);
    await new Promise((resolve) => gone.on("close", resolve));
    for (const holder of [
      { ...here, pid: gone.pid },
      { ...here, pid: process.pid },
      ...(process.platform === "linux" ? [{ ...here, pid: process.ppid, processStart: "1" }] : []),
    ]) {
      await write(holder);
      await (await take()).release();
    }
  });

  test("is respected while its process runs, or another machine has touched it lately", async () => {
    await mkdir(indexFolder);
    await write({ pid: process.ppid, host: hostname(), token: "t" });
    expect((await failure(take())).code).toBe("locked");
    await write({ pid: 1, host: "elsewhere", token: "t" });
    expect((await failure(take())).code).toBe("locked");
    const old = new Date(Date.now() - 10 * 60_000);
    await utimes(join(indexFolder, "lock"), old, old);
    await (await take()).release();
    await writeFile(join(indexFolder, "lock"), "half a lo");
    expect((await failure(take())).code).toBe("locked");
    await utimes(join(indexFolder, "lock"), old, old);
    await (await take()).release();
  });

  test("is held by one at a time, however many want it, also when a stale one lies there", async () => {
    await mkdir(indexFolder);
    await write({ pid: 2 ** 22 + 1, host: hostname(), token: "t" });
    let holders = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 12 }, async () => {
        const lock = await acquireLock(indexFolder, { whenLocked: "wait" });
        most = Math.max(most, ++holders);
        await new Promise((resolve) => setTimeout(resolve, 5));
        holders--;
        await lock.release();
      }),
    );
    expect(most).toBe(1);
  });
});

describe("disk trouble", () => {
  test("a place that cannot be written gives a disk error, and later success", async () => {
    await putMany(5);
    await writeFile(join(base, "file"), "x");
    expect((await failure((await open({ indexFolder: join(base, "file", "index") })).update())).code).toBe("disk");
    await chmod(base, 0o755);
    await mkdir(indexFolder);
    if (process.geteuid?.() === 0) await chown(indexFolder, 65534, 65534);
    await asOrdinaryUser(async () => {
      await (await open()).update();
      const data = join(indexFolder, "chunks.lance", "data");
      await chmod(data, 0o555);
      await asRoot(() => putMany(6, "other words"));
      expect((await failure((await open()).update())).code).toBe("disk");
      await chmod(data, 0o755);
      const { added, changed } = await (await open()).update();
      expect(added.length + changed.length).toBe(6);
    });
    expect(await contents(await open())).toEqual(await freshContents());
  });
});

/** The superuser may write everywhere, so for a test about permissions that right is laid down for a while. */
async function asOrdinaryUser(work: () => Promise<void>): Promise<void> {
  const isSuperuser = process.geteuid?.() === 0;
  if (isSuperuser) process.seteuid?.(65534);
  try {
    await work();
  } finally {
    if (isSuperuser) process.seteuid?.(0);
  }
}

async function asRoot(work: () => Promise<void>): Promise<void> {
  const wasSuperuser = process.getuid?.() === 0;
  if (wasSuperuser) process.seteuid?.(0);
  await work();
  if (wasSuperuser) process.seteuid?.(65534);
}
