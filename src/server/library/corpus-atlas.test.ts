import { describe, expect, it } from "vitest";
import type { CorpusIndex } from "../../corpus/index/corpus-index.js";
import type { MapNode } from "../../corpus/map/map-node.js";
import { CorpusAtlas } from "./corpus-atlas.js";
import { folderTree } from "./folder-tree.js";

const request = { folder: "/f", indexFolder: "/i", title: "All", names: undefined };
const files = [
  { name: "a/b/one.md", bytes: 10 },
  { name: "a/two.md", bytes: 30 },
  { name: "three.md", bytes: 5 },
];

describe("the map of a corpus", () => {
  it("shows folders until it is drawn, draws once, and again when the index has changed", async () => {
    let version = "1";
    let drawn = 0;
    let finish: (root: MapNode) => void = () => {};
    const index = { version: async () => version } as unknown as CorpusIndex;
    const atlas = new CorpusAtlas(index, new AbortController().signal, {
      patienceMs: 5,
      draw: () => {
        drawn++;
        return new Promise((resolve) => {
          finish = resolve;
        });
      },
    });
    expect(await atlas.map(request, files)).toMatchObject({ name: "All", size: 45, provisional: true });
    expect((await atlas.map(request, files)).provisional).toBe(true);
    finish({ id: "x", name: "drawn", size: 1 });
    expect(await atlas.map(request, files)).toEqual({ id: "x", name: "drawn", size: 1 });
    expect(drawn).toBe(1);
    version = "2";
    await atlas.map(request, files);
    expect(drawn).toBe(2);
  });

  it("as folders adds up", () => {
    const { children, size } = folderTree("All", files);
    expect(size).toBe(45);
    expect(children!.map(({ name, size: own }) => [name, own])).toEqual([
      ["a", 40],
      ["three.md", 5],
    ]);
    expect(children![0]!.children![0]).toMatchObject({ name: "two.md", chunk: { file: "a/two.md" } });
  });
});
