import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { segmentAdvantages, type TreeAnswer, treeAdvantages } from "./tree-advantages.js";
import { whiten } from "./whiten.js";

/** Two answers under a, two under b. */
const four = (rewards: number[]): TreeAnswer[] =>
  [
    [0, 1, 3],
    [0, 1, 4],
    [0, 2, 5],
    [0, 2, 6],
  ].map((path, i) => ({ path, reward: rewards[i] as number }));

function near(got: Iterable<number>, expected: number[], digits = 6): void {
  const values = [...got];
  expect(values).toHaveLength(expected.length);
  for (const [i, value] of values.entries()) expect(value).toBeCloseTo(expected[i] as number, digits);
}

describe("advantages of a tree", () => {
  it("average over the groups that an answer is in", () => {
    near(treeAdvantages(four([1, 0, 0, 0])), [0.625, -0.375, -0.125, -0.125]);
    near(treeAdvantages(four([1, 0, 0, 0]), { weighting: "size" }), [2 / 3, -1 / 3, -1 / 6, -1 / 6]);
    near(whiten(treeAdvantages(four([1, 0, 0, 0]))), [1.44338, -0.86603, -0.28868, -0.28868], 5);
  });

  it("of eight leaves, three deep", () => {
    const answers = [1, 1, 1, 0, 0, 0, 0, 1].map((reward, i) => ({
      path: [0, 1 + (i >> 2), 3 + (i >> 1), 7 + i],
      reward,
    }));
    near(treeAdvantages(answers), [0.25, 0.25, 0.416667, -0.583333, -0.25, -0.25, -0.416667, 0.583333]);
  });

  it("of a tree with leaves at different depths", () => {
    const answers = [
      { path: [0, 1], reward: 1 },
      { path: [0, 2, 3], reward: 1 },
      { path: [0, 2, 4], reward: 0 },
    ];
    near(treeAdvantages(answers), [0.333333, 0.416667, -0.583333]);
  });

  it("by segment", () => {
    const [a1, a2, b1, b2] = segmentAdvantages(four([1, 0, 0, 0])) as [
      Float64Array,
      Float64Array,
      Float64Array,
      Float64Array,
    ];
    near(a1, [1 / 7, 3 / 7]);
    near(a2, [1 / 7, -3 / 7]);
    near(b1, [-1 / 7, 0]);
    near(b2, [-1 / 7, 0]);
  });

  it("are flat group advantages where the tree is flat", () => {
    const rewards = fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 2, maxLength: 12 });
    fc.assert(
      fc.property(rewards, (given) => {
        const mean = given.reduce((a, b) => a + b, 0) / given.length;
        const answers = given.map((reward, i) => ({ path: [0, i + 1], reward }));
        near(
          treeAdvantages(answers),
          given.map((reward) => reward - mean),
          9,
        );
        near(
          treeAdvantages(answers, { weighting: "size" }),
          given.map((reward) => reward - mean),
          9,
        );
      }),
    );
  });

  it("are all 0 where rewards are equal", () => {
    for (const options of [{}, { weighting: "size" }, { skipEqual: true }] as const)
      near(treeAdvantages(four([3, 3, 3, 3]), options), [0, 0, 0, 0]);
    for (const segments of segmentAdvantages(four([3, 3, 3, 3]))) near(segments, [0, 0]);
    near(whiten([0, 0, 0]), [0, 0, 0]);
  });

  it("leave out groups that say nothing, if asked", () => {
    // Those under b are all 0: only the prompt's group speaks of them.
    near(treeAdvantages(four([1, 0, 0, 0]), { skipEqual: true }), [0.625, -0.375, -0.25, -0.25]);
  });

  it("never compare answers of different prompts; a lone answer counts with its reward", () => {
    const answers = [
      ...four([1, 0, 0, 0]).map((answer) => ({ ...answer, prompt: "one" })),
      { path: [0, 1, 3], reward: 0.5, prompt: "two" },
    ];
    near(treeAdvantages(answers), [0.625, -0.375, -0.125, -0.125, 0.5]);
  });

  it("refuse rewards that are no numbers, by the answer's number", () => {
    expect(() => treeAdvantages(four([1, 0, Number.NaN, 0]))).toThrow(/reward of answer 2/);
    expect(() => segmentAdvantages(four([1, Number.POSITIVE_INFINITY, 0, 0]))).toThrow(/reward of answer 1/);
    expect(() => treeAdvantages([{ path: [], reward: 1 }])).toThrow(/Answer 0 has no path/);
  });
});

describe("whiten", () => {
  it("is over tokens: as if each value stood there as often as it has tokens", () => {
    const lists = fc.array(fc.tuple(fc.double({ min: -3, max: 3, noNaN: true }), fc.integer({ min: 1, max: 9 })), {
      minLength: 1,
      maxLength: 10,
    });
    fc.assert(
      fc.property(lists, (given) => {
        const values = given.map(([value]) => value);
        const tokens = given.map(([, count]) => count);
        const single = whiten(given.flatMap(([value, count]) => new Array<number>(count).fill(value)));
        let at = 0;
        const expected = tokens.map((count) => {
          at += count;
          return single[at - 1] as number;
        });
        near(whiten(values, tokens), expected, 6);
      }),
    );
  });
});
