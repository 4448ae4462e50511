import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { fixed } from "../chunk/fixed.js";
import { openCorpusIndex } from "./corpus-index.js";

/** An index at an address: LanceDB's own layer for object stores, here over files. With QUIRE_TEST_STORE=s3://bucket also there. */

async function temporary(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "quire-address-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const store = process.env["QUIRE_TEST_STORE"];

it.each(store === undefined ? ["file"] : ["file", store])(
  "an index at an address: %s",
  { timeout: 60_000 },
  async (where) => {
    const folder = await temporary();
    await writeFile(path.join(folder, "a.md"), "The budget was approved.\n");
    const address =
      where === "file"
        ? pathToFileURL(path.join(await temporary(), "index")).href
        : `${where}/${path.basename(folder)}`;
    const open = async () => {
      const index = await openCorpusIndex(folder, {
        chunker: fixed(),
        countTokens: (text) => text.split(/\s+/).length,
        indexFolder: address,
      });
      onTestFinished(() => index.close());
      return index;
    };
    const index = await open();
    await expect(index.stats()).rejects.toMatchObject({ code: "not-found" });
    expect(await index.update()).toMatchObject({ added: ["a.md"], documents: 1 });
    expect(index.indexFolder).toBe(address);
    await writeFile(path.join(folder, "b.md"), "The roof was repaired.\n");

    const again = await open();
    expect((await again.search("budget", { k: 5 })).map(({ chunk }) => chunk.uri)).toEqual(["a.md"]);
    expect(await again.update()).toMatchObject({ added: ["b.md"], unchanged: 1, documents: 2 });
    expect(await index.stats()).toMatchObject({ documents: 2, complete: true });
    expect((await index.search("roof", { k: 5 })).map(({ chunk }) => chunk.uri)).toEqual(["b.md"]);
    expect(await again.update({ rebuild: true })).toMatchObject({ documents: 2, rebuilt: "as asked for" });
    expect((await index.search("roof", { k: 5 })).map(({ chunk }) => chunk.uri)).toEqual(["b.md"]);
  },
);
