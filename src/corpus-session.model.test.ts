import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openCorpus } from "./corpus-session.js";
import { Quire } from "./quire.js";
import { readableText } from "./read-session.js";
import { testModel } from "./weights/test-models.js";

const prose =
  "# Harbours\n\nThe harbour of Lindau lies on an island. Ferries leave every hour. In winter they leave every two hours.\n\n" +
  "Bread is baked from flour, water and salt. Größe zählt. 😀 The dough rests for a night.\r\n";
const mumps = "EN ;entry\n S X=1\n Q\nTWO ;next\n W X\n Q\n";

let quire: Quire;
let root: string;
beforeAll(async () => {
  quire = await Quire.open(await testModel("smollm2-135m-instruct"), { device: "cpu", threads: 1 });
  root = await mkdtemp(path.join(tmpdir(), "quire-chunking-"));
  await writeFile(path.join(root, "a.md"), prose);
  await writeFile(path.join(root, "b.m"), mumps);
});
afterAll(async () => {
  await quire.close();
  await rm(root, { recursive: true, force: true });
});

const open = (chunker: string, id = quire.name) =>
  openCorpus(root, {
    model: { ...quire.languageModel(), id },
    chunker,
    embedder: "none",
    indexFolder: path.join(root, ".quire-index"),
    files: { include: ["*.md", "*.m"] },
  });

it("chunkers that ask a model: nothing is lost, an index is kept for the same model and made anew for another", async () => {
  for (const chunker of [
    "meta-chunking:tokens=16",
    "meta-chunking:by=margin,tokens=16",
    "code-chunking:by=llm,tokens=64",
  ]) {
    await using corpus = await open(chunker);
    const { chunks } = await corpus.index.all();
    for (const [uri, text] of [
      ["a.md", prose],
      ["b.m", mumps],
    ] as const) {
      const own = chunks.filter((chunk) => chunk.uri === uri).sort((a, b) => a.order - b.order);
      expect(own.map((chunk) => chunk.text).join("")).toBe(text);
    }
    expect((await corpus.update()).unchanged).toBe(2);
    const settings = await readFile(path.join(root, ".quire-index", "settings.json"), "utf8");
    expect(JSON.parse(settings)).toMatchObject({ chunker: `${chunker}@${quire.name}` });
  }
  await using other = await open("code-chunking:by=llm,tokens=64", "another");
  expect(other.lastUpdate).toMatchObject({ added: ["a.md", "b.m"], rebuilt: expect.stringContaining("@another") });
});

it("reads with them too, and without a model says what is missing", async () => {
  const { chunks } = await readableText(path.join(root, "a.md"), {
    model: quire.languageModel(),
    chunker: "meta-chunking:merge=false,theta=0",
  });
  expect(chunks.map((chunk) => chunk.text).join("")).toBe(prose);
  const without = openCorpus(root, {
    chunker: "meta-chunking",
    embedder: "none",
    indexFolder: path.join(root, ".other"),
  });
  await expect(without).rejects.toMatchObject({ code: "unsupported", got: "no model" });
});
