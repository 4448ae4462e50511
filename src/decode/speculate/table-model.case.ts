import type { Tokenizer } from "../../text/tokenizer.js";
import type {
  Choice,
  DecodeContext,
  DecodeEvent,
  Decoder,
  RowsRequest,
  RowsResult,
  Sampler,
  SequenceMemory,
} from "../decoder.js";
import { createSampler } from "../sample/sampler.js";
import type { SamplerOptions } from "../sample/sampler-options.js";

/** Decoders without an engine: a model is a function from a text to logits, memory a list of tokens. Every row gets the logits of
 *  exactly the text that its visibility lets it see, so what a decoder asks for wrongly comes out wrongly. */

export type TableModel = (text: readonly number[]) => ArrayLike<number>;

export interface TableRun {
  readonly prompt: ArrayLike<number>;
  readonly target: TableModel;
  readonly draft?: TableModel;
  /** The draft's rows go to the target's memory, as those of its first layers do. */
  readonly sharesMemory?: boolean;
  readonly sampling?: SamplerOptions;
  /** In its place: one that is ready. */
  readonly sampler?: Sampler;
  readonly maxTokens: number;
  readonly endTokens?: readonly number[];
  readonly onRequest?: (request: RowsRequest) => void;
}

export interface TableResult {
  readonly choices: readonly Choice[];
  readonly tokens: readonly number[];
  /** What the memories hold in the end. */
  readonly memory: readonly number[];
  readonly draftMemory: readonly number[];
  readonly stats: Record<string, number>;
  readonly events: readonly DecodeEvent[];
  readonly requests: number;
}

/** Runs the generator itself, for decoders that are functions. */
export function runTable(
  decode: Decoder["decode"],
  {
    prompt,
    target,
    draft,
    sharesMemory = false,
    sampling = {},
    sampler: ready,
    maxTokens,
    endTokens = [],
    onRequest,
  }: TableRun,
): TableResult {
  const memory = new TableMemory();
  const draftMemory = sharesMemory ? memory : new TableMemory();
  const ends = new Set(endTokens);
  const choices: Choice[] = [];
  const events: DecodeEvent[] = [];
  const stats: Record<string, number> = {};
  const sampler = ready ?? createSampler(sampling);
  let over = false;
  const context = {
    prompt: Int32Array.from(prompt),
    memory,
    draft: draft && { memory: draftMemory, parameters: 1, vocabSize: target([0]).length, shared: sharesMemory },
    tokenizer: { endTokens: ends, vocabSize: target([0]).length } as unknown as Tokenizer,
    sampler,
    emit(choice) {
      if (over) throw new Error("A token was handed out after the end.");
      choices.push(choice);
      over = choices.length >= maxTokens || ends.has(choice.token);
      return over;
    },
    remaining: () => maxTokens - choices.length,
    channel() {
      throw new Error("There is one channel here.");
    },
    watch: (event) => events.push(event),
    stats,
  } satisfies DecodeContext;
  const generator = decode(context);
  let requests = 0;
  let step = generator.next(undefined as unknown as RowsResult);
  while (step.done !== true) {
    requests++;
    onRequest?.(step.value);
    const isDraft = step.value.by === "draft";
    if (isDraft && draft === undefined) throw new Error("There is no draft model here.");
    const texts = (isDraft ? draftMemory : memory).see(step.value);
    const model = isDraft ? (draft as TableModel) : target;
    const { want } = step.value;
    step = generator.next({
      logits(row) {
        if (want === "none" || (want === "last" && row !== texts.length - 1))
          throw new Error(`Row ${row} was not wanted.`);
        return Float32Array.from(model(texts[row] as number[]));
      },
    });
  }
  const tokens = choices.map(({ token }) => token);
  return { choices, tokens, memory: memory.tokens, draftMemory: draftMemory.tokens, stats, events, requests };
}

/** Rows with the texts that they end, in the order of evaluation. A line of text is a memory whose rows follow one another; a tree or
 *  branches are held as rows that do not. */
class TableMemory implements SequenceMemory {
  #rows: number[][] = [];
  #newest = 0;
  /** Texts of branches, once there are any. */
  #branches: Map<number, number[]> | undefined;
  #next = 1;

  get tokens(): number[] {
    return this.#rows.map((text) => text.at(-1) as number);
  }

  get length(): number {
    return this.#branches === undefined ? this.#rows.length : (this.#branches.get(0) ?? []).length;
  }

  /** Takes rows in; gives the text that each of them sees. */
  see({ tokens, sees }: RowsRequest): number[][] {
    if (sees?.kind === "branches") return Array.from(tokens, (token, row) => this.#goOn(sees.of[row] as number, token));
    if (this.#branches !== undefined) throw new Error("The memory has branches: rows must say which they continue.");
    const before = this.#rows.at(-1) ?? [];
    const isLine = this.#rows.every((text, i) => text.length === i + 1);
    if (!isLine) throw new Error("Rows of a tree were left in memory, where later rows see them all.");
    const texts: number[][] = [];
    for (const [row, token] of tokens.entries()) {
      const parent = sees?.kind === "tree" ? (sees.parents[row] as number) : row - 1;
      if (parent >= row) throw new Error("A row's parent comes after it.");
      texts.push([...(parent < 0 ? before : (texts[parent] as number[])), token]);
    }
    this.#rows.push(...texts);
    this.#newest = tokens.length;
    return texts;
  }

  #goOn(branch: number, token: number): number[] {
    const text = this.branches.textOf(branch);
    const longer = [...text, token];
    this.#branches?.set(branch, longer);
    this.#newest = 0;
    return longer;
  }

  rewind(length: number): void {
    if (this.#branches !== undefined) {
      // Ends the branches: what is left is the only one that was not freed, or else branch 0.
      const [only] = this.#branches.size === 1 ? this.#branches.values() : [this.#branches.get(0)];
      const text = (only ?? []).slice(0, length);
      this.#rows = text.map((_, i) => text.slice(0, i + 1));
      this.#branches = undefined;
    }
    this.#rows = this.#rows.filter((text) => text.length <= length);
    this.#newest = 0;
  }

  keepRows(rows: number, kept: Int32Array): void {
    if (rows !== this.#newest) throw new Error("Only rows of the newest request can be kept.");
    const from = this.#rows.length - rows;
    this.#rows = this.#rows.filter((_, i) => i < from || kept.includes(i - from));
    this.#newest = 0;
  }

  readonly branches = {
    textOf: (branch: number): number[] => {
      this.#branches ??= new Map([[0, this.#rows.at(-1) ?? []]]);
      const text = this.#branches.get(branch);
      if (text === undefined) throw new Error(`There is no branch ${branch}.`);
      return text;
    },
    fork: (branch: number, copies: number): Int32Array => {
      const text = this.branches.textOf(branch);
      return Int32Array.from({ length: copies }, () => {
        this.#branches?.set(this.#next, text);
        return this.#next++;
      });
    },
    free: (branch: number): void => {
      this.branches.textOf(branch);
      this.#branches?.delete(branch);
    },
    rewind: (branch: number, length: number): void => {
      this.#branches?.set(branch, this.branches.textOf(branch).slice(0, length));
    },
    lengthOf: (branch: number): number => this.branches.textOf(branch).length,
    entries: 0,
  };
}

/** Random logits for every text, always the same: a model without structure. The end token is unlikely but possible. */
export function randomTable(vocabSize: number, seed: number, spread = 2): TableModel {
  const known = new Map<string, Float32Array>();
  return (text) => {
    const key = text.join(" ");
    let logits = known.get(key);
    if (logits === undefined) {
      const random = randomOf(hashOf(key, seed));
      logits = Float32Array.from({ length: vocabSize }, () => spread * (random() + random() - 1));
      if (known.size < 5000) known.set(key, logits);
    }
    return logits;
  };
}

export function probabilities(logits: ArrayLike<number>, temperature = 1): number[] {
  const weights = Array.from(logits, (logit) => Math.exp(logit / temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

/** Upper tail of the chi-square law by Wilson and Hilferty's cube root, good to 1e-3 from 10 degrees of freedom on. */
export function chiSquareTail(value: number, degrees: number): number {
  const spread = 2 / (9 * degrees);
  const z = ((value / degrees) ** (1 / 3) - (1 - spread)) / Math.sqrt(spread);
  return normalTail(z);
}

export function chiSquare(observed: readonly number[], expected: readonly number[]): number {
  return observed.reduce((sum, count, i) => sum + (count - (expected[i] as number)) ** 2 / (expected[i] as number), 0);
}

/** Abramowitz and Stegun 26.2.17. */
function normalTail(z: number): number {
  if (z < 0) return 1 - normalTail(-z);
  const t = 1 / (1 + 0.2316419 * z);
  const series = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return (Math.exp(-z * z * 0.5) / Math.sqrt(2 * Math.PI)) * series;
}

function hashOf(text: string, seed: number): number {
  let hash = seed ^ 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}

/** Numbers in [0, 1). */
export function randomOf(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}
