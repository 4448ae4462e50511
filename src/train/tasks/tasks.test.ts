import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RandomStream } from "../../tensor/random.js";
import { addition, carries } from "./addition.js";
import { copy } from "./copy.js";
import { taskNames, taskOf } from "./every-task.js";
import { lego } from "./lego.js";
import { hopsOf, pointerChase } from "./pointer-chase.js";
import { successor } from "./successor.js";
import { type Example, promptAndAnswer, type Split, type Task } from "./task.js";
import { traversal } from "./traversal.js";

const splits: Split[] = ["train", "validation", "test"];

const text = ({ symbols }: Example): string => symbols.join("");
const drawn = (task: Task, split: Split, count: number, seed = 1): Example[] => {
  const random = new RandomStream(seed, split);
  return Array.from({ length: count }, () => task.draw(split, random));
};
const edges = (task: Task, set: string, count = 100): Example[] => task.edgeCases(set, count, new RandomStream(3, set));

describe.each(taskNames)("%s", (name) => {
  const task = taskOf(name);

  it("has splits that never share an input, and edge cases that training never sees", () => {
    const [train, validation, test] = splits.map((split) => new Set(drawn(task, split, 150).map(({ key }) => key)));
    const both = (a: Iterable<string>, b: ReadonlySet<string>) => [...a].filter((key) => b.has(key));
    expect([...both(train!, validation!), ...both(train!, test!), ...both(validation!, test!)]).toEqual([]);
    for (const set of task.edgeSets) {
      const keys = edges(task, set, 50).map(({ key }) => key);
      expect(keys.length, set).toBeGreaterThan(0);
      expect([...both(keys, train!), ...both(keys, validation!)], set).toEqual([]);
      expect(new Set(keys).size).toBe(keys.length);
    }
  });

  it("holds what it says: vocabulary, length, one mark a symbol, something to say", () => {
    const all = splits.flatMap((split) => drawn(task, split, 50));
    const wrong = all.filter(
      ({ symbols, scored }) =>
        symbols.length > task.longest || scored.length !== symbols.length || scored[0] || !scored.includes(true),
    );
    expect(wrong).toEqual([]);
    const edge = task.edgeSets.flatMap((set) => edges(task, set, 20));
    const known = new Set(task.vocabulary);
    expect(known.size).toBe(task.vocabulary.length);
    const used = new Set([...all, ...edge].flatMap(({ symbols }) => symbols));
    expect([...used].filter((symbol) => !known.has(symbol))).toEqual([]);
  });

  it("is the same for the same seed, and another for another", () => {
    const once = drawn(task, "train", 20).map(text);
    expect(drawn(task, "train", 20).map(text)).toEqual(once);
    expect(drawn(task, "train", 20, 2).map(text)).not.toEqual(once);
  });
});

/** Every example of every split and edge set. */
function everyExample(task: Task, count = 60): Example[] {
  return [
    ...splits.flatMap((split) => drawn(task, split, count)),
    ...task.edgeSets.flatMap((set) => edges(task, set, 40)),
  ];
}

const asked = (example: Example): [prompt: string, answer: string] => {
  const { prompt, answer } = promptAndAnswer(example)!;
  return [prompt.join(""), answer.join("")];
};

describe("answers", () => {
  it("of addition are sums", () => {
    for (const reversed of [false, true]) {
      const turned = (digits: string) => Number(reversed ? [...digits].reverse().join("") : digits);
      for (const example of everyExample(addition({ digits: 3, reversed }))) {
        const [prompt, answer] = asked(example);
        const [, a, b] = /^(\d+)\+(\d+)=$/.exec(prompt)!;
        expect(turned(answer.slice(0, -1))).toBe(turned(a!) + turned(b!));
        expect(answer.endsWith("\n")).toBe(true);
      }
    }
    expect(drawn(addition(), "train", 50).map(text)).toContainEqual(expect.stringMatching(/^\d\d\+\d\d=\d{2,3}\n$/));
  });

  it("of addition carry as they say", () => {
    expect([carries(57, 68), carries(99, 1), carries(12, 34), carries(0, 0), carries(5, 996)]).toEqual([2, 2, 0, 0, 3]);
    for (const { measures } of edges(addition(), "all-carry")) expect(measures["carries"]).toBe(measures["digits"]);
    for (const { measures } of edges(addition(), "longer")) expect(measures["digits"]).toBeGreaterThan(2);
  });

  it("of copy and reverse are the digits", () => {
    for (const example of everyExample(copy())) {
      const [prompt, answer] = asked(example);
      expect(`${answer.trimEnd()}=`).toBe(prompt);
    }
    for (const example of everyExample(taskOf("reverse"))) {
      const [prompt, answer] = asked(example);
      expect([...answer.trimEnd()].reverse().join("")).toBe(prompt.slice(0, -1));
    }
  });

  it("of associative recall are the values that were given", () => {
    for (const { symbols, scored } of everyExample(taskOf("associative-recall"))) {
      const bar = symbols.indexOf("|");
      const given = new Map<string, string>();
      for (let at = 0; at < bar; at += 2) given.set(symbols[at]!, symbols[at + 1]!);
      expect(given.size).toBe(bar / 2);
      expect(scored.filter((is) => is)).toHaveLength(given.size);
      for (const [place, is] of scored.entries()) if (is) expect(symbols[place]).toBe(given.get(symbols[place - 1]!));
    }
  });

  it("of needle stand in the text once, where they say", () => {
    const task = taskOf("needle");
    for (const example of everyExample(task)) {
      const [prompt, answer] = asked(example);
      const [, key] = /\?(\d\d)=$/.exec(prompt)!;
      expect([...prompt.matchAll(new RegExp(`#${key}:(\\d{3})`, "g"))].map(([, value]) => `${value}\n`)).toEqual([
        answer,
      ]);
      expect([...prompt.matchAll(/#/g)]).toHaveLength(1 + example.measures["distractors"]!);
    }
    for (const example of edges(task, "first")) expect(text(example)).toMatch(/^(#\d\d:\d{3})+[a-z]/);
  });

  it("of grammar agree with the noun they are about", () => {
    const task = taskOf("grammar");
    const several = (noun: string) => noun === "children" || noun.endsWith("s");
    for (const { symbols, scored } of everyExample(task)) {
      const places = scored.flatMap((is, place) => (is ? [place] : []));
      for (const place of places) {
        // A relative clause follows its noun directly; the last verb is about the first noun.
        const noun = place === places.at(-1) ? symbols[1]! : symbols[place - 3]!;
        expect(symbols[place]).toBe(several(noun) ? "+" : "+s");
      }
    }
    for (const { measures } of edges(task, "attractors")) expect(measures["attractors"]).toBe(measures["phrases"]);
  });

  it("of pointer chase are reached by following the facts", () => {
    const task = pointerChase({ letters: 6, questions: 4 });
    for (const example of everyExample(task)) {
      const { symbols, scored } = example;
      const leads = Object.fromEntries(symbols.filter((symbol) => symbol.includes(">")).map((fact) => fact.split(">")));
      for (const [place, is] of scored.entries()) {
        if (!is) continue;
        const [from, hops] = symbols[place - 1]!.split("^");
        let at = from!;
        for (let hop = 0; hop < Number(hops); hop++) at = leads[at];
        expect(symbols[place]).toBe(at);
        expect(hopsOf(example).get(place)).toBe(Number(hops));
      }
    }
    for (const { key } of edges(task, "circle", 10))
      expect(new Set(key.split(" ").map((fact) => fact.at(-1))).size).toBe(6);
  });

  it("of lego are the signs worked out from the clauses", () => {
    for (const hidden of [false, true]) {
      for (const { symbols, scored } of everyExample(lego({ hidden }))) {
        const clauses = Object.fromEntries(symbols.filter((s) => s.includes("=")).map((s) => s.split("=")));
        const value = (name: string): number => {
          const of = clauses[name] as string;
          return (of[0] === "-" ? -1 : 1) * (of[1] === "1" ? 1 : value(of[1]!));
        };
        const said = scored.flatMap((is, place) => (is ? [place] : []));
        for (const place of said) expect(Number(symbols[place])).toBe(value(symbols[place - 1]!.charAt(0)));
        expect(said).toHaveLength(hidden ? 1 : Object.keys(clauses).length);
      }
    }
  });
});

/** Its own reading of the characters: `110#` is least significant first. */
const value = (characters: string): bigint => {
  const natural = characters.startsWith("#") ? [...characters].reverse().join("") : characters;
  return BigInt(`0b1${[...natural.slice(0, -1)].reverse().join("")}`);
};

describe("structural recursion", () => {
  it("asks for the next number, in both orders", () => {
    for (const order of ["natural", "reverse"] as const) {
      for (const example of everyExample(successor({ order }))) {
        const [prompt, answer] = asked(example);
        expect(value(answer.trimEnd())).toBe(value(prompt.slice(0, -1)) + 1n);
      }
    }
  });

  it("has the depths it names", () => {
    const task = successor();
    const depth = ({ symbols }: Example) => symbols.findIndex((symbol) => symbol !== "1");
    for (const example of everyExample(task)) expect(example.measures["depth"]).toBe(depth(example));
    for (const { measures } of edges(task, "all-carry")) expect(measures["depth"]).toBe(measures["length"]! - 1);
    for (const { measures } of edges(task, "longer")) expect(measures["length"]).toBeGreaterThan(12);
    for (const { measures } of edges(task, "almost-carry"))
      expect(measures["depth"]).toBeLessThan(measures["length"]! - 1);
    const natural = drawn(task, "train", 2000).filter(({ measures }) => measures["length"] === 12);
    const deep = natural.filter(({ measures }) => measures["depth"]! >= 4).length;
    const oversampled = drawn(successor({ edgeShare: 0.5 }), "train", 2000).filter(
      ({ measures }) => measures["length"] === 12,
    );
    expect(deep / natural.length).toBeLessThan(0.15);
    expect(oversampled.filter(({ measures }) => measures["depth"]! >= 4).length / oversampled.length).toBeGreaterThan(
      0.25,
    );
  });

  /** A traversal by a stack over the characters, without a tree. */
  const inOrder = (written: string): string => {
    let out = "";
    const waiting: { label: string; parts: number }[] = [];
    const finished = (): void => {
      const top = waiting.at(-1);
      if (top !== undefined && ++top.parts === 1) out += top.label;
    };
    for (let at = 0; at < written.length; at++) {
      if (written[at] === "(") waiting.push({ label: written[++at]!, parts: 0 });
      else {
        if (written[at] === ")") waiting.pop();
        finished();
      }
    }
    return out;
  };

  it("asks for traversals, of the shapes it names", () => {
    const task = traversal();
    for (const example of everyExample(task)) {
      const [prompt, answer] = asked(example);
      expect(answer).toBe(`${inOrder(prompt.slice(0, -1))}\n`);
    }
    expect(edges(task, "empty").map(asked)).toEqual([[".=", "\n"]]);
    for (const { measures } of edges(task, "left-comb")) expect(measures["height"]).toBe(measures["nodes"]);
    for (const { measures } of edges(task, "deeper")) expect(measures["height"]).toBeGreaterThan(8);
    for (const { measures } of edges(task, "deeper")) expect(measures["nodes"]).toBeLessThanOrEqual(12);
    for (const { measures } of edges(task, "larger")) expect(measures["nodes"]).toBeGreaterThan(12);
    for (const { measures } of edges(task, "larger")) expect(measures["height"]).toBeLessThanOrEqual(8);
    for (const { key } of edges(task, "one-label")) expect(new Set(key.replace(/[^a-z]/g, "")).size).toBe(1);
  });

  it("asks for single steps that lead from start to end", () => {
    for (const example of drawn(traversal({ traversal: "pre", form: "step" }), "train", 200)) {
      const [before, after] = asked(example);
      // Preorder steps keep the letters in place and take brackets away.
      expect(after.replace(/[^a-z]/g, "")).toBe(before.replace(/[^a-z]/g, ""));
      expect(after.length).toBeLessThan(before.length + 4);
    }
    expect(drawn(successor({ form: "trace" }), "train", 200).map(text)).toContainEqual(
      expect.stringMatching(/^110[01]*#=0s10[01]*#;00s0[01]*#;001[01]*#\n$/),
    );
  });
});

describe("options", () => {
  it("that cannot be are refused with what was expected", () => {
    const fails = (make: () => unknown, expected: RegExp) =>
      expect(make).toThrow(expect.objectContaining({ code: "bad-option", expected: expect.stringMatching(expected) }));
    fails(() => successor({ lengths: [5, 4] }), /not above/);
    fails(() => successor({ lengths: [0, 4] }), /from 1/);
    fails(() => successor({ edgeShare: 0.6 }), /0 to 0.5/);
    fails(() => traversal({ nodes: [1, 30] }), /./);
    fails(() => addition({ digits: 9 }), /15 digits/);
    fails(() => copy().edgeCases("shorter", 1, new RandomStream(1)), /longer, one-digit/);
    // One input only, and it belongs to one split: the others have none.
    const single = successor({ lengths: [1, 1] });
    const empty = splits.filter((split) => {
      try {
        single.draw(split, new RandomStream(1));
        return false;
      } catch {
        return true;
      }
    });
    expect(empty).toHaveLength(2);
    expect(() => taskOf("constructor")).toThrow(expect.objectContaining({ code: "not-found" }));
  });

  it("of any lengths give tasks that draw", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 3, max: 20 }),
        fc.nat(1e6),
        fc.constantFrom("natural", "reverse"),
        (most, seed, order) => {
          const task = successor({ lengths: [1, most], order: order as "natural" });
          const example = task.draw("train", new RandomStream(seed));
          const [prompt, answer] = asked(example);
          expect(value(answer.trimEnd())).toBe(value(prompt.slice(0, -1)) + 1n);
        },
      ),
    );
  });
});
