import { z } from "zod";
import { QuireError } from "../errors.js";
import type { HostArray } from "../tensor/graph.js";
import type { Tensor } from "../tensor/tensor.js";
import { entriesOf, mustHold } from "./choose/budget.js";
import { budget } from "./options.js";
import { type CacheShape, type CacheView, cachePolicy, type PolicyRun } from "./policy.js";
import { type ChunkAdapters, mustFit, readChunkAdapters } from "./reading/chunk-adapters.js";
import { ChunkReader } from "./reading/chunk-reader.js";
import type { LayerReading, PassState } from "./reading/layer-reading.js";

/** ChunkLLM: each layer reads the first chunk, the newest text, and the chunks that small trained adapters pick.
 *  Paper    Ouyang et al. 2025, "ChunkLLM: A Lightweight Pluggable Framework for Accelerating LLMs Inference", arXiv 2510.02361.
 *           Page: docs/methods/chunkllm.md
 *  Takes    queries and keys before rotation, the state after the first layer, and a file of adapters
 *  Does     reads the prompt in full; in each step restricts what a layer reads; chooses anew only when a chunk has ended
 *  Cost     nothing is freed, and keys are stored a second time without rotation; a step reads at most budget entries a layer, and a
 *           choice multiplies one adapter query with the key of every chunk
 *  Differs  what the paper's summaries leave open is decided here: see the page. Without adapters chunks have 64 tokens and the newest
 *           that fit are read
 *  Not      longheads (no training, fixed chunks, each head its own), h2o and its like (they free what they do not read)
 *  Errors   bad-option when the budget does not hold the first chunk, the newest text and one more, or the adapters are of another
 *           model; bad-file when they are damaged */
export const chunkllm = cachePolicy({
  name: "chunkllm",
  title: "Small trained adapters pick the chunks that each layer reads",
  arxiv: "2510.02361",
  options: z.object({
    budget: budget(0.5).describe("entries read per layer: a share of the prompt (1 reads all), or a number above 1"),
    adapters: z.string().default("").describe("file of trained adapters; without one the newest chunks are read"),
    local: z.number().int().min(1).default(128).describe("newest tokens that are always read"),
    alpha: z.number().gt(0).lt(1).default(0.5).describe("probability from which on a token ends a chunk"),
    longest: z.number().int().min(1).default(64).describe("tokens at which a chunk ends in any case"),
    refresh: z.enum(["boundary", "everyToken"]).default("boundary").describe("when chunks are chosen anew"),
    scope: z.enum(["perLayer", "vote"]).default("perLayer").describe("each layer for itself, or one choice by vote"),
  }),
  needs: { raw: true },
  create: (options, shape) => {
    const least = options.longest + options.local + 1;
    mustHold("chunkllm", options.budget, least, "the first chunk, the newest text and one more");
    const adapters = options.adapters === "" ? undefined : readChunkAdapters(options.adapters);
    const { layers, queryHeads, kvHeads, headDim } = shape;
    if (adapters !== undefined) mustFit(adapters, { layers, queryHeads, kvHeads, headDim });
    const reader = new ChunkReader({
      ...options,
      layers: shape.managedLayers.length,
      width: adapters?.shape.width ?? 0,
    });
    return chunkRun({ ...options, least, adapters }, shape, { reader, steps: 0, entriesRead: 0 });
  },
});

interface Options {
  readonly budget: number;
  readonly alpha: number;
  readonly least: number;
  readonly adapters: ChunkAdapters | undefined;
}

interface State {
  readonly reader: ChunkReader;
  steps: number;
  /** Mean over layers, summed over steps. */
  entriesRead: number;
}

function chunkRun(options: Options, shape: CacheShape, state: State): PolicyRun {
  const { adapters } = options;
  const { reader } = state;
  const layers = shape.managedLayers;

  const take = ({ tokens, outputs }: CacheView): boolean => {
    const boundaries = outputs?.get("boundary");
    return reader.take(
      tokens - reader.chunks.tokens,
      layers.map((layer) => outputs?.get(`keys ${layer}`)),
      (row) => boundaries !== undefined && 1 / (1 + Math.exp(-(boundaries[row] as number))) > options.alpha,
    );
  };
  const select = ({ outputs }: CacheView): void => reader.select(layers.map((layer) => outputs?.get(`query ${layer}`)));

  const graphKey = (rows: number): string => {
    const tokens = reader.chunks.tokens + 1;
    return rows !== 1 || reader.readsAll(tokens) ? "usual" : `read ${reader.padded(tokens)}`;
  };

  const read = (reading: LayerReading): Tensor | undefined => {
    const { layer, queries, scale, softcap } = reading;
    if (adapters !== undefined) project(reading, adapters);
    if (graphKey(queries.size(1)) === "usual") return adapters === undefined ? undefined : reading.usual();
    const count = reader.padded(reader.chunks.tokens + 1);
    const index = layers.indexOf(layer);
    const [kvHeads = 1] = reading.keys.shape;
    const positions = (pass: PassState) => reader.positions(index, (pass.positions[0] as number) + 1);
    const at = reading.input(`entries ${layer}`, "i32", [kvHeads, count], (values, pass) => {
      const slots = slotsOf(pass, layer, positions(pass));
      values.fill(0 as never);
      for (let head = 0; head < kvHeads; head++) values.set(slots as never, head * count);
    });
    const mask = reading.input(`mask ${layer}`, "f32", [1, count], (values, pass) => {
      const used = positions(pass).length;
      values.fill(Number.NEGATIVE_INFINITY as never);
      values.fill(0 as never, 0, used);
      state.entriesRead += used / layers.length;
    });
    return queries
      .flashAttention(reading.keys.getRows(at), reading.values.getRows(at), { mask: mask.cast("f16"), scale, softcap })
      .reshape(1, queries.size(0) * queries.size(2));
  };

  return {
    read,
    readKey: graphKey,
    ...(adapters === undefined ? {} : { watchLayer: (at) => watchBoundaries(at, adapters) }),
    afterPrefillSlice: (view) => {
      take(view);
      return [];
    },
    afterPrefill: (view) => {
      take(view);
      reader.limit = entriesOf(options.budget, view.promptTokens, options.least);
      select(view);
      return [];
    },
    afterStep: (view) => {
      state.steps++;
      if (reader.isDue(take(view))) select(view);
      return [];
    },
    clone: () => chunkRun(options, shape, { ...state, reader: reader.clone() }),
    stats: () => ({
      chunks: reader.chunks.closed.length,
      selections: reader.selections,
      meanEntriesRead: state.steps === 0 ? 0 : state.entriesRead / state.steps,
    }),
  };
}

function slotsOf(pass: PassState, layer: number, wanted: readonly number[]): Int32Array {
  const { slots, positions } = pass.slots(layer, 0);
  const byPosition = new Map(Array.from(positions, (position, i) => [position, slots[i] as number]));
  return Int32Array.from(wanted, (position) => {
    const slot = byPosition.get(position);
    if (slot === undefined) throw new QuireError("unsupported", "chunkllm: a token it reads is not in the memory.");
    return slot;
  });
}

/** Adapter keys of the new rows and the adapter query of the newest, for the hooks to see. */
function project(reading: LayerReading, { shape, queries, keys }: ChunkAdapters): void {
  const { layer, raw } = reading;
  if (raw === undefined) throw new QuireError("unsupported", "chunkllm needs queries and keys before rotation.");
  const { width, queryHeads, kvHeads, headDim } = shape;
  const rows = raw.queries.size(1);
  const copy = (from: Float32Array) => (values: HostArray) => (values as Float32Array).set(from);
  const weightOf = (name: string, from: Float32Array, inputs: number) =>
    reading.input(`${name} ${layer}`, "f32", [width, inputs], copy(from));
  const at = reading.input("new rows", "i32", [kvHeads, rows], (values, pass) => {
    const slots = slotsOf(pass, layer, Array.from(pass.positions));
    for (let head = 0; head < kvHeads; head++) values.set(slots as never, head * rows);
  });
  const rowKeys = raw.keys
    .getRows(at)
    .permute(1, 0, 2)
    .cont()
    .reshape(rows, kvHeads * headDim);
  reading.output(
    `keys ${layer}`,
    rowKeys.linear(weightOf("key weight", keys[layer] as Float32Array, kvHeads * headDim)),
  );
  const newest = raw.queries
    .slice(1, rows - 1, 1)
    .cont()
    .reshape(1, queryHeads * headDim);
  reading.output(
    `query ${layer}`,
    newest.linear(weightOf("query weight", queries[layer] as Float32Array, queryHeads * headDim)),
  );
}

/** How likely each row ends a chunk, judged by its state after the first layer; before the sigmoid. */
function watchBoundaries(
  { layer, rows, input, output }: Parameters<NonNullable<PolicyRun["watchLayer"]>>[0],
  adapters: ChunkAdapters,
): void {
  if (layer !== 0) return;
  mustFit(adapters, { hiddenSize: rows.size(1) });
  const weight = input("boundary weight", "f32", [1, rows.size(1)], (values) =>
    (values as Float32Array).set(adapters.boundary),
  );
  output("boundary", rows.rmsNorm(1e-5).linear(weight).scale(1, adapters.bias));
}
