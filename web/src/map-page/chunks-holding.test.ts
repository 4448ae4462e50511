import { describe, expect, it } from "vitest";
import type { MapNode } from "../api/contract.js";
import { chunksHolding } from "./chunks-holding.js";

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

describe("chunksHolding", () => {
  it("names the chunks that overlap a place of the same file", () => {
    const at = (file: string, start_line: number, end_line: number) =>
      chunksHolding(root, [{ file, start_line, end_line }]);
    expect(at("x.md", 10, 10)).toEqual(["a1"]);
    expect(at("x.md", 10, 11).sort()).toEqual(["a1", "a2"]);
    expect(at("y.md", 6, 9)).toEqual([]);
  });

  it("does not overflow on ten thousand levels", () => {
    let deep: MapNode = leaf("bottom", "z.md", 1, 1);
    for (let level = 0; level < 10_000; level++) deep = { id: `l${level}`, name: "", size: 1, children: [deep] };
    expect(chunksHolding(deep, [{ file: "z.md", start_line: 1, end_line: 1 }])).toEqual(["bottom"]);
  });
});
