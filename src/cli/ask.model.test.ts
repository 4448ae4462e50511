import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { cacheFolder } from "../weights/cache-folder.js";
import { testModel } from "../weights/test-models.js";
import { runCli, temporaryFolder } from "./run-cli.case.js";

/** `quire ask` and `quire chat` with a real, very small model. */

test("ask answers from the folder, and every quote stands there", async () => {
  await testModel("smollm2-135m-instruct");
  const folder = path.join(await temporaryFolder(), "docs");
  await mkdir(folder);
  await writeFile(path.join(folder, "port.md"), "# Port\n\nThe widget server listens on port 4711.\n");
  await writeFile(path.join(folder, "people.md"), "# People\n\nMarta Olsen signs the release tag.\n");
  const env = { QUIRE_CACHE: cacheFolder() };
  const flags = ["--model", "smollm2-135m-instruct", "--embedder", "none", "--threads", "1", "--offline", "--json"];
  const { code, stdout } = await runCli(["ask", folder, "On which port does the widget server listen?", ...flags], {
    env,
  });
  expect(code).toBe(0);
  const output = JSON.parse(stdout);
  expect(output).toMatchObject({ model: "smollm2-135m-instruct", unsupported: false });
  expect(output.answer).toContain("4711");
  expect(output.usage.promptTokens).toBeGreaterThan(0);
  expect(output.evidence.some((one: { file: string; cited: boolean }) => one.cited && one.file === "port.md")).toBe(
    true,
  );
  for (const { file, startByte, endByte, quote } of output.evidence) {
    const bytes = await readFile(path.join(folder, file));
    expect(bytes.subarray(startByte, endByte).toString()).toBe(quote);
  }
});

test("Ctrl-C ends an answer with 130 and what was said", async () => {
  await testModel("smollm2-135m-instruct");
  const args = ["complete", "One, two, three, four, five,", "--model", "smollm2-135m-instruct", "--threads", "1"];
  const { code, stdout } = await runCli([...args, "--max-tokens", "4000", "--temperature", "0", "--offline"], {
    env: { QUIRE_CACHE: cacheFolder() },
    during: (child) => child.stdout?.once("data", () => child.kill("SIGINT")),
  });
  expect(code).toBe(130);
  expect(stdout).toMatch(/\S/);
});
