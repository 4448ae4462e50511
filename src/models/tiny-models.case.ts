import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { writeGguf } from "../weights/gguf-write.js";
import type { MetadataValue } from "../weights/weight-file.js";

/** Random two-layer models of every architecture, small enough that a test takes milliseconds, with an independent forward pass
 *  over plain numbers beside them: the whole text at once, no cache, no batches, f64. */

export interface TinyShape {
  readonly architecture: "llama" | "qwen2" | "qwen3" | "gemma3";
  readonly vocab: number;
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly inner: number;
  readonly context: number;
  /** gemma3 only. */
  readonly window?: number;
  readonly globalEvery?: number;
}

export interface TinyModel {
  readonly path: string;
  readonly shape: TinyShape;
  readonly tensors: ReadonlyMap<string, Float32Array>;
}

const epsilon = 1e-5;
const theta = 10_000;
const localTheta = 500;

export function tinyShape(architecture: TinyShape["architecture"], vocab = 300): TinyShape {
  const base = {
    architecture,
    vocab,
    hidden: 32,
    layers: 2,
    heads: 4,
    kvHeads: 2,
    headDim: 8,
    inner: 48,
    context: 2048,
  };
  return architecture === "gemma3" ? { ...base, layers: 4, window: 5, globalEvery: 2 } : base;
}

export async function writeTinyModel(shape: TinyShape, seed = 1): Promise<TinyModel> {
  const tensors = randomTensors(shape, seed);
  const folder = await mkdtemp(path.join(tmpdir(), "quire-tiny-"));
  const file = path.join(folder, `${shape.architecture}.gguf`);
  const own = (name: string, value: MetadataValue): [string, MetadataValue] => [`${shape.architecture}.${name}`, value];
  await writeGguf(file, {
    metadata: [
      ["general.architecture", shape.architecture],
      own("block_count", shape.layers),
      own("context_length", shape.context),
      own("embedding_length", shape.hidden),
      own("feed_forward_length", shape.inner),
      own("attention.head_count", shape.heads),
      own("attention.head_count_kv", shape.kvHeads),
      own("attention.key_length", shape.headDim),
      own("attention.value_length", shape.headDim),
      own("attention.layer_norm_rms_epsilon", epsilon),
      own("rope.freq_base", theta),
      ...(shape.window === undefined ? [] : [own("attention.sliding_window", shape.window)]),
      ...(shape.globalEvery === undefined ? [] : [own("attention.sliding_window_pattern", shape.globalEvery)]),
      ...(shape.window === undefined ? [] : [own("rope.freq_base_swa", localTheta)]),
    ],
    metadataTypes: new Map([
      [`${shape.architecture}.rope.freq_base`, "f32"],
      [`${shape.architecture}.rope.freq_base_swa`, "f32"],
    ]),
    tensors: [...tensors].map(([name, values]) => ({
      name,
      dtype: "f32",
      shape: shapeOf(name, shape),
      data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
    })),
  });
  return { path: file, shape, tensors };
}

function shapeOf(name: string, { hidden, vocab, heads, kvHeads, headDim, inner }: TinyShape): number[] {
  const part = name.replace(/^blk\.\d+\./, "");
  if (part === "token_embd.weight") return [vocab, hidden];
  if (part === "attn_q.weight") return [heads * headDim, hidden];
  if (part === "attn_k.weight" || part === "attn_v.weight") return [kvHeads * headDim, hidden];
  if (part === "attn_q.bias") return [heads * headDim];
  if (part === "attn_k.bias" || part === "attn_v.bias") return [kvHeads * headDim];
  if (part === "attn_output.weight") return [hidden, heads * headDim];
  if (part === "ffn_gate.weight" || part === "ffn_up.weight") return [inner, hidden];
  if (part === "ffn_down.weight") return [hidden, inner];
  if (part === "attn_q_norm.weight" || part === "attn_k_norm.weight") return [headDim];
  return [hidden];
}

function randomTensors(shape: TinyShape, seed: number): Map<string, Float32Array> {
  let state = seed * 2654435761;
  const random = (): number => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0;
    return ((state >>> 0) / 2 ** 32) * 2 - 1;
  };
  const names = ["token_embd.weight", "output_norm.weight"];
  for (let layer = 0; layer < shape.layers; layer++) {
    const parts = [
      "attn_norm",
      "attn_q",
      "attn_k",
      "attn_v",
      "attn_output",
      "ffn_norm",
      "ffn_gate",
      "ffn_up",
      "ffn_down",
    ];
    if (shape.architecture === "gemma3") parts.push("post_attention_norm", "post_ffw_norm");
    if (shape.architecture === "gemma3" || shape.architecture === "qwen3") parts.push("attn_q_norm", "attn_k_norm");
    names.push(...parts.map((part) => `blk.${layer}.${part}.weight`));
    if (shape.architecture === "qwen2")
      names.push(...["attn_q", "attn_k", "attn_v"].map((part) => `blk.${layer}.${part}.bias`));
  }
  return new Map(
    names.map((name) => {
      const dims = shapeOf(name, shape);
      const isNorm = name.includes("norm");
      const scale = isNorm ? 0.3 : name.endsWith("bias") ? 0.5 : 1.5 / Math.sqrt(dims.at(-1) ?? 1);
      const size = dims.reduce((product, dim) => product * dim, 1);
      return [name, Float32Array.from({ length: size }, () => (isNorm ? 1 : 0) + scale * random())];
    }),
  );
}

export type Vector = number[];

export interface PlainEntry {
  readonly position: number;
  /** Rotated. */
  readonly key: Vector;
  readonly value: Vector;
  readonly mass: number;
}

export interface PlainLayer {
  readonly window: number;
  rotate(key: Vector, positions: number): Vector;
}

/** To change or watch what attention without a built-in window sees. */
export interface PlainWatch {
  /** What the query at a position sees instead of everything up to itself. */
  entries?(layer: number, kvHead: number, position: number, all: PlainEntry[]): PlainEntry[];
  weights?(layer: number, head: number, position: number, entries: PlainEntry[], weights: Vector): void;
  /** What the row at a place sees instead, in any layer, out of the entries of all rows, later ones included. */
  views?(layer: PlainLayer, place: number, all: PlainEntry[]): PlainEntry[];
}

/** Logits of every position, f64. */
export function plainLogits(
  { shape, tensors }: TinyModel,
  tokens: readonly number[],
  watch: PlainWatch = {},
): Vector[] {
  const { hidden, heads, kvHeads, headDim, architecture, layers } = shape;
  const get = (name: string): Float32Array => {
    const found = tensors.get(name);
    if (found === undefined) throw new Error(`no ${name}`);
    return found;
  };
  const norm = (x: Vector, weight: Float32Array): Vector => {
    const mean = x.reduce((sum, value) => sum + value * value, 0) / x.length;
    return x.map((value, i) => (value / Math.sqrt(mean + epsilon)) * (weight[i] as number));
  };
  const times = (weight: Float32Array, x: Vector): Vector =>
    Array.from({ length: weight.length / x.length }, (_, row) =>
      x.reduce((sum, value, column) => sum + value * (weight[row * x.length + column] as number), 0),
    );
  const plus = (a: Vector, b: ArrayLike<number>): Vector => a.map((value, i) => value + (b[i] as number));
  const rotate = (head: Vector, position: number, base: number): Vector => {
    const half = headDim / 2;
    const result = [...head];
    for (let i = 0; i < half; i++) {
      const angle = position * base ** ((-2 * i) / headDim);
      const [first, second] = architecture === "llama" ? [2 * i, 2 * i + 1] : [i, i + half];
      const [a, b] = [head[first] as number, head[second] as number];
      result[first] = a * Math.cos(angle) - b * Math.sin(angle);
      result[second] = a * Math.sin(angle) + b * Math.cos(angle);
    }
    return result;
  };
  const gelu = (x: number): number => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
  const silu = (x: number): number => x / (1 + Math.exp(-x));
  const embedding = get("token_embd.weight");
  const isGemma = architecture === "gemma3";
  let states = tokens.map((token) =>
    Array.from(
      embedding.subarray(token * hidden, (token + 1) * hidden),
      (value) => value * (isGemma ? Math.sqrt(hidden) : 1),
    ),
  );
  for (let layer = 0; layer < layers; layer++) {
    const own = (part: string): Float32Array => get(`blk.${layer}.${part}.weight`);
    const isGlobal = !isGemma || (layer + 1) % (shape.globalEvery ?? 1) === 0;
    const window = isGlobal ? Number.POSITIVE_INFINITY : (shape.window ?? 0);
    const base = isGlobal ? theta : localTheta;
    const project = (x: Vector, part: "q" | "k" | "v"): Vector[] => {
      const product = times(own(`attn_${part}`), x);
      const biased = architecture === "qwen2" ? plus(product, get(`blk.${layer}.attn_${part}.bias`)) : product;
      const split = Array.from({ length: biased.length / headDim }, (_, h) =>
        biased.slice(h * headDim, (h + 1) * headDim),
      );
      const hasNorm = part !== "v" && (isGemma || architecture === "qwen3");
      return hasNorm ? split.map((head) => norm(head, own(`attn_${part}_norm`))) : split;
    };
    const normed = states.map((x) => norm(x, own("attn_norm")));
    const queries = normed.map((x, position) => project(x, "q").map((head) => rotate(head, position, base)));
    const keys = normed.map((x, position) => project(x, "k").map((head) => rotate(head, position, base)));
    const values = normed.map((x) => project(x, "v"));
    const attended = queries.map((own, position) => {
      const result: Vector = [];
      for (let h = 0; h < heads; h++) {
        const kv = Math.floor(h / (heads / kvHeads));
        const whole = keys.map((own, other): PlainEntry => {
          const [key = [], value = []] = [own[kv], values[other]?.[kv]];
          return { position: other, key, value, mass: 1 };
        });
        const all = whole.filter((entry) => entry.position <= position && position - entry.position < window);
        const kept = isGlobal ? (watch.entries?.(layer, kv, position, all) ?? all) : all;
        const rotated = (key: Vector, by: number): Vector => rotate(key, by, base);
        const seen = watch.views?.({ window, rotate: rotated }, position, whole) ?? kept;
        const scores = seen.map(({ key, mass }) => dot(own[h] as Vector, key) / Math.sqrt(headDim) + Math.log(mass));
        const highest = Math.max(...scores);
        const weights = scores.map((score) => Math.exp(score - highest));
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        const shares = weights.map((weight) => weight / total);
        watch.weights?.(layer, h, position, seen, shares);
        for (let d = 0; d < headDim; d++)
          result.push(seen.reduce((sum, { value }, i) => sum + (shares[i] as number) * (value[d] as number), 0));
      }
      return result;
    });
    states = states.map((x, position) => {
      let out = times(own("attn_output"), attended[position] as Vector);
      if (isGemma) out = norm(out, own("post_attention_norm"));
      const middle = plus(x, out);
      const inner = norm(middle, own("ffn_norm"));
      const gate = times(own("ffn_gate"), inner).map(isGemma ? gelu : silu);
      const up = times(own("ffn_up"), inner);
      let down = times(
        own("ffn_down"),
        gate.map((value, i) => value * (up[i] as number)),
      );
      if (isGemma) down = norm(down, own("post_ffw_norm"));
      return plus(middle, down);
    });
  }
  return states.map((x) => times(embedding, norm(x, get("output_norm.weight"))));
}

function dot(a: Vector, b: Vector): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);
}
