import type { MorConfig } from "./mor/config.js";
import { attended, plus, scaled, sigmoid, softmax, times, type Vector } from "./plain-numbers.case.js";

/** Mixture-of-Recursions over plain numbers: one text. `select`: who enters a recursion of expert choice, the largest scores of the
 *  whole text or those above 0. */
export interface PlainMor {
  readonly logits: Vector[];
  /** Positions that entered, by recursion. */
  readonly entered: number[][];
  /** Sum over recursions of the mean loss of telling from its score whether a row was chosen. */
  readonly routerLoss: number;
  readonly balance: number;
  readonly z: number;
}

export function plainMor(
  config: MorConfig,
  tensors: ReadonlyMap<string, ArrayLike<number>>,
  tokens: readonly number[],
  select: "largest" | "above zero",
): PlainMor {
  const { hiddenSize: c, headDim, epsilon, recursions, sharedLayers, outerLayers, router, capacity, kv } = config;
  const get = (name: string): ArrayLike<number> => {
    const found = tensors.get(name);
    if (found === undefined) throw new Error(`no ${name}`);
    return found;
  };
  const norm = (x: Vector, name: string): Vector => {
    const mean = x.reduce((sum, value) => sum + value * value, 0) / c;
    return x.map((value, i) => (value / Math.sqrt(mean + epsilon)) * (get(`${name}.weight`)[i] as number));
  };
  const rotated = (x: Vector, position: number): Vector => {
    const result = [...x];
    const half = headDim / 2;
    for (let start = 0; start < x.length; start += headDim)
      for (let i = 0; i < half; i++) {
        const angle = position * config.rotary.theta ** ((-2 * i) / headDim);
        const [a, b] = [x[start + i] as number, x[start + i + half] as number];
        result[start + i] = a * Math.cos(angle) - b * Math.sin(angle);
        result[start + i + half] = a * Math.sin(angle) + b * Math.cos(angle);
      }
    return result;
  };
  type Entry = { position: number; key: Vector; value: Vector };
  const entriesOf = (x: Vector[], positions: number[], set: number): Entry[] =>
    x.map((row, at) => {
      const normed = norm(row, `blk.${set}.attn_norm`);
      const position = positions[at] as number;
      return {
        position,
        key: rotated(times(get(`blk.${set}.attn_k.weight`), normed), position),
        value: times(get(`blk.${set}.attn_v.weight`), normed),
      };
    });
  const block = (x: Vector[], positions: number[], set: number, entries = entriesOf(x, positions, set)): Vector[] =>
    x.map((row, at) => {
      const position = positions[at] as number;
      const query = rotated(times(get(`blk.${set}.attn_q.weight`), norm(row, `blk.${set}.attn_norm`)), position);
      const seen = entries.filter((entry) => entry.position <= position);
      const mixed = attended(
        query,
        seen.map(({ key }) => key),
        seen.map(({ value }) => value),
        headDim,
      );
      const middle = plus(row, times(get(`blk.${set}.attn_output.weight`), mixed));
      const inner = norm(middle, `blk.${set}.ffn_norm`);
      const up = times(get(`blk.${set}.ffn_up.weight`), inner);
      const gated = times(get(`blk.${set}.ffn_gate.weight`), inner).map(
        (value, i) => value * sigmoid(value) * (up[i] as number),
      );
      return plus(middle, times(get(`blk.${set}.ffn_down.weight`), gated));
    });

  const everyone = tokens.map((_, at) => at);
  const from = outerLayers ? 1 : 0;
  let x = tokens.map((token) => Array.from({ length: c }, (_, i) => get("token_embd.weight")[token * c + i] as number));
  if (outerLayers) x = block(x, everyone, 0);
  const held: Entry[][] = [];
  /** One recursion over the rows at `positions`. */
  const pass = (rows: Vector[], positions: number[], r: number): Vector[] => {
    let result = rows;
    for (let j = 0; j < sharedLayers; j++) {
      if (kv === "shared" && r === 1) held[j] = entriesOf(result, positions, from + j);
      result = block(result, positions, from + j, kv === "shared" ? held[j] : undefined);
    }
    return result;
  };

  const entered: number[][] = [];
  let [routerLoss, balance, z] = [0, 0, 0];
  if (router.kind === "none") for (let r = 1; r <= recursions; r++) x = pass(x, everyone, r);
  else if (router.kind === "expert") {
    let active = everyone;
    for (let r = 1; r <= recursions; r++) {
      const scores = new Map(
        active.map((at) => [at, (times(get(`router.${r}.weight`), x[at] as Vector)[0] as number) / router.temperature]),
      );
      const score = (at: number): number => scores.get(at) as number;
      const share = capacity[r - 1] as number;
      const count = Math.max(1, Math.floor(share * tokens.length + 1e-6));
      const chosen =
        select === "largest"
          ? [...active].sort((a, b) => score(b) - score(a) || a - b).slice(0, count)
          : active.filter((at) => share === 1 || score(at) > 0);
      chosen.sort((a, b) => a - b);
      routerLoss +=
        active.reduce((sum, at) => sum + Math.log1p(Math.exp(score(at))) - (chosen.includes(at) ? score(at) : 0), 0) /
        active.length;
      const results = pass(
        chosen.map((at) => x[at] as Vector),
        chosen,
        r,
      );
      const gate = (value: number): number => {
        if (router.gating === "additive") return 1;
        const opened = router.gate === "tanh" ? Math.tanh(value) : router.gate === "identity" ? value : sigmoid(value);
        return router.alpha * opened;
      };
      for (const [index, at] of chosen.entries())
        x[at] = plus(x[at] as Vector, scaled(results[index] as Vector, gate(score(at))));
      entered.push(chosen);
      active = chosen;
    }
  } else {
    const scores = x.map((row) => {
      const input = scaled(row, 1 / router.temperature);
      if (router.net === "linear") return times(get("router.weight"), input);
      return times(get("router.2.weight"), times(get("router.0.weight"), input).map(gelu));
    });
    const shares = scores.map((row) =>
      (router.gate === "softmax" ? softmax(row) : row.map(sigmoid)).map((share) => router.alpha * share),
    );
    const depths = shares.map((row) => row.indexOf(Math.max(...row)) + 1);
    const first = x.map((row) => [...row]);
    for (let r = 1; r <= recursions; r++) {
      const chosen = everyone.filter((at) => (depths[at] as number) >= r);
      const results = pass(
        chosen.map((at) => x[at] as Vector),
        chosen,
        r,
      );
      for (const [index, at] of chosen.entries()) x[at] = results[index] as Vector;
      entered.push(chosen);
    }
    x = x.map((row, at) => plus(first[at] as Vector, scaled(row, shares[at]?.[(depths[at] as number) - 1] as number)));
    const n = tokens.length;
    for (let r = 0; r < recursions; r++) {
      const f = depths.filter((depth) => depth === r + 1).length / n;
      balance += recursions * f * (shares.reduce((sum, row) => sum + (row[r] as number), 0) / n);
    }
    z = scores.reduce((sum, row) => sum + Math.log(row.reduce((total, v) => total + Math.exp(v), 0)) ** 2, 0) / n;
  }
  if (outerLayers) x = block(x, everyone, sharedLayers + 1);
  const logits = x.map((row) => times(get("token_embd.weight"), norm(row, "output_norm")));
  return { logits, entered, routerLoss, balance, z };
}

function gelu(x: number): number {
  return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}
