import { describe, expect, it } from "vitest";
import { chain } from "../chain.js";
import type { DecodeContext, Decoder, DraftContext } from "../decoder.js";
import { ModelDraft } from "../draft/model-draft.js";
import { rsd } from "../rsd.js";
import { createSampler } from "../sample/sampler.js";
import { specinfer } from "../specinfer.js";
import { spectr } from "../spectr.js";
import { topKTree } from "../top-k-tree.js";
import { autoPlan } from "./auto-plan.js";
import { fixedShape } from "./plan.js";
import { recursiveRejection, type VerificationRule } from "./rules.js";
import { speculate } from "./speculate.js";
import { chiSquare, chiSquareTail, probabilities, randomTable, runTable, type TableModel } from "./table-model.case.js";

/** Level 2 of exactness: three tokens from models without structure, counted against the law of all 64 texts. */

const vocabSize = 4;
const runs = 60_000;
const target = randomTable(vocabSize, 11);
const draft = randomTable(vocabSize, 12);

const texts = Array.from({ length: vocabSize ** 3 }, (_, code) => [code >> 4, (code >> 2) & 3, code & 3]);

function lawOfTexts(model: TableModel, temperature: number): number[] {
  return texts.map((text) =>
    text.reduce((product, token, at) => {
      return product * (probabilities(model([1, ...text.slice(0, at)]), temperature)[token] as number);
    }, 1),
  );
}

function counted(decode: Decoder["decode"], { temperature = 1, count = runs } = {}) {
  const counts = texts.map(() => 0);
  let calls = 0;
  let tokens = 0;
  const sampler = createSampler({ temperature, seed: 1 });
  for (let stream = 0; stream < count; stream++) {
    const run = runTable(decode, { prompt: [1], target, draft, maxTokens: 3, sampler: sampler.fork(stream) });
    const [a, b, c] = run.tokens as [number, number, number];
    counts[16 * a + 4 * b + c]!++;
    calls += run.stats["calls"] as number;
    tokens += 2;
  }
  const expected = lawOfTexts(target, temperature).map((probability) => probability * count);
  const value = chiSquare(counts, expected);
  return { value, tail: chiSquareTail(value, texts.length - 1), tokensPerCall: tokens / calls };
}

const model = "model:TABLE";

/** Every call takes one unit of time, whatever its rows, so that the choice is always the same. */
function autoOnAClockOfCalls(context: DecodeContext): ReturnType<Decoder["decode"]> {
  let time = 0;
  return speculate(context, {
    draft: new ModelDraft(context.draft as DraftContext),
    plan: autoPlan({ width: 2, depth: 3, isFree: false }),
    rule: recursiveRejection,
    now: () => time++,
  });
}

const decoders: [name: string, Decoder, count?: number][] = [
  ["chain of 2", chain({ draft: model, depth: 2, adapt: false })],
  ["chain that adapts", chain({ draft: model, depth: 4 })],
  ["rsd constant 2-2", rsd({ draft: model, shape: "constant", branches: "2-2" })],
  ["rsd constant 3-1", rsd({ draft: model, shape: "constant", branches: "3-1" })],
  ["rsd beam 3 x 2", rsd({ draft: model, shape: "beam", width: 3, depth: 2 })],
  ["rsd beam 2 x 3", rsd({ draft: model, shape: "beam", width: 2, depth: 3 })],
  ["rsd auto", { ...rsd({ draft: model }), decode: autoOnAClockOfCalls }],
  ["specinfer 2-2", specinfer({ draft: model, branches: "2-2" })],
  ["spectr 3-1", spectr({ draft: model, branches: "3-1" })],
  ["top-k-tree 2-2", topKTree({ draft: model, branches: "2-2" }), 20_000],
  ["rsd with lookup", rsd({ draft: "lookup", shape: "beam" }), 20_000],
  ["rsd with n-grams", rsd({ draft: "ngram", shape: "constant", branches: "2-2" }), 20_000],
];

describe("output law over 64 texts", () => {
  it.each(decoders)("%s", { timeout: 60_000 }, (_, decoder, count) => {
    expect(decoder.exact).toBe(true);
    expect(counted(decoder.decode, { count }).tail).toBeGreaterThan(1e-3);
  });

  it("also at another temperature", { timeout: 60_000 }, () => {
    const { decode } = rsd({ draft: model, shape: "beam", width: 2, depth: 2 });
    expect(counted(decode, { temperature: 0.6, count: 20_000 }).tail).toBeGreaterThan(1e-3);
  });

  it("trees give more tokens a call than chains of the same depth", { timeout: 60_000 }, () => {
    const perCall = (decoder: Decoder) => counted(decoder.decode, { count: 3000 }).tokensPerCall;
    const line = perCall(chain({ draft: model, depth: 2, adapt: false }));
    const constant = perCall(rsd({ draft: model, shape: "constant", branches: "2-2" }));
    const independent = perCall(specinfer({ draft: model, branches: "2-2" }));
    expect(constant).toBeGreaterThan(independent);
    expect(independent).toBeGreaterThan(line);
  });

  /** Draws of a node in another order than they were drawn, as if they had been drawn so. */
  const sorted: VerificationRule = (t, q, draws, accept) => {
    const weightOf = (token: number) => q.weights[q.tokens.indexOf(token)] as number;
    const order = [...draws].sort((a, b) => weightOf(b.token) - weightOf(a.token));
    let rest = q.total;
    const again = order.map(({ token }) => {
      const draw = { token, rest };
      rest -= weightOf(token);
      return draw;
    });
    const { accepted, residual } = recursiveRejection(t, q, again, accept);
    return { accepted: accepted < 0 ? accepted : draws.indexOf(order[accepted] as (typeof draws)[number]), residual };
  };

  const withRule =
    (rule: VerificationRule): Decoder["decode"] =>
    (context) =>
      speculate(context, {
        draft: new ModelDraft(context.draft as DraftContext),
        plan: fixedShape({ kind: "constant", branches: [2, 2] }),
        rule,
      });

  it("is seen to be wrong where siblings are tested in order of probability", { timeout: 60_000 }, () => {
    const { value, tail } = counted(withRule(sorted));
    expect(tail).toBeLessThan(1e-6);
    expect(value).toBeGreaterThan(1000);
  });

  it("is seen to be wrong where the draft's law is not the one drawn from", { timeout: 60_000 }, () => {
    const { tail } = counted(
      withRule((t, q, draws, accept) =>
        recursiveRejection(t, { ...q, weights: q.weights.toReversed() }, draws, accept),
      ),
      { count: 20_000 },
    );
    expect(tail).toBeLessThan(1e-6);
  });
});
