import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { full } from "../../cache/full.js";
import { KeyValueStore } from "../../cache/store/key-values.js";
import { autoregressive } from "../../decode/autoregressive.js";
import { createSampler } from "../../decode/sample/sampler.js";
import { architectureOf } from "../../models/registry.js";
import { plainLogits, type TinyModel, tinyShape, writeTinyModel } from "../../models/tiny-models.case.js";
import { RandomStream } from "../../tensor/random.js";
import { byteTokenizer } from "../../text/grammar/byte-tokenizer.case.js";
import { adapterFiles, type LoraMatrices, readAdapter, writeAdapter } from "../../weights/adapter-file.js";
import type { WeightRequest } from "../../weights/load.js";
import { mergeAdapter } from "../../weights/merge-adapter.js";
import { openWeightFile } from "../../weights/open-weight-file.js";
import { Engine } from "../engine.js";
import { ForwardPass, type Segment } from "../forward.js";
import { type LoadedModel, loadModel } from "../model.js";

const tokenizer = byteTokenizer();
let tiny: TinyModel;
let requests: WeightRequest[];
let folder: string;
let model: LoadedModel;
const adapters = new Map<string, { rank: number; alpha: number; matrices: Map<string, LoraMatrices> }>();

/** Rank and targets differ from one to the other. */
const kinds = {
  law: [2, ["attn_q", "attn_v"]],
  prose: [3, ["attn_k", "ffn_down", "attn_output"]],
  all: [1, ["ffn_up", "attn_q"]],
} as const;

beforeAll(async () => {
  tiny = await writeTinyModel(tinyShape("llama", tokenizer.vocabSize), 3);
  folder = await mkdtemp(join(tmpdir(), "quire-adapters-"));
  const file = await openWeightFile(tiny.path);
  const architecture = architectureOf(file);
  requests = architecture.weights(architecture.readConfig(file), file);
  await file.close();
  for (const [name, [rank, parts]] of Object.entries(kinds)) {
    const random = new RandomStream(7, name);
    const matrices = new Map<string, LoraMatrices>();
    for (const { name: weight, shape } of requests) {
      if (!parts.some((part) => weight.endsWith(`.${part}.weight`))) continue;
      const [outputs = 0, inputs = 0] = shape;
      matrices.set(weight, {
        rank,
        a: random.normalArray(rank * inputs, 0.3),
        b: random.normalArray(outputs * rank, 0.3),
      });
    }
    adapters.set(name, { rank, alpha: 2 * rank, matrices });
    await writeAdapter(join(folder, name), requests, { rank, alpha: 2 * rank, matrices });
  }
  model = await loadModel(tiny.path, {
    device: "cpu",
    threads: 1,
    adapters: [...adapters.keys()].map((name) => ({ name, path: join(folder, name) })),
  });
});

afterAll(async () => {
  await model.close();
  await rm(folder, { recursive: true });
});

/** The model's weights with an adapter added, in f64 arithmetic. */
function mergedPlainly(name: string): TinyModel {
  const tensors = new Map(tiny.tensors);
  const { rank, alpha, matrices } = adapters.get(name) as NonNullable<ReturnType<typeof adapters.get>>;
  for (const [weight, { a, b }] of matrices) {
    const own = Float32Array.from(tensors.get(weight) as Float32Array);
    const inputs = a.length / rank;
    for (let i = 0; i < own.length; i++) {
      let sum = 0;
      for (let k = 0; k < rank; k++)
        sum += (b[Math.floor(i / inputs) * rank + k] as number) * (a[k * inputs + (i % inputs)] as number);
      own[i] = (own[i] as number) + (alpha / rank) * sum;
    }
    tensors.set(weight, own);
  }
  return { ...tiny, tensors };
}

const texts = [
  [5, 17, 200, 31, 8, 90],
  [44, 3, 3, 120],
  [250, 9, 71, 71, 14, 2, 66],
  [12, 13, 14],
];

/** Logits of the last rows of several texts in one pass, each through its adapter. */
async function together(chosen: readonly (string | undefined)[], rowsWanted: "last" | "all" = "last") {
  const layers = model.architecture.memory(model.config) as { kind: "keys-values"; kvHeads: number; headDim: number }[];
  const pass = new ForwardPass(model);
  const stores = chosen.map(() => new KeyValueStore(model.device, { layers, type: "f32" }, 64));
  const segments: Segment[] = chosen.map((adapter, index) => {
    const tokens = Int32Array.from(texts[index] as number[]);
    const store = stores[index] as KeyValueStore;
    const wanted = rowsWanted === "all" ? tokens.map((_, i) => i) : Int32Array.of(tokens.length - 1);
    return { store, tokens, positions: tokens.map((_, i) => i), slots: store.reserve(tokens.length), wanted, adapter };
  });
  const result = await pass.run(segments);
  const logits = segments.map(({ wanted }, index) => result.logits(index, wanted.length - 1).slice());
  pass.close();
  for (const store of stores) store.close();
  return logits;
}

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let worst = 0;
  for (let i = 0; i < a.length; i++) worst = Math.max(worst, Math.abs((a[i] as number) - (b[i] as number)));
  return worst;
}

describe("adapters beside a model", () => {
  it.each(["last", "all"] as const)(
    "serve several sequences in one pass, each as if merged (%s rows wanted)",
    async (rows) => {
      const chosen = ["law", undefined, "all", "prose"];
      const logits = await together(chosen, rows);
      for (const [index, name] of chosen.entries()) {
        const expected = plainLogits(name === undefined ? tiny : mergedPlainly(name), texts[index] as number[]);
        expect(distance(logits[index] as Float32Array, expected.at(-1) as number[])).toBeLessThan(5e-4);
        if (name !== undefined)
          expect(
            distance(logits[index] as Float32Array, plainLogits(tiny, texts[index] as number[]).at(-1) as number[]),
          ).toBeGreaterThan(0.05);
      }
      for (const name of ["law", "prose", "all"]) {
        const [alone] = await together([name], rows);
        const expected = plainLogits(mergedPlainly(name), texts[0] as number[]).at(-1) as number[];
        expect(distance(alone as Float32Array, expected)).toBeLessThan(5e-4);
      }
      const [plain] = await together([undefined]);
      expect(distance(plain as Float32Array, plainLogits(tiny, texts[0] as number[]).at(-1) as number[])).toBeLessThan(
        2e-4,
      );
    },
  );

  it("can be merged into a file that opens like any model", async () => {
    const file = await openWeightFile(tiny.path);
    const out = join(folder, "merged.gguf");
    const adapter = await readAdapter(join(folder, "prose", adapterFiles.weights), requests);
    await mergeAdapter(file, requests, adapter, out, { device: model.device });
    await expect(
      mergeAdapter(file, requests, adapter, join(folder, "x"), { device: model.device }),
    ).rejects.toMatchObject({ code: "bad-option" });
    await file.close();
    const merged = await loadModel(out, { device: "cpu", threads: 1 });
    const layers = merged.architecture.memory(merged.config) as {
      kind: "keys-values";
      kvHeads: number;
      headDim: number;
    }[];
    const store = new KeyValueStore(merged.device, { layers, type: "f32" }, 64);
    const pass = new ForwardPass(merged);
    const tokens = Int32Array.from(texts[0] as number[]);
    const wanted = Int32Array.of(tokens.length - 1);
    const slots = store.reserve(tokens.length);
    const result = await pass.run([{ store, tokens, positions: tokens.map((_, i) => i), slots, wanted }]);
    const [applied] = await together(["prose"]);
    expect(distance(result.logits(0, 0), applied as Float32Array)).toBeLessThan(5e-4);
    pass.close();
    store.close();
    await merged.close();
  });

  it("come back from a file as they were, heads in the order of published checkpoints in between", async () => {
    const { matrices, alpha, rank } = adapters.get("law") as NonNullable<ReturnType<typeof adapters.get>>;
    const adapter = await readAdapter(join(folder, "law"), requests);
    expect(adapter.scale).toBe(alpha / rank);
    expect(adapter.matrices).toEqual(matrices);
    const file = await openWeightFile(join(folder, "law", adapterFiles.weights));
    const entry = file.tensors.get("base_model.model.model.layers.1.self_attn.q_proj.lora_B.weight");
    const rows = new Float32Array(4 * 8 * rank);
    await file.read(entry as never, 0, new Uint8Array(rows.buffer));
    await file.close();
    const own = matrices.get("blk.1.attn_q.weight")?.b as Float32Array;
    // Head 1: row 2i of the model is row i of the published first half, row 2i + 1 row i of the second.
    for (let i = 0; i < 4; i++) {
      expect(rows.subarray((8 + i) * rank, (9 + i) * rank)).toEqual(
        own.subarray((8 + 2 * i) * rank, (9 + 2 * i) * rank),
      );
      expect(rows.subarray((12 + i) * rank, (13 + i) * rank)).toEqual(
        own.subarray((9 + 2 * i) * rank, (10 + 2 * i) * rank),
      );
    }
  });

  it("of sequences in an engine are chosen by name and never share what was computed through another", async () => {
    const engine = new Engine(model, tokenizer, { adapter: "law" });
    const prompt = Int32Array.from({ length: 200 }, (_, i) => (i * 31) % 250);
    const answer = async (adapter?: string | null): Promise<number[]> => {
      const sequence = engine.start({
        ...{ prompt, adapter, decoder: autoregressive(), policy: full(), maxTokens: 12, ignoreEnd: true },
        sampler: createSampler({ temperature: 0 }),
      });
      const tokens: number[] = [];
      for await (const { token } of sequence.pieces) if (token >= 0) tokens.push(token);
      return tokens;
    };
    const alone = [await answer(), await answer("prose"), await answer(null)];
    expect(new Set(alone.map(String)).size).toBe(3);
    expect(await answer("law")).toEqual(alone[0]);
    expect(await Promise.all([answer(), answer("prose"), answer(null)])).toEqual(alone);
    expect(() =>
      engine.start({
        ...{ prompt, adapter: "lwa", decoder: autoregressive(), policy: full(), maxTokens: 1 },
        sampler: createSampler({ temperature: 0 }),
      }),
    ).toThrow(expect.objectContaining({ code: "not-found", fix: "Did you mean law?" }));
    await engine.close();
    expect(() => new Engine(model, tokenizer, { adapter: "nobody" })).toThrow(
      expect.objectContaining({ code: "not-found" }),
    );
  });
});

describe("an adapter that cannot be used", () => {
  const open = (named: readonly { name: string; path: string }[], path = tiny.path) =>
    loadModel(path, { device: "cpu", threads: 1, adapters: named });

  it("is refused by a model of other sizes, and by one with other weights", async () => {
    const wider = await writeTinyModel({ ...tinyShape("llama"), hidden: 64 });
    await expect(open([{ name: "law", path: join(folder, "law") }], wider.path)).rejects.toMatchObject({
      code: "bad-file",
      message: expect.stringContaining("another model"),
    });
    const shorter = await writeTinyModel({ ...tinyShape("llama"), layers: 1 });
    await expect(open([{ name: "law", path: join(folder, "law") }], shorter.path)).rejects.toMatchObject({
      code: "bad-file",
      message: expect.stringContaining("another model"),
    });
  });

  it("is refused where it is missing, damaged, of another kind, or named twice", async () => {
    await expect(open([{ name: "x", path: join(folder, "nowhere") }])).rejects.toMatchObject({ code: "not-found" });
    const law = { name: "law", path: join(folder, "law") };
    await expect(open([law, law])).rejects.toMatchObject({ code: "bad-option" });
    const broken = await mkdtemp(join(folder, "broken-"));
    await writeFile(join(broken, adapterFiles.weights), "no safetensors");
    await writeFile(join(broken, adapterFiles.config), JSON.stringify({ peft_type: "LORA", r: 2, lora_alpha: 4 }));
    await expect(open([{ name: "x", path: broken }])).rejects.toMatchObject({ code: "bad-file" });
    for (const config of [{ peft_type: "IA3" }, { r: 0, lora_alpha: 1 }, { r: 2 }]) {
      await writeFile(join(broken, adapterFiles.config), JSON.stringify(config));
      await expect(open([{ name: "x", path: broken }])).rejects.toMatchObject({ code: "bad-file" });
    }
    await writeFile(join(broken, adapterFiles.config), JSON.stringify({ r: 2, lora_alpha: 4, use_dora: true }));
    await expect(open([{ name: "x", path: broken }])).rejects.toMatchObject({ code: "unsupported" });
  });
});
