import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { readInstalled } from "./cache-folder.js";
import { installedModels, listModels, modelPath, removeModel, verifyModel } from "./installed-models.js";
import type { HubSource, PackageSource } from "./model-source.js";
import { type Installable, install, resolveModel } from "./resolve-model.js";
import { type StandIn, serve, standIn } from "./stand-in-server.case.js";
import { fakePip, zipOf } from "./wheel.case.js";

const quick = { pauseMs: 5 };
const hashOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

let server: StandIn;
let cache: string;
beforeAll(async () => {
  server = await standIn();
});
afterAll(() => server.close());
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), "quire-cache-"));
  vi.stubEnv("QUIRE_CACHE", cache);
  vi.stubEnv("HF_ENDPOINT", `${server.url}/`);
  vi.stubEnv("HF_TOKEN", "");
  vi.stubEnv("QUIRE_OFFLINE", "");
  vi.stubEnv("HF_HUB_OFFLINE", "");
  server.answer((_, response) => void response.writeHead(404).end());
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(cache, { recursive: true });
});

describe("names", () => {
  test("paths are taken as they are", async () => {
    const path = join(cache, "m.gguf");
    await writeFile(path, "GGUF");
    expect(await resolveModel(path)).toMatchObject({ path, origin: "path", files: [path] });
    expect((await resolveModel(cache)).path).toBe(cache);
    await expect(resolveModel(join(cache, "none.gguf"))).rejects.toMatchObject({
      code: "not-found",
      message: /not exist/,
    });
    await expect(resolveModel("none.gguf")).rejects.toMatchObject({ code: "not-found", message: /not exist/ });
  });

  test("misspelt ones get suggestions", async () => {
    await expect(resolveModel("smollm-135m-instruct")).rejects.toMatchObject({
      code: "not-found",
      fix: /smollm2-135m-instruct/,
    });
    await expect(resolveModel("zzzzzzzzzzzzzzz")).rejects.toMatchObject({
      code: "not-found",
      fix: /quire models list/,
    });
  });

  test.each([
    "hf:only",
    "hf:a/b",
    "hf:a/b/c.txt",
    "hf:a/b/../c.gguf",
    "hf:../b/c.gguf",
    "hf:a/b@x/../c.gguf",
    "https://x.example/",
    "https://x.example/a.zip",
    "https://",
  ])("%s cannot be used", async (name) => {
    await expect(resolveModel(name)).rejects.toMatchObject({ code: "bad-option" });
  });
});

describe("from the hub", () => {
  const content = randomBytes(5000);
  const hub =
    (token?: string) =>
    (request: Parameters<ReturnType<typeof serve>>[0], response: Parameters<ReturnType<typeof serve>>[1]) => {
      if (token !== undefined && request.headers.authorization !== `Bearer ${token}`) response.writeHead(401).end();
      else serve(content, '"x"', { "x-linked-etag": `"${hashOf(content)}"` })(request, response);
    };

  test("is fetched once, with the token, and found after", async () => {
    vi.stubEnv("HF_TOKEN", "hf_secret");
    server.answer(hub("hf_secret"));
    const name = "hf:org/repo@v1/sub/m.gguf";
    const first = await resolveModel(name, quick);
    expect(first).toMatchObject({ origin: "hub", name });
    expect((await readFile(first.path)).equals(content)).toBe(true);
    expect(server.asked.map((asked) => asked.path)).toEqual(["/org/repo/resolve/v1/sub/m.gguf"]);
    expect(await resolveModel(name, { offline: true })).toEqual({ ...first, origin: "cache" });
    expect((await installedModels())[0]?.files[0]).toMatchObject({ verifiedBy: "hub-sha256", sha256: hashOf(content) });
    vi.stubEnv("HF_TOKEN", "");
    await expect(resolveModel("hf:org/repo/gated.gguf", quick)).rejects.toMatchObject({ fix: /HF_TOKEN/ });
  });

  test("all files of a split model, and what stands beside safetensors", async () => {
    server.answer(hub());
    const split = await resolveModel("hf:org/repo/m-00002-of-00003.gguf", quick);
    expect(split.files).toHaveLength(3);
    expect(split.path).toMatch(/m-00002-of-00003\.gguf$/);
    server.answer((request, response) => {
      if (/tokenizer_config|special|modules|Pooling/.test(request.url ?? "")) response.writeHead(404).end();
      else hub()(request, response);
    });
    const folder = await resolveModel("hf:org/repo/model.safetensors", quick);
    expect(folder.files.map((file) => file.slice(file.lastIndexOf("/") + 1))).toEqual([
      "config.json",
      "tokenizer.json",
      "model.safetensors",
    ]);
  });

  test("a plain address", async () => {
    server.answer(serve(content));
    const name = `${server.url}/files/m.gguf?x=1`;
    const found = await resolveModel(name, quick);
    expect(found).toMatchObject({ origin: "url" });
    expect(await modelPath(name)).toBe(found.path);
  });

  test("a file that was cut short in the cache is fetched again", async () => {
    server.answer(hub());
    const { path } = await resolveModel("hf:org/repo/m.gguf", quick);
    await writeFile(path, content.subarray(0, 100));
    await resolveModel("hf:org/repo/m.gguf", quick);
    expect((await readFile(path)).equals(content)).toBe(true);
    await verifyModel("hf:org/repo/m.gguf");
    await writeFile(path, randomBytes(content.byteLength));
    await expect(verifyModel("hf:org/repo/m.gguf")).rejects.toMatchObject({ code: "checksum" });
  });

  test("offline, by option or variable, fetches nothing", async () => {
    await expect(resolveModel("qwen3-0.6b", { offline: true })).rejects.toMatchObject({ code: "not-found" });
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    await expect(resolveModel("hf:org/repo/m.gguf")).rejects.toMatchObject({ code: "not-found", got: "offline" });
    expect(server.asked).toHaveLength(0);
  });
});

describe("from packages", () => {
  const one = randomBytes(40_000);
  const two = randomBytes(30_000);
  const small = Buffer.from("{}");
  const wheels = {
    "part-one": zipOf({ "p/skip.txt": small, "p/m.part0": one }),
    "part-two": zipOf({ "q/m.part1": two, "q/config.json": small }),
  };
  const whole = Buffer.concat([one, two]);
  const source: PackageSource = {
    kind: "package",
    wheels: Object.entries(wheels).map(([name, bytes]) => ({
      name,
      version: "1.0",
      sizeBytes: bytes.byteLength,
      sha256: hashOf(bytes),
    })),
    main: "m.gguf",
    files: [
      {
        path: "m.gguf",
        sizeBytes: whole.byteLength,
        sha256: hashOf(whole),
        parts: [
          { wheel: 0, member: "p/m.part0", sizeBytes: one.byteLength },
          { wheel: 1, member: "q/m.part1", sizeBytes: two.byteLength },
        ],
      },
      {
        path: "sub/config.json",
        sizeBytes: 2,
        sha256: hashOf(small),
        parts: [{ wheel: 1, member: "q/config.json", sizeBytes: 2 }],
      },
    ],
  };
  const hub: HubSource = {
    kind: "hub",
    repo: "org/repo",
    revision: "main",
    main: "m.gguf",
    files: [{ path: "m.gguf", sizeBytes: 10 }],
  };
  let model: Installable;
  let bin: string;
  beforeEach(async () => {
    model = { name: "m", folder: join(cache, "models", "m"), sources: [hub, source] };
    bin = await fakePip(cache, wheels);
    vi.stubEnv("PATH", bin);
  });
  const asked = async () => (await readFile(join(bin, "asked"), "utf8")).trim().split("\n");

  test("when the hub has nothing: parts joined, verified, wheels gone", async () => {
    const reports: string[] = [];
    const options = { ...quick, onProgress: ({ file }: { file: string }) => void reports.push(file) };
    const installed = await install(model, options);
    expect(installed).toMatchObject({ origin: "package", main: "m.gguf" });
    expect((await readFile(join(model.folder, "m.gguf"))).equals(whole)).toBe(true);
    expect((await readdir(model.folder)).sort()).toEqual(["m.gguf", "quire-model.json", "sub"]);
    expect(new Set(reports)).toEqual(new Set(["part-one 1.0", "part-two 1.0"]));
    expect(await readInstalled(model.folder)).toEqual(installed);
  });

  test("a run stopped in the second wheel goes on with it", async () => {
    const stop = new AbortController();
    const onProgress = ({ file }: { file: string }) => {
      if (file.startsWith("part-two")) stop.abort();
    };
    await expect(install(model, { ...quick, signal: stop.signal, onProgress })).rejects.toMatchObject({
      code: "cancelled",
    });
    // Bytes behind the last whole part are of no use and are cut off.
    await appendFile(join(model.folder, "m.gguf.part"), "half a part");
    await install(model, quick);
    expect((await asked()).filter((name) => name === "part-one")).toHaveLength(1);
    expect((await readFile(join(model.folder, "m.gguf"))).equals(whole)).toBe(true);
  });

  test("pip is stopped when the user stops", async () => {
    await writeFile(join(bin, "slow"), "");
    const started = performance.now();
    await expect(install(model, { ...quick, signal: AbortSignal.timeout(300) })).rejects.toMatchObject({
      code: "cancelled",
    });
    expect(performance.now() - started).toBeLessThan(5000);
  });

  test("another package under the same name is refused", async () => {
    await writeFile(join(bin, "part-two.whl"), zipOf({ "q/m.part1": randomBytes(30_000), "q/config.json": small }));
    await expect(install({ ...model, sources: [source] }, quick)).rejects.toMatchObject({
      code: "checksum",
      message: /^The package part-two 1.0/,
    });
    expect(existsSync(join(model.folder, "m.gguf"))).toBe(false);
  });

  test("a damaged wheel, a wheel without the member, a part of another size", async () => {
    const cases: [Uint8Array, string][] = [
      [randomBytes(1000), "bad-file"],
      [zipOf({ "q/other": small }), "bad-file"],
      [zipOf({ "q/m.part1": two.subarray(1), "q/config.json": small }), "checksum"],
    ];
    for (const [bytes, code] of cases) {
      await writeFile(join(bin, "part-two.whl"), bytes);
      const [first, second] = source.wheels;
      if (!first || !second) throw new Error("two wheels");
      const changed = { ...second, sizeBytes: bytes.byteLength, sha256: hashOf(bytes) };
      const sources = [{ ...source, wheels: [first, changed] }];
      await expect(install({ ...model, sources }, quick), code).rejects.toMatchObject({ code });
    }
  });

  test("every source fails: all reasons are told", async () => {
    await rm(join(bin, "part-one.whl"));
    await expect(install(model, quick)).rejects.toMatchObject({
      code: "network",
      message: /has no m\.gguf \(404\).*No matching distribution/,
    });
    vi.stubEnv("PATH", join(cache, "empty"));
    await expect(install({ ...model, sources: [source] }, quick)).rejects.toMatchObject({
      code: "unsupported",
      fix: /Install Python with pip/,
    });
    const gone = await standIn();
    await gone.close();
    vi.stubEnv("HF_ENDPOINT", gone.url);
    await expect(install(model, quick)).rejects.toMatchObject({ message: /hub cannot be reached.*No pip was found/ });
  });

  test("two at once fetch once", async () => {
    await Promise.all([install(model, quick), install(model, quick)]);
    expect(await asked()).toEqual(["part-one", "part-two"]);
  });
});

describe("the cache", () => {
  test("lists, gives paths, removes", async () => {
    server.answer(serve(Buffer.from("weights"), '"x"'));
    await resolveModel("qwen3-0.6b", quick);
    await resolveModel("hf:org/repo/m.gguf", quick);
    await mkdir(join(cache, "models", "unfinished"));
    const listed = await listModels();
    expect(listed.filter((model) => model.installed).map((model) => model.name)).toEqual([
      "qwen3-0.6b",
      "hf:org/repo/m.gguf",
    ]);
    expect(await modelPath("qwen3-0.6b")).toBe(join(cache, "models", "qwen3-0.6b", "Qwen3-0.6B-Q8_0.gguf"));
    await expect(modelPath("qwen3-4b")).rejects.toMatchObject({ code: "not-found" });
    expect(await removeModel("qwen3-0.6b")).toBe(7);
    expect(await removeModel("hf:org/repo/m.gguf")).toBe(7);
    await expect(removeModel("qwen3-0.6b")).rejects.toMatchObject({ code: "not-found" });
    await expect(removeModel("../../etc")).rejects.toMatchObject({ code: "not-found" });
    expect(await installedModels()).toEqual([]);
  });

  test("that cannot be written", async () => {
    await writeFile(join(cache, "file"), "");
    vi.stubEnv("QUIRE_CACHE", join(cache, "file", "inside"));
    await expect(resolveModel("qwen3-0.6b", quick)).rejects.toMatchObject({ code: "disk" });
  });
});
