import { describe, expect, it } from "vitest";
import { autoregressive } from "../autoregressive.js";
import { chain } from "../chain.js";
import type { Decoder, RowsRequest } from "../decoder.js";
import { promptLookup } from "../prompt-lookup.js";
import { rsd } from "../rsd.js";
import { createSampler } from "../sample/sampler.js";
import { specinfer } from "../specinfer.js";
import { spectr } from "../spectr.js";
import { topKTree } from "../top-k-tree.js";
import { probabilities, randomTable, runTable, type TableModel, type TableRun } from "./table-model.case.js";

const vocabSize = 6;
/** What comes next depends on the last three tokens, so texts repeat themselves. */
const target: TableModel = (text) => table(text.slice(-3));
const table = randomTable(vocabSize, 31, 4);
const alike: TableModel = (text) => {
  const other = noise(text.slice(-2));
  return Array.from(table(text.slice(-3)), (logit, token) => logit + 0.5 * (other[token] as number));
};
const noise = randomTable(vocabSize, 32, 4);

const drafts: Record<string, TableModel> = { "a draft alike": alike, "random noise": noise };
const model = "model:TABLE";
const decoders: Decoder[] = ["lookup", "ngram", model].flatMap((draft) => [
  chain({ draft, depth: 4 }),
  chain({ draft, depth: 3, adapt: false }),
  specinfer({ draft }),
  spectr({ draft }),
  topKTree({ draft, branches: "3-2" }),
  rsd({ draft, shape: "constant", branches: "3-2-1" }),
  rsd({ draft, shape: "beam" }),
  rsd({ draft, shape: "beam", width: 1, depth: 3 }),
  rsd({ draft }),
]);
const named = decoders.map((decoder) => [decoder.label, decoder] as const);
const prompt = [1, 2, 3, 4, 1, 2, 3];

const plain = (options: Partial<TableRun> = {}) =>
  runTable(autoregressive().decode, { prompt, target, maxTokens: 40, ...options });

describe.each(Object.entries(drafts))("with %s", (_, draft) => {
  it.each(named)("%s: greedy tokens and memory are those of plain decoding", (_, { decode }) => {
    for (const maxTokens of [1, 2, 3, 40]) {
      const run = runTable(decode, { prompt, target, draft, maxTokens });
      const expected = plain({ maxTokens });
      expect(run.tokens).toEqual(expected.tokens);
      expect(run.memory).toEqual(expected.memory);
    }
  });

  it.each(named)("%s: the same where the draft's rows lie in the target's memory", (_, { decode }) => {
    const run = runTable(decode, { prompt, target, draft, sharesMemory: true, maxTokens: 40 });
    expect(run.tokens).toEqual(plain().tokens);
    expect(run.memory).toEqual(plain().memory);
  });

  it.each(named)("%s: the same with penalties, and when the text ends within a draft", (_, { decode }) => {
    for (const sampling of [{ repetitionPenalty: 1.4, frequencyPenalty: 0.3, penaltyWindow: 9 }, {}]) {
      for (const endTokens of [[0], [4, 5]]) {
        const run = runTable(decode, { prompt, target, draft, maxTokens: 40, sampling, endTokens });
        const expected = plain({ sampling, endTokens });
        expect(run.tokens).toEqual(expected.tokens);
        expect(run.memory).toEqual(expected.memory);
      }
    }
  });
});

describe("drafts that list tokens", () => {
  it.each(named.filter(([, { label }]) => label.includes("lookup") || label.startsWith("top-k")))(
    "%s: drawn tokens and their probabilities are those of plain decoding",
    (_, { decode }) => {
      const sampling = { temperature: 1, seed: 7, logprobs: 2, repetitionPenalty: 1.1 };
      const run = runTable(decode, { prompt, target, draft: alike, maxTokens: 60, sampling });
      expect(run.choices).toEqual(plain({ sampling, maxTokens: 60 }).choices);
    },
  );
});

describe("chains", () => {
  /** Chain speculation written down plainly, with the same numbers. */
  function plainChain(depth: number, count: number, seed: number): number[] {
    const { uniform } = createSampler({ seed, temperature: 1 });
    const draw = (weights: readonly number[], u: number) => {
      let left = u * weights.reduce((sum, weight) => sum + weight, 0);
      return weights.findIndex((weight) => {
        left -= weight;
        return left < 0;
      });
    };
    const text = [...prompt];
    text.push(createSampler({ seed, temperature: 1 }).next(Float32Array.from(target(text)), text.length).token);
    while (text.length < prompt.length + count) {
      const from = text.length;
      const most = Math.min(depth, prompt.length + count - from - 1);
      const drafted = [...text];
      const laws: number[][] = [];
      while (drafted.length < from + most) {
        const q = probabilities(alike(drafted));
        laws.push(q);
        drafted.push(draw(q, uniform(drafted.length, "draft", 0)));
      }
      for (let at = from; ; at++) {
        const t = probabilities(target(drafted.slice(0, at)));
        const q = laws[at - from];
        if (q === undefined) {
          text.push(createSampler({ seed, temperature: 1 }).next(Float32Array.from(target(text)), at).token);
          break;
        }
        const token = drafted[at] as number;
        const accepted = uniform(at, "accept", 0) < (t[token] as number) / (q[token] as number);
        const residual = t.map((p, other) => Math.max(0, p - (q[other] as number)));
        text.push(accepted ? token : draw(residual, uniform(at, "correct")));
        if (!accepted) break;
      }
    }
    return text.slice(prompt.length);
  }

  it.each([
    chain({ draft: model, depth: 3, adapt: false }),
    rsd({ draft: model, shape: "constant", branches: "1-1-1" }),
    rsd({ draft: model, shape: "beam", width: 1, depth: 3 }),
    specinfer({ draft: model, branches: "1-1-1" }),
    spectr({ draft: model, branches: "1-1-1" }),
  ])("$label draws the tokens of a plain chain from the same seeds", ({ decode }) => {
    for (let seed = 0; seed < 20; seed++) {
      const run = runTable(decode, { prompt, target, draft: alike, maxTokens: 30, sampling: { temperature: 1, seed } });
      expect(run.tokens).toEqual(plainChain(3, 30, seed));
    }
  });
});

describe("rounds", () => {
  const beam = rsd({ draft: model, shape: "beam", width: 3, depth: 3 });

  it("of a draft with the target's law emit one token more than they are deep", () => {
    for (const { decode } of [beam, rsd({ draft: model, shape: "constant", branches: "2-2-2" })]) {
      const run = runTable(decode, {
        prompt,
        target,
        draft: target,
        maxTokens: 41,
        sampling: { temperature: 1, seed: 3 },
      });
      expect(run.stats).toMatchObject({ calls: 10, tokensPerCall: 4, accepted: 30, acceptedDraw1: 30 });
    }
  });

  it("of a draft that is certain of what cannot be emit one token each", () => {
    const certain: TableModel = () => Float32Array.from({ length: vocabSize }, (_, token) => (token === 5 ? 0 : -1e9));
    const never: TableModel = (text) => Array.from(target(text), (logit, token) => (token === 5 ? -1e9 : logit));
    const run = runTable(beam.decode, {
      ...{ prompt, target: never, draft: certain, maxTokens: 30 },
      sampling: { temperature: 1, seed: 3 },
    });
    expect(run.stats).toMatchObject({ tokensPerCall: 1, accepted: 0 });
    expect(run.tokens).not.toContain(5);
  });

  it("are told to whoever watches: what was drafted, accepted, and what followed", () => {
    const run = runTable(beam.decode, {
      prompt,
      target,
      draft: alike,
      maxTokens: 40,
      sampling: { temperature: 1, seed: 5 },
    });
    const text: number[] = [run.tokens[0] as number];
    for (const event of run.events) {
      if (event.kind !== "round") throw new Error(event.kind);
      for (const [i, parent] of event.parents.entries()) expect(parent).toBeLessThan(i);
      const path = event.accepted.map((row) => event.tokens[row] as number);
      for (const [depth, row] of event.accepted.entries())
        expect(event.parents[row]).toBe(depth === 0 ? -1 : event.accepted[depth - 1]);
      text.push(...path);
      if (text.length < run.tokens.length) text.push(event.next);
    }
    expect(text).toEqual(run.tokens);
    expect(run.events).toHaveLength(run.stats["calls"] as number);
  });

  it("ask for trees by parents, for chains as plain rows, and never for more rows than promised", () => {
    const requests: RowsRequest[] = [];
    const onRequest = (request: RowsRequest) => requests.push(request);
    runTable(beam.decode, {
      prompt,
      target,
      draft: alike,
      maxTokens: 40,
      sampling: { temperature: 1, seed: 5 },
      onRequest,
    });
    const own = requests.filter(({ by }) => by === undefined);
    expect(Math.max(...own.slice(1).map(({ tokens }) => tokens.length))).toBe(1 + 3 * 3);
    expect(own.some(({ sees }) => sees?.kind === "tree")).toBe(true);
    requests.length = 0;
    runTable(chain({ draft: "lookup" }).decode, { prompt, target, maxTokens: 40, onRequest });
    expect(requests.every(({ sees }) => sees === undefined)).toBe(true);
  });

  it("need the draft once a level, and no call for the last", () => {
    const { decode } = rsd({ draft: model, shape: "constant", branches: "2-2-2" });
    const run = runTable(decode, {
      prompt,
      target,
      draft: alike,
      maxTokens: 100,
      sampling: { temperature: 1, seed: 9 },
    });
    expect((run.stats["draftCalls"] as number) / (run.stats["calls"] as number)).toBeGreaterThan(2.8);
    expect((run.stats["draftCalls"] as number) / (run.stats["calls"] as number)).toBeLessThanOrEqual(3);
  });

  it("leave nothing behind when they are cancelled in their midst", () => {
    let closed = 0;
    let open = 0;
    const counting = (inner: ReturnType<typeof createSampler>): typeof inner => ({
      ...inner,
      fork() {
        open++;
        return counting(inner.fork());
      },
      close: () => closed++,
    });
    expect(() =>
      runTable(beam.decode, {
        ...{ prompt, draft: alike, maxTokens: 40, sampler: counting(createSampler({ temperature: 1, seed: 5 })) },
        target(text) {
          if (text.length > 12) throw new Error("cancelled");
          return target(text);
        },
      }),
    ).toThrow("cancelled");
    expect(open).toBeGreaterThan(0);
    expect(closed).toBe(open);
  });

  it("chains of lookups take no more calls than prompt-lookup", () => {
    for (const seed of [1, 2, 3]) {
      const looping = randomTable(vocabSize, seed, 4);
      const options = { prompt, target: (text: readonly number[]) => looping(text.slice(-2)), maxTokens: 120 };
      const lookup = runTable(promptLookup().decode, options);
      const line = runTable(chain().decode, options);
      expect(line.tokens).toEqual(lookup.tokens);
      expect(line.requests).toBeLessThanOrEqual(lookup.requests);
    }
  });
});

describe("options", () => {
  it.each([
    () => rsd({ width: 0 }),
    () => rsd({ width: 64, depth: 8, shape: "beam" }),
    () => rsd({ branches: "2-0" }),
    () => rsd({ branches: "2-x" }),
    () => rsd({ branches: "8-8-8", shape: "constant" }),
    () => rsd({ depth: 1.5 }),
    () => rsd({ draft: "exit" }),
    () => rsd({ draft: "nothing" }),
    () => chain({ depth: 0 }),
    () => specinfer({ branches: "" }),
    () => spectr({ branches: "513" }),
    () => topKTree({ draft: "model:" }),
  ])("%s is refused", (make) => {
    expect(make).toThrow(expect.objectContaining({ code: "bad-option" }));
  });

  it("name the draft that the engine is to load", () => {
    expect(rsd({ draft: "exit:8" }).draft).toBe("exit:8");
    expect(rsd().draft).toBeUndefined();
    expect(specinfer({ branches: 3 }).label).toBe("specinfer:branches=3");
  });
});
