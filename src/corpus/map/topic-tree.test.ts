import { describe, expect, test } from "vitest";
import { seededRandom } from "../../structure/random.js";
import type { Chunk } from "../document.js";
import type { Topic } from "./topic.js";
import { topicTerms } from "./topic-terms.js";
import { topicTree } from "./topic-tree.js";

function chunk(c: number, uri: string, text: string, header = ""): Chunk {
  return {
    id: `c${c}`,
    documentId: uri,
    uri,
    text,
    header,
    order: c,
    startByte: 0,
    endByte: 1,
    startLine: c + 1,
    endLine: c + 1,
  };
}

/** Groups of chunks that link among themselves, in pairs of groups that link a little. */
function planted(groups: number, size: number, seed = 1) {
  const random = seededRandom(seed);
  const sources: number[] = [];
  const targets: number[] = [];
  const n = groups * size;
  for (let a = 0; a < n; a++) {
    for (let b = a + 1; b < n; b++) {
      const [x, y] = [Math.floor(a / size), Math.floor(b / size)];
      const chance = x === y ? 0.4 : x >> 1 === y >> 1 ? 0.06 : 0.006;
      if (random.uniform() >= chance) continue;
      sources.push(a);
      targets.push(b);
    }
  }
  const chunks = Array.from({ length: n }, (_, c) => {
    const group = Math.floor(c / size);
    return chunk(c, `f${c % 7}.md`, `Matter${group} matter${group} pair${group >> 1} word${c % 13} everywhere said.`);
  });
  return { chunks, links: { nodeCount: n, sources, targets } };
}

function leaves(topic: Topic): Topic[] {
  return topic.topics.length === 0 ? [topic] : topic.topics.flatMap(leaves);
}

/** Every chunk in exactly one leaf, and every topic the sum of its parts. */
function checkWhole(root: Topic, count: number): void {
  const seen = leaves(root).flatMap(({ chunks }) => Array.from(chunks));
  expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, c) => c));
  const check = (topic: Topic): void => {
    if (topic.topics.length === 0) return;
    expect(topic.topics.length).toBeGreaterThan(1);
    expect(topic.topics.reduce((sum, part) => sum + part.chunks.length, 0)).toBe(topic.chunks.length);
    for (const part of topic.topics) check(part);
  };
  check(root);
}

describe("topics", () => {
  test("planted groups come out as leaves, and pairs of groups stand together", () => {
    const { chunks, links } = planted(16, 30);
    const { root, by } = topicTree(chunks, links);
    expect(by).toBe("links");
    checkWhole(root, chunks.length);
    const pure = leaves(root).filter(
      ({ chunks: own }) => new Set(Array.from(own, (c) => Math.floor(c / 30))).size === 1,
    );
    expect(pure.reduce((sum, { chunks: own }) => sum + own.length, 0)).toBeGreaterThan(0.95 * chunks.length);
    expect(root.topics.length).toBeLessThanOrEqual(8);
    for (const topic of root.topics) {
      const groups = new Set(Array.from(topic.chunks, (c) => Math.floor(c / 30)));
      for (const group of groups) expect(groups.has(group ^ 1)).toBe(true);
    }
    expect(topicTree(chunks, links)).toEqual(topicTree(chunks, links));
  });

  test("names are the words that set a topic apart", () => {
    const { chunks, links } = planted(16, 30);
    const { root } = topicTree(chunks, links);
    const { termsOf } = topicTerms(
      chunks.map(({ text }) => text),
      root,
    );
    for (const leaf of leaves(root)) {
      const group = Math.floor(leaf.chunks[0]! / 30);
      expect(termsOf(leaf)[0]?.toLowerCase()).toContain(`matter${group}`);
      expect(termsOf(leaf)).not.toContain("everywhere");
    }
  });

  test("what has no link is put apart by file, under its own name", () => {
    const { chunks, links } = planted(6, 30);
    const lonely = Array.from({ length: 9 }, (_, i) => chunk(180 + i, `lonely${i % 3}.txt`, "Alone."));
    const all = [...chunks, ...lonely];
    const { root, notes } = topicTree(all, { ...links, nodeCount: all.length });
    checkWhole(root, all.length);
    expect(notes.join()).toContain("9 chunks");
    expect(root.topics.find(({ name }) => name === "Unlinked")?.topics.map(({ name }) => name)).toEqual([
      "lonely0.txt",
      "lonely1.txt",
      "lonely2.txt",
    ]);
  });

  test.each([
    ["one chunk", 1, []],
    ["no links at all", 60, []],
    ["a star", 60, Array.from({ length: 59 }, (_, i) => [0, i + 1])],
    ["a path", 60, Array.from({ length: 59 }, (_, i) => [i, i + 1])],
    ["self loops and repeated links", 60, Array.from({ length: 300 }, (_, i) => [i % 60, (i * i) % 60])],
    ["one full group", 60, Array.from({ length: 3600 }, (_, i) => [Math.floor(i / 60), i % 60])],
    ["many small parts", 60, Array.from({ length: 30 }, (_, i) => [2 * i, 2 * i + 1])],
  ])("%s: a whole tree all the same", (_, count, pairs) => {
    const chunks = Array.from({ length: count }, (_, c) =>
      chunk(c, `d${c % 3}/f${c % 9}.md`, `Text ${c}`, `Part ${c % 4}`),
    );
    const { root } = topicTree(chunks, {
      nodeCount: count,
      sources: pairs.map(([a]) => a!),
      targets: pairs.map(([, b]) => b!),
    });
    checkWhole(root, count);
  });

  test("without links: folders, files, headings", () => {
    const chunks = Array.from({ length: 30 }, (_, c) =>
      chunk(
        c,
        c < 24 ? "guide/long.md" : `guide/ref/s${c % 2}.md`,
        "Text.",
        c < 24 ? `Long > Part ${Math.floor(c / 8)}` : "",
      ),
    );
    const { root, by } = topicTree(chunks, { nodeCount: 30, sources: [], targets: [] });
    expect(by).toBe("files");
    const shape = (topic: Topic): unknown =>
      topic.topics.length === 0 ? topic.name : { [topic.name ?? ""]: topic.topics.map(shape) };
    expect(shape(root)).toEqual({
      "guide/": [{ "long.md": ["Part 0", "Part 1", "Part 2"] }, { "ref/": ["s0.md", "s1.md"] }],
    });
  });

  test("tens of thousands of chunks take seconds", { timeout: 60_000 }, () => {
    const random = seededRandom(3);
    const n = 15_000;
    const sources: number[] = [];
    const targets: number[] = [];
    for (let v = 0; v < n; v++) {
      for (let i = 0; i < 5; i++) {
        sources.push(v);
        targets.push(
          random.uniform() < 0.9
            ? v - (v % 30) + random.below(30)
            : v - (v % 600) + random.below(Math.min(600, n - v + (v % 600))),
        );
      }
    }
    const chunks = Array.from({ length: n }, (_, c) => chunk(c, `f${Math.floor(c / 20)}.md`, "Some text."));
    const began = process.cpuUsage().user;
    const { root, by } = topicTree(chunks, { nodeCount: n, sources, targets });
    expect(by).toBe("links, large");
    checkWhole(root, n);
    expect((process.cpuUsage().user - began) / 1e6).toBeLessThan(30);
  });
});
