import { z } from "zod";
import { QuireError } from "../errors.js";
import { philox } from "../tensor/random.js";
import type { Tensor } from "../tensor/tensor.js";
import { type CacheShape, type CacheView, cachePolicy, type PolicyRun } from "./policy.js";
import type { LayerReading, PassState } from "./reading/layer-reading.js";
import { chunkAttention, chunkSummaries } from "./reading/renumbered-attention.js";

/** LongHeads: each head reads a few chunks of its own choice, numbered as if they lay end to end, so that no distance is longer than the
 *  model was trained for.
 *  Paper    Lu et al. 2024, "LongHeads: Multi-Head Attention is Secretly a Long Context Processor", arXiv 2402.10685.
 *           Page: docs/methods/longheads.md
 *  Takes    queries before and after rotation, keys and values; nothing is trained
 *  Does     up to `begin` tokens everything is read; later queries read the first chunk, the one before their own, their own up to
 *           themselves, and of all others those whose summaries fit the query best
 *  Cost     everything is kept, and a summary a chunk and query head; a step reads at most `window` entries a head, and scores every
 *           chunk once. A prompt comes in passes of one chunk, linear in its length
 *  Differs  keys stay in the cache as they are, and queries are turned instead, once for each chunk that they read: rotations add up. Equal
 *           scores are told apart in no certain order
 *  Not      chunkllm (trained adapters, true positions), window (what lies between is never read)
 *  Errors   bad-option when the window is no whole number of chunks, holds fewer than three, or is longer than the model was trained
 *           for; unsupported without rotary positions */
export const longheads = cachePolicy({
  name: "longheads",
  title: "Each head reads a few chunks of its choice, renumbered to fit the trained length",
  arxiv: "2402.10685",
  options: z.object({
    window: z
      .number()
      .int()
      .min(0)
      .default(0)
      .describe("entries a head reads; 0: half of what the model was trained for, at most 4096"),
    chunk: z.number().int().min(0).default(0).describe("tokens a chunk; 0: a sixteenth of the window, at most 256"),
    begin: z
      .number()
      .int()
      .min(0)
      .default(0)
      .describe("tokens that are read in full before chunks are chosen; 0: the window"),
    choose: z.enum(["best", "random"]).default("best").describe("random: chunks by lot, to compare with"),
  }),
  renumbers: true,
  create: (options, shape) => {
    const size = sizesOf(options, shape.trainedTokens);
    return longheadsRun(shape, size, {
      tokens: 0,
      layers: new Map(shape.managedLayers.map((layer) => [layer, new LayerChunks(shape, options.choose)])),
      entriesRead: 0,
      steps: 0,
      choices: new Map(),
    });
  },
});

interface Sizes {
  readonly chunk: number;
  /** Chunks a query reads. */
  readonly reads: number;
  readonly begin: number;
}

function sizesOf(options: { window: number; chunk: number; begin: number }, trained: number): Sizes {
  const usual = Math.min(4096, 2 ** Math.floor(Math.log2(trained / 2)));
  const window =
    options.window === 0 ? (options.chunk === 0 ? usual : usual - (usual % options.chunk)) : options.window;
  const chunk = options.chunk === 0 ? Math.min(256, Math.max(1, Math.floor(window / 16))) : options.chunk;
  const begin = options.begin === 0 ? window : options.begin;
  if (window % chunk !== 0 || window < 3 * chunk) {
    throw new QuireError("bad-option", "longheads: the window is not made of whole chunks.", {
      got: `window ${window}, chunk ${chunk}`,
      expected: "a window of at least 3 chunks, without rest",
    });
  }
  if (window > trained || begin > trained) {
    throw new QuireError("bad-option", "longheads: the model was not trained to read so much at once.", {
      got: `window ${window}, begin ${begin}`,
      expected: `at most ${trained}`,
    });
  }
  if (begin < window || begin % chunk !== 0) {
    throw new QuireError("bad-option", "longheads: chunks cannot be chosen from here on.", {
      got: `begin ${begin}`,
      expected: `a multiple of the chunk, at least the window of ${window}`,
    });
  }
  return { chunk, reads: window / chunk, begin };
}

interface State {
  tokens: number;
  readonly layers: Map<number, LayerChunks>;
  entriesRead: number;
  steps: number;
  /** How often each chunk was read besides those that always are, by decoding steps. */
  readonly choices: Map<number, number>;
}

/** Of one layer: the queries of the unfinished chunk, and what stands for each full one. */
class LayerChunks {
  readonly #shape: Pick<CacheShape, "queryHeads" | "headDim">;
  readonly #choose: "best" | "random";
  /** f32 [rows, H, D] */
  queries: Float32Array[] = [];
  /** f32 [H, D] a chunk */
  readonly summaries: Float32Array[] = [];

  constructor(shape: Pick<CacheShape, "queryHeads" | "headDim">, choose: "best" | "random") {
    this.#shape = shape;
    this.#choose = choose;
  }

  clone(): LayerChunks {
    const copy = new LayerChunks(this.#shape, this.#choose);
    copy.queries = this.queries.slice();
    copy.summaries.push(...this.summaries);
    return copy;
  }

  /** Queries [H, R, D] of newest rows. */
  take(newest: Float32Array): void {
    const { queryHeads, headDim } = this.#shape;
    const rows = newest.length / (queryHeads * headDim);
    for (let row = 0; row < rows; row++) {
      const own = new Float32Array(queryHeads * headDim);
      for (let head = 0; head < queryHeads; head++) {
        const start = (head * rows + row) * headDim;
        own.set(newest.subarray(start, start + headDim), head * headDim);
      }
      this.queries.push(own);
    }
  }

  close(summary: Float32Array): void {
    this.summaries.push(this.#choose === "best" ? summary.slice() : lots(summary.length, this.summaries.length));
    this.queries = [];
  }

  /** [H, R, D] */
  writeQueries(into: Float32Array): void {
    const { queryHeads, headDim } = this.#shape;
    const rows = this.queries.length;
    for (const [row, own] of this.queries.entries()) {
      for (let head = 0; head < queryHeads; head++)
        into.set(own.subarray(head * headDim, (head + 1) * headDim), (head * rows + row) * headDim);
    }
  }

  /** Of chunks 1 to `count`, [H, count, D]. */
  writeSummaries(into: Float32Array, count: number): void {
    const { queryHeads, headDim } = this.#shape;
    for (let chunk = 0; chunk < count; chunk++) {
      const own = this.summaries[chunk + 1] as Float32Array;
      for (let head = 0; head < queryHeads; head++)
        into.set(own.subarray(head * headDim, (head + 1) * headDim), (head * count + chunk) * headDim);
    }
  }
}

/** What points nowhere is as likely to fit as anything else. */
function lots(length: number, chunk: number): Float32Array {
  return Float32Array.from({ length }, (_, place) => (philox([place, chunk, 0, 0], [1, 0])[0] as number) / 2 ** 31 - 1);
}

function longheadsRun(shape: CacheShape, sizes: Sizes, state: State): PolicyRun {
  const { chunk, reads, begin } = sizes;
  const { queryHeads, headDim } = shape;

  const ownChunk = (): number => Math.floor(state.tokens / chunk);
  const before = (): number => state.tokens % chunk;
  const isLong = (): boolean => state.tokens >= begin;

  const readChunks = (reading: LayerReading, own: number): Tensor => {
    const { layer, graph, keys, values, scale, softcap, queries, plainQueries, rotate } = reading;
    if (plainQueries === undefined) throw needsRotation();
    const rows = queries.size(1);
    const ownLength = Math.min(chunk, keys.size(1) - own * chunk);
    const candidates = own - 2;
    const places = reading.input("places", "f32", [rows], (into, { positions }) => {
      for (const [row, position] of positions.entries()) into[row] = (reads - 1) * chunk + (position % chunk);
    });
    const mask = reading.input("own chunk", "f32", [rows, ownLength], (into, pass) => {
      const { positions } = pass;
      mustBeWhole(pass, layer);
      into.fill(Number.NEGATIVE_INFINITY as never);
      for (const [row, position] of positions.entries())
        into.fill(0 as never, row * ownLength, row * ownLength + (position % chunk) + 1);
    });
    let written = false;
    const summaries = reading.input(`summaries ${layer}`, "f32", [queryHeads, candidates, headDim], (into) => {
      // The graph lives as long as its chunk is not full, and so long none is added.
      if (!written) state.layers.get(layer)?.writeSummaries(into as Float32Array, candidates);
      written = true;
    });
    const { attended, chosen } = chunkAttention({
      ...{ graph, queries, plainQueries, keys, values, summaries, places, mask, chunk, reads, own, scale, softcap },
      rotate: (x, positions) => rotate(x, positions),
    });
    if (rows === 1) reading.output(`chosen ${layer}`, chosen);
    return attended;
  };

  const closeChunk = (reading: LayerReading, own: number, earlier: number): void => {
    const { layer, graph, queries, scale, rotate } = reading;
    const stored =
      earlier === 0
        ? undefined
        : reading.input(`earlier ${layer}`, "f32", [queryHeads, earlier, headDim], (into) =>
            state.layers.get(layer)?.writeQueries(into as Float32Array),
          );
    const all = stored === undefined ? queries.cont() : stored.concat(queries.cont(), 1);
    const part = (x: Tensor): Tensor => x.slice(1, own * chunk, chunk);
    const summary = chunkSummaries({
      ...{ graph, queries: all, keys: part(reading.keys), values: part(reading.values), own, scale },
      rotate: (x, positions) => rotate(x, positions),
    });
    reading.output(`summary ${layer}`, summary);
  };

  const take = (view: CacheView): void => {
    const rows = view.tokens - state.tokens;
    const full = (state.tokens % chunk) + rows === chunk;
    for (const [layer, chunks] of state.layers) {
      const summary = view.outputs?.get(`summary ${layer}`);
      const queries = view.outputs?.get(`queries ${layer}`);
      if (full && summary !== undefined) chunks.close(summary);
      else if (queries !== undefined) chunks.take(queries);
      if (rows === 1 && isLong()) count(view.outputs?.get(`chosen ${layer}`));
    }
    if (rows === 1 && view.tokens > view.promptTokens) {
      state.steps++;
      state.entriesRead += isLong() ? (reads - 1) * chunk + (state.tokens % chunk) + 1 : view.tokens;
    }
    state.tokens = view.tokens;
  };
  const count = (chosen: Float32Array | undefined): void => {
    for (const [place, one] of (chosen ?? []).entries()) {
      const rank = place % (reads - 1);
      if (rank > 0 && rank < reads - 2) state.choices.set(one, (state.choices.get(one) ?? 0) + 1);
    }
  };
  const hook = (view: CacheView) => {
    take(view);
    return [];
  };

  return {
    mostRows: () => chunk - before(),
    readKey: (rows) => {
      const closes = before() + rows === chunk ? `end ${before()}` : "";
      return `${isLong() ? "long" : "short"} ${ownChunk()} ${closes}`;
    },
    read: (reading) => {
      const rows = reading.queries.size(1);
      const own = ownChunk();
      if (before() + rows === chunk) closeChunk(reading, own, before());
      else reading.output(`queries ${reading.layer}`, reading.queries.cont());
      return isLong() ? readChunks(reading, own) : undefined;
    },
    afterPrefillSlice: hook,
    afterPrefill: hook,
    afterStep: hook,
    clone: () =>
      longheadsRun(shape, sizes, {
        ...state,
        layers: new Map([...state.layers].map(([layer, chunks]) => [layer, chunks.clone()])),
        choices: new Map(state.choices),
      }),
    stats: () => ({
      chunks: Math.floor(state.tokens / chunk),
      meanEntriesRead: state.steps === 0 ? 0 : state.entriesRead / state.steps,
      ...Object.fromEntries(
        [...state.choices].sort(([a], [b]) => a - b).map(([one, times]) => [`chunk ${one}`, times]),
      ),
    }),
  };
}

/** Chunks are found by their place in the memory. */
function mustBeWhole(pass: PassState, layer: number): void {
  const { slots, positions } = pass.slots(layer, 0);
  if (slots.length === (positions.at(-1) ?? 0) + 1 && slots.every((slot, index) => slot === positions[index])) return;
  throw new QuireError("unsupported", "longheads: something is missing in the memory that it reads.");
}

function needsRotation(): QuireError {
  return new QuireError("unsupported", "longheads numbers what it reads anew, which needs rotary positions.");
}
