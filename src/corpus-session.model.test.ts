import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openCorpus } from "./corpus-session.js";
import { Quire } from "./quire.js";
import { readableText } from "./read-session.js";
import { testModel } from "./weights/test-models.js";

const prose =
  "# Harbours\n\nThe harbour of Lindau lies on an island. In winter ferries leave seldom.\n\n" +
  "Bread is baked. Größe zählt. 😀 The dough rests.\r\n";
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

it.each(["meta-chunking:tokens=16", "meta-chunking:by=margin,tokens=16", "code-chunking:by=llm,tokens=64"])(
  "%s: nothing is lost, and the index is kept for the same model",
  { timeout: 120_000 },
  async (chunker) => {
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
  },
);

it("makes the index anew for another model", { timeout: 120_000 }, async () => {
  await using first = await open("meta-chunking", "one");
  expect(first.lastUpdate?.rebuilt).toBeDefined();
  await using other = await open("meta-chunking", "another");
  expect(other.lastUpdate?.rebuilt).toContain("meta-chunking@another");
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
