import { expect, test } from "vitest";
import { fuseRankings } from "./fuse.js";
import { subWords } from "./sub-words.js";

test("reciprocal ranks add up; a thing twice in one list counts once; ties keep their order", () => {
  const fused = fuseRankings([["a", "b", "b", "c"], ["c", "a"], []], (item) => item);
  expect(fused.map(({ item, ranks }) => [item, ...ranks])).toEqual([
    ["a", 1, 2, undefined],
    ["c", 4, 1, undefined],
    ["b", 2, undefined, undefined],
  ]);
  expect(fused[0]!.score).toBeCloseTo(1 / 61 + 1 / 62, 15);
  expect(fuseRankings([["x"], ["y"]], (item) => item).map(({ item }) => item)).toEqual(["x", "y"]);
});

test("parts of names", () => {
  expect(subWords("call maxFileBytes(HTTPServer, utf8Length) or XMLHttpRequest, not plain words IBM")).toEqual([
    "max",
    "file",
    "bytes",
    "http",
    "server",
    "utf8",
    "length",
    "xml",
    "request",
  ]);
  expect(subWords("nothing here: snake_case, CONSTANT")).toEqual([]);
});
