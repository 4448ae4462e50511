import { beforeAll, describe, expect, test } from "vitest";
import type { Chunk } from "../document.js";
import { buildCorpusGraph, type CorpusGraph } from "../graph/corpus-graph.js";
import { hashingEmbedder } from "../index/hashing-embedder.case.js";
import type { Candidate, CandidateSource } from "../select/selector.js";
import { makeCorpusMap } from "./corpus-map.js";
import { mapNodes } from "./map-node.js";
import { scopedSource } from "./scoped-source.js";

const matters = [
  ["glacier", "moraine", "ice", "crevasse", "snow", "ablation"],
  ["sonata", "fugue", "cadence", "violin", "tempo", "chord"],
  ["enzyme", "protein", "membrane", "cell", "nucleus", "ribosome"],
  ["mortgage", "interest", "lender", "deposit", "credit", "loan"],
];

/** Files of one matter each. */
const matterOf = (c: number) => Math.floor(c / 30);

const chunks: Chunk[] = Array.from({ length: 120 }, (_, c) => {
  const words = matters[matterOf(c)]!;
  const text = Array.from({ length: 14 }, (_, i) => words[(i * (1 + (c % 5)) + c) % 6]).join(" ");
  return {
    id: `id${c}`,
    documentId: "d",
    uri: `f${String(Math.floor(c / 10)).padStart(2, "0")}.md`,
    text: `${text} number${c}.`,
    header: "",
    order: c % 10,
    startByte: 0,
    endByte: 1,
    startLine: c + 1,
    endLine: c + 2,
  };
});

let graph: CorpusGraph;
beforeAll(async () => {
  const embedded = await hashingEmbedder()(chunks.map(({ text }) => text));
  const vectors = new Float32Array(120 * 64);
  for (const [c, vector] of embedded.entries()) vectors.set(vector, c * 64);
  graph = { ...(await buildCorpusGraph({ chunks, vectors, dimensions: 64 })), version: "1", stored: false };
});

describe("map of a corpus", () => {
  test("one topic a matter, named by its words, sizes adding up to the text", async () => {
    const map = await makeCorpusMap(graph, { name: "Everything" });
    expect(map.root.size).toBe(chunks.reduce((sum, { text }) => sum + text.length, 0));
    for (const { node } of mapNodes(map.root)) {
      if (node.children === undefined) continue;
      expect(node.size).toBe(node.children.reduce((sum, { size }) => sum + size, 0));
    }
    const topics = [...mapNodes(map.root)]
      .map(({ node }) => node)
      .filter(({ children }) => children?.[0]?.chunk !== undefined);
    for (const topic of topics) {
      const kinds = new Set(map.chunksOf(topic).map(({ id }) => matterOf(Number(id.slice(2)))));
      expect(kinds.size).toBe(1);
      expect(matters[[...kinds][0]!]).toContain(topic.name.split(",")[0]!.split(" ")[0]!.toLowerCase());
    }
    const places = [...mapNodes(map.root)].flatMap(({ node }) => (node.chunk === undefined ? [] : [node.id]));
    expect(places.sort()).toEqual(chunks.map(({ id }) => id).sort());
  });

  test("the same graph gives the same map, ids included", async () => {
    const [a, b] = [await makeCorpusMap(graph, { name: "x" }), await makeCorpusMap(graph, { name: "x" })];
    expect(a.root).toEqual(b.root);
  });

  test("topics are found by id, name, part of a name and word; others are an error with what there is", async () => {
    const map = await makeCorpusMap(graph, { name: "x" });
    const topic = map.root.children![1]!;
    for (const said of [topic.id, topic.name, topic.name.toUpperCase(), topic.name.slice(2, 8)]) {
      expect(map.find(said).id).toBe(topic.id);
    }
    expect(() => map.find("bicycles")).toThrow(expect.objectContaining({ code: "not-found" }));
    expect(() => map.find(" ")).toThrow(expect.objectContaining({ code: "not-found" }));
  });

  test("given names are used where there are any, never twice, and words still find the topic", async () => {
    const asked: string[] = [];
    const map = await makeCorpusMap(graph, {
      name: "x",
      async nameTopic({ terms, excerpts, id }) {
        asked.push(id);
        expect(excerpts.length).toBeGreaterThan(0);
        return terms.some((term) => /glacier|ice|snow/i.test(term)) ? "Frozen water" : "Not ours";
      },
    });
    const names = map.root.children!.map(({ name }) => name);
    expect(names.filter((name) => name === "Frozen water")).toHaveLength(1);
    expect(names.filter((name) => name === "Not ours")).toHaveLength(1);
    expect(names.length).toBeGreaterThan(2);
    expect(new Set(names).size).toBe(names.length);
    const frozen = map.find("frozen");
    expect(map.find(frozen.terms!.slice(0, 3).join(", ")).id).toBe(frozen.id);
  });

  test("nothing to map is an error", async () => {
    const empty = { ...(await buildCorpusGraph({ chunks: [], dimensions: 0 })), version: "1", stored: false };
    await expect(makeCorpusMap(empty, { name: "x" })).rejects.toMatchObject({ code: "bad-input" });
  });
});

test("a scoped source gives only what lies in its topic, in the order of the whole, as many as asked", async () => {
  const depths: number[] = [];
  const source: CandidateSource = {
    async search(_, { k }) {
      depths.push(k);
      return chunks.slice(0, k).map((chunk, i): Candidate => ({ chunk, score: 1 - i / 200 }));
    },
    neighbours: async ({ order }) => [chunks[order + 1]!, chunks[order + 2]!],
  };
  const scope = chunks.filter((_, c) => c % 4 === 1 && c > 60);
  const scoped = scopedSource(source, scope);
  expect((await scoped.search("x", { k: 3 })).map(({ chunk }) => chunk.id)).toEqual(["id61", "id65", "id69"]);
  expect(await scoped.search("x", { k: 500 })).toHaveLength(scope.length);
  expect(Math.max(...depths)).toBeLessThanOrEqual(100_000);
  expect((await scoped.neighbours({ ...chunks[0]!, order: 60 }, 2)).map(({ id }) => id)).toEqual(["id61"]);
});
