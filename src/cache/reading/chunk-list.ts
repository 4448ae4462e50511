import { QuireError } from "../../errors.js";

/** ChunkLLM: the text as chunks that end where a sentence does, with the mean adapter key of each, kept while the text grows. */

export interface TextChunk {
  readonly start: number;
  /** One past its last token. */
  readonly end: number;
  /** Mean over its tokens. */
  readonly key: Float32Array;
}

export class ChunkList {
  readonly closed: TextChunk[] = [];
  readonly #longest: number;
  readonly #sum: Float64Array;
  #start = 0;
  #tokens = 0;

  /** A chunk is closed at `longest` tokens even where no boundary was seen. */
  constructor(width: number, longest = 64) {
    this.#longest = longest;
    this.#sum = new Float64Array(width);
  }

  clone(): ChunkList {
    const copy = new ChunkList(this.#sum.length, this.#longest);
    copy.closed.push(...this.closed);
    copy.#sum.set(this.#sum);
    copy.#start = this.#start;
    copy.#tokens = this.#tokens;
    return copy;
  }

  /** Where the open chunk begins. */
  get open(): number {
    return this.#start;
  }

  get tokens(): number {
    return this.#tokens;
  }

  /** True when the token closed a chunk: then, and only then, the next selection is due. */
  push(key: ArrayLike<number>, isBoundary: boolean): boolean {
    if (key.length !== this.#sum.length)
      throw new QuireError("bad-shape", "The key does not have the adapter's width.", {
        got: key.length,
        expected: this.#sum.length,
      });
    for (let r = 0; r < key.length; r++) this.#sum[r] = (this.#sum[r] as number) + (key[r] as number);
    this.#tokens++;
    const length = this.#tokens - this.#start;
    if (!isBoundary && length < this.#longest) return false;
    this.closed.push({
      start: this.#start,
      end: this.#tokens,
      key: Float32Array.from(this.#sum, (sum) => sum / length),
    });
    this.#start = this.#tokens;
    this.#sum.fill(0);
    return true;
  }
}

/** Which chunks are read besides the first and the local part: the best that fit, in order of score. A chunk that does not fit is passed
 *  over, and the next tried; of equal scores the later comes first. */
export function selectChunks(
  chunks: readonly { readonly start: number; readonly end: number; readonly score: number }[],
  { budget, local, tokens, open }: { budget: number; local: number; tokens: number; open: number },
): number[] {
  const localStart = Math.min(open, Math.max(0, tokens - local));
  const first = chunks[0];
  if (first === undefined) return [];
  let room = budget - (Math.min(first.end, localStart) - first.start) - (tokens - localStart);
  return chunks
    .map((chunk, index) => ({ ...chunk, index, end: Math.min(chunk.end, localStart) }))
    .filter(({ index, start, end }) => index > 0 && start < end)
    .sort((a, b) => b.score - a.score || b.index - a.index)
    .filter(({ start, end }) => {
      if (end - start > room) return false;
      room -= end - start;
      return true;
    })
    .map(({ index }) => index)
    .sort((a, b) => a - b);
}

/** Scores for one common choice: chunks that more layers chose come first, among those the ones with the larger sum of scores. */
export function rankedByVotes(
  chosen: readonly (readonly number[])[],
  scores: readonly (readonly number[])[],
): number[] {
  const count = scores[0]?.length ?? 0;
  const votes = new Array<number>(count).fill(0);
  for (const own of chosen) for (const chunk of own) votes[chunk] = (votes[chunk] as number) + 1;
  const sums = votes.map((_, chunk) => scores.reduce((sum, own) => sum + (own[chunk] as number), 0));
  const order = [...votes.keys()].sort(
    (a, b) => (votes[a] as number) - (votes[b] as number) || (sums[a] as number) - (sums[b] as number) || a - b,
  );
  const ranks = new Array<number>(count).fill(0);
  for (const [rank, chunk] of order.entries()) ranks[chunk] = rank;
  return ranks;
}
