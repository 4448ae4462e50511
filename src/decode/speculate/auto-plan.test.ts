import { describe, expect, it } from "vitest";
import { autoregressive } from "../autoregressive.js";
import type { Decoder } from "../decoder.js";
import { LookupDraft } from "../draft/lookup.js";
import { ModelDraft } from "../draft/model-draft.js";
import { autoPlan } from "./auto-plan.js";
import { CallCosts } from "./call-costs.js";
import { recursiveRejection } from "./rules.js";
import { speculate } from "./speculate.js";
import { randomOf, randomTable, runTable, type TableModel } from "./table-model.case.js";

/** A machine whose time is computed: what a call of the target, or of the draft, costs by its rows. */
interface Machine {
  target(rows: number): number;
  draft?(rows: number): number;
}

function timed(machine: Machine, { target, draft, tokens = 400, prompt = [1, 2, 3] }: Work, seed = 3) {
  let time = 0;
  let reading = 0;
  const decode: Decoder["decode"] = (context) =>
    speculate(context, {
      draft:
        draft === undefined ? new LookupDraft() : new ModelDraft(context.draft as NonNullable<typeof context.draft>),
      plan: autoPlan({ width: 3, depth: 15, isFree: draft === undefined }),
      rule: recursiveRejection,
      now: () => time,
    });
  let calls = 0;
  const run = runTable(decode, {
    ...{ prompt, target, draft, maxTokens: tokens, sampling: { temperature: draft === undefined ? 0 : 1, seed } },
    onRequest({ tokens: rows, by }) {
      const ms = by === "draft" ? (machine.draft?.(rows.length) ?? 0) : machine.target(rows.length);
      if (calls++ === 0 || (by === "draft" && rows.length > 2)) reading += ms;
      time += ms;
    },
  });
  return { run, ms: time - reading, plainMs: (tokens - 1) * machine.target(1) };
}

interface Work {
  readonly target: TableModel;
  readonly draft?: TableModel;
  readonly tokens?: number;
  readonly prompt?: readonly number[];
}

const affine = (slope: number) => (rows: number) => 10 * (1 + slope * (rows - 1));

/** A model that recites a text, with a slip now and then. */
function reciting(text: readonly number[], slips: number): TableModel {
  const noise = randomTable(50, 5, 1);
  return (soFar) => {
    const logits = Array.from(noise(soFar.slice(-4)));
    const random = randomOf(soFar.length * 7919);
    random();
    if (random() >= slips) logits[text[soFar.length % text.length] as number] = 20;
    return logits;
  };
}

const recited = Array.from({ length: 120 }, (_, i) => (i * 31 + ((i * i) % 17)) % 50);
const quoting: Work = { target: reciting(recited, 0.01), prompt: [...recited, ...recited.slice(0, 4)] };
/** Every text goes on in its own way: what followed before says nothing. */
const novel: Work = { target: randomTable(50, 9, 6) };

describe("shapes chosen by what pays", () => {
  it("halves the time of quotations at least, where rows are cheap enough", () => {
    const { ms, plainMs, run } = timed({ target: affine(0.3) }, quoting);
    expect(plainMs / ms).toBeGreaterThan(2);
    expect(run.stats["tokensPerCall"]).toBeGreaterThan(4);
    const cheap = timed({ target: affine(0.05) }, quoting);
    expect(cheap.plainMs / cheap.ms).toBeGreaterThan(4);
  });

  it.each([0.3, 0.6, 1])("loses less than 3 %% where drafts are never right and a row costs %s", (slope) => {
    const { ms, plainMs } = timed({ target: affine(slope) }, novel);
    expect(ms / plainMs).toBeLessThan(1.03);
  });

  it("loses less than 3 % where rows cost as much together as apart, however right drafts are", () => {
    const { ms, plainMs, run } = timed({ target: affine(1) }, quoting);
    expect(ms / plainMs).toBeLessThan(1.03);
    expect(run.stats["plainCalls"]).toBeGreaterThan(300);
  });

  it("uses a draft model that is alike and cheap", () => {
    const alike: Work = { target: randomTable(6, 5, 4), draft: randomTable(6, 5, 3) };
    const { ms, plainMs } = timed({ target: affine(0.1), draft: (rows) => 1 + 0.1 * rows }, alike);
    expect(plainMs / ms).toBeGreaterThan(1.8);
  });

  it.each([
    ["wrong", { target: randomTable(6, 5, 6), draft: randomTable(6, 6, 6) }, 1],
    ["dear", { target: randomTable(6, 5, 4), draft: randomTable(6, 5, 3) }, 12],
  ] as [string, Work, number][])("gives up a draft model that is %s, at less than 3 %%", (_, work, draftMs) => {
    const { ms, plainMs } = timed({ target: affine(0.3), draft: () => draftMs }, { ...work, tokens: 800 });
    expect(ms / plainMs).toBeLessThan(1.03);
  });

  it("is not frightened for good by a machine that stumbles", () => {
    const random = randomOf(12);
    const stumbling = (rows: number) => affine(0.3)(rows) * (random() < 0.1 ? 6 : 0.8 + 0.4 * random());
    const { run } = timed({ target: stumbling }, quoting);
    expect(run.stats["tokensPerCall"]).toBeGreaterThan(3);
  });

  it("gives the greedy tokens of plain decoding whatever time does", () => {
    const plain = runTable(autoregressive().decode, {
      prompt: quoting.prompt as number[],
      target: quoting.target,
      maxTokens: 400,
    });
    for (const slope of [0.05, 0.3, 1]) {
      const random = randomOf(slope * 100);
      const { run } = timed({ target: (rows) => affine(slope)(rows) * random() }, quoting);
      expect(run.tokens).toEqual(plain.tokens);
    }
  });
});

describe("what calls cost", () => {
  it("is guessed from the prompt, then seen, with a line between sizes", () => {
    const costs = new CallCosts();
    costs.prompt(100, 200);
    costs.observe(1, 10);
    expect(costs.predict(6)).toBeCloseTo(20);
    for (let i = 0; i < 60; i++) costs.observe(9, 34);
    expect(costs.predict(9)).toBeCloseTo(34, 0);
    expect(costs.predict(5)).toBeGreaterThan(costs.predict(1));
    expect(costs.predict(5)).toBeLessThan(costs.predict(9));
    for (let i = 0; i < 60; i++) costs.observe(1, 20);
    expect(costs.predict(1)).toBeCloseTo(20, 0);
  });
});
