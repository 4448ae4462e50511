import { describe, expect, it } from "vitest";
import type { Answer } from "../generate-options.js";
import { answerTree, segmentCollector } from "./answer-tree.js";

const decode = (tokens: readonly number[]) => tokens.map((token) => String.fromCodePoint(97 + token)).join("");
const answer = (path: number[], tokens: number[], more: Partial<Answer> = {}): Answer => ({
  ...{ path, tokens, text: decode(tokens), logProb: -1.25, finishReason: "length", weight: 0.25, reason: "end" },
  ...more,
});

describe("answers as a tree", () => {
  const { segments, watch } = segmentCollector();
  watch({ kind: "branch", branch: 1, from: 0, tokens: [0, 1] });
  watch({ kind: "branch", branch: 3, from: 1, tokens: [2] });
  watch({ kind: "branch-end", branch: 3, reason: "end" });
  watch({ kind: "branch", branch: 4, from: 1, tokens: [3, 4] });
  watch({ kind: "branch", branch: 5, from: 4, tokens: [5] });
  watch({ kind: "branch", branch: 2, from: 0, tokens: [6] });

  it("shows what they have in common once, and lone continuations in one piece", () => {
    const answers = [
      answer([0, 1, 3], [0, 1, 2]),
      answer([0, 1, 4, 5], [0, 1, 3, 4, 5], { weight: 0.25 / 3 }),
      answer([0, 2], [6], { weight: 0, regrown: true, reason: undefined }),
    ];
    expect(answerTree(answers, segments, { columns: 80, decode })).toEqual([
      "├─ ab",
      "│  ├─ c",
      "│  │  [1]  weight 0.25  log-probability -1.3  end",
      "│  └─ def",
      "│     [2]  weight 0.0833  log-probability -1.3  end",
      "└─ g",
      "   [3]  regrown  log-probability -1.3  length",
    ]);
  });

  it("shows answers without segments whole", () => {
    const answers = [answer([0, 1], [7, 8]), answer([0, 2], [9])];
    expect(answerTree(answers, [], { columns: 80, decode })).toEqual([
      "├─ hi",
      "│  [1]  weight 0.25  log-probability -1.3  end",
      "└─ j",
      "   [2]  weight 0.25  log-probability -1.3  end",
    ]);
  });
});
