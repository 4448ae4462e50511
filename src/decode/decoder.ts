import type { z } from "zod";
import { defineMethod, type MethodDefinition, type MethodFactory, type Part } from "../method.js";

/** A decoder is a generator: it yields the rows it wants evaluated and is resumed with their logits; the scheduler puts the rows
 *  of many decoders, prefilling and decoding, into one forward pass without knowing which is which. Rules for all decoders:
 *  transforms run in the order penalties, mask, temperature, top-k, top-p, min-p; ties go to the lowest token id; random
 *  numbers are counter-based (`random.ts`), so nothing depends on batching. */
export interface Decoder extends Part<"decoder"> {
  /** Output follows the model's own law exactly. */
  readonly exact: boolean;
  /** Whether it takes back rows it had evaluated; a cache policy that cannot rewind is refused beside it. */
  readonly rewinds: boolean;
  decode(context: DecodeContext): Generator<RowsRequest, void, RowsResult>;
}

/** Rows to evaluate. Long requests (a prompt) are cut into slices by the scheduler; the decoder is resumed when all are done. */
export interface RowsRequest {
  readonly tokens: Int32Array;
  /** Which rows' logits come back: of the last row, of all, or of none. */
  readonly want: "last" | "all" | "none";
  /** Who sees whom among these rows. Default: each row sees the whole memory and the rows before it.
   *  "tree": row i sees the memory, itself and its ancestors by `parents` (index of a row of this request, or -1), and its
   *  position follows from its depth. "block": all rows see each other. */
  readonly sees?: { readonly kind: "tree"; readonly parents: Int32Array } | { readonly kind: "block" };
}

export interface RowsResult {
  /** f32 [rows wanted, V], valid until the next yield; may be written to. */
  logits(row: number): Float32Array;
}

export interface DecodeContext {
  /** Tokens to begin with, at least one; the memory already holds the first `memory.length` of them (a shared prefix). */
  readonly prompt: Int32Array;
  readonly memory: SequenceMemory;
  readonly sampler: Sampler;
  /** Hands out tokens. True when the sequence is over (end token, stop string, `maxTokens`): the decoder must return then. */
  emit(choice: Choice): boolean;
  /** Tokens the sequence may still hand out. */
  remaining(): number;
  readonly stats: Record<string, number>;
}

/** The memory of one sequence, as far as a decoder may touch it. Every evaluated row is in it until taken back. */
export interface SequenceMemory {
  /** Tokens held. */
  readonly length: number;
  /** Takes back all but the first `length` tokens. */
  rewind(length: number): void;
  /** Of the newest `rows` rows keeps those listed (in order) and takes back the rest: the accepted path of a tree. */
  keepRows(rows: number, kept: Int32Array): void;
}

export interface Choice {
  readonly token: number;
  /** Natural log of the probability under the transformed distribution; -0 when greedy. */
  readonly logProb: number;
  /** Most likely alternatives under the model's own distribution, when asked for. */
  readonly top?: readonly { token: number; logProb: number }[];
}

export interface Sampler {
  /** Draws the token at `position`, given everything emitted so far, and books it in penalties and grammar. */
  next(logits: Float32Array, position: number): Choice;
  /** The transformed distribution without drawing, for decoders that verify drafts. f32 [V], sums to 1. */
  distribution(logits: Float32Array): Float32Array;
  /** Books a token that was drawn elsewhere. */
  accept(token: number): void;
  /** Uniform in [0, 1) for this position and purpose, always the same for the same seed. */
  uniform(position: number, purpose: "draft" | "accept" | "correct" | "bonus" | "branch", index?: number): number;
}

export function decoder<Options extends z.ZodObject>(
  definition: MethodDefinition<Options> & {
    exact: boolean;
    rewinds: boolean;
    decode(context: DecodeContext, options: z.output<Options>): Generator<RowsRequest, void, RowsResult>;
  },
): MethodFactory<"decoder", Options, Decoder> {
  const { decode, exact, rewinds, ...head } = definition;
  return defineMethod({ ...head, kind: "decoder" }, (options, part) => ({
    ...part,
    exact,
    rewinds,
    decode: (context) => decode(context, options),
  }));
}
