/** Links by words: chunks that share terms few others hold. Only terms of limited frequency are looked at, so the work is bounded by
 *  chunks · terms · that limit. */

import { throwIfAborted } from "../../errors.js";
import { NeighbourLists, type Neighbours } from "./neighbour-lists.js";
import type { Vocabulary } from "./terms.js";

export interface SharedTermOptions {
  /** Neighbours of each chunk. */
  readonly most: number;
  /** Chunks that a term may be in, at most. */
  readonly mostFrequent: number;
  /** Terms that two chunks must share, at least. */
  readonly least: number;
  /** Rarest terms of a chunk that count. */
  readonly termsPerChunk?: number;
  readonly signal?: AbortSignal;
}

export function sharedTerms(vocabulary: Vocabulary, options: SharedTermOptions): Neighbours {
  const { most, mostFrequent, least, termsPerChunk = 32 } = options;
  const { offsets, documentFrequency } = vocabulary;
  const chunks = offsets.length - 1;
  const usable = chosenTerms(vocabulary, mostFrequent, termsPerChunk);
  const postings = invert(usable, documentFrequency.length);
  const lists = new NeighbourLists(chunks, most);
  const score = new Float64Array(chunks);
  const shared = new Int32Array(chunks);
  const touched: number[] = [];
  const norms = Float64Array.from(usable, (terms) => Math.sqrt(terms.reduce((sum, t) => sum + weight(t) ** 2, 0)));
  function weight(term: number): number {
    return Math.log(1 + chunks / documentFrequency[term]!);
  }
  for (let c = 0; c < chunks; c++) {
    if (c % 256 === 0) throwIfAborted(options.signal);
    touched.length = 0;
    for (const term of usable[c]!) {
      const gain = weight(term) ** 2;
      for (const other of postings[term]!) {
        if (other <= c) continue;
        if (shared[other] === 0) touched.push(other);
        shared[other]!++;
        score[other]! += gain;
      }
    }
    for (const other of touched) {
      if (shared[other]! >= least) {
        const likeness = score[other]! / (norms[c]! * norms[other]!);
        lists.offer(c, other, likeness);
        lists.offer(other, c, likeness);
      }
      shared[other] = 0;
      score[other] = 0;
    }
  }
  return lists;
}

function chosenTerms(vocabulary: Vocabulary, mostFrequent: number, perChunk: number): Int32Array[] {
  const { offsets, terms, documentFrequency } = vocabulary;
  return Array.from({ length: offsets.length - 1 }, (_, c) => {
    const own = terms
      .subarray(offsets[c]!, offsets[c + 1]!)
      .filter((term) => documentFrequency[term]! >= 2 && documentFrequency[term]! <= mostFrequent);
    if (own.length <= perChunk) return own;
    return own.sort((a, b) => documentFrequency[a]! - documentFrequency[b]! || a - b).slice(0, perChunk);
  });
}

function invert(lists: readonly Int32Array[], terms: number): number[][] {
  const postings: number[][] = Array.from({ length: terms }, () => []);
  for (const [c, list] of lists.entries()) for (const term of list) postings[term]!.push(c);
  return postings;
}
