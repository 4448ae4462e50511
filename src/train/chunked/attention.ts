import { QuireError } from "../../errors.js";
import type { AttendOptions } from "../../models/architecture.js";
import type { Graph } from "../../tensor/graph.js";
import { Tensor } from "../../tensor/tensor.js";
import type { ChunkMemory } from "./memory.js";

/** Attention of one chunk over everything up to its end, of which only keys and values are left. Its gradient is made row block by row
 *  block, so that however long the past is, no more than a fixed number of scores is in memory at once. */

export interface ChunkPlace {
  readonly memory: ChunkMemory;
  /** Positions `start` to `start + length` of the sequence. */
  readonly start: number;
  readonly length: number;
  /** Scores of all heads that are in memory at once while gradients are made. */
  readonly scoresAtOnce: number;
}

/** Rows whose scores over `reach` positions are computed together. */
export function rowsAtOnce(heads: number, reach: number, rows: number, scoresAtOnce: number): number {
  return Math.max(1, Math.min(rows, Math.floor(scoresAtOnce / (heads * reach))));
}

/** Stores the chunk's keys and values [R, K, D] and attends with queries [R, H, D]; gives [R, H·D], without a gradient. */
export function readChunk(
  inputs: ChunkInputs,
  layer: number,
  [queries, keys, values]: readonly [Tensor, Tensor, Tensor],
  options: AttendOptions,
): Tensor {
  const { memory } = inputs.place;
  const stored = (which: "keys" | "values", rows: Tensor): Tensor => {
    const written = memory.part(which, layer).setRows(inputs.slots, rows.permute(1, 0, 2));
    inputs.graph.effect(written);
    return written;
  };
  return attend(inputs, queries, stored("keys", keys), stored("values", values), options);
}

export interface LearnAttention {
  /** Factor of what later chunks left for this one's keys and values. */
  readonly hop: number;
  /** The chunk was not read before: its keys and values are still to be stored. */
  readonly stores: boolean;
}

/** The same with a gradient, for a chunk whose keys and values are stored already: they are read, and the chunk's own serve for the
 *  gradient alone. To it comes what later chunks left for them; to what lies before goes what this chunk finds. */
export function learnChunk(
  inputs: ChunkInputs,
  layer: number,
  [queries, keys, values]: readonly [Tensor, Tensor, Tensor],
  options: AttendOptions,
  { hop, stores }: LearnAttention,
): Tensor {
  if (options.softcap !== undefined && options.softcap > 0) {
    throw new QuireError("unsupported", "Attention with capped scores cannot be trained chunk by chunk.", {
      got: `softcap ${options.softcap}`,
      expected: "a model without it",
    });
  }
  const stored = (which: "keys" | "values", rows: Tensor): Tensor => {
    const table = inputs.graph.use(inputs.place.memory.part(which, layer));
    return stores ? table.setRows(inputs.slots, rows.permute(1, 0, 2)) : table;
  };
  const [storedKeys, storedValues] = [stored("keys", keys), stored("values", values)];
  const attended = attend(inputs, queries, storedKeys, storedValues, options);
  return new Tensor({
    ...attended,
    source: undefined,
    op: "chunkAttention",
    inputs: [queries, keys, values],
    gradient: (dy, [wantsQueries = true, wantsKeys = true, wantsValues = true]) => {
      const wants = { queries: wantsQueries, keys: wantsKeys, values: wantsValues };
      const found = backward(inputs, { dy, attended, queries, storedKeys, storedValues }, options, wants);
      const own = (which: "keys" | "values", gradient: Tensor | undefined): Tensor | undefined =>
        gradient === undefined ? undefined : passOn(inputs, layer, which, gradient, { window: options.window, hop });
      return [found.queries, own("keys", found.keys), own("values", found.values)];
    },
  });
}

/** What the graph of a chunk is given from outside, beside its tokens. */
export class ChunkInputs {
  readonly graph: Graph;
  readonly place: ChunkPlace;
  readonly slots: Tensor;
  readonly #masks = new Map<number, Tensor>();

  constructor(graph: Graph, place: ChunkPlace) {
    const { start, length } = place;
    this.graph = graph;
    this.place = place;
    const slots = BigInt64Array.from({ length }, (_, row) => BigInt(start + row));
    this.slots = graph.constant(slots, [length], "slots");
  }

  /** The positions that rows of the chunk can see at all. */
  span(window: number): { from: number; reach: number } {
    const { start, length } = this.place;
    const from = window > 0 ? Math.max(0, start - window + 1) : 0;
    return { from, reach: start + length - from };
  }

  /** f16 [R, reach]: 0 where a row may look, -Infinity elsewhere. */
  mask(window: number): Tensor {
    const known = this.#masks.get(window);
    if (known !== undefined) return known;
    const mask = this.graph.input(`mask ${window}`, "f16", [this.place.length, this.span(window).reach]);
    this.#masks.set(window, mask);
    return mask;
  }

  /** Once the graph is compiled. */
  fill(): void {
    const { start, length } = this.place;
    for (const [window, mask] of this.#masks) {
      const { from, reach } = this.span(window);
      const values = this.graph.host<Uint16Array>(mask).fill(negativeInfinity);
      for (let row = 0; row < length; row++) {
        const position = start + row;
        const oldest = window > 0 ? Math.max(from, position - window + 1) : from;
        values.fill(0, row * reach + oldest - from, row * reach + position - from + 1);
      }
    }
  }
}

/** In f16. */
const negativeInfinity = 0xfc00;

function attend(
  inputs: ChunkInputs,
  queries: Tensor,
  keys: Tensor,
  values: Tensor,
  { scale, softcap, window = 0 }: AttendOptions,
): Tensor {
  const { from, reach } = inputs.span(window);
  const attended = queries.permute(1, 0, 2).flashAttention(keys.slice(1, from, reach), values.slice(1, from, reach), {
    mask: inputs.mask(window),
    scale,
    softcap,
  });
  return attended.reshape(attended.size(0), attended.size(1) * attended.size(2));
}

interface Forward {
  readonly dy: Tensor;
  readonly attended: Tensor;
  readonly queries: Tensor;
  readonly storedKeys: Tensor;
  readonly storedValues: Tensor;
}

interface Wants {
  readonly queries: boolean;
  readonly keys: boolean;
  readonly values: boolean;
}

/** Gradients of queries [R, H, D] and of all keys and values that were read, [K, reach, D]. */
function backward(
  inputs: ChunkInputs,
  { dy, attended, queries, storedKeys, storedValues }: Forward,
  { scale, window = 0 }: AttendOptions,
  wants: Wants,
): { queries: Tensor | undefined; keys: Tensor | undefined; values: Tensor | undefined } {
  const { graph } = inputs;
  const { from, reach } = inputs.span(window);
  const [rows, heads, width] = [queries.size(0), queries.size(1), queries.size(2)];
  const kvHeads = storedKeys.size(0);
  const group = heads / kvHeads;
  const keys = storedKeys.slice(1, from, reach);
  const values = storedValues.slice(1, from, reach);
  const transposedKeys = wants.queries ? keys.transpose().cont() : undefined;
  const byHead = (x: Tensor): Tensor => x.reshape(rows, heads, width).permute(1, 0, 2);
  const [dOutput, output] = [byHead(dy), byHead(attended)];
  const ofQueries = queries.permute(1, 0, 2);
  const mask = inputs.mask(window);
  let dQueries: Tensor | undefined;
  let dKeys: Tensor | undefined;
  let dValues: Tensor | undefined;
  const added = (sum: Tensor | undefined, part: Tensor): Tensor => {
    const total = sum === undefined ? part : sum.add(part);
    // Else the scores of all blocks would be kept until the end.
    graph.early(total);
    return total;
  };
  const most = rowsAtOnce(heads, reach, rows, inputs.place.scoresAtOnce);
  for (let first = 0; first < rows; first += most) {
    const count = Math.min(most, rows - first);
    const block = (x: Tensor): Tensor =>
      x
        .slice(1, first, count)
        .cont()
        .reshape(kvHeads, group * count, width);
    const [q, dOut] = [block(ofQueries), block(dOutput)];
    const weights = q
      .linear(keys)
      .reshape(kvHeads, group, count, reach)
      .softmax({ mask: mask.slice(0, first, count), scale })
      .reshape(kvHeads, group * count, reach);
    if (wants.values) dValues = added(dValues, dOut.outerSum(weights));
    if (!wants.queries && !wants.keys) continue;
    const along = dOut.mul(block(output)).sumRows();
    const dScores = weights.mul(dOut.linear(values).sub(along)).scale(scale);
    if (wants.keys) dKeys = added(dKeys, q.outerSum(dScores));
    if (transposedKeys === undefined) continue;
    const part = dScores.linear(transposedKeys).reshape(heads, count, width);
    dQueries = dQueries === undefined ? part : dQueries.concat(part, 1);
    graph.early(dQueries);
  }
  return { queries: dQueries?.permute(1, 0, 2).cont(), keys: dKeys, values: dValues };
}

/** Adds what this chunk found for earlier positions to the memory; gives the gradient of its own rows [R, K, D]. */
function passOn(
  inputs: ChunkInputs,
  layer: number,
  which: "keys" | "values",
  gradient: Tensor,
  { window = 0, hop }: { window?: number; hop: number },
): Tensor {
  const { graph, place } = inputs;
  const { start, length, memory } = place;
  const { from } = inputs.span(window);
  const own = gradient
    .slice(1, start - from, length)
    .permute(1, 0, 2)
    .cont();
  const stored = memory.gradient(which, layer);
  if (stored === undefined) return own;
  const left = graph.use(stored);
  if (start > from) {
    const earlier = left.slice(1, from, start - from);
    const written = gradient
      .slice(1, 0, start - from)
      .add(earlier)
      .copyInto(earlier);
    graph.early(written);
    graph.effect(written);
  }
  if (hop === 0) return own;
  const fromLater = left.slice(1, start, length).permute(1, 0, 2).cont();
  return own.add(hop === 1 ? fromLater : fromLater.scale(hop));
}
