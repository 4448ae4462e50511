import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RandomStream } from "../../tensor/random.js";
import { carryDepth, decodeNumber, encodeNumber, successor, successorStates } from "./binary-number.js";
import { check, expected, explain, type Observation } from "./explain.js";
import { recursiveFunction } from "./recursive-function.js";
import { isFinished, readState, reductionStates, step, stepsLeft, writeState } from "./reduction.js";
import { bounded, firstClose, noGrow, shortcutsFor, strip } from "./shortcuts.js";
import {
  allShapes,
  deepPath,
  labelled,
  leftComb,
  node,
  randomShape,
  readTree,
  type Traversal,
  type Tree,
  traverse,
  treeHeight,
  treeSize,
  writeTree,
} from "./tree.js";

const split = (text: string): string[] => text.split(" ").filter((symbol) => symbol !== "");
const letters = [..."abcdefghijklmnopqrstuvwxyz"];

describe("binary numbers", () => {
  it("go to symbols and back, and succeed, from 1 to 4,096 in both orders", () => {
    for (const order of ["natural", "reverse"] as const) {
      for (let value = 1; value <= 4096; value++) {
        const symbols = encodeNumber(value, order);
        if (decodeNumber(symbols, order) !== value) expect.unreachable(`${value} in ${order}`);
        if (successor(symbols, order).join() !== encodeNumber(value + 1, order).join()) expect.unreachable(`${value}`);
      }
    }
  });

  it("are as worked by hand", () => {
    expect(encodeNumber(6)).toEqual(["X0", "X1", "01"]);
    expect(encodeNumber(6, "reverse")).toEqual(["01", "X1", "X0"]);
    expect(successor(split("X1 X1 X0 01"))).toEqual(split("X0 X0 X1 01"));
    expect(successor(split("X1 X1 01"))).toEqual(split("X0 X0 X0 01"));
    expect(successor(["01"])).toEqual(["X0", "01"]);
    expect(["X1 X1 X0 01", "X1 X1 01", "01", "X0 01"].map((text) => carryDepth(split(text)))).toEqual([2, 2, 0, 0]);
  });

  it("have 2^(m-2-d) inputs of depth d, and one that carries all the way and grows", () => {
    for (let length = 2; length <= 10; length++) {
      const counts = new Map<number, number>();
      for (let value = 2 ** (length - 1); value < 2 ** length; value++) {
        const symbols = encodeNumber(value);
        const depth = carryDepth(symbols);
        counts.set(depth, (counts.get(depth) ?? 0) + 1);
        expect(successor(symbols).length - length).toBe(depth === length - 1 ? 1 : 0);
      }
      for (let depth = 0; depth <= length - 2; depth++) expect(counts.get(depth)).toBe(2 ** (length - 2 - depth));
      expect(counts.get(length - 1)).toBe(1);
    }
  });

  it("are evaluated one symbol at a time", () => {
    expect(successorStates(split("X1 X1 X0 01")).map((state) => state.join(" "))).toEqual([
      "s X1 X1 X0 01",
      "X0 s X1 X0 01",
      "X0 X0 s X0 01",
      "X0 X0 X1 01",
    ]);
    const called = recursiveFunction("succ");
    for (const [state, after] of [
      ["X0 s X1 X0 01", "X0 X0 s X0 01"],
      ["X0 X0 s 01", "X0 X0 X0 01"],
    ]) {
      expect(called.after(split(state!))).toEqual(split(after!));
    }
    expect(recursiveFunction("succ", "reverse").after(split("01 X0 X1 s X0"))).toEqual(split("01 X0 s X0 X0"));
  });

  it("that are none are refused with the place", () => {
    const fails = (work: () => unknown, place: string) =>
      expect(work).toThrow(
        expect.objectContaining({ code: "bad-input", expected: expect.stringMatching(`at symbol ${place}`) }),
      );
    fails(() => decodeNumber([]), "0");
    fails(() => decodeNumber(split("X0 X2 01")), "1");
    fails(() => successor(split("01 X0 X1")), "0");
    fails(() => successor(split("X0 X1")), "1");
    expect(() => successor(split("01 X0 X1"))).toThrow(
      expect.objectContaining({ fix: expect.stringMatching("reverse") }),
    );
    for (const value of [0, -1, 1.5, 2 ** 53])
      expect(() => encodeNumber(value)).toThrow(expect.objectContaining({ got: value }));
  });
});

const worked = "( a ( b . . ) ( c . ( d . . ) ) )";

const trees = (most = 12): fc.Arbitrary<Tree> =>
  fc.tuple(fc.integer({ min: 0, max: most }), fc.nat(2 ** 31)).map(([nodes, seed]) => {
    const random = new RandomStream(seed);
    return labelled(randomShape(random, nodes), random.shuffled(letters));
  });

describe("trees", () => {
  it("are traversed and reduced as worked by hand", () => {
    const tree = readTree(split(worked));
    expect([traverse(tree, "pre"), traverse(tree, "in"), traverse(tree, "post")].map((all) => all.join(" "))).toEqual([
      "a b c d",
      "b a c d",
      "b d c a",
    ]);
    expect([treeHeight(tree), treeSize(tree)]).toEqual([3, 4]);
    const states = (order: Traversal) => reductionStates(tree, order).map((state) => writeState(state).join(" "));
    expect(states("pre")).toEqual([
      `[ ${worked} ]`,
      "a [ ( b . . ) ] [ ( c . ( d . . ) ) ]",
      "a b c [ ( d . . ) ]",
      "a b c d",
    ]);
    expect(states("in")[2]).toBe("b a c [ ( d . . ) ]");
    expect(reductionStates(null, "in")).toEqual([[]]);
  });

  it("are written and read back", () => {
    fc.assert(fc.property(trees(), (tree) => void expect(readTree(writeTree(tree))).toEqual(tree)));
    for (const [text, place] of [
      ["( a . .", 4],
      ["( a . . ) )", 5],
      ["( . . )", 1],
      ["( a . ]", 3],
      ["", 0],
    ] as const) {
      expect(() => readTree(split(text))).toThrow(
        expect.objectContaining({ code: "bad-input", expected: expect.stringMatching(`at symbol ${place}`) }),
      );
    }
    expect(() => readState(split("a [ . b"))).toThrow(expect.objectContaining({ code: "bad-input" }));
  });

  it("take as many level steps as they are high, leftmost one a node, with the same end", () => {
    fc.assert(
      fc.property(trees(), fc.constantFrom<Traversal>("pre", "in", "post"), (tree, order) => {
        const level = reductionStates(tree, order);
        const leftmost = reductionStates(tree, order, "leftmost");
        expect(level).toHaveLength(treeHeight(tree) + 1);
        expect(leftmost).toHaveLength(treeSize(tree) + 1);
        expect(level.at(-1)).toEqual(traverse(tree, order));
        expect(leftmost.at(-1)).toEqual(level.at(-1));
        const labels = [...traverse(tree, "pre")].sort();
        for (const [at, state] of [...level, ...leftmost].entries()) {
          expect(
            writeState(state)
              .filter((symbol) => letters.includes(symbol))
              .sort(),
          ).toEqual(labels);
          expect(readState(writeState(state))).toEqual(state);
          if (at < level.length) expect(stepsLeft(state)).toBe(level.length - 1 - at);
        }
        expect(isFinished(level.at(-1)!)).toBe(true);
        expect(step(level.at(-1)!, order)).toEqual(level.at(-1));
      }),
    );
  });

  it("are counted by Catalan numbers and drawn uniformly", () => {
    expect([0, 1, 2, 3, 4, 5, 6].map((nodes) => allShapes(nodes).length)).toEqual([1, 1, 2, 5, 14, 42, 132]);
    const random = new RandomStream(5);
    const counts = new Map(allShapes(4).map((shape) => [JSON.stringify(shape), 0]));
    const draws = 14 * 400;
    for (let i = 0; i < draws; i++) {
      const shape = JSON.stringify(randomShape(random, 4));
      counts.set(shape, counts.get(shape)! + 1);
    }
    const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - 400) ** 2 / 400, 0);
    // 13 degrees of freedom: above 34.5 one time in a thousand.
    expect(chiSquare).toBeLessThan(34.5);
    const path = labelled(deepPath(random, 9, 3), letters);
    expect(treeHeight(path)).toBe(9);
    expect(treeSize(path)).toBeLessThanOrEqual(12);
  });
});

const everyNumber = (most: number): string[][] => Array.from({ length: most }, (_, i) => encodeNumber(i + 1));
const everyTree = (most: number): Tree[] =>
  Array.from({ length: most + 1 }, (_, nodes) => allShapes(nodes).map((shape) => labelled(shape, letters))).flat();

describe("shortcuts", () => {
  it("bounded(k) is right exactly down to depth k", () => {
    for (let k = 0; k <= 5; k++) {
      for (const input of everyNumber(255)) {
        expect(bounded(input, k).join() === successor(input).join(), input.join(" ")).toBe(carryDepth(input) <= k);
      }
    }
  });

  it("noGrow is right but for numbers of ones", () => {
    for (const input of everyNumber(255)) {
      const grows = carryDepth(input) === input.length - 1;
      expect(noGrow(input).join() === successor(input).join()).toBe(!grows);
      expect(noGrow(input)).toHaveLength(input.length);
    }
  });

  it("strip is the preorder, and is not the order in between", () => {
    for (const tree of everyTree(5)) expect(strip(writeTree(tree))).toEqual(traverse(tree, "pre"));
    const comb = labelled(leftComb(2), letters);
    expect(strip(writeTree(comb))).not.toEqual(traverse(comb, "in"));
  });

  it("swap(k) is right on all trees up to height k + 1, cut(k) up to k, and neither on all", () => {
    for (const name of ["in", "post"] as const) {
      for (const [family, ahead] of [
        ["swap", 1],
        ["cut", 0],
      ] as const) {
        for (const { k = 0, apply } of shortcutsFor(name, "answer")
          .filter((one) => one.name === family)
          .slice(0, 4)) {
          const right = (tree: Tree) => apply(writeTree(tree))?.join() === traverse(tree, name).join();
          const all = everyTree(5);
          expect(all.filter((tree) => treeHeight(tree) <= k + ahead).every(right)).toBe(true);
          expect(all.every(right)).toBe(false);
        }
      }
    }
  });

  it("firstClose is right where no subtree holds another", () => {
    const state = (tree: Tree) => ["[", ...writeTree(tree), "]"];
    const right = (tree: Tree) =>
      firstClose(state(tree), "in")?.join() === writeState(step(readState(state(tree)), "in")).join();
    expect(right(node("a", node("b"), node("c")))).toBe(true);
    expect(right(node("a", null, node("c", node("d"))))).toBe(true);
    expect(firstClose(state(node("a", node("b", node("c")))), "in")?.join(" ")).toBe("[ ( b ( c . . ) ] a [ . ) . ]");
    expect(right(node("a", node("b", node("c"))))).toBe(false);
  });
});

describe("explain", () => {
  const numbers = everyNumber(1023).filter((_, place) => place % 3 === 0);
  const observed = (inputs: string[][], model: (input: string[]) => string[] | undefined): Observation[] =>
    inputs.map((input) => ({ input, output: model(input) }));

  it("names the shortcut that a model is", () => {
    const { failures, named } = explain(
      "succ",
      "answer",
      observed(numbers, (input) => bounded(input, 3)),
    );
    expect(failures).toBe(numbers.filter((input) => carryDepth(input) > 3).length);
    expect(named).toMatchObject({ shortcut: "bounded", k: 3, explained: 1, onSuccesses: 1, precision: 1, recall: 1 });
    const reversed = numbers.map((input) => [...input].reverse());
    const backwards = explain(
      "succ",
      "answer",
      observed(reversed, (input) => bounded([...input].reverse(), 2).reverse()),
      "reverse",
    );
    expect(backwards.named).toMatchObject({ shortcut: "bounded", k: 2, explained: 1 });
    const inputs = everyTree(5).map(writeTree);
    expect(explain("in", "answer", observed(inputs, strip)).named).toMatchObject({ explained: 1 });
    const swap2 = shortcutsFor("in", "answer").find(({ name, k }) => name === "swap" && k === 2)!;
    expect(
      explain(
        "in",
        "answer",
        observed(inputs, (input) => swap2.apply(input)),
      ).named,
    ).toMatchObject({ k: 2, explained: 1 });
    const states = everyTree(5)
      .slice(1)
      .map((tree) => ["[", ...writeTree(tree), "]"]);
    expect(
      explain(
        "pre",
        "step",
        observed(states, (state) => firstClose(state, "pre")),
      ).named,
    ).toMatchObject({
      shortcut: "firstClose",
      explained: 1,
    });
  });

  it("names none for a model that is right, and none for one that guesses", () => {
    const right = explain(
      "succ",
      "answer",
      observed(numbers, (input) => successor(input)),
    );
    expect(right).toEqual({ cases: numbers.length, failures: 0, explanations: [], named: undefined });
    const random = new RandomStream(2);
    const guessed = explain(
      "succ",
      "answer",
      observed(numbers, (input) => [...input.slice(1).map(() => (random.below(2) === 0 ? "X0" : "X1")), "01"]),
    );
    expect(guessed.named).toBeUndefined();
    for (const { explained } of guessed.explanations) expect(explained).toBeLessThan(0.2);
    const silent = explain(
      "succ",
      "answer",
      observed(numbers, () => undefined),
    );
    expect(silent.explanations[0]?.explained).toBe(0);
  });

  it("checks answers and steps", () => {
    expect(check("in", "answer", split(worked), split("b a c d"))).toBe(true);
    expect(check("in", "answer", split(worked), split("b a c"))).toBe(false);
    expect(expected("pre", "step", split("a [ ( b . . ) ]"))).toEqual(["a", "b"]);
    expect(() => check("in", "answer", split("( a ."), [])).toThrow(expect.objectContaining({ code: "bad-input" }));
  });
});
