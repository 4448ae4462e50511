import { z } from "zod";
import { QuireError } from "../errors.js";
import type { HostArray } from "../tensor/graph.js";
import type { Tensor } from "../tensor/tensor.js";
import { type CacheShape, type CacheView, cachePolicy, type PolicyRun } from "./policy.js";
import { type Cascade, cascadeAttention } from "./reading/cascade-attention.js";
import { cascadeTargets } from "./reading/cascade-targets.js";
import type { LayerReading, PassState } from "./reading/layer-reading.js";
import { denseElements, type LayerReads, stepReads } from "./reading/memory-reads.js";

/** SpAtten: fewer tokens and heads with every layer, few values, and low bits of keys only where they matter.
 *  Paper    Wang et al. 2021, "SpAtten: Efficient Sparse Attention Architecture with Cascade Token and Head Pruning", arXiv
 *           2012.09852. Page: docs/methods/spatten.md
 *  Takes    queries, keys and values of every layer; keeps one importance per token and one per head, over all layers
 *  Does     reads the prompt in full; in each step restricts what each layer reads, and counts the bits that have to be read
 *  Cost     nothing is freed and no time is saved here: its figure is bits read. A step sorts E numbers per layer and head and turns
 *           keys and values into whole numbers anew
 *  Differs  keys stay stored as they are and are split into bit planes when read; there is no mode that frees what is pruned
 *  Not      cake (fewer entries in some layers, by need), h2o (drops for good)
 *  Errors   bad-option when a share is not above 0 and at most 1, or keys cannot be split into the planes */
export const spatten = cachePolicy({
  name: "spatten",
  title: "Prunes tokens and heads layer after layer, reads key bits only when needed",
  arxiv: "2012.09852",
  options: z.object({
    tokenKeep: share(0.3).describe("tokens left at the last layer"),
    headKeep: share(1).describe("query heads left at the last layer"),
    valueKeep: share(0.3).describe("of the tokens a layer reads, those whose values a head reads"),
    highBits: z
      .number()
      .int()
      .refine((bits) => bits === 0 || (bits >= 2 && bits <= 12), { error: "must be 0, or 2 to 12" })
      .default(8)
      .describe("bits of a key that are always read; 0 reads keys and values as they are stored"),
    lowBits: z
      .number()
      .int()
      .min(0)
      .max(8)
      .default(4)
      .describe("further bits, read where attention is flat; at most 16 in all"),
    refineBelow: z.number().min(0).default(0.05).describe("attention is flat if no weight reaches this"),
    renormalise: z.boolean().default(false).describe("let the weights of the values that are read sum to 1"),
  }),
  create: (options, shape) => {
    if (options.highBits + options.lowBits > 16) {
      throw new QuireError("bad-option", "spatten: keys have at most 16 bits.", {
        got: `${options.highBits} + ${options.lowBits}`,
        expected: "highBits and lowBits that add up to 16 at most",
      });
    }
    return spattenRun(options, shape, {
      importance: new Float32Array(0),
      heads: new Float32Array(shape.queryHeads),
      prompted: false,
      bits: 0,
      denseBits: 0,
      refined: 0,
      live: 0,
    });
  },
});

function share(standard: number) {
  return z.number().gt(0).max(1).default(standard);
}

interface Options {
  readonly tokenKeep: number;
  readonly headKeep: number;
  readonly valueKeep: number;
  readonly highBits: number;
  readonly lowBits: number;
  readonly refineBelow: number;
  readonly renormalise: boolean;
}

interface State {
  /** By position, summed over layers, heads and queries. */
  importance: Float32Array;
  heads: Float32Array;
  /** The prompt is in: from here on steps are pruned. */
  prompted: boolean;
  bits: number;
  denseBits: number;
  refined: number;
  live: number;
}

/** Texts this short are read whole. */
const shortest = 16;

function spattenRun(options: Options, shape: CacheShape, state: State): PolicyRun {
  const { queryHeads, kvHeads, headDim, managedLayers } = shape;
  const layers = managedLayers.length;
  const [firstLayer = 0] = managedLayers;
  const readsAll =
    [options.tokenKeep, options.headKeep, options.valueKeep].every((keep) => keep === 1) && options.highBits === 0;
  const targets = (tokens: number) => cascadeTargets({ layers, queryHeads }, options, tokens);
  let carried: Cascade | undefined;

  const prunes = (rows: number) => rows === 1 && state.prompted && state.importance.length >= shortest;

  const start = ({ keys, input }: LayerReading): Cascade => {
    const entries = keys.size(1);
    const bySlot = (fill: (position: number) => number) => (values: HostArray, pass: PassState) => {
      const { slots, positions } = pass.slots(firstLayer, 0);
      values.fill(0 as never);
      for (const [i, slot] of slots.entries()) values[slot] = fill(positions[i] as number);
    };
    const one = input("all heads", "f32", [queryHeads, 1, 1], (values) => values.fill(1 as never));
    return {
      tokens: input(
        "held",
        "f32",
        [1, entries],
        bySlot(() => 1),
      ),
      importance: input(
        "importance",
        "f32",
        [1, entries],
        bySlot((position) => state.importance[position] ?? 0),
      ),
      headImportance: input("head importance", "f32", [queryHeads, 1, 1], (values) => values.set(state.heads as never)),
      heads: one,
    };
  };

  const read = (reading: LayerReading): Tensor | undefined => {
    if (readsAll) return undefined;
    const { layer, output } = reading;
    const index = managedLayers.indexOf(layer);
    const before = index === 0 || carried === undefined ? start(reading) : carried;
    const result = prunes(reading.queries.size(1)) ? pruned(reading, index, before) : whole(reading, before);
    carried = result.next;
    if (index === layers - 1) {
      output("importance", carried.importance);
      output("head importance", carried.headImportance);
      carried = undefined;
    }
    return result.attended;
  };

  /** The prompt: everything is read, and what it looked at is added up. */
  const whole = (reading: LayerReading, before: Cascade) => {
    const { queries, keys, mask, scale, softcap } = reading;
    const [heads = 1, rows = 1, dim = 1] = queries.shape;
    const entries = keys.size(1);
    const attended = reading.usual();
    const products = queries.cont().linear(keys);
    const weights =
      softcap === undefined
        ? products.softmax({ mask, scale })
        : products
            .scale(scale / softcap)
            .tanh()
            .scale(softcap)
            .softmax({ mask });
    const byToken = weights
      .reshape(heads * rows, entries)
      .transpose()
      .cont()
      .sumRows()
      .reshape(1, entries);
    const byHead = attended
      .reshape(rows, heads, dim)
      .abs()
      .permute(1, 0, 2)
      .cont()
      .reshape(heads, rows * dim)
      .sumRows();
    return {
      attended,
      next: {
        ...before,
        importance: before.importance.add(byToken),
        headImportance: before.headImportance.add(byHead.reshape(heads, 1, 1)),
      },
    };
  };

  const pruned = (reading: LayerReading, index: number, before: Cascade) => {
    const { layer, input, output } = reading;
    const newest = input("newest", "f32", [1, reading.keys.size(1)], (values, pass) => {
      values.fill(0 as never);
      const { slots, positions } = pass.slots(firstLayer, 0);
      for (const [i, slot] of slots.entries()) if (positions[i] === pass.positions[0]) values[slot] = 1;
    });
    const count = (name: string, of: (tokens: number) => number) =>
      input(`${name} ${layer}`, "i32", [1], (values, pass) => {
        values[0] = of((pass.positions[0] as number) + 1) - 1;
      });
    const at = (tokens: number, offset: number) => {
      const all = targets(tokens);
      return all[Math.min(index + offset, layers - 1)] as (typeof all)[number];
    };
    const result = cascadeAttention(before, {
      ...reading,
      ...options,
      newest,
      valueCount: count("values", (tokens) => at(tokens, 0).values),
      nextTokens: count("tokens", (tokens) => at(tokens, 1).tokens),
      nextHeads: count("heads", (tokens) => at(tokens, 1).heads),
    });
    output(`read ${layer}`, before.tokens.sum());
    output(`live ${layer}`, result.liveHeads);
    output(`refined ${layer}`, result.refinedHeads);
    output(`values ${layer}`, result.valueRows);
    return result;
  };

  const absorb = (view: CacheView): void => {
    const importance = view.outputs?.get("importance");
    const heads = view.outputs?.get("head importance");
    if (importance === undefined || heads === undefined) return;
    const { slots, positions } = view.entries(firstLayer, 0);
    if (state.importance.length < view.tokens) {
      const grown = new Float32Array(view.tokens);
      grown.set(state.importance);
      state.importance = grown;
    }
    for (const [i, slot] of slots.entries()) state.importance[positions[i] as number] = importance[slot] as number;
    state.heads = heads.slice();
  };

  /** What this step had to read. */
  const account = ({ outputs, tokens }: CacheView): void => {
    const reads = managedLayers.flatMap((layer): LayerReads[] => {
      const live = outputs?.get(`live ${layer}`);
      if (live === undefined) return [];
      const total = (name: string) => {
        const values = outputs?.get(`${name} ${layer}`) ?? new Float32Array(0);
        return values.reduce((sum, one) => sum + one, 0);
      };
      return [
        { tokens: total("read"), liveHeads: total("live"), refinedHeads: total("refined"), valueRows: total("values") },
      ];
    });
    const dense = 16 * denseElements({ layers, kvHeads, headDim }, tokens);
    state.denseBits += dense;
    if (reads.length === 0) {
      state.bits += dense;
      return;
    }
    const plain = options.highBits === 0;
    const planes = plain ? { high: 16, low: 0, value: 16 } : { high: options.highBits, low: options.lowBits, value: 8 };
    // Each row of whole numbers has a scale of 16 bits.
    const rows = reads.reduce((sum, { tokens, liveHeads, valueRows }) => sum + liveHeads * tokens + valueRows, 0);
    state.bits += stepReads(reads, headDim, planes).bits + (plain ? 0 : 16 * rows);
    state.refined += reads.reduce((sum, { refinedHeads }) => sum + refinedHeads, 0);
    state.live += reads.reduce((sum, { liveHeads }) => sum + liveHeads, 0);
  };

  return {
    read,
    readKey: (rows) => (prunes(rows) ? "pruned" : "whole"),
    afterPrefillSlice: (view) => {
      absorb(view);
      return [];
    },
    afterPrefill: (view) => {
      absorb(view);
      state.prompted = true;
      return [];
    },
    afterStep: (view) => {
      absorb(view);
      account(view);
      return [];
    },
    clone: () =>
      spattenRun(options, shape, { ...state, importance: state.importance.slice(), heads: state.heads.slice() }),
    stats: () => ({
      bitsRead: state.bits,
      bitsOfFullCache: state.denseBits,
      shareRead: state.denseBits === 0 ? 1 : state.bits / state.denseBits,
      shareRefined: state.live === 0 ? 0 : state.refined / state.live,
      importance: state.importance.reduce((sum, one) => sum + one, 0),
    }),
  };
}
