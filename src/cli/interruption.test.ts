import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { runCli, temporaryFolder } from "./run-cli.case.js";

/** Ctrl-C while a folder is indexed: exit code 130, and the next run goes on with a sound index. */

const files = 1200;

async function manyFiles(folder: string): Promise<void> {
  await mkdir(folder);
  for (let i = 0; i < files; i++) {
    const lines = Array.from({ length: 40 }, (_, line) => `Entry ${line} of ledger ${i} records ${i * line} barrels.`);
    await writeFile(path.join(folder, `ledger-${i}.txt`), `${lines.join("\n\n")}\n`);
  }
}

/** Resolves as soon as an update has begun to write. */
async function begun(cache: string): Promise<void> {
  for (;;) {
    const folders = await readdir(path.join(cache, "corpora")).catch(() => []);
    for (const folder of folders) {
      const text = await readFile(path.join(cache, "corpora", folder, "settings.json"), "utf8").catch(() => "{}");
      if ((JSON.parse(text) as { complete?: boolean }).complete === false) return;
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test("stopped while indexing, it leaves with 130 and a valid index", async () => {
  const folder = await temporaryFolder();
  const docs = path.join(folder, "docs");
  const env = { QUIRE_CACHE: path.join(folder, "cache") };
  await manyFiles(docs);
  const args = ["index", docs, "--embedder", "none", "--json"];
  const stopped = await runCli(args, {
    env,
    during: (child) => void begun(env.QUIRE_CACHE).then(() => child.kill("SIGINT")),
  });
  expect(stopped.code).toBe(130);
  expect(JSON.parse(stopped.stdout)).toMatchObject({ error: { code: "cancelled" } });

  const next = await runCli(args, { env });
  expect(next.code).toBe(0);
  expect(JSON.parse(next.stdout)).toMatchObject({ documents: files, index: { documents: files, complete: true } });
  const found = await runCli(["search", docs, "ledger 777", "--embedder", "none", "-k", "1", "--json"], { env });
  expect(JSON.parse(found.stdout).results[0].text).toContain("ledger 777 ");
});
