import { isQuantised } from "../../tensor/dtype.js";
import type { Graph } from "../../tensor/graph.js";
import { linearExperts } from "../../tensor/ops/matmul.js";
import type { Tensor } from "../../tensor/tensor.js";
import { fixedInput } from "./fixed-input.js";

/** LongHeads in tensor operations: every query of every head reads a few whole chunks of its own choice and its own chunk, numbered as
 *  if they lay end to end. Rotations add up, so keys stay as they are and the query is turned once for every chunk that it reads.
 *  Letters as in ../policy.ts; R rows, all in the chunk `own`; l tokens a chunk; slots are positions. */

export interface ChunkRead {
  readonly graph: Graph;
  /** f32 [H, R, D], rotated at their true positions, and without rotation. */
  readonly queries: Tensor;
  readonly plainQueries: Tensor;
  /** [K, E, D], keys rotated at their true positions. */
  readonly keys: Tensor;
  readonly values: Tensor;
  /** f32 [H, own - 2, D]: what stands for chunks 1 to own - 2. */
  readonly summaries: Tensor | undefined;
  /** f32 [R]: place of each row's own key in what it reads. */
  readonly places: Tensor;
  /** f32 [R, l or what is left of the memory]: 0 for what a row may see of its own chunk, -Infinity elsewhere. */
  readonly mask: Tensor;
  readonly chunk: number;
  /** Chunks a query reads, its own among them; at most own + 1. */
  readonly reads: number;
  readonly own: number;
  readonly scale: number;
  readonly softcap?: number;
  /** x [n, heads, D] to i32 positions [n]. */
  rotate(x: Tensor, positions: Tensor): Tensor;
}

export interface ChunkReadResult {
  /** [R, H·D] */
  readonly attended: Tensor;
  /** f32 [H, R, reads - 1]: the whole chunks read, ascending. */
  readonly chosen: Tensor;
}

export function chunkAttention(read: ChunkRead): ChunkReadResult {
  const { queries, keys, values, chunk, own, scale, softcap } = read;
  const [heads = 1, rows = 1, width = 1] = queries.shape;
  const kvHeads = keys.size(0);
  const group = (heads / kvHeads) * rows;
  const whole = read.reads - 1;
  const chosen = choose(read);
  const turned = turn(read, chosen);
  const ids = chosen.cast("i32").reshape(heads * rows, whole);
  const ownIds = (kvHead: number): Tensor => ids.slice(0, kvHead * group, group).cont();
  const chunksOf = (x: Tensor, kvHead: number): Tensor =>
    x
      .slice(0, kvHead, 1)
      .slice(1, 0, own * chunk)
      .reshape(own, chunk, width);

  let logits: Tensor | undefined;
  for (let kvHead = 0; kvHead < kvHeads; kvHead++) {
    const x = turned.slice(0, kvHead * group, group);
    const products = linearExperts(x, chunksOf(keys, kvHead), ownIds(kvHead));
    logits = logits === undefined ? products : logits.concat(products, 0);
  }
  const ownLength = read.mask.size(-1);
  const ownKeys = keys.slice(1, own * chunk, ownLength);
  const all = (logits as Tensor).reshape(heads, rows, whole * chunk).concat(queries.cont().linear(ownKeys), -1);
  const scaled =
    softcap === undefined
      ? all.scale(scale)
      : all
          .scale(scale / softcap)
          .tanh()
          .scale(softcap);
  const open = read.mask.pad([0, whole * chunk], [0, 0]);
  const weights = scaled.softmax({ mask: open });
  const far = weights
    .slice(-1, 0, whole * chunk)
    .cont()
    .reshape(heads * rows, whole, chunk);
  const near = weights.slice(-1, whole * chunk, ownLength).cont();

  let fromFar: Tensor | undefined;
  for (let kvHead = 0; kvHead < kvHeads; kvHead++) {
    const sum = weightedChunks(far.slice(0, kvHead * group, group), chunksOf(values, kvHead), ownIds(kvHead));
    fromFar = fromFar === undefined ? sum : fromFar.concat(sum, 0);
  }
  const ownValues = floats(values.slice(1, own * chunk, ownLength));
  const fromNear = ownValues.outerSum(near.reshape(kvHeads, group, ownLength).transpose());
  const attended = (fromFar as Tensor).reshape(heads, rows, width).add(fromNear.reshape(heads, rows, width));
  return {
    attended: attended
      .permute(1, 0, 2)
      .cont()
      .reshape(rows, heads * width),
    chosen,
  };
}

/** f32 [H, R, reads - 1]: the first chunk, the best of those between, the one before the own. */
function choose({ graph, plainQueries, summaries, reads, own }: ChunkRead): Tensor {
  const [heads = 1, rows = 1] = plainQueries.shape;
  const count = reads - 3;
  const edge = (chunk: number): Tensor =>
    fixedInput(graph, `chunk ${chunk} of ${heads * rows}`, () => ({
      values: new Float32Array(heads * rows).fill(chunk),
      shape: [heads, rows, 1],
    }));
  if (count === 0 || summaries === undefined) return edge(0).concat(edge(own - 1), -1);
  const scores = plainQueries.cont().linear(summaries);
  const best = scores.topK(count).indices.cast("f32");
  const ascending = best.gather(best.argsort("ascending")).scale(1, 1);
  return edge(0)
    .concat(ascending, -1)
    .concat(edge(own - 1), -1);
}

/** [H·R, reads - 1, D]: each query turned as far as it will stand from each chunk that it reads. */
function turn({ graph, plainQueries, places, chunk, reads, rotate }: ChunkRead, chosen: Tensor): Tensor {
  const [heads = 1, rows = 1, width = 1] = plainQueries.shape;
  const whole = reads - 1;
  const ranks = fixedInput(graph, `ranks ${whole}`, () => ({
    values: Float32Array.from({ length: whole }, (_, rank) => rank),
    shape: [1, 1, whole],
  }));
  const positions = chosen
    .sub(ranks)
    .scale(chunk)
    .add(places.reshape(1, rows, 1))
    .cast("i32");
  const repeated = plainQueries
    .cont()
    .reshape(heads * rows, 1, width)
    .repeat(heads * rows, whole, width);
  return rotate(
    repeated.reshape(heads * rows * whole, 1, width),
    positions.cont().reshape(heads * rows * whole),
  ).reshape(heads * rows, whole, width);
}

/** Weights [n, used, l] over chunks of values [C, l, D] give [n, D]. */
function weightedChunks(weights: Tensor, chunks: Tensor, ids: Tensor): Tensor {
  const [rows = 1, used = 1, length = 1] = weights.shape;
  const [count = 1, , width = 1] = chunks.shape;
  if (rows < fewRows) {
    // A few chunks are taken out; for many rows it is cheaper to lay all of them out for products.
    const taken = chunks.reshape(count, length * width).getRows(ids.reshape(rows * used));
    return taken
      .reshape(rows, used * length, width)
      .outerSum(weights.cont().reshape(rows, used * length, 1))
      .reshape(rows, width);
  }
  const laid = chunks.cast("f32").permute(0, 2, 1).cont();
  return linearExperts(weights.cont(), laid, ids).permute(0, 2, 1).cont().sumRows().reshape(rows, width);
}

const fewRows = 16;

/** [K, n, D] out of the memory as f32. Quantised entries are only read where they lie together: head by head. */
function floats(part: Tensor): Tensor {
  if (!isQuantised(part.dtype)) return part.cast("f32");
  const heads = Array.from({ length: part.size(0) }, (_, head) => part.slice(0, head, 1).cast("f32"));
  return heads.reduce((all, head) => all.concat(head, 0));
}

export interface FullChunk {
  readonly graph: Graph;
  /** f32 [H, l, D], rotated at their true positions. */
  readonly queries: Tensor;
  /** [K, l, D] */
  readonly keys: Tensor;
  readonly values: Tensor;
  /** Number of the chunk. */
  readonly own: number;
  readonly scale: number;
  rotate(x: Tensor, positions: Tensor): Tensor;
}

/** f32 [H, D]: what stands for a full chunk. Its attention over itself, not causal, averaged, picks a weighted mean of its keys, rotated
 *  as if the chunk were the first. */
export function chunkSummaries({ graph, queries, keys, values, own, scale, rotate }: FullChunk): Tensor {
  const [heads = 1, length = 1, width = 1] = queries.shape;
  const kvHeads = keys.size(0);
  const group = heads / kvHeads;
  const back = fixedInput(graph, `back ${own} of ${length}`, () => ({
    values: new Int32Array(length).fill(-own * length),
    shape: [length],
  }));
  const stored = floats(keys);
  const local = rotate(stored.permute(1, 0, 2).cont(), back)
    .permute(1, 0, 2)
    .cont();
  const over = (weights: Tensor, rows: number, summed: Tensor): Tensor =>
    weights.reshape(kvHeads, group * rows, length).matmul(summed);
  const attended = over(queries.cont().linear(stored).softmax({ scale }), length, floats(values));
  const mean = attended
    .reshape(heads, length, width)
    .permute(0, 2, 1)
    .cont()
    .sumRows()
    .scale(1 / length)
    .reshape(heads, 1, width);
  return over(mean.linear(local).softmax({ scale }), 1, local).reshape(heads, width);
}
