import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { bounded } from "../train/recursion/shortcuts.js";
import { runCli, temporaryFolder } from "./run-cli.case.js";

/** `quire eval recursion` from outside, against an endpoint that carries at most twice. */

interface Endpoint {
  readonly url: string;
  /** Answers given so far. */
  calls: number;
  /** Refuses to give more. */
  limit: number;
}

async function endpoint(say: (prompt: string) => string): Promise<Endpoint> {
  const server = createServer(async (request, response) => {
    response.setHeader("content-type", "application/json");
    if (request.url === "/v1/models") return response.end(JSON.stringify({ data: [{ id: "stand-in" }] }));
    let body = "";
    for await (const part of request) body += String(part);
    const prompt = (JSON.parse(body) as { messages: { content: string }[] }).messages.at(-1)?.content ?? "";
    const content = say(prompt);
    if (made.calls >= made.limit) {
      response.statusCode = 400;
      return response.end(JSON.stringify({ error: { message: "no more" } }));
    }
    made.calls += 1;
    const choices = [{ message: { role: "assistant", content }, finish_reason: "stop" }];
    response.end(JSON.stringify({ choices, usage: { prompt_tokens: 9, completion_tokens: 9 } }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const made = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    calls: 0,
    limit: Number.POSITIVE_INFINITY,
  };
  return made;
}

const carriesTwice = (prompt: string): string => {
  const input = (prompt.split("\n").at(-1) ?? "").replace("->", "").trim().split(" ");
  return `The next number is ${bounded(input, 2).join(" ")}.`;
};

const env = async () => ({ QUIRE_CACHE: path.join(await temporaryFolder(), "cache") });

test("prints a table, names the shortcut, and gives all of it as JSON", async () => {
  const { url } = await endpoint(carriesTwice);
  const args = [
    "eval",
    "recursion",
    "--base-url",
    url,
    "--cases",
    "30",
    "--sets",
    "natural",
    "by-depth",
    "--size",
    "9",
  ];
  const shown = await runCli(args, { env: await env() });
  expect(shown).toMatchObject({ code: 0, stderr: "" });
  expect(shown.stdout).toMatch(/^test set +cases +exact +unreadable\nnatural +\d+ +\d+% +0\n/);
  expect(shown.stdout).toContain("bounded(2) explains 100% of the failures");
  expect(shown.stdout).toMatch(/By depth +0: 100% of \d+ · 1: 100% of \d+ · 2: 100% of \d+ · 3: 0% of/);
  const json = await runCli([...args, "--json"], { env: await env() });
  expect(json.code).toBe(0);
  const report = JSON.parse(json.stdout);
  expect(report).toMatchObject({ bench: "recursion", model: "stand-in", seed: 1, shortcuts: { named: { k: 2 } } });
  expect(report.judged).toHaveLength(report.calls);
  expect(report.rows[0]).toMatchObject({ set: "natural", depth: "all" });
});

test("goes on where a run was stopped, and then forgets it", async () => {
  const failing = await endpoint(carriesTwice);
  failing.limit = 4;
  const folder = await env();
  const args = ["eval", "recursion", "--quick", "--json", "--base-url", failing.url];
  const stopped = await runCli(args, { env: folder });
  expect(stopped.code).toBe(2);
  expect(JSON.parse(stopped.stdout || stopped.stderr)).toHaveProperty("error");
  expect(failing.calls).toBe(4);
  failing.limit = Number.POSITIVE_INFINITY;
  const again = await runCli(args, { env: folder });
  expect(again.code).toBe(0);
  const { judged } = JSON.parse(again.stdout);
  expect(failing.calls).toBe(judged.length);
  const anew = await runCli(args, { env: folder });
  expect(anew.code).toBe(0);
  expect(failing.calls).toBe(2 * judged.length);
});

test("says what cannot be asked", async () => {
  const { url } = await endpoint(carriesTwice);
  const ask = async (...flags: string[]) =>
    runCli(["eval", "recursion", "--base-url", url, ...flags], { env: await env() });
  const set = await ask("--sets", "deepest");
  expect(set.code).toBe(2);
  expect(set.stderr).toMatch(/no test set "deepest"[\s\S]*all-carry/);
  const nothing = await ask("--description", "none", "--shots", "0");
  expect(nothing.code).toBe(2);
  expect(nothing.stderr).toContain("nothing says what is asked");
  expect((await ask("--shots", "40")).code).toBe(2);
});
