import { describe, expect, it } from "vitest";
import { nothing, placeTree, seen } from "./watched.js";

describe("a tree of drafts", () => {
  it("stands with parents before children, subtrees on lines of their own", () => {
    const { nodes, lines, depth } = placeTree({
      tokens: ["a", "b", "c", "d", "e"],
      parents: [-1, -1, 0, 0, 2],
      accepted: [0, 2],
      next: "x",
    });
    expect([lines, depth]).toEqual([3, 3]);
    expect(nodes.map(({ token, depth: at, line, accepted }) => [token, at, line, accepted])).toEqual([
      ["a", 0, 0, true],
      ["b", 0, 2, false],
      ["c", 1, 0, true],
      ["d", 1, 1, false],
      ["e", 2, 0, false],
    ]);
  });

  it("may have nothing in it", () => {
    expect(placeTree({ tokens: [], parents: [], accepted: [], next: "x" })).toEqual({ nodes: [], lines: 0, depth: 1 });
  });
});

describe("what was seen", () => {
  it("gathers text by channel, rounds, and branches with their ends", () => {
    const events = [
      { type: "piece", channel: 1, text: "two" },
      { type: "piece", channel: 0, text: "one" },
      { type: "round", tokens: ["a"], parents: [-1], accepted: [], next: "b" },
      { type: "branch", branch: 3, from: 0, tokens: ["x", "y"] },
      { type: "branch-end", branch: 3, reason: "eos" },
    ] as const;
    const watched = events.reduce(seen, nothing);
    expect(watched.channels).toEqual(["one", "two"]);
    expect(watched.rounds).toHaveLength(1);
    expect(watched.branches).toEqual([{ branch: 3, from: 0, text: "xy", reason: "eos" }]);
  });
});
