import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createSampler } from "../sample/sampler.js";
import { draftOption, engineDraft, openDraft } from "./choose-draft.js";
import type { DraftNode, Proposal } from "./draft.js";
import { LookupDraft } from "./lookup.js";
import { NgramDraft } from "./ngram.js";

const sampler = createSampler({ temperature: 1, seed: 1 });

function path(text: readonly number[], below: readonly number[] = []): DraftNode {
  let node: DraftNode = { index: 0, token: text.at(-1) as number, parent: undefined, depth: 0, sampler: () => sampler };
  for (const token of below) node = { ...node, index: node.index + 1, token, parent: node, depth: node.depth + 1 };
  return node;
}

const listOf = (proposal: Proposal | undefined) => (proposal?.kind === "list" ? [...proposal.tokens] : undefined);

/** What followed, found by looking everywhere: longest agreement first, then newest. */
function plainLookup(tail: readonly number[], text: readonly number[], atLeast: number, count: number): number[] {
  const found: { token: number; agreeing: number; at: number }[] = [];
  for (let at = text.length - 2; at >= 0; at--) {
    let agreeing = 0;
    while (agreeing < 16 && agreeing <= at && text[at - agreeing] === tail[tail.length - 1 - agreeing]) agreeing++;
    if (agreeing >= atLeast) found.push({ token: text[at + 1] as number, agreeing, at });
  }
  found.sort((a, b) => b.agreeing - a.agreeing || b.at - a.at);
  return [...new Set(found.map(({ token }) => token))].slice(0, count);
}

describe("lookup", () => {
  it("finds what looking everywhere finds, for the newest token and for paths behind it", () => {
    const token = fc.integer({ min: 0, max: 3 });
    const cases = fc.tuple(
      fc.array(token, { minLength: 1, maxLength: 40 }),
      fc.array(token, { maxLength: 3 }),
      fc.integer({ min: 1, max: 3 }),
    );
    fc.assert(
      fc.property(cases, fc.integer({ min: 1, max: 4 }), ([text, below, atLeast], count) => {
        const draft = new LookupDraft({ atLeast });
        draft.push(text);
        const got = listOf(draft.continuations(path(text, below), count)) as number[];
        expect(got).toEqual(plainLookup([...text, ...below], text, atLeast, count));
      }),
    );
  });

  it("costs the same in a long text", () => {
    const draft = new LookupDraft();
    draft.push(new Int32Array(200_000).fill(7));
    const start = performance.now();
    for (let i = 0; i < 100; i++) draft.continuations(path([7]), 1);
    expect(performance.now() - start).toBeLessThan(500);
  });
});

describe("n-grams", () => {
  it("give a law: blended counts by hand", () => {
    const draft = new NgramDraft({ vocabSize: 5 });
    const text = [1, 2, 1, 3, 1];
    draft.push(text);
    const law = [...draft.logits(path(text))].map(Math.exp);
    // After 1 came 2 and 3, once each: weight 2 / (2 + 2). Pairs and triples that end here are new. The rest are counts of all five.
    const rest = [0, 3, 1, 1, 0].map((count) => (0.5 * count) / 5);
    const want = [0, 0, 0.25, 0.25, 0].map((share, token) => share + (rest[token] as number));
    for (const [token, probability] of law.entries()) expect(probability).toBeCloseTo(want[token] as number, 6);
  });

  it("sum to one whatever was read", () => {
    const texts = fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(texts, texts, (corpus, text) => {
        const draft = new NgramDraft({ vocabSize: 7, corpus });
        draft.push(text);
        const sum = draft.logits(path(text)).reduce((total, logit) => total + Math.exp(logit), 0);
        expect(sum).toBeCloseTo(1, 5);
      }),
    );
  });

  it("propose nothing where a grammar forbids all that they know", () => {
    const draft = new NgramDraft({ vocabSize: 4 });
    draft.push([1, 1, 1]);
    const mask = {
      apply: (logits: Float32Array) => logits.fill(Number.NEGATIVE_INFINITY, 0, 3),
      accept: () => undefined,
      clone: () => mask,
      close: () => undefined,
    };
    const strict = createSampler({ temperature: 1, seed: 1 }, { mask });
    const node = { ...path([1, 1, 1]), sampler: () => strict };
    for (const as of ["law", "ranked"] as const)
      expect(listOf(draft.propose([node], { as, count: 2 }).next().value?.[0])).toEqual([]);
  });
});

describe("the option draft", () => {
  it("knows its words", () => {
    for (const good of ["lookup", "ngram", "exit:8", "low-bit:q2_k", "tiny:/a/b.gguf", "model:smollm2-135m-instruct"])
      expect(draftOption.safeParse(good).success, good).toBe(true);
    for (const bad of ["", "look", "exit", "exit:", "tiny", "8", "lookup:3", "model"])
      expect(draftOption.safeParse(bad).success, bad).toBe(false);
    expect(engineDraft("ngram")).toBeUndefined();
    expect(engineDraft("exit:8")).toBe("exit:8");
    const tokenizer = { vocabSize: 4 } as never;
    expect(() => openDraft("exit:8", { tokenizer })).toThrow(/was not loaded/);
    expect(() => openDraft("nothing", { tokenizer })).toThrow(/no draft/);
  });
});
