import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { runCli, temporaryFolder } from "./run-cli.case.js";

/** `quire do` with an endpoint that writes by heart. */

const replies: Record<string, string> = {
  "solve(instruction, observation)":
    'const files = list({match: ".md"})\nconst ports = find_ports(files)\nconst name = write("ports.txt", ports.join("\\n"))\nanswer(name + ": " + ports.length)',
  "const ports = find_ports(files)":
    "ports = []\nfor (const file of files) {\n  for (const hit of await grep('port \\\\d+', {match: file})) ports.push(file + ' ' + hit.text)\n}",
};

async function endpoint(): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const piece of request) body += piece;
    const { messages } = JSON.parse(body === "" ? "{}" : body) as { messages?: { content: string }[] };
    const statement = /Statement:\n([\s\S]*?)\nVariables:/.exec(messages?.at(-1)?.content ?? "")?.[1] ?? "";
    if (statement !== "") asked.push(statement);
    const content = `<think>so</think><execute>${replies[statement] ?? ""}</execute>`;
    const choice = { index: 0, message: { role: "assistant", content }, delta: { content }, finish_reason: "stop" };
    const usage = { prompt_tokens: 10, completion_tokens: 5 };
    if (body.includes('"stream":true')) {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(`data: ${JSON.stringify({ choices: [choice] })}\n\n`);
      response.end(`data: ${JSON.stringify({ choices: [], usage })}\n\ndata: [DONE]\n\n`);
      return;
    }
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ choices: [choice], usage, data: [{ id: "big" }] }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, asked };
}

async function world() {
  const root = await temporaryFolder();
  const folder = path.join(root, "docs");
  await mkdir(folder);
  await writeFile(path.join(folder, "a.md"), "The widget listens on port 4711.\n");
  await writeFile(path.join(folder, "b.md"), "Nothing here.\nThe other one uses port 80.\n");
  return { folder, out: path.join(root, "out"), trace: path.join(root, "plan.json") };
}

test("do plans, acts, writes and answers, and shows the plan as it grows", async () => {
  const { url, asked } = await endpoint();
  const { folder, out, trace } = await world();
  const flags = ["--base-url", url, "--model", "big", "--no-index", "--out", out, "--yes", "--trace", trace];
  const { code, stdout, stderr } = await runCli(["do", "Find all ports.", folder, ...flags]);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(asked).toEqual(["solve(instruction, observation)", "const ports = find_ports(files)"]);
  expect(stdout).toContain("▸ solve(instruction, observation)");
  expect(stdout).toMatch(/ {4}● ports = \[\]/);
  expect(stdout.trim().split("\n").at(-1)).toBe("ports.txt: 2");
  expect(await readFile(path.join(out, "ports.txt"), "utf8")).toBe(
    "a.md The widget listens on port 4711.\nb.md The other one uses port 80.",
  );
  const tree = JSON.parse(await readFile(trace, "utf8"));
  expect(tree.nodes).toHaveLength(7);
  // A finished plan has nothing left to do, and nothing is written twice.
  const again = await runCli(["do", "Find all ports.", folder, ...flags, "--resume", trace, "--json"]);
  expect(again.code).toBe(0);
  expect(JSON.parse(again.stdout)).toMatchObject({ calls: 0, actions: 5 });
});

test("do writes nothing that nobody allowed, and says what is wrong", async () => {
  const { url } = await endpoint();
  const { folder, out, trace } = await world();
  const flags = ["--base-url", url, "--model", "big", "--no-index"];
  const unasked = await runCli(["do", "Find all ports.", folder, ...flags, "--out", out, "--json"]);
  expect(unasked.code).toBe(1);
  expect(JSON.parse(unasked.stdout)).toMatchObject({
    reason: "error",
    error: expect.stringMatching(/nobody can be asked/),
  });
  const without = await runCli(["do", "Find all ports.", folder, ...flags, "--json"]);
  expect(JSON.parse(without.stdout)).toMatchObject({ reason: expect.any(String), answer: null });
  expect((await runCli(["do", " ", folder, ...flags])).stderr).toContain("task is empty");
  await writeFile(trace, "{}");
  expect((await runCli(["do", "Find.", folder, ...flags, "--resume", trace])).stderr).toContain("no plan");
});
