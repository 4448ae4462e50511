import { describe, expect, it } from "vitest";
import type { MapNode } from "../api/contract.js";
import { nodesHolding, pathTo } from "./map-tree.js";

const leaf = (id: string, file: string, start_line: number, end_line: number): MapNode => ({
  id,
  name: id,
  size: 1,
  chunk: { file, start_line, end_line },
});

const root: MapNode = {
  id: "root",
  name: "all",
  size: 3,
  children: [
    { id: "a", name: "a", size: 2, children: [leaf("a1", "x.md", 1, 10), leaf("a2", "x.md", 11, 20)] },
    leaf("b", "y.md", 1, 5),
  ],
};

describe("pathTo", () => {
  it("goes from the root to the node", () => {
    expect(pathTo(root, "a2")?.map(({ id }) => id)).toEqual(["root", "a", "a2"]);
    expect(pathTo(root, "none")).toBeUndefined();
  });

  it("does not overflow on ten thousand levels", () => {
    let deep: MapNode = { id: "bottom", name: "", size: 1 };
    for (let level = 0; level < 10_000; level++) deep = { id: `l${level}`, name: "", size: 1, children: [deep] };
    expect(pathTo(deep, "bottom")).toHaveLength(10_001);
  });
});

describe("nodesHolding", () => {
  it("names the chunk that overlaps and the groups above it", () => {
    const found = nodesHolding(root, [{ file: "x.md", start_line: 10, end_line: 10 }]);
    expect([...found].sort()).toEqual(["a", "a1", "root"]);
  });
});
