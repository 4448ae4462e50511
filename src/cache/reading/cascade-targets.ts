/** SpAtten's schedule: how many tokens, heads and value rows each layer reads. Pure arithmetic. */

export interface CascadeShape {
  readonly layers: number;
  readonly queryHeads: number;
}

export interface CascadeShares {
  /** Left at the last layer. */
  readonly tokenKeep: number;
  readonly headKeep: number;
  /** Of the tokens a layer reads, the share whose values each head reads. */
  readonly valueKeep: number;
}

export interface LayerTargets {
  readonly tokens: number;
  readonly heads: number;
  readonly values: number;
}

/** The first layers read everything: 15 % of them all tokens, 30 % all heads; from there on both fall linearly. */
export function cascadeTargets(
  { layers, queryHeads }: CascadeShape,
  { tokenKeep, headKeep, valueKeep }: CascadeShares,
  tokens: number,
): LayerTargets[] {
  return Array.from({ length: layers }, (_, layer) => {
    const ofTokens = falling(layer, { layers, front: Math.ceil(0.15 * layers), keep: tokenKeep });
    const ofHeads = falling(layer, { layers, front: Math.ceil(0.3 * layers), keep: headKeep });
    // One besides the new token, which every layer reads.
    const read = Math.min(tokens, Math.max(2, Math.ceil(round(ofTokens * tokens))));
    return {
      tokens: read,
      heads: Math.max(1, Math.ceil(round(ofHeads * queryHeads))),
      values: valuesRead(read, valueKeep),
    };
  });
}

export function valuesRead(tokens: number, keep: number): number {
  return Math.max(1, Math.floor(round(keep * tokens)));
}

/** 1 up to the front, then linear to `keep` at the last layer. */
function falling(layer: number, { layers, front, keep }: { layers: number; front: number; keep: number }): number {
  if (layer < front || keep === 1) return 1;
  if (layers <= front) return 1;
  return 1 - ((1 - keep) * (layer - front + 1)) / (layers - front);
}

/** Products of shares must not be lifted or lost to the last bit. */
function round(value: number): number {
  return Math.round(value * 1e9) / 1e9;
}

/** As counts of the longest text, 1,024 tokens, the released trace of a GPT-2 with 24 layers and 16 heads. */
export function gpt2MediumTargets(tokens: number): LayerTargets[] {
  const longest = 1024;
  return Array.from({ length: 24 }, (_, layer) => {
    const share = layer <= 1 ? 1 : layer === 2 ? 0.9 : layer <= 4 ? 0.8 : layer <= 10 ? 0.6 : 0.3;
    const most = Math.floor(round(share * longest));
    return {
      tokens: Math.min(tokens, most),
      heads: layer <= 15 ? 16 : layer <= 21 ? 13 : 10,
      values: Math.min(tokens, valuesRead(most, 0.3)),
    };
  });
}
