import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { full } from "../cache/full.js";
import type { CachePolicy } from "../cache/policy.js";
import { window } from "../cache/window.js";
import { autoregressive } from "../decode/autoregressive.js";
import type { Decoder } from "../decode/decoder.js";
import { promptLookup } from "../decode/prompt-lookup.js";
import { createSampler } from "../decode/sample/sampler.js";
import { tinyShape, writeTinyModel } from "../models/tiny-models.case.js";
import { byteTokenizer } from "../text/grammar/byte-tokenizer.case.js";
import { Engine } from "./engine.js";
import type { ObservedPass } from "./engine-observer.js";
import type { EngineOptions } from "./engine-options.js";
import { measureCosts } from "./measure-costs.js";
import { type LoadedModel, loadModel } from "./model.js";
import { prefillOnly } from "./schedule/prefill-only.js";
import { requestLevel } from "./schedule/request-level.js";
import { sarathi } from "./schedule/sarathi.js";
import { wholePrefill } from "./schedule/whole-prefill.js";
import type { Sequence } from "./sequence.js";

const architectures = ["llama", "qwen2", "qwen3", "gemma3"] as const;
const tokenizer = byteTokenizer();

interface Ask {
  text: string;
  decoder?: Decoder;
  policy?: CachePolicy;
  maxTokens?: number;
  user?: string;
  scope?: string;
  signal?: AbortSignal;
  keepMemory?: boolean;
}

function begin(engine: Engine, { text, maxTokens = 24, decoder = autoregressive(), ...rest }: Ask): Sequence {
  return engine.start({
    policy: full(),
    ...rest,
    decoder,
    prompt: tokenizer.encode(text),
    sampler: createSampler(),
    maxTokens,
    ignoreEnd: true,
  });
}

async function ask(engine: Engine, request: Ask) {
  const sequence = begin(engine, request);
  const tokens: number[] = [];
  for await (const piece of sequence.pieces) if (piece.token >= 0) tokens.push(piece.token);
  return { tokens, stats: sequence.stats, sequence };
}

const texts = (...requests: Ask[]) => requests;
const shared =
  "a long beginning that all of these have in common, word for word, and that is worth computing once: ".repeat(2);
const requests = texts(
  { text: `${shared}one` },
  { text: "short" },
  { text: `${shared}two, and more` },
  { text: "x".repeat(150) },
  { text: "0123456789".repeat(20), maxTokens: 60 },
  { text: `${shared}three` },
  { text: "repeat repeat repeat repeat repeat", decoder: promptLookup({ draft: 6, ngram: 2 }), maxTokens: 60 },
  { text: "0123456789".repeat(12), policy: window({ budget: 400 }), maxTokens: 40 },
);

describe.each(architectures)("%s", (architecture) => {
  let model: LoadedModel;
  beforeAll(async () => {
    const tiny = await writeTinyModel(tinyShape(architecture, tokenizer.vocabSize), 3);
    model = await loadModel(tiny.path, { device: "cpu", threads: 1 });
  });
  afterAll(() => model.close());

  it("gives every request the text it gets alone: batched, sliced, preempted, with shared prefixes, by any schedule", async () => {
    const open = (options: EngineOptions = {}) => new Engine(model, tokenizer, { cacheType: "f32", ...options });
    const alone = open({ prefixSharing: false });
    const expected: number[][] = [];
    for (const request of requests) expected.push((await ask(alone, request)).tokens);
    await alone.close();
    const tight = alone.memory.bytesFor(1100);
    const settings: EngineOptions[] = [
      ...[7, 16, 64, 1e9].map((budget) => ({ schedule: sarathi({ budget }), maxSequences: 7 })),
      { schedule: sarathi({ budget: 16, cap: 8 }), prefixSharing: false },
      { schedule: sarathi({ budget: 1 }), maxSequences: 1 },
      { schedule: wholePrefill() },
      { schedule: prefillOnly({ budget: 20 }) },
      { schedule: requestLevel(), maxSequences: 3 },
      { schedule: sarathi({ budget: 32 }), cacheMemoryBytes: tight },
      { schedule: sarathi({ budget: 32 }), cacheMemoryBytes: tight, prefixSharing: false },
    ];
    // One architecture in every setting, the others in those that differ most.
    for (const setting of architecture === "llama" ? settings : [0, 4, 9].map((i) => settings[i])) {
      const engine = open(setting);
      const together = await Promise.all(requests.map((request) => ask(engine, request)));
      expect(together.map(({ tokens }) => tokens)).toEqual(expected);
      // Again, with everything known that was asked before.
      const again = await Promise.all(requests.toReversed().map((request) => ask(engine, request)));
      expect(again.map(({ tokens }) => tokens)).toEqual(expected.toReversed());
      expect(engine.live).toBe(0);
      expect(engine.memory.stores).toBe(0);
      await engine.close();
      expect(engine.memory.heldBytes).toBe(0);
    }
  });
});

describe("engine", () => {
  let model: LoadedModel;
  beforeAll(async () => {
    const tiny = await writeTinyModel(tinyShape("llama", tokenizer.vocabSize), 3);
    model = await loadModel(tiny.path, { device: "cpu", threads: 1 });
  });
  afterAll(() => model.close());

  const open = (options: EngineOptions = {}) => new Engine(model, tokenizer, { cacheType: "f32", ...options });
  const watched = (options: EngineOptions = {}) => {
    const passes: ObservedPass[] = [];
    const engine = open({ ...options, observer: { onPass: (pass) => passes.push(pass) } });
    return { engine, passes };
  };

  describe("shared prefixes", () => {
    it("are computed once, also by requests that come together", async () => {
      const { engine, passes } = watched({ schedule: sarathi({ budget: 64 }) });
      const asked = Array.from({ length: 6 }, (_, i) => ({ text: `${shared}${i}`, maxTokens: 2 }));
      const answers = await Promise.all(asked.map((request) => ask(engine, request)));
      const prompt = tokenizer.encode(asked[0]?.text ?? "").length;
      const computed = passes.flatMap(({ slices }) => slices).reduce((sum, { rows }) => sum + rows, 0);
      // The first computes all; the others what follows the last whole page of the common part.
      expect(computed).toBeLessThanOrEqual(prompt + 5 * 17);
      expect(answers.map(({ stats }) => stats.cachedTokens > 0)).toEqual([false, true, true, true, true, true]);
      const { queries, hits } = engine.memory.prefixes?.counters ?? { queries: 0, hits: 0 };
      expect(queries).toBe(6 * (prompt - 1));
      expect(hits).toBe(answers.reduce((sum, { stats }) => sum + stats.cachedTokens, 0));
      await engine.close();
    });

    it("are found again after an answer, up to its end", async () => {
      const engine = open();
      const first = await ask(engine, { text: shared, maxTokens: 40 });
      const longer = Int32Array.from([...tokenizer.encode(shared), ...first.tokens, 65, 66, 67]);
      const second = engine.start({
        ...{ prompt: longer, decoder: autoregressive(), policy: full(), sampler: createSampler(), maxTokens: 2 },
      });
      for await (const _ of second.pieces);
      // The last token of an answer is never evaluated, and pages are whole.
      expect(second.stats.cachedTokens).toBe(Math.floor((longer.length - 4) / 16) * 16);
      await engine.close();
    });

    it("stay apart between scopes, and from policies that drop", async () => {
      const engine = open();
      await ask(engine, { text: shared, scope: "ann" });
      expect((await ask(engine, { text: shared, scope: "bob" })).stats.cachedTokens).toBe(0);
      expect((await ask(engine, { text: shared, scope: "ann" })).stats.cachedTokens).toBeGreaterThan(100);
      const policy = window({ budget: 400 });
      expect((await ask(engine, { text: shared, scope: "ann", policy })).stats.cachedTokens).toBe(0);
      await ask(engine, { text: "y".repeat(100), policy });
      expect((await ask(engine, { text: "y".repeat(100) })).stats.cachedTokens).toBe(0);
      await engine.close();
    });
  });

  describe("memory", () => {
    it("is never more than allowed; the newest gives way and comes back", async () => {
      const limit = open().memory.bytesFor(64 * 20);
      const { engine, passes } = watched({ cacheMemoryBytes: limit, schedule: sarathi({ budget: 64 }) });
      const drafting = promptLookup({ draft: 4, ngram: 2 });
      const asked: Ask[] = Array.from({ length: 5 }, (_, i) => ({ text: `${i}`.repeat(40), maxTokens: 900 }));
      asked[1] = { ...(asked[1] as Ask), decoder: drafting };
      const answers = await Promise.all(asked.map((request) => ask(engine, request)));
      expect(engine.preemptions).toBeGreaterThan(0);
      expect(answers[0]?.stats.preemptions).toBe(0);
      expect(answers[1]?.stats.preemptions).toBeGreaterThan(0);
      expect(Math.max(...passes.map(({ cacheBytes }) => cacheBytes))).toBeLessThanOrEqual(limit);
      expect(passes.every(({ cacheLimitBytes }) => cacheLimitBytes === limit)).toBe(true);
      expect(answers.map(({ tokens }) => tokens.length)).toEqual(asked.map(() => 900));
      const alone = open();
      for (const [i, { tokens, stats }] of answers.entries())
        if (stats.preemptions > 0)
          expect(tokens).toEqual((await ask(alone, { ...(asked[i] as Ask), decoder: undefined })).tokens);
      await alone.close();
      await engine.close();
    });

    it("refuses at once what can never fit", async () => {
      const engine = open({ cacheMemoryBytes: open().memory.bytesFor(256) });
      expect(() => begin(engine, { text: "x".repeat(100), maxTokens: 200 })).toThrow(
        expect.objectContaining({ code: "budget-exceeded", expected: `at most ${engine.memory.limitBytes} bytes` }),
      );
      expect(engine.live).toBe(0);
      expect((await ask(engine, { text: "x".repeat(100), maxTokens: 100 })).tokens).toHaveLength(100);
      await engine.close();
    });

    it("runs policies that drop one after the other where their prompts do not fit together", async () => {
      const policy = window({ budget: 40 });
      const { engine, passes } = watched({ cacheMemoryBytes: open().memory.bytesFor(320) });
      const asked = [1, 2, 3].map((i) => ({ text: `${i}`.repeat(200), policy, maxTokens: 50 }));
      const answers = await Promise.all(asked.map((request) => ask(engine, request)));
      expect(answers.map(({ tokens }) => tokens.length)).toEqual([50, 50, 50]);
      expect(engine.preemptions).toBe(0);
      expect(passes[0]).toMatchObject({ running: 1, waiting: 2 });
      await engine.close();
    });

    it("takes what waits for a next turn when others need room, and the next turn computes it anew", async () => {
      const engine = open({ cacheMemoryBytes: open().memory.bytesFor(640), prefixSharing: false });
      const text = "z".repeat(100);
      const first = await ask(engine, { text, keepMemory: true, maxTokens: 20 });
      const held = first.sequence.held();
      expect(engine.memory.stores).toBe(1);
      await ask(engine, { text: "w".repeat(300), maxTokens: 250 });
      expect(engine.memory.stores).toBe(0);
      const prompt = Int32Array.from([...tokenizer.encode(text), ...first.tokens]);
      const next = engine.start({
        ...{ prompt, resume: held, decoder: autoregressive(), policy: full(), sampler: createSampler(), maxTokens: 2 },
      });
      for await (const _ of next.pieces);
      expect(next.stats.cachedTokens).toBe(0);
      expect(next.stats.completionTokens).toBe(2);
      engine.release(held);
      await engine.close();
    });
  });

  describe("cancelling", () => {
    it("frees memory before the next pass, and takes waiting requests out of the queue", async () => {
      const engine = open({ maxSequences: 2, schedule: sarathi({ budget: 16 }), prefixSharing: false });
      const stop = new AbortController();
      const endless = [0, 1, 2, 3].map((i) =>
        begin(engine, { text: `${i}`.repeat(50), maxTokens: 4000, signal: stop.signal }),
      );
      const ended = Promise.allSettled(
        endless.map(async (sequence) => {
          for await (const _ of sequence.pieces);
        }),
      );
      await vi.waitFor(() => expect(engine.running).toHaveLength(2));
      expect(engine.waiting).toHaveLength(2);
      expect(engine.cancel(2)).toBe(true);
      expect(engine.cancel(99)).toBe(false);
      await engine.settle(endless[0] as Sequence);
      expect(engine.memory.stores).toBeLessThanOrEqual(2);
      stop.abort();
      expect((await ended).map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected", "rejected"]);
      expect((await ask(engine, { text: "and on", maxTokens: 5 })).tokens).toHaveLength(5);
      expect(engine.memory.stores).toBe(0);
      await engine.close();
    });

    it("leaves nothing behind after hundreds of requests that end in every way", async () => {
      let seed = 7;
      const random = (limit: number) => {
        seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
        return Math.floor((seed / 2 ** 32) * limit);
      };
      const outcomes: Record<string, number> = {};
      const engine = open({
        maxSequences: 4,
        schedule: sarathi({ budget: 24 }),
        cacheMemoryBytes: open().memory.bytesFor(1400),
        observer: {
          onEnd: ({ outcome }) => {
            outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
          },
        },
      });
      const one = async () => {
        const sequence = begin(engine, {
          text: `${random(3) === 0 ? shared : ""}${"abc"[random(3)]?.repeat(1 + random(90))}`,
          maxTokens: 1 + random(40),
          user: `user ${random(3)}`,
          policy: random(4) === 0 ? window({ budget: 30 }) : full(),
        });
        const leaveAfter = random(3) === 0 ? random(12) : Number.POSITIVE_INFINITY;
        let read = 0;
        try {
          if (leaveAfter > 0) for await (const _ of sequence.pieces) if (++read >= leaveAfter) break;
        } finally {
          await engine.settle(sequence);
        }
      };
      for (let round = 0; round < 30; round++) {
        await Promise.all(Array.from({ length: 1 + random(14) }, one));
        expect(engine.memory.heldBytes).toBeLessThanOrEqual(engine.memory.limitBytes);
        expect(engine.memory.stores).toBe(0);
        expect(engine.memory.heldBytes).toBe(engine.memory.prefixes?.bytes);
      }
      expect(outcomes["failed"]).toBeUndefined();
      expect(outcomes["finished"]).toBeGreaterThan(50);
      expect(outcomes["cancelled"]).toBeGreaterThan(10);
      expect(engine.live).toBe(0);
      await engine.close();
      expect(engine.memory.heldBytes).toBe(0);
    });
  });

  describe("scheduling", () => {
    it("carries every decode in every pass while a long prompt comes in, and says so", async () => {
      const passes: ObservedPass[] = [];
      let decoding = 0;
      let document: ReturnType<typeof ask> | undefined;
      const engine = open({
        schedule: sarathi({ budget: 16 }),
        prefixSharing: false,
        observer: {
          onPass: (pass) => passes.push(pass),
          onToken: ({ first }) => {
            if (first && ++decoding === 3)
              document = ask(engine, { text: "d".repeat(300), maxTokens: 3, user: "document" });
          },
        },
      });
      await Promise.all([0, 1, 2].map((i) => ask(engine, { text: `chat ${i}`, maxTokens: 80, user: "chat" })));
      const id = (await document)?.sequence.id;
      const during = passes.filter(({ slices }) => slices.some(({ request }) => request === id));
      expect(
        during.map(({ decodeRows, slices }) => [decodeRows, slices.map(({ user, rows }) => `${user} ${rows}`)]),
      ).toEqual(
        Array.from({ length: 24 }, (_, i) => [
          3,
          [`document ${i < 23 ? 13 : tokenizer.encode("d".repeat(300)).length - 23 * 13}`],
        ]),
      );
      await engine.close();
    });

    it("runs no more at once than allowed, and lets a user with one request pass one with many", async () => {
      const { engine, passes } = watched({ maxSequences: 2, schedule: sarathi({ budget: 64 }), prefixSharing: false });
      const order: string[] = [];
      const named = async (user: string, i: number) => {
        await ask(engine, { text: `${user} ${i}`, user, maxTokens: 6 });
        order.push(user);
      };
      await Promise.all([...[0, 1, 2, 3, 4, 5].map((i) => named("many", i)), named("one", 0)]);
      expect(Math.max(...passes.map(({ running }) => running))).toBeLessThanOrEqual(2);
      expect(order.indexOf("one")).toBeLessThanOrEqual(2);
      await engine.close();
    });

    it("tells of first and later tokens with their times", async () => {
      const firsts: number[] = [];
      const later: number[] = [];
      const engine = open({ observer: { onToken: ({ seconds, first }) => (first ? firsts : later).push(seconds) } });
      const { stats } = await ask(engine, { text: "times", maxTokens: 10 });
      expect(firsts).toEqual([stats.secondsToFirstToken]);
      expect(later).toHaveLength(9);
      expect(stats.secondsToFirstToken + later.reduce((sum, seconds) => sum + seconds, 0)).toBeLessThanOrEqual(
        stats.seconds,
      );
      expect(stats.secondsQueued).toBeLessThanOrEqual(stats.secondsToFirstToken);
      await engine.close();
    });

    it("plans by measured costs", async () => {
      const costs = await measureCosts(model, { cacheType: "f32", contextTokens: 512 });
      expect(costs.points.map(({ rows }) => rows)).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256]);
      expect(costs.predict({ rows: 256, keys: 0, tiledKeys: 256 * 128 })).toBeGreaterThan(
        costs.predict({ rows: 1, keys: 1, tiledKeys: 0 }),
      );
      const engine = open({ schedule: sarathi({ "tbt-target": 5 }), costs });
      const answers = await Promise.all(requests.slice(0, 5).map((request) => ask(engine, request)));
      expect(answers.every(({ tokens }) => tokens.length > 0)).toBe(true);
      await engine.close();
    });

    it("refuses seats and limits that make no sense", () => {
      expect(() => open({ maxSequences: 0 })).toThrow(/at once/);
      expect(() => open({ maxSequences: 1.5 })).toThrow(/at once/);
      expect(() => open({ cacheMemoryBytes: 0 })).toThrow(/memory/);
      expect(() => open({ schedule: sarathi({ budget: 4 }), maxSequences: 8 })).toThrow(/budget of 4/);
    });
  });
});
