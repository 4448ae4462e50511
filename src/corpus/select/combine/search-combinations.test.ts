import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Combination, type CombinationSettings, searchCombinations, upperBound } from "./search-combinations.js";

const settings: CombinationSettings = {
  budget: Number.POSITIVE_INFINITY,
  longest: Number.POSITIVE_INFINITY,
  iterations: 10_000,
  exploration: 1,
  costWeight: 0,
  update: "max",
  final: "reward",
};

type Value = (list: readonly number[]) => number;
const each = (value: Value) => async (lists: readonly (readonly number[])[]) => lists.map(value);

function everyList(items: number): number[][] {
  const lists: number[][] = [];
  const grow = (list: number[]) => {
    if (list.length > 0) lists.push(list);
    for (let item = 0; item < items; item++) if (!list.includes(item)) grow([...list, item]);
  };
  grow([]);
  return lists;
}

/** A value for every list, the same each time. */
function drawn(seed: number): Value {
  return (list) => {
    let state = seed;
    for (const item of list) state = (Math.imul(state ^ (item + 1), 0x9e3779b1) ^ (state >>> 7)) >>> 0;
    return (state >>> 8) / 2 ** 24;
  };
}

describe("search of combinations", () => {
  it.each([
    [3, 15, 10],
    [4, 64, 41],
    [5, 325, 206],
  ])("%i items: %i lists, %i expansions, and then the answer of brute force", async (items, lists, expansions) => {
    for (let seed = 1; seed <= 20; seed++) {
      const value = drawn(seed);
      const costs = Array<number>(items).fill(100);
      const found = await searchCombinations(costs, each(value), { ...settings, iterations: expansions });
      expect(found.nodes).toBe(lists);
      expect(found.iterations).toBe(expansions);
      const all = everyList(items);
      expect(all).toHaveLength(lists);
      const most = Math.max(...all.map(value));
      expect(found.best?.reward).toBe(most);
      const more = await searchCombinations(costs, each(value), settings);
      expect([more.iterations, more.exhausted]).toEqual([expansions, true]);
    }
  });

  it("canonical order searches subsets", async () => {
    const found = await searchCombinations([1, 1, 1, 1], each(drawn(3)), { ...settings, ranks: [0, 1, 2, 3] });
    expect(found.nodes).toBe(15);
  });

  it("takes all where all help, and only the pair where only that helps", async () => {
    const weights = [0.1, 0.3, 0.2, 0.05];
    const all = await searchCombinations(
      weights.map(() => 10),
      each((list) => list.reduce((sum, item) => sum + weights[item]!, 0)),
      settings,
    );
    expect([...all.best!.items].sort()).toEqual([0, 1, 2, 3]);
    const pair = await searchCombinations(
      [10, 10, 10, 10, 10],
      each((list) => {
        const both = list.includes(1) && list.includes(3);
        return (both ? 1 : 0) - 0.1 * list.filter((item) => item !== 1 && item !== 3).length;
      }),
      { ...settings, budget: 50 },
    );
    expect([...pair.best!.items].sort()).toEqual([1, 3]);
    expect(pair.best!.cost).toBe(20);
  });

  it("charges length while searching: the worked example", async () => {
    const sheet = { ...settings, budget: 1000, exploration: 1.4, costWeight: 0.2 };
    const bounds = (visits: number, nodes: [number, number, number][]) =>
      nodes.map(([value, times, cost]) => upperBound({ value, visits: times, cost }, visits, sheet).toFixed(3));
    expect(
      bounds(1, [
        [0.6, 1, 500],
        [0.55, 1, 200],
        [0.5, 1, 900],
      ]),
    ).toEqual(["0.500", "0.510", "0.320"]);
    expect(
      bounds(2, [
        [0.6, 1, 500],
        [1.27, 2, 200],
        [0.5, 1, 900],
      ]),
    ).toEqual(["1.666", "1.419", "1.486"]);
    const asked: string[] = [];
    const rewards: Record<string, number> = { 0: 0.6, 1: 0.55, 2: 0.5, "1 0": 0.72 };
    await searchCombinations(
      [500, 200, 900],
      async (lists) => {
        asked.push(lists.map((list) => list.join(" ")).join(", "));
        return lists.map((list) => rewards[list.join(" ")] ?? 0.1);
      },
      { ...sheet, iterations: 3 },
    );
    // B is expanded first although A scores higher (the plain lists lie between), then A.
    expect(asked[0]).toBe("0, 1, 2");
    expect(asked.at(-2)).toBe("1 0");
    expect(asked.at(-1)).toBe("0 1");
  });

  it("never goes over the budget, repeats nothing, and is never worse than plain top-k under its own value", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 120 }),
        fc.integer({ min: 1, max: 25 }),
        fc.integer({ min: 1, max: 5 }),
        fc.nat(),
        fc.constantFrom("max" as const, "all" as const),
        fc.constantFrom("reward" as const, "utility" as const),
        async (costs, budget, iterations, longest, seed, update, final) => {
          const value = drawn(seed);
          const asked: number[][] = [];
          const reward = async (lists: readonly (readonly number[])[]) => {
            for (const list of lists) asked.push([...list]);
            return lists.map(value);
          };
          const costWeight = 0.2;
          const own = { ...settings, budget, iterations, longest, update, final, costWeight };
          const found = await searchCombinations(costs, reward, own);
          const costOf = (list: readonly number[]) => list.reduce((sum, item) => sum + costs[item]!, 0);
          for (const list of asked) {
            expect(costOf(list)).toBeLessThanOrEqual(budget);
            expect(list.length).toBeLessThanOrEqual(longest);
            expect(new Set(list).size).toBe(list.length);
          }
          const fitting = [...costs.keys()].filter((item) => costs[item]! <= budget);
          if (fitting.length === 0) {
            expect(found.best).toBeUndefined();
            return;
          }
          const wanted = (list: readonly number[]) =>
            final === "reward" ? value(list) : value(list) - (costWeight * costOf(list)) / budget;
          const answer = wanted(found.best!.items);
          expect(found.best!.cost).toBe(costOf(found.best!.items));
          expect(found.best!.prefixRewards).toEqual(
            found.best!.items.map((_, i) => value(found.best!.items.slice(0, i + 1))),
          );
          const byReward = [...fitting].sort((a, b) => value([b]) - value([a]) || a - b);
          const greedy: number[] = [];
          for (const item of byReward) {
            if (greedy.length >= longest || costOf([...greedy, item]) > budget) continue;
            greedy.push(item);
            expect(answer).toBeGreaterThanOrEqual(wanted(greedy));
          }
          expect(await searchCombinations(costs, reward, own)).toEqual(found);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("keeps the books: visits, nodes, and the root's mean is the mean of the expansions' best", async () => {
    for (const update of ["max", "all"] as const) {
      const batches: number[][] = [];
      let done = 0;
      const value = drawn(9);
      const found = await searchCombinations(
        [3, 4, 5, 6, 7],
        async (lists) => {
          const rewards = lists.map(value);
          // Between the first expansion and the end of the first iteration the plain lists are asked for.
          if (batches.length === 0 || done > 0) batches.push(rewards);
          return rewards;
        },
        {
          ...settings,
          update,
          budget: 15,
          iterations: 12,
          onIteration: (_, iteration) => {
            done = iteration;
          },
        },
      );
      const nodes = batches.flat().length;
      expect([found.iterations, batches.length, found.nodes]).toEqual([12, 12, nodes]);
      expect(found.root.visits).toBe(update === "all" ? nodes : 12);
      const added = update === "all" ? batches.flat() : batches.map((rewards) => Math.max(...rewards));
      expect(found.root.value).toBeCloseTo(
        added.reduce((sum, reward) => sum + reward, 0),
        10,
      );
    }
  });

  it("is greedy forward selection without bonus and charge", async () => {
    const weights = [0.11, 0.31, 0.21, 0.05, 0.17];
    const value: Value = (list) => list.reduce((sum, item, i) => sum + weights[item]! * (i === 0 ? 1 : 1.1), 0);
    const found = await searchCombinations([10, 10, 10, 10, 10], each(value), {
      ...settings,
      exploration: 0,
      budget: 30,
      iterations: 3,
    });
    const greedy: number[] = [];
    while (greedy.length < 3) {
      const open = weights.map((_, item) => item).filter((item) => !greedy.includes(item));
      const next = open.reduce((a, b) => (value([...greedy, b]) > value([...greedy, a]) ? b : a));
      greedy.push(next);
    }
    expect(found.best?.items).toEqual(greedy);
  });

  it("stopped after any iteration, it has the best of those before", async () => {
    const value = drawn(5);
    const costs = [3, 4, 5, 6];
    const seen: Combination[] = [];
    await searchCombinations(costs, each(value), {
      ...settings,
      budget: 12,
      onIteration: (best) => void seen.push(best),
    });
    for (const [i, best] of seen.entries()) {
      let left = i + 1;
      const stopped = await searchCombinations(costs, each(value), {
        ...settings,
        budget: 12,
        stop: () => left-- === 0,
      });
      expect(stopped.best?.reward).toBe(best.reward);
    }
    const half = await searchCombinations(costs, async (lists) => lists.slice(0, 2).map(value), settings);
    expect(half).toMatchObject({ iterations: 0, nodes: 2 });
    expect(half.best?.reward).toBe(Math.max(value([0]), value([1])));
  });

  it("a list without a value counts for nothing; none at all is an error; so are impossible settings", async () => {
    const found = await searchCombinations(
      [1, 1, 1],
      each((list) => (list.includes(1) ? Number.NaN : list.length)),
      settings,
    );
    expect([...found.best!.items].sort()).toEqual([0, 2]);
    expect(found.unusable).toBeGreaterThan(0);
    await expect(
      searchCombinations(
        [1],
        each(() => Number.NaN),
        settings,
      ),
    ).rejects.toMatchObject({ code: "bad-input" });
    for (const wrong of [{ iterations: 0 }, { exploration: -1 }, { costWeight: -1 }, { budget: 0 }, { longest: 0 }]) {
      await expect(
        searchCombinations(
          [1],
          each(() => 1),
          { ...settings, ...wrong },
        ),
      ).rejects.toMatchObject({
        code: "bad-option",
      });
    }
  });
});
