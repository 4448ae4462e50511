import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { full } from "../cache/full.js";
import { type CachePolicy, type CacheView, cachePolicy, type PolicyRun } from "../cache/policy.js";
import type { LayerReading } from "../cache/reading/layer-reading.js";
import { window } from "../cache/window.js";
import { autoregressive } from "../decode/autoregressive.js";
import { createSampler } from "../decode/sample/sampler.js";
import { type TinyModel, tinyShape, writeTinyModel } from "../models/tiny-models.case.js";
import type { Tensor } from "../tensor/tensor.js";
import { byteTokenizer } from "../text/grammar/byte-tokenizer.case.js";
import { Engine } from "./engine.js";
import { type LoadedModel, loadModel } from "./model.js";
import { sarathi } from "./schedule/sarathi.js";

/** Policies that build the attention of a layer themselves. */

const tokenizer = byteTokenizer();
const prompt = tokenizer.encode(
  "a policy may read what it likes, in its own way, as long as the shapes fit. ".repeat(2),
);

async function generate(engine: Engine, policy: CachePolicy, maxTokens = 12, tokens = prompt) {
  const sequence = engine.start({
    prompt: tokens,
    decoder: autoregressive(),
    policy,
    sampler: createSampler(),
    maxTokens,
    ignoreEnd: true,
  });
  const out: number[] = [];
  try {
    for await (const piece of sequence.pieces) if (piece.token >= 0) out.push(piece.token);
  } finally {
    await engine.settle(sequence);
    engine.release(sequence);
  }
  return out;
}

/** A policy made of a reader and a hook that sees the outputs. */
function reads(
  reader: Partial<PolicyRun>,
  { raw = false, see }: { raw?: boolean; see?: (view: CacheView) => void } = {},
): CachePolicy {
  return cachePolicy({
    name: "reads",
    title: "Reads by its own rule",
    options: z.object({}),
    needs: { raw },
    create: () => {
      const hook = (view: CacheView) => {
        see?.(view);
        return [];
      };
      const run: PolicyRun = { ...reader, afterPrefill: hook, afterStep: hook, clone: () => run };
      return run;
    },
  })();
}

/** soft-max(q·kᵀ)·v in plain operations, keys given. */
function plainRead({ queries, values, mask, scale }: LayerReading, keys: Tensor): Tensor {
  const [heads = 1, rows = 1, width = 1] = queries.shape;
  const groups = values.size(0);
  const weights = queries.cont().linear(keys).softmax({ mask, scale });
  const byGroup = weights.reshape(groups, (heads / groups) * rows, keys.size(-2));
  const attended = byGroup.matmul(values.cast("f32")).reshape(heads, rows, width);
  return attended
    .permute(1, 0, 2)
    .cont()
    .reshape(rows, heads * width);
}

describe.each(["llama", "qwen3", "gemma3"] as const)("%s", (architecture) => {
  let tiny: TinyModel;
  let model: LoadedModel;
  beforeAll(async () => {
    tiny = await writeTinyModel(tinyShape(architecture, tokenizer.vocabSize), 5);
    model = await loadModel(tiny.path, { device: "cpu", threads: 1 });
  });
  afterAll(() => model.close());
  const open = (budget = 512) =>
    new Engine(model, tokenizer, { cacheType: "f32", schedule: sarathi({ budget }), maxSequences: 4 });

  it("gives the usual text when it reads everything, by plain operations, as the engine would, and with raw keys", async () => {
    const engine = open(50);
    const expected = await generate(engine, full());
    expect(await generate(engine, reads({ read: (reading) => plainRead(reading, reading.keys) }))).toEqual(expected);
    expect(await generate(engine, reads({ read: (reading) => reading.usual() }))).toEqual(expected);
    expect(await generate(engine, reads({ read: () => undefined }))).toEqual(expected);
    let difference = 0;
    let turned = 0;
    const rotated = reads(
      {
        read: (reading) => {
          const { raw, keys, layer } = reading;
          if (raw === undefined) throw new Error("no raw keys");
          const [groups = 1, entries = 1, width = 1] = keys.shape;
          const at = reading.input("positions", "i32", [entries], (values, pass) => {
            values.fill(0 as never);
            const { slots, positions } = pass.slots(layer, 0);
            for (const [i, slot] of slots.entries()) values[slot] = positions[i] as number;
          });
          const own = reading
            .rotate(raw.keys.permute(1, 0, 2).cont(), at)
            .permute(1, 0, 2)
            .cont();
          expect(own.shape).toEqual([groups, entries, width]);
          reading.output(`difference ${layer}`, own.sub(keys.cont()).abs().sum());
          reading.output(`turned ${layer}`, raw.keys.cont().sub(keys.cont()).abs().sum());
          return plainRead(reading, own);
        },
      },
      {
        raw: true,
        see: ({ outputs }) => {
          for (const [name, values] of outputs ?? []) {
            if (name.startsWith("turned")) turned = values[0] as number;
            else difference = Math.max(difference, values[0] as number);
          }
        },
      },
    );
    expect(await generate(engine, rotated)).toEqual(expected);
    expect(difference).toBeLessThan(1e-3);
    expect(turned).toBeGreaterThan(1);
    await engine.close();
  });

  it("fills inputs before every pass and shows outputs after it", async () => {
    const engine = open();
    const seen: { tokens: number; output: number; state: number | undefined }[] = [];
    const policy = reads(
      {
        read: (reading) => {
          const count = reading.input("count", "f32", [1], (values, pass) => {
            values[0] = (pass.positions.at(-1) ?? 0) + 1;
          });
          if (reading.layer === 1) reading.output("twice", count.scale(2));
          return reading.usual();
        },
        watchLayer: ({ layer, rows, output }) => {
          if (layer === 0) output("state", rows.cont());
        },
      },
      {
        see: ({ tokens, outputs }) =>
          seen.push({ tokens, output: outputs?.get("twice")?.[0] ?? 0, state: outputs?.get("state")?.length }),
      },
    );
    await generate(engine, policy, 70);
    expect(seen).toHaveLength(70);
    for (const [i, { tokens, output, state }] of seen.entries()) {
      expect(output).toBe(2 * tokens);
      expect(state).toBe(tiny.shape.hidden * (i === 0 ? prompt.length : 1));
    }
    await engine.close();
  });

  it("reads for its own sequence only, whoever else is in the pass", async () => {
    const engine = open();
    /** Sees the newest entries only, by a mask of its own. */
    const newest = (count: number) =>
      reads({
        readKey: () => String(count),
        read: (reading) => {
          const { mask, keys, layer } = reading;
          const own = reading.input("own", "f32", mask.shape, (values, pass) => {
            values.fill(Number.NEGATIVE_INFINITY as never);
            const { slots, positions } = pass.slots(layer, 0);
            for (const [row, position] of pass.positions.entries())
              for (const [i, slot] of slots.entries()) {
                const distance = position - (positions[i] as number);
                if (distance >= 0 && distance < count) values[row * mask.size(1) + slot] = 0;
              }
          });
          return plainRead({ ...reading, mask: own }, keys);
        },
      });
    const policies = () => [newest(5), full(), newest(30), window({ budget: 30, sinks: 2 })];
    const alone: number[][] = [];
    for (const policy of policies()) alone.push(await generate(engine, policy));
    const together = await Promise.all(policies().map((policy) => generate(engine, policy)));
    expect(together).toEqual(alone);
    expect(alone[0]).not.toEqual(alone[1]);
    await engine.close();
  });

  it("says what is wrong to the one who did it, and the others in the pass go on", async () => {
    const engine = open();
    const expected = await generate(engine, full());
    const shape = reads({ read: ({ queries }) => queries.cont() });
    const thrown = reads({
      read: () => {
        throw new Error("no idea");
      },
    });
    const late = reads({
      read: (reading) => {
        reading.input("late", "f32", [1], (_values, { positions }) => {
          if ((positions[0] as number) > prompt.length + 2) throw new Error("too late");
        });
        return reading.usual();
      },
    });
    const [a, b, c, d] = await Promise.allSettled([shape, full(), thrown, late].map((one) => generate(engine, one)));
    expect(a).toMatchObject({ status: "rejected", reason: { code: "bad-shape" } });
    expect(b).toEqual({ status: "fulfilled", value: expected });
    expect(c).toMatchObject({ status: "rejected", reason: { code: "bad-input" } });
    expect(d).toMatchObject({ status: "rejected", reason: { code: "bad-input" } });
    await engine.close();
  });
});
