import type { z } from "zod";
import { defineMethod, type MethodDefinition, type MethodFactory, type Part } from "../method.js";

/** A cache policy decides what a sequence's memory keeps. It sees one sequence, layer by layer and KV head by KV head; the
 *  engine computes only what `needs` asks for, because fused attention does not give its weights back.
 *  Letters: L layers, H query heads, K kv heads, D head width, E entries held. A slot is an index inside the cache, a position
 *  an index in the text. */
export interface CachePolicy extends Part<"cache"> {
  readonly needs: PolicyNeeds;
  /** false: what was dropped cannot be rewound, so drafts and prefix reuse work on a clone or are refused. */
  readonly rewinds: boolean;
  create(shape: CacheShape): PolicyRun;
}

export interface PolicyNeeds {
  /** "columnSums": f32 [K, E], attention received so far, mean over the query heads of a group.
   *  "lastRows": f32 [K, rows, E], the newest `rows` queries at prefill and 1 at each step. */
  readonly attention?: "columnSums" | "lastRows";
  readonly rows?: number;
  readonly keys?: boolean;
  readonly values?: boolean;
  readonly queries?: boolean;
}

export interface CacheShape {
  readonly layers: number;
  readonly kvHeads: number;
  readonly queryHeads: number;
  readonly headDim: number;
  /** Layers the policy may touch; those with a built-in sliding window are left alone. */
  readonly managedLayers: readonly number[];
}

/** State of one sequence. Hooks return edits; a policy that returns none costs nothing. */
export interface PolicyRun {
  /** A slice of a long prompt is in, for policies that can act on what they have seen so far; the last slice is `afterPrefill`. */
  afterPrefillSlice?(view: CacheView): Edit[];
  /** A layer's part of the prompt is in. May return edits for this and earlier layers. */
  afterPrefillLayer?(layer: number, view: CacheView): Edit[];
  afterPrefill?(view: CacheView): Edit[];
  /** `step` counts decoded tokens from 1. */
  afterStep?(view: CacheView, step: number): Edit[];
  /** Before attention of a step reads a layer; a plan restricts reading and frees nothing. */
  beforeRead?(layer: number, view: CacheView, step: number): ReadPlan | undefined;
  clone(): PolicyRun;
  stats?(): Record<string, number>;
}

/** Read access to the memory as it stands. Arrays are valid until the hook returns. */
export interface CacheView {
  /** Tokens seen so far: the position of the next one. Never derive it from the entries held. */
  readonly tokens: number;
  readonly promptTokens: number;
  entries(layer: number, kvHead: number): EntryView;
}

export interface EntryView {
  /** Occupied slots, ascending by position. */
  readonly slots: Int32Array;
  /** Text position of each of `slots`. */
  readonly positions: Int32Array;
  /** How many tokens each of `slots` stands for; 1 unless merged. */
  readonly mass: Float32Array;
  /** What `needs` asked for, in the order of `slots`. */
  readonly attention?: Float32Array;
  readonly keys?: Float32Array;
  readonly values?: Float32Array;
}

/** `layer` or `kvHead` left out = all of them. */
interface Target {
  readonly layer?: number;
  readonly kvHead?: number;
}

export type Edit =
  /** Physical drop of all other slots. */
  | (Target & { readonly kind: "keep"; readonly slots: Int32Array })
  /** Each group becomes one entry at its first slot: mean of keys and values weighted by mass. */
  | (Target & { readonly kind: "merge"; readonly groups: readonly Int32Array[] })
  | (Target & { readonly kind: "quantise"; readonly bits: number });

export interface ReadPlan {
  /** Per KV head (or per query head, when there are as many): the slots that are read. */
  readonly slots: readonly Int32Array[];
  readonly positions: "true" | "slot" | readonly Int32Array[];
}

export function cachePolicy<Options extends z.ZodObject>(
  definition: MethodDefinition<Options> & {
    needs?: PolicyNeeds;
    rewinds?: boolean;
    create(options: z.output<Options>, shape: CacheShape): PolicyRun;
  },
): MethodFactory<"cache", Options, CachePolicy> {
  const { create, needs = {}, rewinds = false, ...head } = definition;
  return defineMethod({ ...head, kind: "cache" }, (options, part) => ({
    ...part,
    needs,
    rewinds,
    create: (shape) => create(options, shape),
  }));
}
