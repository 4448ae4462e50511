import { describe, expect, it } from "vitest";
import { PrefixTree } from "./prefix-tree.js";

/** Values are the tokens themselves, so that every cut can be checked. */
interface Kept {
  tree: PrefixTree<number[]>;
  freed: number[][];
}

function open(page = 1): Kept {
  const freed: number[][] = [];
  const tree = new PrefixTree<number[]>({
    page,
    split: (value, at) => [value.slice(0, at), value.slice(at)],
    free: (value) => freed.push(value),
  });
  return { tree, freed };
}

function insert({ tree }: Kept, tokens: number[], scope?: string): number {
  return tree.insert(Int32Array.from(tokens), (from, to) => tokens.slice(from, to), scope);
}

const found = ({ tree }: Kept, tokens: number[], scope?: string) => {
  const { length, runs } = tree.match(Int32Array.from(tokens), { scope });
  expect(runs.flatMap(({ node, count }) => node.value.slice(0, count))).toEqual(tokens.slice(0, length));
  return length;
};

describe("the worked example", () => {
  const filled = () => {
    const kept = open();
    for (const tokens of [
      [1, 2, 3],
      [1, 2, 3],
      [1, 2, 4, 5],
      [1, 2, 4, 5, 6, 7],
      [8, 9, 10, 11, 12],
    ])
      insert(kept, tokens);
    return kept;
  };

  it("holds 12 tokens under two first runs", () => {
    const { tree } = filled();
    expect(tree.tokens).toBe(12);
    const first = tree.nodes().filter(({ parent }) => parent?.parent === undefined);
    expect(first.map(({ tokens }) => Array.from(tokens)).sort()).toEqual([
      [1, 2],
      [8, 9, 10, 11, 12],
    ]);
  });

  it("finds 3 tokens of 1 2 3 13 14", () => {
    expect(found(filled(), [1, 2, 3, 13, 14])).toBe(3);
  });

  it("evicts leaves only, the oldest first", () => {
    const kept = filled();
    expect(kept.tree.evict(5)).toBeGreaterThanOrEqual(5);
    expect(kept.freed).toEqual([[3], [6, 7], [4, 5]]);
    expect(found(kept, [1, 2, 4, 5])).toBe(2);
    expect(found(kept, [8, 9, 10, 11, 12])).toBe(5);
  });
});

describe("prefix tree", () => {
  it("keeps what is locked, and everything before it", () => {
    const kept = open();
    insert(kept, [1, 2, 3, 4]);
    insert(kept, [1, 2, 5, 6]);
    const leaf = kept.tree.match(Int32Array.of(1, 2, 3, 4)).runs.at(-1)?.node;
    if (leaf === undefined) throw new Error("nothing found");
    kept.tree.lock(leaf);
    expect(kept.tree.locked).toBe(4);
    expect(kept.tree.evict(100)).toBe(2);
    expect(kept.tree.tokens).toBe(4);
    kept.tree.unlock(leaf);
    expect(() => kept.tree.unlock(leaf)).toThrow(/unlocked/);
    expect(kept.tree.evict(100)).toBe(4);
  });

  it("keeps a lock on both halves of a run that is cut", () => {
    const kept = open();
    insert(kept, [1, 2, 3, 4]);
    const run = kept.tree.match(Int32Array.of(1, 2, 3, 4)).runs[0]?.node;
    if (run === undefined) throw new Error("nothing found");
    kept.tree.lock(run);
    insert(kept, [1, 2, 9]);
    expect(kept.tree.evict(100)).toBe(1);
    expect(found(kept, [1, 2, 3, 4])).toBe(4);
  });

  it("shares nothing between scopes", () => {
    const kept = open();
    insert(kept, [1, 2, 3], "ann");
    expect(found(kept, [1, 2, 3], "bob")).toBe(0);
    expect(found(kept, [1, 2, 3], "ann")).toBe(3);
  });

  it("does not let an eviction during an insertion take the beginning away", () => {
    const kept = open();
    insert(kept, [1, 2, 3]);
    insert(kept, [7, 8]);
    const added = kept.tree.insert(Int32Array.of(1, 2, 3, 4), (from, to) => {
      kept.tree.evict(100);
      return [1, 2, 3, 4].slice(from, to);
    });
    expect(added).toBe(1);
    expect(kept.freed).toEqual([[7, 8]]);
    expect(found(kept, [1, 2, 3, 4])).toBe(4);
  });

  it("stays as it was when there is no room for the value", () => {
    const kept = open();
    insert(kept, [1, 2, 3]);
    expect(kept.tree.insert(Int32Array.of(1, 2, 4), () => undefined)).toBe(0);
    expect(kept.tree.tokens).toBe(3);
    expect(found(kept, [1, 2, 3])).toBe(3);
  });

  it("looks without changing what goes first", () => {
    const kept = open();
    insert(kept, [1, 1]);
    insert(kept, [2, 2]);
    kept.tree.match(Int32Array.of(1, 1), { touch: false });
    kept.tree.evict(1);
    expect(kept.freed).toEqual([[1, 1]]);
  });

  it("refuses pages that are no size", () => {
    expect(() => open(0)).toThrow(/page/);
    expect(() => open(1.5)).toThrow(/page/);
  });

  it("reaches the hit rate of shared prefixes: 4 prefixes of 512, 8 suffixes of 64 each", () => {
    const kept = open(16);
    let asked = 0;
    let hits = 0;
    for (let suffix = 0; suffix < 8; suffix++) {
      for (let group = 0; group < 4; group++) {
        const prefix = Array.from({ length: 512 }, (_, i) => 1000 * group + i);
        const tokens = [...prefix, ...Array.from({ length: 64 }, (_, i) => 100_000 + 1000 * (8 * group + suffix) + i)];
        asked += tokens.length;
        hits += found(kept, tokens);
        insert(kept, tokens);
      }
    }
    expect(hits).toBe(4 * 7 * 512);
    expect(hits / asked).toBeCloseTo(0.778, 3);
  });
});

describe.each([1, 4])("10,000 random operations beside a naive model, pages of %i", (page) => {
  it("holds the same tokens, finds the same beginnings, and counts every token once", () => {
    const random = generator(page);
    const kept = open(page);
    const { tree } = kept;
    /** Every page that is held, by the whole text up to its end: a set of strings. */
    let naive = new Set<string>();
    const locks: { text: number[]; node: Parameters<typeof tree.lock>[0] }[] = [];
    const text = () => Array.from({ length: random(12) }, () => random(3));
    const pagesOf = (tokens: number[]) =>
      Array.from({ length: Math.floor(tokens.length / page) }, (_, i) => tokens.slice(0, (i + 1) * page).join(" "));
    const naiveMatch = (tokens: number[]) => pagesOf(tokens).filter((key) => naive.has(key)).length * page;
    for (let step = 0; step < 10_000; step++) {
      const kind = random(10);
      if (kind < 4) {
        const tokens = text();
        const before = naive.size;
        for (const key of pagesOf(tokens)) naive.add(key);
        expect(insert(kept, tokens)).toBe((naive.size - before) * page);
      } else if (kind < 7) {
        const tokens = text();
        expect(found(kept, tokens)).toBe(naiveMatch(tokens));
      } else if (kind === 7) {
        const tokens = text();
        const { runs, length } = tree.match(Int32Array.from(tokens));
        const node = runs.at(-1)?.node;
        if (node !== undefined && locks.length < 4) {
          tree.lock(node);
          locks.push({ text: tokens.slice(0, length), node });
        }
      } else if (kind === 8) {
        const lock = locks.shift();
        if (lock !== undefined) tree.unlock(lock.node);
      } else {
        const wanted = random(60);
        const before = tree.tokens;
        const gone = tree.evict(wanted);
        expect(before - tree.tokens).toBe(gone);
        // Only whole beginnings are left: what the tree spells out now is a part of what it held, with all that stands before it.
        const left = new Set<string>();
        for (const node of tree.nodes()) {
          const spelled = spell(node);
          const start = spelled.length - node.tokens.length;
          for (const key of pagesOf(spelled)) if (key.split(" ").length > start) left.add(key);
        }
        expect([...left].every((key) => naive.has(key))).toBe(true);
        expect(left.size * page).toBe(tree.tokens);
        expect(locks.flatMap((lock) => pagesOf(lock.text)).every((key) => left.has(key))).toBe(true);
        if (gone < wanted) expect(tree.tokens).toBe(tree.locked);
        naive = left;
      }
      expect(tree.tokens).toBe(naive.size * page);
    }
    for (const { node } of locks) tree.unlock(node);
    expect(tree.locked).toBe(0);
    tree.evict(Number.POSITIVE_INFINITY);
    expect(tree.tokens).toBe(0);
    expect(tree.nodes()).toEqual([]);
  });
});

function spell(node: { parent: unknown; tokens: Int32Array } | undefined): number[] {
  return node === undefined ? [] : [...spell(node.parent as typeof node), ...node.tokens];
}

/** Whole numbers below a limit, the same for the same seed. */
function generator(seed: number): (limit: number) => number {
  let state = seed * 2654435761 + 12345;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}
