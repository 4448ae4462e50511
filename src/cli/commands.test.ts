import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { commandTable } from "./command-table.js";
import { runCli, temporaryFolder } from "./run-cli.case.js";

/** The commands from outside: what they print, where, and how they end. None of these needs a model. */

const settings = `# Settings

The log level is lost when the server restarts.

The port and the retention period survive a restart.
They are written to config.toml at once.
`;

async function corpus(): Promise<{ docs: string; env: Record<string, string> }> {
  const folder = await temporaryFolder();
  const docs = path.join(folder, "docs");
  await mkdir(docs);
  await writeFile(path.join(docs, "settings.md"), settings);
  await writeFile(path.join(docs, "release.txt"), "Marta Olsen signs the release tag on Monday.\n");
  return { docs, env: { QUIRE_CACHE: path.join(folder, "cache") } };
}

const escapeCharacter = "\u001b";

test("help lists every command", async () => {
  const bare = await runCli([]);
  const asked = await runCli(["--help"]);
  expect(asked.code).toBe(0);
  expect(bare).toEqual(asked);
  for (const { name, summary } of commandTable) {
    expect(asked.stdout).toContain(`  ${name}`);
    expect(asked.stdout.replace(/\s+/g, " ")).toContain(summary);
  }
});

const models = ["list", "pull", "rm", "path", "check"].map((name) => `models ${name}`);
const keys = ["add", "list", "rm"].map((name) => `keys ${name}`);
const jobs = ["add", "list", "show", "cancel"].map((name) => `jobs ${name}`);
/** They have no result of their own: what they hold does, or another program reads it. */
const withoutResult = ["models", "keys", "jobs", "mcp", "cache"];
test.concurrent.each([
  ...commandTable.map(({ name }) => name),
  ...models,
  ...keys,
  ...jobs,
  "cache inspect",
  "eval recursion",
])("%s --help shows options and examples", async (words) => {
  const given = words.split(" ");
  const { code, stdout, stderr } = await runCli([...given, "--help"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(new RegExp(`^Usage: quire ${words}`));
  expect(stdout.match(/^ {2}\$ .*quire /gm)?.length ?? 0).toBeGreaterThanOrEqual(2);
  if (!withoutResult.includes(words)) expect(stdout).toContain("--json");
});

test("--version names the native libraries", async () => {
  const { code, stdout } = await runCli(["--version"]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^quire \d+\.\d+\.\d+ \(.*ggml \d+\.\d+/);
});

test.concurrent.each([
  ["an unknown command", ["serch"], /no command called "serch"/, /Did you mean search/],
  ["an unknown option", ["methods", "--jsn"], /Unknown option '--jsn'/, /Did you mean --json\?/],
  ["a missing argument", ["ask"], /Missing required argument 'folder'/, /expected: quire ask <folder>/],
  [
    "an unknown model",
    ["chat", "hi", "--model", "smolm2-135m-instruct"],
    /no model called/,
    /Did you mean smollm2-135m-instruct/,
  ],
  ["a missing folder", ["ask", "/nowhere/at/all", "What?"], /There is no/, /expected: a folder or a file/],
  ["an empty question", ["ask", ".", " "], /question is empty/, /expected: a question/],
  [
    "a number that is none",
    ["chat", "hi", "--temperature", "warm"],
    /"warm" cannot be used for --temperature/,
    /a number of at least 0/,
  ],
  ["a wrong choice", ["search", ".", "x", "--mode", "fast"], /'fast' is invalid/, /expected: hybrid, text, vector/],
  ["a planned method", ["chat", "hi", "--decoder", "recurrent-depth-sampler"], /planned/, /autoregressive/],
  ["a method of another kind", ["chat", "hi", "--cache", "mmr"], /--selector/, /full, window/],
  ["an unknown model command", ["models", "lst"], /no command "lst"/, /Did you mean list\?/],
  ["a model that is not installed", ["models", "path", "qwen3-4b"], /not installed/, /quire models pull/],
  ["no message", ["chat"], /There is no message/, /quire chat "Hello"/],
  ["nothing to embed", ["embed"], /nothing to embed/, /--file/],
])("%s: exit code 2, three lines on stderr", async (_, args, wrong, help) => {
  const folder = await temporaryFolder();
  const { code, stdout, stderr } = await runCli(args, { env: { QUIRE_CACHE: folder } });
  expect(stdout).toBe("");
  expect(code).toBe(2);
  expect(stderr).toMatch(wrong);
  expect(stderr).toMatch(help);
  expect(stderr).toMatch(/^error: [^\n]+\n( {2}(expected|fix): [^\n]+\n){1,2}$/);
});

test("errors are data with --json", async () => {
  const { code, stdout, stderr } = await runCli(["ask", "/nowhere/at/all", "What?", "--json"]);
  expect({ code, stderr }).toEqual({ code: 2, stderr: "" });
  expect(JSON.parse(stdout)).toMatchObject({ error: { code: "not-found", got: "/nowhere/at/all" } });
});

test("an empty folder is wrong input, found before any model is looked for", async () => {
  const folder = await temporaryFolder();
  const { code, stderr } = await runCli(["ask", folder, "What?"], { env: { QUIRE_CACHE: path.join(folder, "cache") } });
  expect(code).toBe(2);
  expect(stderr).toContain("holds no file that can be read");
});

test("ask without a model quotes the place, and the quote is the file's text", async () => {
  const { docs, env } = await corpus();
  const args = ["ask", docs, "Which settings survive a restart?", "--no-model", "--embedder", "none"];
  const { code, stdout } = await runCli([...args, "--json"], { env });
  expect(code).toBe(0);
  const output = JSON.parse(stdout);
  expect(output).toMatchObject({ answeredBy: "passages", usage: { promptTokens: 0, completionTokens: 0, calls: 0 } });
  expect(output.model ?? null).toBeNull();
  const [first] = output.evidence.filter((one: { cited: boolean }) => one.cited);
  expect(first).toMatchObject({
    file: "settings.md",
    startLine: 5,
    endLine: 5,
    quote: "The port and the retention period survive a restart.",
  });
  expect(Buffer.from(settings).subarray(first.startByte, first.endByte).toString()).toBe(first.quote);

  const shown = await runCli(args, { env });
  expect(shown).toMatchObject({ code: 0, stderr: "" });
  expect(shown.stdout).toContain('[1] settings.md:5  "The port and the retention period survive a restart."');
  expect(shown.stdout).not.toContain(escapeCharacter);
});

test("where no model can be had, ask says so and still works", async () => {
  const { docs, env } = await corpus();
  const { code, stdout, stderr } = await runCli(["ask", docs, "Who signs the release tag?", "--offline"], { env });
  expect(code).toBe(0);
  expect(stdout).toContain("release.txt:1");
  expect(stderr).toContain("No language model can be had");
  const named = await runCli(["ask", docs, "Who signs?", "--offline", "--model", "qwen3-0.6b"], { env });
  expect(named.code).toBe(2);
});

test("index, then search: shapes, and nothing is read twice", async () => {
  const { docs, env } = await corpus();
  const first = JSON.parse((await runCli(["index", docs, "--embedder", "none", "--json"], { env })).stdout);
  expect(first).toMatchObject({
    documents: 2,
    unchanged: 0,
    index: { documents: 2, complete: true, chunksWithVectors: 0 },
  });
  expect(first.added.sort()).toEqual(["release.txt", "settings.md"]);
  const again = JSON.parse((await runCli(["index", docs, "--embedder", "none", "--json"], { env })).stdout);
  expect(again).toMatchObject({ added: [], changed: [], unchanged: 2 });
  const found = JSON.parse(
    (await runCli(["search", docs, "release tag", "--embedder", "none", "-k", "1", "--json"], { env })).stdout,
  );
  expect(found.results).toHaveLength(1);
  expect(found.results[0]).toMatchObject({
    file: "release.txt",
    startLine: 1,
    startByte: 0,
    text: expect.stringContaining("Marta"),
  });
});

test("map: data, picture; a topic's name is a scope", { timeout: 240_000 }, async () => {
  const { docs, env } = await corpus();
  for (let i = 0; i < 40; i++) {
    const matter = i % 2 === 0 ? "glacier moraine crevasse snowfield" : "sonata fugue cadence violin";
    await writeFile(
      path.join(docs, `note${i}.txt`),
      `${matter} ${matter.split(" ")[i % 4]} number${i} is noted here.\n`,
    );
  }
  const flags = ["--no-model", "--embedder", "none"];
  const root = JSON.parse((await runCli(["map", docs, ...flags, "--json"], { env })).stdout);
  expect(root).toMatchObject({ name: "docs", children: expect.any(Array) });
  const leaves = (node: { children?: unknown[] }): number =>
    node.children === undefined ? 1 : (node.children as (typeof node)[]).reduce((sum, child) => sum + leaves(child), 0);
  expect(leaves(root)).toBe(42);
  const picture = path.join(path.dirname(docs), "map.svg");
  expect((await runCli(["map", docs, ...flags, "--out", picture], { env })).code).toBe(0);
  expect(await readFile(picture, "utf8")).toMatch(/^<svg [\s\S]*<\/svg>\n$/);
  const wrong = await runCli(["map", docs, ...flags, "--out", "map.docx"], { env });
  expect(wrong).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining(".svg, .html or .json") });

  const ask = ["ask", docs, "What is noted?", ...flags, "--json", "--scope"];
  const { evidence } = JSON.parse((await runCli([...ask, "glacier"], { env })).stdout);
  expect(evidence.length).toBeGreaterThan(0);
  for (const { quote } of evidence) expect(quote).not.toContain("violin");
});

test("methods: 46 rows, and each place that is named exists", async () => {
  const rows = JSON.parse((await runCli(["methods", "--json"])).stdout);
  expect(rows).toHaveLength(46);
  for (const row of rows) {
    expect(Object.keys(row)).toEqual(["name", "kind", "title", "arxiv", "state", "result", "module", "page", "bench"]);
    if (row.state === "works") expect(row.module).not.toBeNull();
  }
  const { stdout } = await runCli(["methods"], { env: { NO_COLOR: "1" } });
  for (const { name, arxiv } of rows) expect(stdout).toMatch(new RegExp(`${name} +${arxiv}`));
});

test("models list and doctor give data", async () => {
  const env = { QUIRE_CACHE: await temporaryFolder(), HF_ENDPOINT: "http://127.0.0.1:9" };
  const list = JSON.parse((await runCli(["models", "list", "--json"], { env })).stdout);
  expect(list.find((model: { name: string }) => model.name === "smollm2-135m-instruct")).toMatchObject({
    kind: "chat",
    installed: false,
  });
  expect(JSON.parse((await runCli(["models", "list", "--installed", "--json"], { env })).stdout)).toEqual([]);
  const doctor = JSON.parse((await runCli(["doctor", "--json"], { env })).stdout);
  const named = new Map(doctor.checks.map((check: { name: string }) => [check.name, check]));
  expect([...named.keys()]).toEqual(
    expect.arrayContaining(["node", "system", "memory", "native", "cache", "models", "pip", "model hub"]),
  );
  expect(named.get("model hub")).toMatchObject({ fix: expect.stringContaining("HF_ENDPOINT") });
  expect(named.get("models")).toMatchObject({ state: "note", fix: expect.stringContaining("quire models pull") });
});

test("an endpoint answers, with flags, environment and config file in their order", async () => {
  const { docs, env } = await corpus();
  const asked: Record<string, unknown>[] = [];
  const server = createServer(async (request, response) => {
    response.setHeader("content-type", "application/json");
    if (request.url === "/v1/models") return response.end(JSON.stringify({ data: [{ id: "stand-in-70b" }] }));
    let body = "";
    for await (const part of request) body += String(part);
    asked.push(JSON.parse(body));
    const message = { role: "assistant", content: "The port survives a restart [1]." };
    response.end(
      JSON.stringify({
        choices: [{ message, finish_reason: "stop" }],
        usage: { prompt_tokens: 90, completion_tokens: 9 },
      }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  const cwd = path.dirname(docs);
  const config = { temperature: 0.1, maxTokens: 50, ask: { baseUrl: url, embedder: "none", seed: 5 } };
  await writeFile(path.join(cwd, "quire.config.json"), JSON.stringify(config));
  const args = ["ask", docs, "Which settings survive a restart?", "--json", "--max-tokens", "70"];
  const { code, stdout } = await runCli(args, {
    cwd,
    env: { ...env, QUIRE_TEMPERATURE: "0.4", QUIRE_MAX_TOKENS: "60" },
  });
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    model: "stand-in-70b",
    answer: "The port survives a restart [1].",
    usage: { promptTokens: 90, completionTokens: 9 },
  });
  expect(asked[0]).toMatchObject({ model: "stand-in-70b", temperature: 0.4, max_tokens: 70 });
  const chat = await runCli(["chat", "--base-url", url], { env, input: "Hello there" });
  expect(chat).toEqual({ code: 0, stdout: "The port survives a restart [1].\n", stderr: "" });
});

test("a config file with a flag the command does not have", async () => {
  const cwd = await temporaryFolder();
  await writeFile(path.join(cwd, "quire.config.json"), JSON.stringify({ methods: { kinds: "cache" } }));
  const { code, stderr } = await runCli(["methods"], { cwd });
  expect(code).toBe(2);
  expect(stderr).toContain("Did you mean kind?");
});

test("a reader that leaves early is no failure", async () => {
  const { code, stderr } = await runCli(["methods"], { during: (child) => child.stdout?.destroy() });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
});
