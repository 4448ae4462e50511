import type { z } from "zod";
import { defineMethod, type MethodDefinition, type MethodFactory, type Part } from "../method.js";
import type { Tokenizer } from "../text/tokenizer.js";
import type { Candidates } from "./sample/candidates.js";

/** A decoder is a generator: it yields the rows it wants evaluated and is resumed with their logits; the scheduler puts the rows
 *  of many decoders, prefilling and decoding, into one forward pass without knowing which is which. Rules for all decoders:
 *  transforms run in the order penalties, mask, temperature, top-k, top-p, min-p; ties go to the lowest token id; random
 *  numbers are counter-based (`random.ts`), so nothing depends on batching. */
export interface Decoder extends Part<"decoder"> {
  /** Output follows the model's own law exactly. */
  readonly exact: boolean;
  /** Whether it takes back rows it had evaluated; a cache policy that cannot rewind is refused beside it. */
  readonly rewinds: boolean;
  /** A second model that it drafts with: "exit:8", "low-bit:q2_k", "tiny:FILE", "model:NAME". The engine loads it and gives the
   *  sequence a memory for it. */
  readonly draft?: string;
  /** What it does with memory beyond one line of text; a cache policy that edits entries is refused beside either. */
  readonly shapesMemory?: "branches" | "views";
  /** Answers that it gives, default 1. */
  readonly answers?: number;
  /** Names of its first channels, where they are workers. */
  readonly names?: readonly string[];
  /** Its answers differ by chance alone: temperature 0 is refused, and left out it is 1. */
  readonly draws?: boolean;
  /** What a user should know before so many tokens are asked for. */
  caution?(maxTokens: number): string | undefined;
  decode(context: DecodeContext): Generator<RowsRequest, void, RowsResult>;
}

/** Rows to evaluate. Long requests (a prompt) are cut into slices by the scheduler; the decoder is resumed when all are done. */
export interface RowsRequest {
  readonly tokens: Int32Array;
  /** Which rows' logits come back: of the last row (of views: of each view's last), of all, or of none. */
  readonly want: "last" | "all" | "none";
  /** Who sees whom among these rows. Default: each row sees the whole memory and the rows before it.
   *  "tree": row i sees the memory, itself and its ancestors by `parents` (index of a row of this request, or -1), and its
   *  position follows from its depth. "block": all rows see each other. "branches": row i continues the branch `of[i]` of the memory:
   *  it sees that branch's path and the rows before it here that continue the same branch; its position is the path's length.
   *  "views": row i is written to the last block of the view `of[i]` and sees the blocks of that view, joined in their order, with all
   *  new rows of the others' blocks, and of its own block what comes before it; its position counts along the view. */
  readonly sees?: RowVisibility;
  /** Evaluated by the draft model into the draft's memory. */
  readonly by?: "draft";
}

export type RowVisibility =
  | { readonly kind: "tree"; readonly parents: Int32Array }
  | { readonly kind: "block" }
  | { readonly kind: "branches"; readonly of: Int32Array }
  | { readonly kind: "views"; readonly of: Int32Array; readonly views: readonly (readonly number[])[] };

export interface RowsResult {
  /** f32 [rows wanted, V], valid until the next yield; may be written to. */
  logits(row: number): Float32Array;
}

export interface DecodeContext {
  /** Tokens to begin with, at least one; the memory already holds the first `memory.length` of them (a shared prefix). */
  readonly prompt: Int32Array;
  readonly memory: SequenceMemory;
  /** Of the draft model, where the decoder named one. */
  readonly draft?: DraftContext;
  readonly tokenizer: Tokenizer;
  readonly sampler: Sampler;
  /** Hands out tokens. True when the sequence is over (end token, stop string, `maxTokens`): the decoder must return then. */
  emit(choice: Choice): boolean;
  /** Tokens the sequence may still hand out. */
  remaining(): number;
  /** A stream of tokens of its own: an answer of several, or a worker. Channel 0 is `sampler`, `emit` and `remaining` of this context. */
  channel(index: number): Channel;
  /** Tells whoever watches what is going on. Costs nothing when nobody does. */
  readonly watch?: (event: DecodeEvent) => void;
  readonly stats: Record<string, number>;
}

/** A second model that drafts. Its memory may have branches within a round; `rewind` ends them: what is left is the only one that was
 *  not freed, or else branch 0. */
export interface DraftContext {
  readonly memory: SequenceMemory;
  readonly parameters: number;
  readonly vocabSize: number;
  /** The memory is the target's own: rows in it are taken back before the target is asked. */
  readonly shared?: boolean;
}

/** Every channel has its own text, end, penalties, grammar and random numbers. */
export interface Channel {
  readonly sampler: Sampler;
  emit(choice: Choice): boolean;
  remaining(): number;
  /** Says what else is to be known of the answer. */
  describe(answer: AnswerNotes): void;
}

export interface AnswerNotes {
  /** Segments or blocks that it went through, from the root. */
  readonly path?: readonly number[];
  /** Its share in an estimate over all answers. */
  readonly weight?: number;
  readonly reason?: string;
  /** Where the decoder itself ended it: whether it was cut off. */
  readonly finishReason?: "stop" | "length";
  /** It was begun on a part of another answer, chosen after the fact: it counts in no estimate. */
  readonly regrown?: boolean;
  readonly name?: string;
}

/** For pages and traces. */
export type DecodeEvent =
  /** Rows that one call verified, parents before children (-1: the newest token), which of them were accepted, and what followed. */
  | {
      readonly kind: "round";
      readonly tokens: readonly number[];
      readonly parents: readonly number[];
      readonly accepted: readonly number[];
      readonly next: number;
    }
  | { readonly kind: "branch"; readonly branch: number; readonly from: number; readonly tokens: readonly number[] }
  | { readonly kind: "branch-end"; readonly branch: number; readonly reason: string }
  | { readonly kind: "worker"; readonly worker: number; readonly tokens: readonly number[]; readonly moved: boolean };

/** The memory of one sequence, as far as a decoder may touch it. Every evaluated row is in it until taken back. */
export interface SequenceMemory {
  /** Tokens held. */
  readonly length: number;
  /** Takes back all but the first `length` tokens. */
  rewind(length: number): void;
  /** Of the newest `rows` rows keeps those listed (in order) and takes back the rest: the accepted path of a tree. */
  keepRows(rows: number, kept: Int32Array): void;
  /** Branches, for decoders that shape memory so. Branch 0 is what the memory held when the first fork was made. */
  readonly branches?: MemoryBranches;
  /** Blocks in views, likewise. Block 0 is what the memory held when the first other block was opened. */
  readonly blocks?: MemoryBlocks;
}

export interface MemoryBranches {
  /** New branches that share all entries of `branch` so far, which can go on too. */
  fork(branch: number, copies: number): Int32Array;
  /** Gives a branch up: entries that no other branch shares are free again. */
  free(branch: number): void;
  /** Takes back all but the first `length` tokens of a branch's path, where no other branch shares them. */
  rewind(branch: number, length: number): void;
  lengthOf(branch: number): number;
  /** Entries held by all branches together. */
  readonly entries: number;
}

export interface MemoryBlocks {
  /** Tokens that a view may hold. */
  readonly limit: number;
  /** Layers of the model see only a window of positions. */
  readonly windowed: boolean;
  /** An empty block; `room`: entries that it is likely to hold at once. */
  open(room?: number): number;
  lengthOf(block: number): number;
  /** Moves all entries of `from` to the end of `to`, as if they had been written there, and leaves `from` empty. */
  append(to: number, from: number): void;
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
  /** The same in the form that draws are made from: only tokens above 0. */
  law(logits: Float32Array): Candidates;
  /** The likeliest tokens after penalties, bias and mask, likeliest first. */
  likeliest(logits: Float32Array, count: number): Int32Array;
  /** Temperature 0: every draw takes the likeliest token. */
  readonly greedy: boolean;
  /** Books a token that was drawn elsewhere. */
  accept(token: number): void;
  /** Books it as `next` does, with what `next` would report. */
  take(logits: Float32Array, token: number, logProb: number): Choice;
  /** The same state, free to go another way: a node of a tree, a branch. With a `stream` its random numbers are its own. */
  fork(stream?: number): Sampler;
  /** Frees what the grammar holds; for forks. */
  close(): void;
  /** Uniform in [0, 1) for this position and purpose, always the same for the same seed. */
  uniform(position: number, purpose: "draft" | "accept" | "correct" | "bonus" | "branch", index?: number): number;
}

export function decoder<Options extends z.ZodObject>(
  definition: MethodDefinition<Options> & {
    exact: boolean;
    rewinds: boolean;
    shapesMemory?: "branches" | "views";
    draft?(options: z.output<Options>): string | undefined;
    answers?(options: z.output<Options>): number;
    names?(options: z.output<Options>): readonly string[];
    draws?(options: z.output<Options>): boolean;
    caution?(options: z.output<Options>, maxTokens: number): string | undefined;
    decode(context: DecodeContext, options: z.output<Options>): Generator<RowsRequest, void, RowsResult>;
  },
): MethodFactory<"decoder", Options, Decoder> {
  const { decode, exact, rewinds, shapesMemory, draft, answers, names, draws, caution, ...head } = definition;
  return defineMethod({ ...head, kind: "decoder" }, (options, part) => ({
    ...part,
    exact,
    rewinds,
    shapesMemory,
    draft: draft?.(options),
    answers: answers?.(options),
    names: names?.(options),
    draws: draws?.(options),
    caution: caution && ((maxTokens) => caution(options, maxTokens)),
    decode: (context) => decode(context, options),
  }));
}
