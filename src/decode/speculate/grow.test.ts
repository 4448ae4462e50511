import { describe, expect, it } from "vitest";
import type { Draft, Proposal } from "../draft/draft.js";
import type { Candidates } from "../sample/candidates.js";
import { createSampler } from "../sample/sampler.js";
import { growTree, type TreeShape } from "./grow.js";
import { Lottery } from "./lottery.js";
import { chiSquare, chiSquareTail, probabilities, randomOf, randomTable } from "./table-model.case.js";
import { DraftTree, type TreeNode } from "./tree.js";

const vocabSize = 3;
const model = randomTable(vocabSize, 21, 3);

function lawOf(weights: readonly number[]): Candidates {
  return {
    tokens: Int32Array.from(weights.keys()),
    weights: Float32Array.from(weights),
    total: Float32Array.from(weights).reduce((sum, weight) => sum + weight, 0),
  };
}

const pathOf = (node: TreeNode): number[] => (node.parent === undefined ? [] : [...pathOf(node.parent), node.token]);

/** A draft with the laws of the table, or lists of its tokens in ascending order. */
function tableDraft(kind: Proposal["kind"] = "law"): Draft {
  return {
    push() {},
    *propose(nodes, { count }) {
      return nodes.map((node): Proposal => {
        const law = lawOf(probabilities(model(pathOf(node as TreeNode))));
        return kind === "law" ? { kind, law } : { kind, tokens: law.tokens.subarray(0, count) };
      });
    },
  };
}

function grown(shape: TreeShape, seed: number, { draft = tableDraft(), endTokens = [] as number[], deepest = 9 } = {}) {
  const sampler = createSampler({ temperature: 1, seed });
  const tree = new DraftTree(0, sampler);
  const uniform = (depth: number, index: number) => sampler.uniform(depth, "draft", index);
  const growth = growTree(tree, {
    ...{ draft, shape, deepest, greedy: false, uniform },
    endTokens: new Set(endTokens),
  });
  expect(growth.next().done).toBe(true);
  return tree;
}

describe("draws without replacement", () => {
  it("have the law of one draw after the other, for a law with zeros too", () => {
    const weights = [0.5, 0, 0.3, 0.15, 0.05];
    const random = randomOf(3);
    const expected = new Map<string, number>();
    const count = 40_000;
    for (const [a, p] of weights.entries())
      for (const [b, q] of weights.entries())
        if (a !== b && p > 0 && q > 0) expected.set(`${a} ${b}`, (count * p * q) / (1 - p));
    const counts = new Map([...expected.keys()].map((key) => [key, 0]));
    for (let run = 0; run < count; run++) {
      const lottery = new Lottery(lawOf(weights));
      const key = `${lottery.draw(random())} ${lottery.draw(random())}`;
      counts.set(key, (counts.get(key) as number) + 1);
    }
    const value = chiSquare([...counts.values()], [...expected.values()]);
    expect(chiSquareTail(value, expected.size - 1)).toBeGreaterThan(1e-3);
  });

  it("end when nothing is left, and keep the sum of what is", () => {
    const random = randomOf(4);
    const weights = Array.from({ length: 300 }, (_, i) => 10 ** -(i / 20));
    const law = lawOf(weights);
    const lottery = new Lottery(law);
    const drawn = new Set<number>();
    while (!lottery.isEmpty) {
      drawn.add(lottery.draw(random()));
      const rest = law.weights.reduce((sum, weight, index) => sum + (drawn.has(index) ? 0 : weight), 0);
      if (rest > 1e-9) expect(Math.abs(lottery.rest / rest - 1)).toBeLessThan(1e-6);
    }
    expect(drawn.has(-1)).toBe(false);
    expect(lottery.draw(0.5)).toBe(-1);
  });
});

describe("stochastic beam search", () => {
  it("hands the parent's score to its best child, and never raises one", () => {
    for (let seed = 0; seed < 200; seed++) {
      const tree = grown({ kind: "beam", width: 3, depth: 3 }, seed);
      for (const node of tree.nodes) {
        const scores = node.draws.map((draw) => draw.node.score);
        if (scores.length > 0) expect(scores[0]).toBe(node.score);
        expect(scores).toEqual([...scores].sort((a, b) => b - a));
        if (node.parent !== undefined) expect(node.score).toBeLessThanOrEqual(node.parent.score);
      }
      expect(tree.nodes.length).toBeLessThanOrEqual(1 + 3 * 3);
    }
  });

  /** Both leaves in the order of their scores. */
  const leavesOf = (tree: DraftTree): string =>
    tree.nodes
      .filter(({ depth }) => depth === 2)
      .sort((a, b) => b.score - a.score)
      .map((node) => pathOf(node).join(""))
      .join(" ");

  const texts = Array.from({ length: vocabSize ** 2 }, (_, code) => [Math.floor(code / vocabSize), code % vocabSize]);
  const law = texts.map(([a, b]) => {
    const first = probabilities(model([]))[a as number] as number;
    return first * (probabilities(model([a as number]))[b as number] as number);
  });

  it("has leaves like whole texts drawn one after the other without replacement", () => {
    const count = 40_000;
    const expected = new Map<string, number>();
    for (const [i, a] of texts.entries())
      for (const [j, b] of texts.entries()) {
        const [p, q] = [law[i] as number, law[j] as number];
        if (i !== j) expected.set(`${a.join("")} ${b.join("")}`, (count * p * q) / (1 - p));
      }
    const counts = new Map([...expected.keys()].map((key) => [key, 0]));
    for (let seed = 0; seed < count; seed++) {
      const key = leavesOf(grown({ kind: "beam", width: 2, depth: 2 }, seed));
      counts.set(key, (counts.get(key) as number) + 1);
    }
    const value = chiSquare([...counts.values()], [...expected.values()]);
    expect(chiSquareTail(value, expected.size - 1)).toBeGreaterThan(1e-3);
  });

  /** The method's own formulas: a Gumbel number for every token, conditioned on the parent's score. */
  function plainBeam(random: () => number): string {
    let beam = [{ path: [] as number[], logProb: 0, score: 0 }];
    for (let level = 0; level < 2; level++) {
      const candidates = beam.flatMap((node) => {
        const noisy = probabilities(model(node.path)).map((p, token) => {
          const logProb = node.logProb + Math.log(p);
          return { path: [...node.path, token], logProb, raw: logProb - Math.log(-Math.log(random() || 0.5)) };
        });
        const greatest = Math.max(...noisy.map(({ raw }) => raw));
        return noisy.map(({ path, logProb, raw }) => {
          const a = node.score - raw + Math.log(1 - Math.exp(raw - greatest));
          const score =
            raw === greatest ? node.score : node.score - Math.max(0, a) - Math.log1p(Math.exp(-Math.abs(a)));
          return { path, logProb, score };
        });
      });
      beam = candidates.sort((a, b) => b.score - a.score).slice(0, 2);
    }
    return beam.map(({ path }) => path.join("")).join(" ");
  }

  it("gives the same beams as Gumbel noise on every token", () => {
    const count = 30_000;
    const random = randomOf(8);
    const [ours, theirs] = [new Map<string, number>(), new Map<string, number>()];
    const add = (counts: Map<string, number>, key: string) => counts.set(key, (counts.get(key) ?? 0) + 1);
    for (let seed = 0; seed < count; seed++) {
      add(ours, leavesOf(grown({ kind: "beam", width: 2, depth: 2 }, seed + 1e6)));
      add(theirs, plainBeam(random));
    }
    let value = 0;
    const keys = [...new Set([...ours.keys(), ...theirs.keys()])];
    for (const key of keys) {
      const [a, b] = [ours.get(key) ?? 0, theirs.get(key) ?? 0];
      value += (a - b) ** 2 / (a + b);
    }
    expect(chiSquareTail(value, keys.length - 1)).toBeGreaterThan(1e-3);
  });

  it("of width 1 is a chain, with the chain's draws", () => {
    for (let seed = 0; seed < 100; seed++) {
      const beam = grown({ kind: "beam", width: 1, depth: 4 }, seed);
      const line = grown({ kind: "constant", branches: [1, 1, 1, 1] }, seed);
      expect(beam.nodes.map(({ token }) => token)).toEqual(line.nodes.map(({ token }) => token));
      expect(beam.isChain).toBe(true);
    }
  });

  it("over lists takes first choices before second ones", () => {
    const tree = grown({ kind: "beam", width: 3, depth: 2 }, 1, { draft: tableDraft("list") });
    expect(tree.nodes.slice(1).map(pathOf)).toEqual([[0], [1], [2], [0, 0], [1, 0], [2, 0]]);
  });
});

describe("trees", () => {
  it("have as many nodes as branches say, fewer where the vocabulary ends", () => {
    const tree = grown({ kind: "constant", branches: [2, 3, 5] }, 5);
    expect(tree.nodes.map(({ depth }) => depth).filter((depth) => depth === 1)).toHaveLength(2);
    // The vocabulary has three tokens.
    expect(tree.nodes).toHaveLength(1 + 2 + 2 * 3 + 6 * 3);
    for (const { draws } of tree.nodes) expect(new Set(draws.map(({ token }) => token)).size).toBe(draws.length);
  });

  it("drawn independently join repeated tokens and give them the children of each", () => {
    const seen = new Set<number>();
    for (let seed = 0; seed < 50; seed++) {
      const tree = grown({ kind: "independent", branches: [3, 2] }, seed);
      for (const node of tree.nodes.filter(({ depth }) => depth === 1)) {
        expect(node.draws).toHaveLength(2 * node.copies);
        seen.add(node.copies);
      }
      expect(tree.root.draws).toHaveLength(3);
    }
    expect(seen).toEqual(new Set([1, 2, 3]));
  });

  it("end at end tokens, and where no more tokens may come out", () => {
    for (let seed = 0; seed < 20; seed++) {
      const tree = grown({ kind: "constant", branches: [3, 2, 1] }, seed, { endTokens: [1], deepest: 2 });
      for (const { depth, token, draws } of tree.nodes) {
        expect(depth).toBeLessThanOrEqual(2);
        if (token === 1 && depth > 0) expect(draws).toEqual([]);
      }
    }
  });
});
