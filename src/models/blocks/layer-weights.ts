import type { WeightRequest } from "../../weights/load.js";
import type { ModelConfig } from "../architecture.js";

/** The tensors that decoder-only models of the Llama family share, by their GGUF names, with the names of published safetensors
 *  beside them. Groups are what may be stacked. */

/** GGUF name within a layer to the safetensors name within a layer. */
const published: Record<string, string> = {
  attn_norm: "input_layernorm",
  attn_q: "self_attn.q_proj",
  attn_k: "self_attn.k_proj",
  attn_v: "self_attn.v_proj",
  attn_output: "self_attn.o_proj",
  attn_q_norm: "self_attn.q_norm",
  attn_k_norm: "self_attn.k_norm",
  ffn_norm: "post_attention_layernorm",
  ffn_gate: "mlp.gate_proj",
  ffn_up: "mlp.up_proj",
  ffn_down: "mlp.down_proj",
};

export interface LayerWeightOptions {
  /** Names that differ from the table above (Gemma's four norms). */
  readonly names?: Record<string, string>;
  readonly biases?: boolean;
  readonly queryKeyNorms?: boolean;
  readonly extraNorms?: readonly string[];
  /** The file interleaves the halves of heads that are rotated. */
  readonly interleaved?: boolean;
  readonly intermediateSize: number;
}

export function layerWeights(config: ModelConfig, layer: number, options: LayerWeightOptions): WeightRequest[] {
  const { hiddenSize: c, numHeads, numKvHeads, headDim: d } = config;
  const { intermediateSize } = options;
  const names = { ...published, ...options.names };
  const request = (
    part: string,
    suffix: "weight" | "bias",
    rest: Omit<WeightRequest, "name" | "from">,
  ): WeightRequest => ({
    name: `blk.${layer}.${part}.${suffix}`,
    from: [`blk.${layer}.${part}.${suffix}`, `model.layers.${layer}.${names[part] ?? part}.${suffix}`],
    ...rest,
  });
  const norm = (part: string, size: number) => request(part, "weight", { shape: [size], use: "vector" });
  const qkv = `blk.${layer}.attn_qkv`;
  const rotated = (heads: number) => (options.interleaved === true ? { interleavedHeads: heads } : {});
  const attention: [string, number, Pick<WeightRequest, "interleavedHeads">][] = [
    ["attn_q", numHeads * d, rotated(numHeads)],
    ["attn_k", numKvHeads * d, rotated(numKvHeads)],
    ["attn_v", numKvHeads * d, {}],
  ];
  const gateUp = `blk.${layer}.ffn_gate_up`;
  return [
    norm("attn_norm", c),
    ...attention.map(([part, rows, order]) =>
      request(part, "weight", { shape: [rows, c], use: "product", group: qkv, ...order }),
    ),
    ...(options.biases === true
      ? attention.map(([part, rows]) =>
          request(part, "bias", { shape: [rows], use: "vector", group: `${qkv}.bias`, optional: true }),
        )
      : []),
    ...(options.queryKeyNorms === true ? [norm("attn_q_norm", d), norm("attn_k_norm", d)] : []),
    request("attn_output", "weight", { shape: [c, numHeads * d], use: "product" }),
    ...(options.extraNorms ?? []).map((part) => norm(part, c)),
    norm("ffn_norm", c),
    request("ffn_gate", "weight", { shape: [intermediateSize, c], use: "product", group: gateUp }),
    request("ffn_up", "weight", { shape: [intermediateSize, c], use: "product", group: gateUp }),
    request("ffn_down", "weight", { shape: [c, intermediateSize], use: "product" }),
  ];
}

/** Embedding, last norm and head; models without a head of their own multiply with the embedding. */
export function outerWeights(config: ModelConfig): WeightRequest[] {
  const { vocabSize, hiddenSize } = config;
  return [
    {
      name: "token_embd.weight",
      from: ["token_embd.weight", "model.embed_tokens.weight"],
      shape: [vocabSize, hiddenSize],
      use: "rows",
    },
    {
      name: "output_norm.weight",
      from: ["output_norm.weight", "model.norm.weight"],
      shape: [hiddenSize],
      use: "vector",
    },
    {
      name: "output.weight",
      from: ["output.weight", "lm_head.weight"],
      shape: [vocabSize, hiddenSize],
      use: "product",
      optional: true,
    },
  ];
}
