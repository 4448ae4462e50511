import { readFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { cacheFolder } from "../weights/cache-folder.js";
import { testModel } from "../weights/test-models.js";
import { runCli, temporaryFolder } from "./run-cli.case.js";

/** `quire cache inspect` with a real, very small model. */

const text = "The keeper of the lighthouse wrote every evening what the sea had brought. ".repeat(6);
const flags = ["--model", "smollm2-135m-instruct", "--threads", "1", "--offline", "--max-tokens", "4"];
const env = { QUIRE_CACHE: cacheFolder() };

test("cache inspect prints what is left of a text, and how much was left out", async () => {
  await testModel("smollm2-135m-instruct");
  const args = ["cache", "inspect", text, "--cache", "window:budget=20,sinks=4", "full", ...flags];
  const { code, stdout } = await runCli(args, { env });
  expect(code).toBe(0);
  expect(stdout).toMatch(/window:budget=20,sinks=4\n[\s\S]*: 20 of \d+ kept[\s\S]*The keeper of the⟨\d+⟩/);
  expect(stdout).toMatch(/full\n[\s\S]*\(100 %\)/);
});

test("cache inspect writes a page with all policies, and says no to what it cannot show", async () => {
  const out = path.join(await temporaryFolder(), "cache.html");
  const args = ["cache", "inspect", text, "--cache", "h2o:budget=0.3", "full", ...flags];
  const { stdout } = await runCli([...args, "--out", out, "--json"], { env });
  expect(JSON.parse(stdout)).toMatchObject({ file: out, policies: ["h2o:budget=0.3", "full"] });
  const page = await readFile(out, "utf8");
  const data = JSON.parse(/id="data">(.*)<\/script>/.exec(page)?.[1] ?? "");
  expect(data[0]).toMatchObject({ policy: "h2o:budget=0.3", kvHeads: 3 });
  expect((await runCli([...args, "--out", "cache.png"], { env })).stderr).toContain(".html");
  expect((await runCli([...args, "--layer", "99"], { env })).stderr).toContain("layer 99");
});
