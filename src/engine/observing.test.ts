import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { full } from "../cache/full.js";
import { type CachePolicy, type CacheView, cachePolicy, type Edit, type PolicyNeeds } from "../cache/policy.js";
import { autoregressive } from "../decode/autoregressive.js";
import { createSampler } from "../decode/sample/sampler.js";
import { plainLogits, type TinyModel, tinyShape, writeTinyModel } from "../models/tiny-models.case.js";
import { byteTokenizer } from "../text/grammar/byte-tokenizer.case.js";
import { Engine } from "./engine.js";
import { type LoadedModel, loadModel } from "./model.js";
import { sarathi } from "./schedule/sarathi.js";
import { worst } from "./worst-difference.case.js";

/** What policies observe, against attention computed over plain numbers. */

interface Seen {
  columnSums: Float32Array | undefined;
  rows: Float32Array | undefined;
  rowCount: number | undefined;
  keys: Float32Array | undefined;
  values: Float32Array | undefined;
  positions: Int32Array;
}

interface Log {
  /** By hook, then "layer head". */
  readonly calls: { hook: string; tokens: number; seen: Map<string, Seen> }[];
}

/** A policy that writes down all it is shown, and makes the edits that `edit` says. */
function watching(
  log: Log,
  needs: PolicyNeeds,
  edit?: (view: CacheView, hook: string, managed: readonly number[], kvHeads: number) => Edit[],
): CachePolicy {
  return cachePolicy({
    name: "watching",
    title: "Writes down what it sees",
    options: z.object({}),
    needs,
    create: (_options, { managedLayers, kvHeads }) => {
      const note =
        (hook: string) =>
        (view: CacheView): Edit[] => {
          const seen = new Map<string, Seen>();
          for (const layer of managedLayers) {
            for (let head = 0; head < kvHeads; head++) {
              const { columnSums, rows, rowCount, keys, values, positions } = view.entries(layer, head);
              seen.set(`${layer} ${head}`, { columnSums, rows, rowCount, keys, values, positions });
            }
          }
          log.calls.push({ hook, tokens: view.tokens, seen });
          return edit?.(view, hook, managedLayers, kvHeads) ?? [];
        };
      const run = {
        afterPrefillSlice: note("slice"),
        afterPrefill: note("prefill"),
        afterStep: note("step"),
        clone: () => run,
      };
      return run;
    },
  })();
}

const tokenizer = byteTokenizer();

async function generate(engine: Engine, prompt: Int32Array, policy: CachePolicy, maxTokens: number) {
  const sequence = engine.start({
    prompt,
    decoder: autoregressive(),
    policy,
    sampler: createSampler(),
    maxTokens,
    ignoreEnd: true,
  });
  const tokens: number[] = [];
  try {
    for await (const piece of sequence.pieces) if (piece.token >= 0) tokens.push(piece.token);
  } finally {
    await engine.settle(sequence);
    engine.release(sequence);
  }
  return { tokens, stats: sequence.stats };
}

const prompt = tokenizer.encode(
  "what the newest rows of a prompt look at, and what every entry has received. ".repeat(2),
);

describe.each(["llama", "qwen2", "qwen3", "gemma3"] as const)("%s", (architecture) => {
  let tiny: TinyModel;
  let model: LoadedModel;
  beforeAll(async () => {
    tiny = await writeTinyModel(tinyShape(architecture, tokenizer.vocabSize), 5);
    model = await loadModel(tiny.path, { device: "cpu", threads: 1 });
  });
  afterAll(() => model.close());

  // GELU comes from a table of f16 numbers in ggml.
  const tolerance = architecture === "gemma3" ? 5e-3 : 2e-4;
  const needs = { columnSums: true, promptRows: 9, stepRow: true, keys: true, values: true };

  it.each([512, 50, 7])("shows what plain attention gives, in slices of %i", async (budget) => {
    const engine = new Engine(model, tokenizer, { cacheType: "f32", schedule: sarathi({ budget }), maxSequences: 4 });
    const log: Log = { calls: [] };
    const { tokens } = await generate(engine, prompt, watching(log, needs), 5);
    const whole = [...prompt, ...tokens];
    /** weights[layer][head][query][key] */
    const weights: number[][][][] = [];
    const entries = new Map<string, { key: number[]; value: number[] }>();
    plainLogits(tiny, whole.slice(0, -1), {
      weights: (layer, head, position, held, shares) => {
        weights[layer] ??= [];
        const ofLayer = weights[layer] as number[][][];
        ofLayer[head] ??= [];
        (ofLayer[head] as number[][])[position] = shares;
        const kv = Math.floor(head / 2);
        for (const { position: at, key, value } of held) entries.set(`${layer} ${kv} ${at}`, { key, value });
      },
    });
    const hooks = log.calls.map(({ hook }) => hook);
    expect(hooks.filter((hook) => hook === "slice")).toHaveLength(Math.ceil(prompt.length / budget) - 1);
    expect(hooks.filter((hook) => hook === "prefill")).toHaveLength(1);
    expect(hooks.filter((hook) => hook === "step")).toHaveLength(4);
    let difference = 0;
    for (const { hook, tokens: held, seen } of log.calls) {
      for (const [key, { columnSums, rows, rowCount, keys, values, positions }] of seen) {
        const [layer = 0, kv = 0] = key.split(" ").map(Number);
        const ofHead = (member: number) => (weights[layer] as number[][][])[2 * kv + member] as number[][];
        expect(Array.from(positions)).toEqual(Array.from({ length: held }, (_, i) => i));
        const sums = Array.from({ length: held }, (_, column) => {
          let sum = 0;
          for (let member = 0; member < 2; member++)
            for (let query = column; query < held; query++) sum += (ofHead(member)[query]?.[column] ?? 0) / 2;
          return sum;
        });
        difference = Math.max(difference, worst(columnSums, sums) / 10);
        const count = hook === "step" ? 1 : Math.min(9, held);
        expect(rowCount).toBe(count);
        const expected: number[] = [];
        for (let member = 0; member < 2; member++)
          for (let row = 0; row < count; row++)
            for (let column = 0; column < held; column++)
              expected.push(ofHead(member)[held - count + row]?.[column] ?? 0);
        difference = Math.max(difference, worst(rows, expected));
        const plain = Array.from(positions, (at) => entries.get(`${layer} ${kv} ${at}`));
        difference = Math.max(
          difference,
          worst(
            keys,
            plain.flatMap((entry) => entry?.key ?? []),
          ) / 10,
        );
        difference = Math.max(
          difference,
          worst(
            values,
            plain.flatMap((entry) => entry?.value ?? []),
          ) / 10,
        );
      }
    }
    expect(difference).toBeLessThan(tolerance);
    await engine.close();
  });

  it("computes the same with and without a watcher, bit for bit", async () => {
    const engine = new Engine(model, tokenizer);
    const plain = await generate(engine, prompt, full(), 30);
    const watched = await generate(engine, prompt, watching({ calls: [] }, needs), 30);
    expect(watched.tokens).toEqual(plain.tokens);
    await engine.close();
  });

  it("lets a policy keep other entries in every head, and goes on from there", async () => {
    /** Which positions of the prompt a head keeps: equally many in every head of a layer. */
    const keeps = (layer: number, head: number, position: number) =>
      position >= prompt.length || (position + head) % (layer + 2) === 0 || position < 3;
    const evenCount = (layer: number, head: number) =>
      [...prompt.keys()].filter((position) => keeps(layer, head, position)).slice(-40);
    const log: Log = { calls: [] };
    const policy = () =>
      watching(log, {}, (view, hook, managed, kvHeads) =>
        hook !== "prefill"
          ? []
          : managed.flatMap((layer) =>
              Array.from({ length: kvHeads }, (_, kvHead): Edit => {
                const { slots, positions } = view.entries(layer, kvHead);
                const kept = new Set(evenCount(layer, kvHead));
                return { kind: "keep", layer, kvHead, slots: slots.filter((_, i) => kept.has(positions[i] ?? -1)) };
              }),
            ),
      );
    const engine = new Engine(model, tokenizer, { cacheType: "f32" });
    const { tokens, stats } = await generate(engine, prompt, policy(), 12);
    const whole = [...prompt, ...tokens];
    const logits = plainLogits(tiny, whole.slice(0, -1), {
      entries: (layer, head, position, all) => {
        if (position < prompt.length) return all;
        const kept = new Set(evenCount(layer, head));
        return all.filter((entry) => entry.position >= prompt.length || kept.has(entry.position));
      },
    });
    for (const [i, token] of tokens.entries()) {
      const row = logits[prompt.length - 1 + i] as number[];
      // Greedy: no other token may be likelier by more than the difference of the computations.
      expect(Math.max(...row) - (row[token] as number)).toBeLessThan(4 * tolerance);
    }
    expect(log.calls.at(-1)?.seen.values().next().value?.positions).toHaveLength(40 + 11);
    if (architecture !== "gemma3") expect(stats.cacheEntries).toBe(51);
    await engine.close();
  });
});
