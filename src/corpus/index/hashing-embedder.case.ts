/** A deterministic embedder for tests: each word adds its own pseudo-random direction, so texts that share words are near. */

import { createHash } from "node:crypto";
import type { EmbedFunction } from "./writer.js";

const directions = new Map<string, Float32Array>();

export function hashingEmbedder(dimensions = 64): EmbedFunction {
  const directionOf = (word: string): Float32Array => {
    const key = `${dimensions} ${word}`;
    let direction = directions.get(key);
    if (direction === undefined) {
      let state = createHash("sha256").update(word).digest().readUInt32LE(0) || 1;
      direction = Float32Array.from({ length: dimensions }, () => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return state / 2 ** 31 - 1;
      });
      directions.set(key, direction);
    }
    return direction;
  };
  return async (texts) =>
    texts.map((text) => {
      const sum = new Float32Array(dimensions);
      for (const [word] of text.toLowerCase().matchAll(/[\p{L}\p{N}]+/gu)) {
        const direction = directionOf(word);
        for (let i = 0; i < dimensions; i++) sum[i]! += direction[i]!;
      }
      const length = Math.hypot(...sum) || 1;
      return sum.map((value) => value / length);
    });
}
