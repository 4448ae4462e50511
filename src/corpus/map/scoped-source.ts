/** A source of candidates that gives chunks of one topic only: it asks the whole index for more until enough lie in the topic. */

import type { Chunk } from "../document.js";
import type { Candidate, CandidateSource } from "../select/selector.js";

/** More than this no search gives. */
const deepest = 100_000;

export function scopedSource(source: CandidateSource, scope: readonly Chunk[]): CandidateSource {
  const inside = new Set(scope.map(({ id }) => id));
  return {
    async search(query, options) {
      const within: Candidate[] = [];
      for (let k = Math.min(deepest, Math.max(200, 4 * options.k)); ; k = Math.min(deepest, 4 * k)) {
        const found = await source.search(query, { ...options, k });
        within.splice(0, within.length, ...found.filter(({ chunk }) => inside.has(chunk.id)));
        if (within.length >= options.k || within.length === inside.size || found.length < k || k === deepest) break;
      }
      return within.slice(0, options.k);
    },
    async neighbours(chunk, width) {
      return (await source.neighbours(chunk, width)).filter(({ id }) => inside.has(id));
    },
  };
}
