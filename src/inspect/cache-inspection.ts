import type { CachePolicy } from "../cache/policy.js";
import type { KeyValueStore } from "../cache/store/key-values.js";
import { autoregressive } from "../decode/autoregressive.js";
import { createSampler } from "../decode/sample/sampler.js";
import type { Engine } from "../engine/engine.js";
import { QuireError } from "../errors.js";

/** Which tokens of a text a cache policy keeps, by layer and head, while the prompt is read and the answer is written. */

export interface CacheInspection {
  readonly policy: string;
  /** Prompt and answer. */
  readonly tokens: readonly { readonly id: number; readonly text: string }[];
  readonly promptTokens: number;
  /** Layers that the policy may touch, by their number in the model. */
  readonly layers: readonly number[];
  readonly kvHeads: number;
  /** In the order of time; the first is of the first slice of the prompt. */
  readonly snapshots: readonly CacheSnapshot[];
}

export interface CacheSnapshot {
  /** Tokens read or written so far. */
  readonly tokens: number;
  /** Base64 of bits [layers, kvHeads, tokens], lowest bit first, each head beginning with a new byte: 1 where an entry stands at the
   *  token's position. Where tokens were merged the entry stands at the first of them. */
  readonly kept: string;
}

export interface InspectOptions {
  readonly policy: CachePolicy;
  readonly maxTokens?: number;
  /** Tokens of the answer between two looks; default a sixteenth of the answer. */
  readonly every?: number;
  readonly signal?: AbortSignal;
}

/** Tokens in all snapshots, layers and heads together. A longer text is refused: nobody could look at it. */
const mostBits = 2 ** 28;

export async function inspectCache(
  engine: Engine,
  prompt: Int32Array,
  { policy, maxTokens = 64, every = Math.ceil(maxTokens / 16), signal }: InspectOptions,
): Promise<CacheInspection> {
  if (!Number.isInteger(every) || every < 1) {
    throw new QuireError("bad-option", "The cache cannot be looked at so often.", {
      got: every,
      expected: "a whole number of tokens, at least 1",
    });
  }
  const { layers, kvHeads } = managed(engine);
  const looks = maxTokens / every + prompt.length / 256;
  const bits = looks * layers.length * kvHeads * (prompt.length + maxTokens);
  if (bits > mostBits) {
    throw new QuireError("bad-input", "The text is too long to look at every entry of its cache.", {
      got: `${prompt.length} tokens and ${maxTokens} more`,
      fix: "Give a shorter text, or look less often.",
    });
  }
  const snapshots: CacheSnapshot[] = [];
  let seen = 0;
  const look = (store: KeyValueStore): void => {
    const { tokens } = store;
    seen = tokens;
    if (tokens > prompt.length && (tokens - prompt.length) % every !== 0) return;
    snapshots.push({ tokens, kept: keptBits(store, layers, kvHeads) });
  };
  const written: { id: number; text: string }[] = [];
  const sequence = engine.start({
    prompt,
    decoder: autoregressive(),
    policy,
    sampler: createSampler({ temperature: 0 }),
    maxTokens,
    signal,
    // What an earlier prompt left would hide what happens to this one.
    scope: `inspection ${Math.random()}`,
    watchMemory: look,
  });
  try {
    for await (const { token } of sequence.pieces)
      if (token >= 0) written.push({ id: token, text: engine.tokenizer.decode([token]) });
  } finally {
    await engine.settle(sequence);
  }
  const read = Array.from(prompt, (id) => ({ id, text: engine.tokenizer.decode([id]) }));
  return {
    policy: policy.label,
    tokens: [...read, ...written].slice(0, Math.max(seen, prompt.length)),
    promptTokens: prompt.length,
    layers,
    kvHeads,
    snapshots,
  };
}

function managed(engine: Engine): { layers: number[]; kvHeads: number } {
  const { layers } = engine.memory.shape;
  return {
    layers: layers.flatMap(({ window }, layer) => (window === undefined ? [layer] : [])),
    kvHeads: Math.max(...layers.map(({ kvHeads }) => kvHeads)),
  };
}

function keptBits(store: KeyValueStore, layers: readonly number[], kvHeads: number): string {
  const width = Math.ceil(store.tokens / 8);
  const bits = Buffer.alloc(layers.length * kvHeads * width);
  for (const [index, layer] of layers.entries()) {
    for (let head = 0; head < kvHeads; head++) {
      const start = (index * kvHeads + head) * width;
      for (const position of store.positionsOf(layer, head))
        bits[start + (position >> 3)] = (bits[start + (position >> 3)] ?? 0) | (1 << (position & 7));
    }
  }
  return bits.toString("base64");
}

/** Of each token, the share of the chosen layers and heads that keep it; all of them where none is chosen. */
export function keptShares(
  { layers, kvHeads }: CacheInspection,
  { tokens, kept }: CacheSnapshot,
  chosen: { readonly layer?: number; readonly head?: number } = {},
): Float32Array {
  const bits = Buffer.from(kept, "base64");
  const width = Math.ceil(tokens / 8);
  const shares = new Float32Array(tokens);
  let rows = 0;
  for (const [index, layer] of layers.entries()) {
    if (chosen.layer !== undefined && chosen.layer !== layer) continue;
    for (let head = 0; head < kvHeads; head++) {
      if (chosen.head !== undefined && chosen.head !== head) continue;
      rows++;
      const start = (index * kvHeads + head) * width;
      for (let token = 0; token < tokens; token++) {
        if (((bits[start + (token >> 3)] ?? 0) >> (token & 7)) & 1) shares[token] = (shares[token] ?? 0) + 1;
      }
    }
  }
  return shares.map((count) => count / Math.max(1, rows));
}
