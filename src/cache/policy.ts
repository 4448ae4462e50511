import type { z } from "zod";
import { defineMethod, type MethodDefinition, type MethodFactory, type Part } from "../method.js";
import type { Reader } from "./reading/layer-reading.js";

/** A cache policy decides what a sequence's memory keeps. It sees one sequence, layer by layer and KV head by KV head; the
 *  engine computes only what `needs` asks for, because fused attention does not give its weights back.
 *  Letters: L layers, H query heads, K kv heads, D head width, E entries held. A slot is an index inside the cache, a position
 *  an index in the text. */
export interface CachePolicy extends Part<"cache"> {
  readonly needs: PolicyNeeds;
  /** false: what was dropped cannot be rewound, so drafts and prefix reuse work on a clone or are refused. */
  readonly rewinds: boolean;
  /** Reads are numbered anew, so that no distance is longer than the model was trained for: texts may be longer than that. */
  readonly renumbers: boolean;
  create(shape: CacheShape): PolicyRun;
}

export interface PolicyNeeds {
  /** f32 [E] a KV head: attention each entry has received since it came in, mean over the query heads of the group. */
  readonly columnSums?: boolean;
  /** Attention of the newest queries of the prompt, so many (fewer where the prompt is shorter), once it is in. */
  readonly promptRows?: number;
  /** Attention of the one query of every decoding step. */
  readonly stepRow?: boolean;
  readonly keys?: boolean;
  readonly values?: boolean;
  /** Keys are stored a second time without rotation, for policies that read by a rule of their own (`read`). */
  readonly raw?: boolean;
}

export interface CacheShape {
  readonly layers: number;
  readonly kvHeads: number;
  readonly queryHeads: number;
  readonly headDim: number;
  /** Layers the policy may touch; those with a built-in sliding window are left alone. */
  readonly managedLayers: readonly number[];
  /** Tokens that the model was trained for. */
  readonly trainedTokens: number;
}

/** State of one sequence. Hooks return edits; a policy that returns none costs nothing. */
export interface PolicyRun extends Reader {
  /** A slice of a long prompt is in, for policies that can act on what they have seen so far; the last slice is `afterPrefill`. */
  afterPrefillSlice?(view: CacheView): Edit[];
  afterPrefill?(view: CacheView): Edit[];
  /** `step` counts decoded tokens from 1. */
  afterStep?(view: CacheView, step: number): Edit[];
  clone(): PolicyRun;
  stats?(): Record<string, number>;
  /** Rows that the next pass may bring at most. */
  mostRows?(): number;
}

/** Read access to the memory as it stands. Arrays are valid until the hook returns. */
export interface CacheView {
  /** Tokens seen so far: the position of the next one. Never derive it from the entries held. */
  readonly tokens: number;
  readonly promptTokens: number;
  /** What the engine will let the sequence produce at most. */
  readonly maxNewTokens: number;
  entries(layer: number, kvHead: number): EntryView;
  /** What the policy's own reading made readable in the newest pass, by name. */
  readonly outputs?: ReadonlyMap<string, Float32Array>;
}

/** What a KV head of a layer holds; all arrays in the order of `slots`. What `needs` did not ask for is undefined. */
export interface EntryView {
  /** Occupied slots, ascending by position. */
  readonly slots: Int32Array;
  /** Text position of each. */
  readonly positions: Int32Array;
  /** How many tokens each stands for; 1 unless merged. */
  readonly mass: Float32Array;
  /** f32 [E] */
  readonly columnSums?: Float32Array;
  /** f32 [G, rows, E]: softmax weights of the group's G query heads for the newest `rows` queries, oldest first: those of the prompt
   *  in `afterPrefill`, the one of the step in `afterStep`. */
  readonly rows?: Float32Array;
  readonly rowCount?: number;
  /** f32 [E, D], rotated at their positions. */
  readonly keys?: Float32Array;
  readonly values?: Float32Array;
}

/** `layer` left out = all managed layers, `kvHead` left out = all heads. The heads of one layer must hold equally many entries once all
 *  edits of a hook are made; layers may differ. */
interface Target {
  readonly layer?: number;
  readonly kvHead?: number;
}

export type Edit =
  /** Physical drop of all other slots. */
  | (Target & { readonly kind: "keep"; readonly slots: Int32Array })
  /** Each group becomes one entry at its first slot: mean of keys and values weighted by mass, position of the first. */
  | (Target & { readonly kind: "merge"; readonly groups: readonly Int32Array[] });

export function cachePolicy<Options extends z.ZodObject>(
  definition: MethodDefinition<Options> & {
    needs?: PolicyNeeds | ((options: z.output<Options>) => PolicyNeeds);
    rewinds?: boolean;
    renumbers?: boolean;
    create(options: z.output<Options>, shape: CacheShape): PolicyRun;
  },
): MethodFactory<"cache", Options, CachePolicy> {
  const { create, needs = {}, rewinds = false, renumbers = false, ...head } = definition;
  return defineMethod({ ...head, kind: "cache" }, (options, part) => ({
    ...part,
    needs: typeof needs === "function" ? needs(options) : needs,
    rewinds,
    renumbers,
    create: (shape) => create(options, shape),
  }));
}
