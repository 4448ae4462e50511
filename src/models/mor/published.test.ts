import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type LoadedModel, loadModel } from "../../engine/model.js";
import { writeSafetensors } from "../../weights/safetensors-write.js";
import type { MetadataValue } from "../../weights/weight-file.js";
import { mor } from "../mor.js";
import { apart } from "../plain-numbers.case.js";
import { runPasses } from "../run-passes.case.js";
import { type TinyFile, writeTinyFile } from "../tiny-file.case.js";
import type { MorConfig } from "./config.js";

/** Folders as published: a Llama configuration, what is shared stored once for each recursion, the router beside it. */

const fields: Record<string, MetadataValue> = {
  vocab_size: 30,
  embedding_length: 12,
  "attention.head_count": 3,
  "attention.head_count_kv": 1,
  feed_forward_length: 20,
  context_length: 64,
  "attention.layer_norm_rms_epsilon": 1e-5,
  block_count: 8,
  recursions: 3,
};
const config = {
  model_type: "llama",
  vocab_size: 30,
  hidden_size: 12,
  num_attention_heads: 3,
  num_key_value_heads: 1,
  intermediate_size: 20,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
  num_hidden_layers: 8,
};
const parts: Record<string, string> = {
  attn_norm: "input_layernorm",
  ffn_norm: "post_attention_layernorm",
  attn_q: "self_attn.q_proj",
  attn_k: "self_attn.k_proj",
  attn_v: "self_attn.v_proj",
  attn_output: "self_attn.o_proj",
  ffn_gate: "mlp.gate_proj",
  ffn_up: "mlp.up_proj",
  ffn_down: "mlp.down_proj",
};

const open: LoadedModel[] = [];
afterAll(async () => {
  for (const model of open) await model.close();
});

async function logitsOf(file: string) {
  const model = await loadModel(file, { device: "cpu", threads: 1 });
  open.push(model);
  return runPasses(model, [Array.from({ length: 20 }, (_, i) => (7 * i) % 30)]);
}

/** `change` may spoil a copy. */
async function publish(
  { tensors, config: own }: TinyFile<MorConfig>,
  settings: object,
  change: (name: string, values: Float32Array) => void = () => undefined,
): Promise<string> {
  const byToken = own.router.kind === "token";
  const folder = await mkdtemp(path.join(tmpdir(), "quire-mor-"));
  const found: { name: string; values: Float32Array; shape: readonly number[] }[] = [];
  const shapes = new Map((mor.parameters?.(own) ?? []).map(({ name, shape }) => [name, shape]));
  for (const [name, values] of tensors) {
    const put = (as: string) => found.push({ name: as, values: values.slice(), shape: shapes.get(name) ?? [] });
    const [, set = "", part = ""] = /^blk\.(\d+)\.(\w+)\.weight$/.exec(name) ?? [];
    if (name === "token_embd.weight") put("model.embed_tokens.weight");
    else if (name === "output_norm.weight") put("model.norm.weight");
    else if (name === "router.weight") put("model.layers.1.mor_router.router.weight");
    else if (name.startsWith("router.")) put(`model.layers.${name.split(".")[1]}.mor_router.router.weight`);
    else if (set === "0") put(`model.layers.0.${parts[part]}.weight`);
    else if (set === "3") put(`model.layers.${byToken ? 2 : 4}.${parts[part]}.weight`);
    else
      for (let r = 0; r < 3; r++) {
        const place = byToken ? `model.layers.1.block_list.${r}` : `model.layers.${r + 1}.block`;
        put(`${place}.${Number(set) - 1}.${parts[part]}.weight`);
      }
  }
  for (const { name, values } of found) change(name, values);
  await writeSafetensors(path.join(folder, "model.safetensors"), {
    tensors: found.map(({ name, values, shape }) => ({
      ...{ name, dtype: "f32" as const, shape },
      data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
    })),
  });
  await writeFile(path.join(folder, "config.json"), JSON.stringify({ ...config, ...settings }));
  return folder;
}

describe("published folders", () => {
  it.each([
    ["expert", "recursion", { recursions: 3, sharing: "middle-cycle", router: { kind: "expert", alpha: 0.1 } }],
    ["token", "recursion", { recursions: 3, router: { kind: "token" }, kv: "recursion" }],
    ["token", "shared", { recursions: 3, router: { kind: "token" }, kv: "shared" }],
  ])("%s choice, %s entries: the same model as a file of one's own", async (kind, kv, settings) => {
    const own = await writeTinyFile(mor, { ...fields, "router.kind": kind, kv });
    const ours = await logitsOf(own.path);
    const theirs = await logitsOf(await publish(own, { mor: settings }));
    expect(apart(theirs.logits[0] ?? [], ours.logits[0] ?? [])).toBeLessThan(1e-6);
    expect(theirs.depths).toEqual(ours.depths);
  });

  it("refuses copies of a shared weight that differ", async () => {
    const own = await writeTinyFile(mor, fields);
    const folder = await publish(own, { mor: { recursions: 3 } }, (name, values) => {
      if (name === "model.layers.2.block.1.mlp.up_proj.weight") values[7] = 5;
    });
    await expect(logitsOf(folder)).rejects.toThrow(/layers\.2\.block\.1\.mlp\.up_proj\.weight is not the same/);
  });

  it("asks for what only the training's settings say", async () => {
    const own = await writeTinyFile(mor, fields);
    await expect(logitsOf(await publish(own, {}))).rejects.toThrow(/does not say how its recursions work/);
    const wrong = await publish(own, { mor: { recursions: 2 } });
    await expect(logitsOf(wrong)).rejects.toThrow(/has no tensor model\.layers/);
  });
});
