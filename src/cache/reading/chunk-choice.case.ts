import { QuireError } from "../../errors.js";
import { keepTop } from "../choose/keep-top.js";

/** LongHeads over plain numbers: which chunks a head reads for one query, how they are renumbered, and what comes of it. */

export interface ChunkChoice {
  /** Whole chunks to read, ascending; the own chunk, up to the query, follows them. */
  readonly chunks: number[];
  /** Rotary position of the query: the place of its own key in what is read. Entries count up to it from 0. */
  readonly place: number;
}

/** `scores[c]` says how well chunk c fits the query, for all chunks; read in any case are the first, the one before the query's and the
 *  query's own. */
export function chooseChunks(
  scores: Float32Array,
  { position, chunk, reads }: { position: number; chunk: number; reads: number },
): ChunkChoice {
  if (!(reads >= 3) || position < chunk * reads) {
    throw new QuireError("bad-option", "Chunks are chosen only where the text is longer than what is read.", {
      got: `position ${position}, ${reads} chunks of ${chunk}`,
      expected: `a position of at least ${chunk * Math.max(3, reads)}, and at least 3 chunks`,
    });
  }
  const own = Math.floor(position / chunk);
  const free = keepTop(scores.slice(1, own - 1), reads - 3);
  return {
    chunks: [0, ...Array.from(free, (index) => index + 1), own - 1],
    place: (reads - 1) * chunk + (position % chunk),
  };
}

/** What stands for a full chunk: its attention over itself (not causal), averaged, picks a weighted mean of its keys. All rows are
 *  rotated as if the chunk began at position 0. [l, D] each. */
export function chunkSummary(
  queries: readonly Float32Array[],
  keys: readonly Float32Array[],
  values: readonly Float32Array[],
): Float32Array {
  const dim = keys[0]?.length ?? 0;
  const scale = 1 / Math.sqrt(dim);
  const attended = queries.map((query) => mix(values, softmax(keys.map((key) => scale * dot(query, key)))));
  const mean = mix(
    attended,
    attended.map(() => 1 / attended.length),
  );
  return mix(keys, softmax(keys.map((key) => scale * dot(mean, key))));
}

function softmax(logits: readonly number[]): number[] {
  const highest = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - highest));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let d = 0; d < a.length; d++) sum += (a[d] as number) * (b[d] as number);
  return sum;
}

function mix(rows: readonly Float32Array[], weights: readonly number[]): Float32Array {
  const result = new Float32Array(rows[0]?.length ?? 0);
  for (const [i, row] of rows.entries()) {
    for (let d = 0; d < result.length; d++)
      result[d] = (result[d] as number) + (weights[i] as number) * (row[d] as number);
  }
  return result;
}

/** Rotary position by pairs of halves, as in `neox`. */
export function rotated(row: Float32Array, position: number, theta = 10_000): Float32Array {
  const half = row.length / 2;
  return row.map((value, d) => {
    const pair = d % half;
    const angle = position * theta ** (-pair / half);
    const other = row[d < half ? d + half : d - half] as number;
    return value * Math.cos(angle) + (d < half ? -other : other) * Math.sin(angle);
  });
}

/** One query over what it reads: keys without rotation, by position. */
export function renumberedRead(
  query: Float32Array,
  keys: readonly Float32Array[],
  values: readonly Float32Array[],
  { position, chunk, choice }: { position: number; chunk: number; choice: ChunkChoice },
): Float32Array {
  const own = Math.floor(position / chunk) * chunk;
  const read = choice.chunks.flatMap((one) => Array.from({ length: chunk }, (_, i) => one * chunk + i));
  for (let at = own; at <= position; at++) read.push(at);
  const turned = rotated(query, choice.place);
  const scale = 1 / Math.sqrt(query.length);
  const logits = read.map((at, place) => scale * dot(turned, rotated(keys[at] as Float32Array, place)));
  return mix(
    read.map((at) => values[at] as Float32Array),
    softmax(logits),
  );
}
