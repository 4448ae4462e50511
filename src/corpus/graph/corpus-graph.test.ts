import { mkdir, mkdtemp, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { recursive } from "../chunk/recursive.js";
import { type CorpusIndex, openCorpusIndex } from "../index/corpus-index.js";
import { hashingEmbedder } from "../index/hashing-embedder.case.js";
import { type CorpusGraph, chunkLinks, openCorpusGraph } from "./corpus-graph.js";
import { graphFileName } from "./graph-file.js";
import { linkKinds } from "./link-kinds.js";

let base: string;
let docs: string;
let index: CorpusIndex | undefined;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), "quire-graph-"));
  docs = join(base, "docs");
  await mkdir(docs);
});
afterEach(async () => {
  await index?.close();
  await rm(base, { recursive: true, force: true });
});

async function put(name: string, text: string): Promise<void> {
  await writeFile(join(docs, name), text);
  await utimes(join(docs, name), new Date("2024-01-01"), new Date(Date.UTC(2024, 1, 1, 0, 0, text.length % 60)));
}

async function opened(withVectors = true): Promise<CorpusIndex> {
  await index?.close();
  index = await openCorpusIndex(docs, {
    chunker: recursive({ tokens: 40 }),
    countTokens: (text) => Math.ceil(text.length / 4),
    ...(withVectors ? { embed: hashingEmbedder(), embeddingModel: "hashing" } : {}),
    indexFolder: join(base, "index"),
  });
  await index.update();
  return index;
}

const sourceOf = (uri: string) => readFile(join(docs, uri), "utf8");

const cakes = `# Cakes\n\n## Sponge\n\nWhisk the eggs with sugar until pale, fold in flour, bake the sponge.\n\n## Glaze\n\nMelt chocolate with cream and pour the glaze over the sponge. See [loaves](bread.md#rye-loaf).\n`;
const bread = `# Bread\n\n## Rye loaf\n\nFeed the sourdough starter, mix rye flour and water, prove overnight.\n\n## Baguette\n\nStretch the dough, score the baguette with a razor, bake with steam.\n`;
const page = `<html><body><h1>Start</h1><p>Everything begins with <a href="bread.md">bread</a> and patience in the kitchen.</p></body></html>`;

function cites(graph: CorpusGraph): string[] {
  const { chunks, files, links } = graph;
  const name = (node: number) =>
    node < chunks.length ? `${chunks[node]!.uri}:${chunks[node]!.header}` : files.uris[node - chunks.length]!;
  const found: string[] = [];
  for (let v = 0; v < links.cites.nodeCount; v++)
    for (const u of links.cites.neighbors(v)) if (u > v) found.push(`${name(v)} - ${name(u)}`);
  return found;
}

test("links of sources lead to the chunk that the anchor names, or to the file", async () => {
  await put("cakes.md", cakes);
  await put("bread.md", bread);
  await put("start.html", page);
  const graph = await openCorpusGraph(await opened(), { sourceOf });
  expect(graph.files.uris).toEqual(["bread.md", "cakes.md", "start.html"]);
  expect(cites(graph).sort()).toEqual(["bread.md:Bread - cakes.md:Cakes > Glaze", "start.html:Start - bread.md"]);
});

test("is kept, and made anew when and only when what is indexed changes", async () => {
  await put("cakes.md", cakes);
  await put("bread.md", bread);
  const first = await openCorpusGraph(await opened(), { sourceOf });
  expect(first.stored).toBe(false);
  const second = await openCorpusGraph(await opened(), { sourceOf });
  expect(second.stored).toBe(true);
  for (const kind of linkKinds) expect(second.links[kind].decode()).toEqual(first.links[kind].decode());
  expect(chunkLinks(second)).toEqual(chunkLinks(first));
  expect((await openCorpusGraph(await opened(), { sourceOf, nearest: 3 })).stored).toBe(false);

  await put(
    "bread.md",
    `${bread}\n## Pretzel\n\nDip the pretzel in lye, sprinkle salt, bake the pretzel dark. ${"Serve it warm with butter. ".repeat(6)}\n`,
  );
  const third = await openCorpusGraph(await opened(), { sourceOf });
  expect(third.stored).toBe(false);
  expect(third.chunks.length).toBeGreaterThan(first.chunks.length);
  await rm(join(docs, "cakes.md"));
  expect((await openCorpusGraph(await opened(), { sourceOf })).files.uris).toEqual(["bread.md"]);
});

test("a damaged file counts as none", async () => {
  await put("cakes.md", cakes);
  const path = join(base, "index", graphFileName);
  await openCorpusGraph(await opened(), { sourceOf });
  const whole = await readFile(path);
  for (const broken of [
    whole.subarray(0, 40),
    whole.subarray(0, whole.length - 3),
    Buffer.from("x"),
    Buffer.alloc(0),
  ]) {
    await writeFile(path, broken);
    expect((await openCorpusGraph(await opened(), { sourceOf })).stored).toBe(false);
    expect((await openCorpusGraph(await opened(), { sourceOf })).stored).toBe(true);
  }
  const flipped = Buffer.from(whole);
  flipped[flipped.length - 20]! ^= 1;
  await writeFile(path, flipped);
  expect((await openCorpusGraph(await opened(), { sourceOf })).stored).toBe(false);
});

test("without vectors, neighbours are found by words", async () => {
  await put("cakes.md", cakes);
  await put("bread.md", bread);
  const graph = await openCorpusGraph(await opened(false), { sourceOf });
  expect(graph.nearBy).toBe("words");
  const near = graph.links.near;
  const linked = graph.chunks.flatMap((chunk, c) =>
    Array.from(near.neighbors(c), (u) => [chunk.header, graph.chunks[u]?.header]),
  );
  expect(linked).toContainEqual(["Cakes", "Cakes > Glaze"]);
});
