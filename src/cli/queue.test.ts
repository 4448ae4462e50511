import type { ChildProcess } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { freePort, hasRedis, testRedis } from "../queue/redis-server.case.js";
import { runCli, temporaryFolder } from "./run-cli.case.js";

/** `quire worker` and `quire jobs` as users run them: processes of their own, one of which is killed. */

interface Endpoint {
  readonly baseUrl: string;
  /** Prompts by the number of times they were asked and answered. */
  readonly asked: Map<string, number>;
  readonly answered: Map<string, number>;
  /** While held, nothing is answered. */
  hold: boolean;
}

async function endpoint(): Promise<Endpoint> {
  const state: Endpoint = { baseUrl: "", asked: new Map(), answered: new Map(), hold: false };
  const count = (map: Map<string, number>, key: string) => map.set(key, (map.get(key) ?? 0) + 1);
  const server = createServer(async (request, response) => {
    const send = (body: object) => {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify(body));
    };
    if (request.url === "/v1/models") return send({ data: [{ id: "stand-in", max_model_len: 1000 }] });
    let text = "";
    for await (const piece of request.setEncoding("utf8")) text += piece;
    const { messages } = JSON.parse(text) as { messages: { content: string }[] };
    const prompt = messages[0]!.content;
    count(state.asked, prompt);
    await new Promise((resolve) => setTimeout(resolve, 100));
    while (state.hold && !response.destroyed) await new Promise((resolve) => setTimeout(resolve, 20));
    if (response.destroyed) return;
    count(state.answered, prompt);
    send({
      choices: [{ message: { content: `about ${prompt.slice(0, 30)}` }, finish_reason: "stop" }],
      usage: { prompt_tokens: 10, completion_tokens: 5 },
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return Object.assign(state, { baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` });
}

/** Resolves when it takes work. */
async function worker(args: readonly string[]): Promise<ChildProcess> {
  return new Promise((resolve, reject) => {
    const ran = runCli(["worker", "--json", "--lost-after", "2", ...args], {
      during(child) {
        onTestFinished(() => void child.kill("SIGKILL"));
        child.stdout?.once("data", () => resolve(child));
      },
    });
    ran.then(({ stdout, stderr }) => reject(new Error(`The worker ended: ${stdout}${stderr}`)), reject);
  });
}

describe.skipIf(!hasRedis)("workers in processes of their own", { timeout: 90_000 }, () => {
  it("finish the job of one that is killed, and make no call that was answered again", async () => {
    const { address } = await testRedis();
    const model = await endpoint();
    const folder = await temporaryFolder();
    const text = Array.from({ length: 12 }, (_, i) => `Chapter ${i}. ${`word${i} `.repeat(90)}`).join("\n\n");
    await writeFile(path.join(folder, "book.txt"), text);
    const queue = ["--queue", address];
    const first = await worker([...queue, "--base-url", model.baseUrl]);
    const added = await runCli(["jobs", "add", "read", folder, "Summarise", "--part", "150", "--json", ...queue]);
    expect(added.code).toBe(0);
    const { id } = JSON.parse(added.stdout) as { id: string };
    const sum = (map: Map<string, number>) => [...map.values()].reduce((all, one) => all + one, 0);

    await expect.poll(() => sum(model.answered), { timeout: 20_000, interval: 20 }).toBeGreaterThanOrEqual(4);
    model.hold = true;
    const atWork = () => sum(model.asked) - sum(model.answered);
    await expect.poll(atWork, { timeout: 10_000, interval: 20 }).toBe(1);
    first.kill("SIGKILL");
    const cutOff = [...model.asked].filter(([prompt]) => !model.answered.has(prompt)).map(([prompt]) => prompt);
    expect(cutOff.length).toBe(1);
    const halfway = JSON.parse((await runCli(["jobs", "show", id, "--json", ...queue])).stdout);
    expect(halfway).toMatchObject({ state: "running", calls: { done: sum(model.answered) } });
    model.hold = false;

    await worker([...queue, "--base-url", model.baseUrl, "--concurrency", "2"]);
    const shown = await runCli(["jobs", "show", id, "--wait", "--json", ...queue]);
    const { state, result, calls } = JSON.parse(shown.stdout);
    expect({ code: shown.code, state }).toEqual({ code: 0, state: "done" });
    expect(result.parts.length).toBeGreaterThan(4);
    expect(result.usage.calls).toBe(calls.done);
    // Every call was answered once; only the one that died with its worker was asked twice.
    expect([...model.answered.values()].every((times) => times === 1)).toBe(true);
    expect([...model.asked].filter(([, times]) => times > 1).map(([prompt]) => prompt)).toEqual(cutOff);
    const listed = await runCli(["jobs", "list", ...queue]);
    expect(listed.stdout).toMatch(new RegExp(`^${id} +done +${calls.done} of ${calls.done}`));
  });

  it("answer a batch file; what cannot be put in is refused", async () => {
    const { address } = await testRedis();
    const model = await endpoint();
    const queue = ["--queue", address];
    await worker([...queue, "--base-url", model.baseUrl]);
    const file = path.join(await temporaryFolder(), "requests.jsonl");
    await writeFile(file, '{"id": "a", "prompt": "One?"}\n\n{"prompt": "Two?", "maxTokens": 9}\n');
    const { stdout } = await runCli(["jobs", "add", "batch", file, "--wait", "--json", ...queue]);
    expect(JSON.parse(stdout).result.answers).toMatchObject([
      { id: "a", text: "about One?" },
      { id: "line-3", text: "about Two?" },
    ]);
    await writeFile(file, '{"prompt": "One?"}\nTwo?\n');
    const broken = await runCli(["jobs", "add", "batch", file, ...queue]);
    expect([broken.code, broken.stderr]).toEqual([2, expect.stringMatching(/Line 2 of .* is not a JSON object/)]);
    const unknown = await runCli(["jobs", "cancel", "read_0", "--json", ...queue]);
    expect([unknown.code, JSON.parse(unknown.stdout).error.code]).toEqual([2, "not-found"]);
  });
});

it.each([
  ["worker", ["worker"]],
  ["jobs", ["jobs", "list"]],
])("%s says that the queue cannot be reached", async (_, args) => {
  const port = await freePort();
  const { code, stderr } = await runCli([...args, "--queue", `redis://127.0.0.1:${port}`]);
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /The queue at redis:\/\/127\.0\.0\.1:\d+ cannot be reached \(ECONNREFUSED\)\.[\s\S]*fix: Start it/,
  );
});
