import type { CacheInspection } from "../api/inside.js";

/** Which tokens are kept, out of the bits that the server sends. */

export interface Chosen {
  readonly layer: number | undefined;
  readonly head: number | undefined;
}

export interface Heat {
  readonly tokens: number;
  /** Of each token, the share of the chosen layers and heads that keep it. */
  readonly shares: Float32Array;
  /** Share of all tokens and chosen heads together. */
  readonly kept: number;
}

export function heatOf({ layers, kvHeads, snapshots }: CacheInspection, moment: number, chosen: Chosen): Heat {
  const snapshot = snapshots[Math.min(moment, snapshots.length - 1)];
  if (snapshot === undefined) return { tokens: 0, shares: new Float32Array(0), kept: 0 };
  const { tokens } = snapshot;
  const bits = Uint8Array.from(atob(snapshot.kept), (char) => char.charCodeAt(0));
  const width = Math.ceil(tokens / 8);
  const counts = new Float32Array(tokens);
  let rows = 0;
  for (const [index, layer] of layers.entries()) {
    if (chosen.layer !== undefined && chosen.layer !== layer) continue;
    for (let head = 0; head < kvHeads; head++) {
      if (chosen.head !== undefined && chosen.head !== head) continue;
      rows++;
      const start = (index * kvHeads + head) * width;
      for (let token = 0; token < tokens; token++)
        if (((bits[start + (token >> 3)] ?? 0) >> (token & 7)) & 1) counts[token] = (counts[token] ?? 0) + 1;
    }
  }
  const shares = counts.map((count) => count / Math.max(1, rows));
  return { tokens, shares, kept: shares.reduce((sum, share) => sum + share, 0) / Math.max(1, tokens) };
}
