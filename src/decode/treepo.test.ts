import { describe, expect, it } from "vitest";
import { independent } from "./independent.js";
import { type BranchRun, runBranches, type TableAnswer } from "./rollout/branch-table.case.js";
import { probabilities, randomTable, type TableModel } from "./speculate/table-model.case.js";
import { treepo } from "./treepo.js";

/** Token 0 ends a text, and is likely. */
const ending: TableModel = (text) => {
  const logits = Float32Array.from(randomTable(3, 5)(text));
  logits[0] = (logits[0] as number) + 0.7;
  return logits;
};

const tokensOf = ({ choices }: TableAnswer) => choices.map(({ token }) => token);
const keyOf = (answer: TableAnswer) => tokensOf(answer).join("");

/** Probabilities of all strings of at most `depth` tokens that end with 0 or are as long. */
function law(target: TableModel, depth: number): Map<string, number> {
  const all = new Map<string, number>();
  const walk = (text: number[], p: number): void => {
    if (text.length === depth || text.at(-1) === 0) {
      all.set(text.join(""), p);
      return;
    }
    for (const [token, q] of probabilities(target([1, ...text])).entries()) walk([...text, token], p * q);
  };
  walk([], 1);
  return all;
}

/** Sum of 1/n as a fraction in lowest terms. */
function sumOfShares(answers: readonly TableAnswer[]): string {
  const gcd = (a: bigint, b: bigint): bigint => (b === 0n ? a : gcd(b, a % b));
  let [top, bottom] = [0n, 1n];
  for (const { weight = 0 } of answers) {
    if (weight === 0) continue;
    const shares = BigInt(Math.round(1 / weight));
    [top, bottom] = [top * shares + bottom, bottom * shares];
    const common = gcd(top, bottom);
    [top, bottom] = [top / common, bottom / common];
  }
  return `${top}/${bottom}`;
}

describe("the law of answers", () => {
  const expected = law(ending, 3);
  const setting = { target: ending, maxTokens: 3, endTokens: [0] };
  const rules = {
    even: { divergence: "even" },
    likely: { divergence: "likely", spread: 0.3 },
    unlikely: { divergence: "unlikely", score: "segment", spread: 0.3 },
    random: { firstMax: 4 },
  } as const;

  /** Largest errors over all strings: weighted, and of the plain share of answers. */
  function errors(rule: keyof typeof rules, runs: number): { weighted: number; plain: number } {
    const weighted = new Map<string, number>();
    const plain = new Map<string, number>();
    let answers = 0;
    const decoder = treepo({ width: 4, segment: 1, depth: 3, branch: 2, fallback: "none", ...rules[rule] });
    for (let seed = 0; seed < runs; seed++) {
      const made = runBranches(decoder, { ...setting, sampling: { temperature: 1, seed } }).answers;
      for (const answer of made) {
        const key = keyOf(answer);
        weighted.set(key, (weighted.get(key) ?? 0) + (answer.weight as number));
        plain.set(key, (plain.get(key) ?? 0) + 1);
        answers++;
      }
      if (seed < 500) expect(sumOfShares(made)).toBe("1/1");
    }
    const worst = (found: Map<string, number>, total: number) =>
      Math.max(...[...expected].map(([key, p]) => Math.abs((found.get(key) ?? 0) / total - p)));
    return { weighted: worst(weighted, runs), plain: worst(plain, answers) };
  }

  it("is the model's own where answers are weighted, and not where they are merely counted", () => {
    const { weighted, plain } = errors("even", 40_000);
    expect(weighted).toBeLessThan(0.006);
    expect(plain).toBeGreaterThan(0.04);
  });

  it.each(["likely", "unlikely", "random"] as const)("is so too where splits are %s", (rule) => {
    expect(errors(rule, 5000).weighted).toBeLessThan(0.02);
  });

  it("is that of an ordinary sample for every answer where none ends early", () => {
    const target = randomTable(3, 8);
    const decoder = treepo({ width: 4, segment: 1, depth: 3, branch: 2 });
    const expected = law((text) => [Number.NEGATIVE_INFINITY, ...Array.from(target(text)).slice(1)], 3);
    const counts = [
      new Map<string, number>(),
      new Map<string, number>(),
      new Map<string, number>(),
      new Map<string, number>(),
    ];
    const runs = 4000;
    for (let seed = 0; seed < runs; seed++) {
      const { answers } = runBranches(decoder, {
        target,
        maxTokens: 3,
        endTokens: [0],
        sampling: { temperature: 1, seed, logitBias: { "0": Number.NEGATIVE_INFINITY } },
      });
      expect(answers.map(({ weight }) => weight)).toEqual([0.25, 0.25, 0.25, 0.25]);
      for (const [i, answer] of answers.entries()) {
        const key = keyOf(answer);
        counts[i]?.set(key, (counts[i]?.get(key) ?? 0) + 1);
      }
    }
    for (const found of counts)
      for (const [key, p] of expected) expect(Math.abs((found.get(key) ?? 0) / runs - p)).toBeLessThan(0.035);
  });
});

describe("the tree", () => {
  const endless = randomTable(5, 3);

  it("doubles until the width is reached, and evaluates every shared token once", () => {
    const { rows, answers, stats, peak, left } = runBranches(treepo({ width: 16, segment: 1, branch: 2 }), {
      target: endless,
      maxTokens: 6,
      counted: true,
    });
    expect(rows).toEqual([1, 2, 4, 8, 16, 16]);
    expect(answers).toHaveLength(16);
    expect(stats).toMatchObject({ rows: 46, drawnTokens: 62, answerTokens: 96, answers: 16, regrown: 0 });
    expect(answers.every(({ reason, weight }) => reason === "length" && weight === 1 / 16)).toBe(true);
    // The prompt, and every distinct token but the last of each answer.
    expect(peak).toBe(1 + 46);
    expect(left).toBe(0);
  });

  it("gives siblings equal beginnings, and ids that say so", () => {
    const { answers, events } = runBranches(treepo({ width: 8, segment: 3, branch: 2 }), {
      target: endless,
      maxTokens: 12,
      sampling: { temperature: 1, seed: 4 },
    });
    const segments = new Map<number, string>();
    for (const answer of answers) {
      const path = answer.path as readonly number[];
      expect(path[0]).toBe(0);
      expect(path).toHaveLength(5);
      for (const [depth, id] of path.slice(1).entries()) {
        const text = tokensOf(answer)
          .slice(0, 3 * (depth + 1))
          .join(" ");
        expect(segments.get(id) ?? text).toBe(text);
        segments.set(id, text);
      }
    }
    // 2 + 4 + 8 + 8 segments.
    expect(segments.size).toBe(22);
    const told = events.filter(({ kind }) => kind === "branch") as unknown as { branch: number; tokens: number[] }[];
    expect(told.map(({ branch }) => branch).sort((a, b) => a - b)).toEqual([...segments.keys()].sort((a, b) => a - b));
    for (const { branch, tokens } of told) expect(segments.get(branch)?.endsWith(tokens.join(" "))).toBe(true);
    expect(events.filter(({ kind }) => kind === "branch-end")).toHaveLength(8);
  });

  it("lets siblings draw independently of each other", () => {
    const p = probabilities(endless([1]));
    const expected = p.reduce((sum, one) => sum + one * one, 0);
    for (const decoder of [treepo({ width: 2, segment: 1 }), independent({ width: 2 })]) {
      let equal = 0;
      for (let seed = 0; seed < 4000; seed++) {
        const { answers } = runBranches(decoder, { target: endless, maxTokens: 1, sampling: { temperature: 1, seed } });
        if (keyOf(answers[0] as TableAnswer) === keyOf(answers[1] as TableAnswer)) equal++;
      }
      expect(Math.abs(equal / 4000 - expected)).toBeLessThan(0.035);
    }
  });

  it("is always the same for the same seed", () => {
    const run = (seed: number) =>
      runBranches(treepo({ width: 8, segment: 2, firstMax: 5 }), {
        target: ending,
        maxTokens: 9,
        endTokens: [0],
        sampling: { temperature: 1, seed },
      }).answers;
    expect(run(3)).toEqual(run(3));
    expect(run(3)).not.toEqual(run(4));
  });

  it("of the width at once is independent sampling", () => {
    const setting: BranchRun = { target: ending, maxTokens: 9, endTokens: [0], sampling: { temperature: 1, seed: 6 } };
    const tree = runBranches(treepo({ width: 8, segment: 3, branch: 8, fallback: "none" }), setting);
    const apart = runBranches(independent({ width: 8 }), setting);
    expect(tree.answers.map(tokensOf)).toEqual(apart.answers.map(tokensOf));
    expect(apart.answers.map(({ weight }) => weight)).toEqual(new Array(8).fill(1 / 8));
    expect(tree.rows).toEqual(apart.rows);
  });

  it("begins with as many paths as it says, and never with more than are wanted", () => {
    const first = (options: Parameters<typeof treepo>[0], seed: number) =>
      runBranches(treepo({ segment: 9, ...options }), {
        ...{ target: endless, maxTokens: 9, sampling: { temperature: 1, seed } },
      }).rows[1];
    const counts = (options: Parameters<typeof treepo>[0]) =>
      [...new Set(Array.from({ length: 60 }, (_, seed) => first(options, seed)))].sort();
    expect(counts({ width: 8, branch: 2, firstMax: 5 })).toEqual([2, 3, 4, 5]);
    expect(counts({ width: 8, branch: 3 })).toEqual([3]);
    expect(counts({ width: 3, branch: 5 })).toEqual([3]);
    expect(counts({ width: 1 })).toEqual([1]);
  });

  it("of one path is plain sampling", () => {
    const setting: BranchRun = { target: ending, maxTokens: 9, endTokens: [0], sampling: { temperature: 1, seed: 6 } };
    const one = runBranches(treepo({ width: 1, branch: 1, segment: 2 }), setting);
    const apart = runBranches(independent({ width: 1 }), setting);
    expect(one.answers.map(tokensOf)).toEqual(apart.answers.map(tokensOf));
    expect(one.answers[0]?.weight).toBe(1);
  });
});

describe("answers that end too soon", () => {
  const setting = { target: ending, maxTokens: 8, endTokens: [0] };

  it.each(["border", "token", "segment", "root"] as const)("are grown upon, cut at %s", (cut) => {
    let regrown = 0;
    for (let seed = 0; seed < 60; seed++) {
      const decoder = treepo({ width: 8, segment: 2, branch: 2, cut });
      const { answers, left, peak, stats } = runBranches(decoder, {
        ...setting,
        counted: true,
        sampling: { temperature: 1, seed },
      });
      expect(answers).toHaveLength(8);
      expect(sumOfShares(answers)).toBe("1/1");
      for (const answer of answers) {
        expect(answer.weight === 0).toBe(answer.regrown === true);
        expect(answer.reason).toMatch(/^(end|length)$/);
        // Each token was drawn after exactly the text before it.
        for (const [i, { token, logProb }] of answer.choices.entries()) {
          const p = probabilities(ending([1, ...tokensOf(answer).slice(0, i)]));
          expect(logProb).toBeCloseTo(Math.log(p[token] as number), 5);
        }
        // Every segment but the last is whole.
        expect((answer.path as number[]).length - 1).toBe(Math.ceil(answer.choices.length / 2));
      }
      for (const a of answers)
        for (const b of answers) {
          let common = 0;
          while (a.path?.[common] === b.path?.[common] && common < (a.path as number[]).length) common++;
          const shared = 2 * (common - 1);
          if (a !== b) expect(tokensOf(a).slice(0, shared)).toEqual(tokensOf(b).slice(0, shared));
        }
      expect(stats["regrown"]).toBe(answers.filter(({ regrown }) => regrown).length);
      expect(left).toBe(0);
      expect(peak).toBeLessThanOrEqual(1 + (stats["drawnTokens"] as number));
      regrown += stats["regrown"] ?? 0;
    }
    expect(regrown).toBeGreaterThan(60);
  });

  it("are fewer than wanted without fallback", () => {
    const counts = Array.from({ length: 40 }, (_, seed) => {
      const decoder = treepo({ width: 8, segment: 2, branch: 2, fallback: "none" });
      return runBranches(decoder, { ...setting, sampling: { temperature: 1, seed } }).answers.length;
    });
    expect(Math.max(...counts)).toBeLessThanOrEqual(8);
    expect(Math.min(...counts)).toBeLessThan(8);
  });

  it("leave no path deeper than the depth", () => {
    for (let seed = 0; seed < 40; seed++) {
      const decoder = treepo({ width: 6, segment: 2, depth: 2, fallback: "all" });
      const { answers } = runBranches(decoder, { ...setting, sampling: { temperature: 1, seed } });
      expect(answers).toHaveLength(6);
      for (const { path = [], choices, reason } of answers) {
        expect(path.length).toBeLessThanOrEqual(3);
        expect(choices.length).toBeLessThanOrEqual(4);
        if (choices.length === 4 && choices.at(-1)?.token !== 0) expect(reason).toBe("depth");
      }
    }
  });

  it("begin anew on the prompt where none of them may be grown upon", () => {
    const decoder = treepo({ width: 8, segment: 4, depth: 1, branch: 2 });
    const { answers } = runBranches(decoder, { ...setting, endTokens: [], sampling: { temperature: 1, seed: 1 } });
    expect(answers).toHaveLength(8);
    expect(answers.filter(({ regrown }) => regrown)).toHaveLength(6);
    expect(answers.every(({ path }) => path?.length === 2)).toBe(true);
  });
});

describe("ends", () => {
  /** Says these tokens one after the other, whatever was drawn. */
  const script =
    (tokens: readonly number[]): TableModel =>
    (text) =>
      Array.from({ length: 12 }, (_, token) => (token === tokens[text.length - 1] ? 50 : 0));
  const reasons = (run: Partial<BranchRun> & { tokens: readonly number[] }, options: Parameters<typeof treepo>[0]) =>
    runBranches(treepo({ width: 2, segment: 3, fallback: "none", ...options }), {
      maxTokens: 20,
      endTokens: [0],
      text: (token) => "abcdefghijkl"[token] as string,
      sampling: { temperature: 1, seed: 2 },
      ...run,
      target: script(run.tokens),
    }).answers.map(({ reason, choices }) => `${reason} ${choices.length}`);

  it("is an answer where its pattern and the end are there, also across a border of segments", () => {
    const tokens = [1, 2, 3, 4, 5, 0];
    expect(reasons({ tokens }, { answer: "ef" })).toEqual(["answer 6", "answer 6"]);
    expect(reasons({ tokens }, { answer: "de" })).toEqual(["answer 6", "answer 6"]);
    expect(reasons({ tokens }, { answer: "x" })).toEqual(["end 6", "end 6"]);
    expect(reasons({ tokens }, {})).toEqual(["end 6", "end 6"]);
    // An end token that is the first of a segment.
    expect(reasons({ tokens: [1, 2, 3, 0] }, { answer: "cd" })).toEqual(["answer 4", "answer 4"]);
  });

  it("needs no end token where the answer alone suffices", () => {
    const tokens = Array.from({ length: 20 }, (_, i) => 1 + (i % 9));
    expect(reasons({ tokens }, { answer: "de", ends: "answer" })).toEqual(["answer 6", "answer 6"]);
    expect(reasons({ tokens }, { answer: "de" })).toEqual(["length 20", "length 20"]);
  });

  it("is repetition where the text repeats itself, before or after other reasons", () => {
    const tokens = new Array<number>(60).fill(4);
    const long = { tokens, maxTokens: 60 };
    expect(reasons(long, {})).toEqual(["repetition 39", "repetition 39"]);
    expect(reasons({ ...long, maxTokens: 39 }, {})).toEqual(["length 39", "length 39"]);
    expect(reasons({ ...long, maxTokens: 39 }, { repetitionFirst: true })).toEqual(["repetition 39", "repetition 39"]);
    expect(reasons(long, { depth: 13 })).toEqual(["depth 39", "depth 39"]);
  });
});

describe("refusals", () => {
  it.each([
    [{ width: 0 }, "width"],
    [{ width: 2.5 }, "width"],
    [{ segment: 0 }, "segment"],
    [{ branch: 0 }, "branch"],
    [{ width: 4, firstMax: 5 }, "firstMax"],
    [{ branch: 3, firstMax: 2 }, "firstMax"],
    [{ depth: 0 }, "depth"],
    [{ spread: 0 }, "spread"],
    [{ answer: "(" }, "answer"],
    [{ widht: 3 }, "widht"],
  ])("%j", (options, name) => {
    expect(() => treepo(options as never)).toThrow(
      expect.objectContaining({ code: "bad-option", message: expect.stringContaining(name) }),
    );
  });

  it("several answers that would all be equal", () => {
    const run = { target: randomTable(4, 1), maxTokens: 5, sampling: { temperature: 0 } };
    for (const decoder of [treepo({ width: 2 }), treepo({ width: 2, branch: 1 }), independent({ width: 2 })])
      expect(() => runBranches(decoder, run)).toThrow(/would all be equal/);
    expect(runBranches(treepo({ width: 1 }), run).answers).toHaveLength(1);
    expect([treepo({ width: 2 }).draws, treepo({ width: 1 }).draws, treepo().answers]).toEqual([true, false, 8]);
  });

  it("a depth that cuts answers short is only warned of", () => {
    expect(treepo({ depth: 4, segment: 8 }).caution?.(33)).toMatch(/4 segments of 8 tokens/);
    expect(treepo({ depth: 4, segment: 8 }).caution?.(32)).toBeUndefined();
    expect(treepo({ segment: 8 }).caution?.(5000)).toBeUndefined();
  });
});
