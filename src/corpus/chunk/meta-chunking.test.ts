import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { parseDocument } from "../parse/parse.js";
import { collect, countWordPieces, describeChunker } from "./chunker.case.js";
import type { ChunkContext } from "./chunker.js";
import { threshold } from "./margin.js";
import { mergeGroups } from "./merge-groups.js";
import { metaChunking } from "./meta-chunking.js";
import { pretendModel, pretendTokenEnds } from "./model.case.js";
import { type Sentence, sentences } from "./sentence-spans.js";
import { cutAtMinima, type ScoredSentence, scoreSentences } from "./surprise.js";

describeChunker("meta-chunking", {
  chunkers: [
    metaChunking(),
    metaChunking({ tokens: 8, split: true }),
    metaChunking({ merge: false, theta: 1.5 }),
    metaChunking({ by: "margin", mode: "chunk" }),
    metaChunking({ by: "margin", mode: "pair", merge: false }),
  ],
  context: { model: pretendModel() },
  runs: 60,
});

async function* stream<Item>(items: readonly Item[]): AsyncGenerator<Item> {
  yield* items;
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const list: Item[] = [];
  for await (const item of items) list.push(item);
  return list;
}

const scored = (scores: readonly number[]): ScoredSentence[] =>
  scores.map((score, i) => ({ start: i, end: i + 1, tokens: 1, score }));

/** First and last sentence of each chunk. */
async function groups(scores: readonly number[], theta: number): Promise<[number, number][]> {
  const found = await all(cutAtMinima(stream(scored(scores)), theta));
  return found.map((group) => [group[0]!.start, group.at(-1)!.start]);
}

describe("cutting at minima", () => {
  const scores = [3.0, 2.0, 2.6, 2.5, 2.5, 3.1, 1.0, 1.2];

  test.each([
    [
      0,
      [
        [0, 1],
        [2, 3],
        [4, 6],
        [7, 7],
      ],
    ],
    [
      0.5,
      [
        [0, 1],
        [2, 6],
        [7, 7],
      ],
    ],
    [
      1.5,
      [
        [0, 6],
        [7, 7],
      ],
    ],
    [Number.POSITIVE_INFINITY, [[0, 7]]],
  ] as const)("theta %d", async (theta, wanted) => {
    expect(await groups(scores, theta)).toEqual(wanted);
  });

  it("cuts after every local minimum at 0, and never more when theta is raised", async () => {
    const values = fc.array(
      fc.integer({ min: 0, max: 8 }).map((n) => n / 4),
      { maxLength: 40 },
    );
    await fc.assert(
      fc.asyncProperty(
        values,
        fc.double({ min: 0, max: 2, noNaN: true }),
        fc.double({ min: 0, max: 2, noNaN: true }),
        async (s, a, b) => {
          const ends = async (theta: number) => (await groups(s, theta)).map(([, end]) => end);
          const [low, high] = [Math.min(a, b), Math.max(a, b)];
          const lower = await ends(low);
          for (const end of await ends(high)) expect(lower).toContain(end);
          const minima = s.flatMap((value, i) =>
            i > 0 && i < s.length - 1 && value < s[i - 1]! && value <= s[i + 1]! ? [i] : [],
          );
          expect(await ends(0)).toEqual(s.length === 0 ? [] : [...minima, s.length - 1]);
        },
      ),
    );
  });
});

describe("scores of sentences", () => {
  it("are means over the tokens whose last byte lies in the sentence; one without tokens has the score before", async () => {
    const spans: Sentence[] = [
      [0, 4],
      [4, 6],
      [6, 7],
      [7, 12],
    ].map(([start, end]) => ({ start: start!, end: end!, tokens: 1 }));
    const parts = stream([
      { endBytes: Int32Array.of(2, 5), logProbs: Float32Array.of(-1, -2) },
      { endBytes: Int32Array.of(6, 9, 12), logProbs: Float32Array.of(-4, -1, -2) },
    ]);
    const found = await all(scoreSentences(spans, parts, { byteOfIndex: (index) => index }));
    expect(found.map(({ score }) => score)).toEqual([1, 3, 3, 1.5]);
  });

  it("agree with a plain computation for any text", async () => {
    const words = fc.constantFrom("Wind. ", "Größe, ", "中文。", "😀 ", "no end ", "\r\n\r\n", "e.g. x. ", "Yes! ");
    await fc.assert(
      fc.asyncProperty(fc.array(words, { minLength: 1, maxLength: 30 }), async (list) => {
        const text = list.join("");
        const model = pretendModel();
        const spans = [...sentences(text, countWordPieces)];
        const bytes = (index: number) => Buffer.byteLength(text.slice(0, index));
        const found = await all(scoreSentences(spans, model.scoring!.tokenLogProbs(text), { byteOfIndex: bytes }));
        const parts = await all(model.scoring!.tokenLogProbs(text));
        const tokens = parts.flatMap(({ endBytes, logProbs }) =>
          [...endBytes].map((end, i) => ({ end, nll: -logProbs[i]! })),
        );
        let last = 0;
        for (const [i, { start, end }] of spans.entries()) {
          const own = tokens.filter((token) => token.end > bytes(start) && token.end <= bytes(end));
          if (own.length > 0) last = own.reduce((sum, { nll }) => sum + nll, 0) / own.length;
          expect(found[i]!.score).toBeCloseTo(last, 6);
        }
        expect(found).toHaveLength(spans.length);
      }),
    );
  });
});

describe("sentences", () => {
  test.each([
    ["One. Two!\r\n\r\nThree", ["One. ", "Two!\r\n\r\n", "Three"]],
    ["# Head\ntext goes\non here. End", ["# Head\n", "text goes\non here. ", "End"]],
    ["List:\n- a\n- b\nafter", ["List:\n", "- a\n", "- b\n", "after"]],
    ["| a | b |\n| - | - |\nx", ["| a | b |\n", "| - | - |\n", "x"]],
    ["Run:\n```\na. B.\n\nc\n```\nDone. Yes", ["Run:\n", "```\na. B.\n\nc\n```\n", "Done. ", "Yes"]],
    ["  lead. Dr. No e.g. this", ["  lead. ", "Dr. No e.g. this"]],
    ["   \n", ["   \n"]],
  ])("%j", (text, wanted) => {
    expect([...sentences(text, countWordPieces)].map(({ start, end }) => text.slice(start, end))).toEqual(wanted);
  });

  it("cuts what is longer than the limit between words", () => {
    const parts = [...sentences("word ".repeat(3000), countWordPieces)];
    expect(parts.length).toBeGreaterThan(4);
    for (const { tokens, end } of parts) {
      expect(tokens).toBeLessThanOrEqual(512);
      expect(end % 5).toBe(0);
    }
  });
});

describe("merging", () => {
  const lengths = [40, 70, 20, 300, 10, 90];
  const one = (tokens: number, i: number): Sentence[] => [{ start: i, end: i + 1, tokens }];
  const merged = async (target: number, most = Number.POSITIVE_INFINITY) =>
    (await all(mergeGroups(stream(lengths.map(one)), { target, most, piece: target }))).map(({ start, end }) =>
      lengths.slice(start, end),
    );

  it("joins greedily up to the target", async () => {
    expect(await merged(120)).toEqual([[40, 70], [20], [300], [10, 90]]);
    expect(await merged(0)).toEqual(lengths.map((length) => [length]));
    expect(await merged(Number.POSITIVE_INFINITY)).toEqual([lengths]);
  });

  it("cuts a group above the most at its own sentences, and gives no empty chunk", async () => {
    const group = [50, 60, 90].map((tokens, i) => ({ start: i, end: i + 1, tokens }));
    expect(await all(mergeGroups(stream([group]), { target: 0, most: 150, piece: 120 }))).toEqual([
      { start: 0, end: 2, tokens: 110 },
      { start: 2, end: 3, tokens: 90 },
    ]);
  });
});

describe("margin sampling", () => {
  const text = "Ab. Cd. Ef. Gh. Ij. Kl. Mn. Op.";
  const margins = [0.3, -0.1, 0.2, 0.1, -0.2, 0.05, -0.05];

  async function chunks(
    options: Parameters<typeof metaChunking>[0],
    context: Partial<ChunkContext>,
  ): Promise<string[]> {
    const document = await parseDocument({ uri: "a.txt", bytes: Buffer.from(text) });
    const full = { countTokens: countWordPieces, ...context };
    return (await collect(metaChunking(options).chunk(document, full))).map((chunk) => chunk.text.trim());
  }

  it.each(["chunk", "pair"] as const)("follows the worked example, in mode %s", async (mode) => {
    const model = pretendModel({ choose: (_, call) => [0.4, 0.4 + margins[call]!] });
    const found = await chunks({ by: "margin", mode, merge: false }, { model });
    expect(found).toEqual(["Ab. Cd.", "Ef. Gh. Ij.", "Kl.", "Mn.", "Op."]);
    expect(model.calls.chosen).toHaveLength(7);
    expect(model.calls.chosen[3]).toContain(mode === "chunk" ? 'Chunk: "Ef. Gh."' : 'Chunk: "Gh."');
  });

  it("holds the threshold at 0 for five decisions, then at the mean of the last five", () => {
    const joins = threshold(5);
    expect(margins.map((margin) => joins(margin))).toEqual([true, false, true, true, false, false, false]);
  });

  it("takes pairs for small models, closes a chunk at the model's context", async () => {
    const small = pretendModel({ parameters: 135e6, choose: () => [0, 0.9] });
    await chunks({ by: "margin" }, { model: small });
    expect(small.calls.chosen[3]).toContain('Chunk: "Gh."');
    const narrow = pretendModel({ contextTokens: 64 + 95, choose: (_, call) => [0, 1 - call / 100] });
    const found = await chunks({ by: "margin", mode: "chunk", merge: false }, { model: narrow });
    expect(found.length).toBeGreaterThan(1);
  });

  it("refuses a model whose answers are not single tokens", async () => {
    const context = { model: pretendModel(), countTokens: (words: string) => words.length + 1 };
    await expect(chunks({ by: "margin" }, context)).rejects.toMatchObject({ code: "unsupported" });
  });
});

describe("meta-chunking", () => {
  const context = (model = pretendModel()): ChunkContext => ({ countTokens: countWordPieces, model });

  it("asks nothing of an empty document or a single sentence", async () => {
    for (const by of ["perplexity", "margin"] as const) {
      const model = pretendModel();
      for (const text of ["", "One sentence only.\n"]) {
        const document = await parseDocument({ uri: "a.txt", bytes: Buffer.from(text) });
        expect(await collect(metaChunking({ by }).chunk(document, context(model)))).toHaveLength(text === "" ? 0 : 1);
      }
      expect(model.calls).toEqual({ scored: 0, chosen: [], answered: [] });
    }
  });

  it("says what it needs", async () => {
    const document = await parseDocument({ uri: "a.txt", bytes: Buffer.from("A. B.") });
    const chunks = metaChunking().chunk(document, { countTokens: countWordPieces });
    await expect(collect(chunks)).rejects.toMatchObject({ code: "unsupported", got: "no model" });
    for (const options of [
      { theta: -1 },
      { theta: Number.NaN },
      { tokens: 0 },
      { window: 63 },
      { by: "guess" as never },
    ]) {
      expect(() => metaChunking(options)).toThrow(/meta-chunking: option/);
    }
  });

  it("names chunks after the model", async () => {
    const document = await parseDocument({ uri: "a.txt", bytes: Buffer.from("One. Two. Three.") });
    const ids = async (id: string) =>
      (await collect(metaChunking().chunk(document, context({ ...pretendModel(), id })))).map((chunk) => chunk.id);
    expect(await ids("a")).not.toEqual(await ids("b"));
  });

  it("gives out the chunks that are done before it is stopped", async () => {
    const text = "Some words here. And others there! ".repeat(400);
    const document = await parseDocument({ uri: "a.txt", bytes: Buffer.from(text) });
    const stop = new AbortController();
    let seen = 0;
    const run = async () => {
      for await (const _ of metaChunking({ tokens: 20 }).chunk(document, { ...context(), signal: stop.signal })) {
        if (++seen === 3) stop.abort();
      }
    };
    await expect(run()).rejects.toMatchObject({ code: "cancelled" });
    expect(seen).toBe(3);
  });

  it("reads 10 MB, one enormous line among it, in bounded memory", { timeout: 60_000 }, async () => {
    const part = `${"A sentence of some words, with a number 12. Größe is ok. ".repeat(40)}\n\n`;
    const text = part.repeat(2200) + "x y ".repeat(1_300_000);
    expect(Buffer.byteLength(text)).toBeGreaterThan(10_000_000);
    const ends = pretendTokenEnds(text.slice(0, 4000)).length;
    const model = {
      ...pretendModel(),
      scoring: {
        ...pretendModel().scoring!,
        /** Nothing is kept: a token every four bytes. */
        async *tokenLogProbs() {
          for (let byte = 0; byte < 10_000_000; byte += 4096) {
            const endBytes = Int32Array.from({ length: 1024 }, (_, i) => byte + 4 * i + 4);
            yield { endBytes, logProbs: Float32Array.from(endBytes, (end) => -((end * 7919) % 11)) };
          }
        },
      },
    };
    expect(ends).toBeGreaterThan(0);
    const document = { ...(await parseDocument({ uri: "a.txt", bytes: Buffer.from("x") })), text, sections: [] };
    const before = process.memoryUsage().heapUsed;
    let [length, most] = [0, 0];
    const countTokens = (words: string) => Math.ceil(words.length / 4);
    for await (const chunk of metaChunking().chunk(document, { countTokens, model })) {
      length += chunk.text.length;
      most = Math.max(most, process.memoryUsage().heapUsed);
    }
    expect(length).toBe(text.length);
    expect(most - before).toBeLessThan(250 * 2 ** 20);
  });
});
