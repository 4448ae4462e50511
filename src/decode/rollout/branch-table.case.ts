import type { Tokenizer } from "../../text/tokenizer.js";
import type {
  AnswerNotes,
  Channel,
  Choice,
  DecodeContext,
  DecodeEvent,
  Decoder,
  MemoryBranches,
  RowsResult,
} from "../decoder.js";
import { createSampler } from "../sample/sampler.js";
import type { SamplerOptions } from "../sample/sampler-options.js";
import type { TableModel } from "../speculate/table-model.case.js";

/** Decoders with branches, without an engine: every branch is a text of its own, and a row gets the logits of exactly that text. */

export interface BranchRun {
  readonly target: TableModel;
  readonly prompt?: readonly number[];
  readonly sampling?: SamplerOptions;
  readonly maxTokens: number;
  readonly endTokens?: readonly number[];
  /** Count entries after each row, which takes time. */
  readonly counted?: boolean;
  /** Text of a token, for patterns and repetition. */
  readonly text?: (token: number) => string;
}

export interface TableAnswer extends AnswerNotes {
  readonly choices: readonly Choice[];
}

export interface BranchResult {
  readonly answers: readonly TableAnswer[];
  readonly stats: Record<string, number>;
  readonly events: readonly DecodeEvent[];
  /** Rows of each call. */
  readonly rows: readonly number[];
  /** Most entries at once, and branches left in the end. */
  readonly peak: number;

  readonly left: number;
}

export function runBranches(
  decoder: Pick<Decoder, "decode">,
  {
    target,
    prompt = [1],
    sampling = { temperature: 1 },
    maxTokens,
    endTokens = [],
    counted = false,
    text = String,
  }: BranchRun,
): BranchResult {
  const memory = new TableBranches(counted);
  const ends = new Set(endTokens);
  const sampler = createSampler(sampling);
  const answers: { choices: Choice[]; notes: AnswerNotes }[] = [];
  const channels: Channel[] = [];
  const events: DecodeEvent[] = [];
  const stats: Record<string, number> = {};
  const rows: number[] = [];
  const channel = (index: number): Channel => {
    if (channels[index] !== undefined) return channels[index];
    if (index !== channels.length) throw new Error("Channels are opened in order.");
    const answer: (typeof answers)[number] = { choices: [], notes: {} };
    let over = false;
    answers.push(answer);
    const made: Channel = {
      sampler: index === 0 ? sampler : sampler.fork(index),
      emit(choice) {
        if (over) throw new Error("A token was handed out after the end.");
        answer.choices.push(choice);
        over = answer.choices.length >= maxTokens || ends.has(choice.token);
        return over;
      },
      remaining: () => (over ? 0 : maxTokens - answer.choices.length),
      describe: (notes) => {
        answer.notes = { ...answer.notes, ...notes };
      },
    };
    channels.push(made);
    return made;
  };
  const context: DecodeContext = {
    prompt: Int32Array.from(prompt),
    memory: { length: 0, rewind() {}, keepRows() {}, branches: memory },
    tokenizer: {
      endTokens: ends,
      decode: (tokens: ArrayLike<number>) =>
        Array.from(tokens, (token) => (ends.has(token) ? "" : text(token))).join(""),
    } as unknown as Tokenizer,
    ...channel(0),
    channel,
    watch: (event) => events.push(event),
    stats,
  };
  const generator = decoder.decode(context);
  let step = generator.next(undefined as unknown as RowsResult);
  while (step.done !== true) {
    const { tokens, sees } = step.value;
    rows.push(tokens.length);
    const texts =
      sees?.kind === "branches"
        ? Array.from(sees.of, (branch, row) => memory.append(branch, tokens[row] as number))
        : Array.from(tokens, (token) => memory.append(0, token));
    step = generator.next({ logits: (row) => Float32Array.from(target(texts[row] as number[])) });
  }
  return {
    answers: answers.map(({ choices, notes }) => ({ choices, ...notes })),
    ...{ stats, events, rows, peak: memory.peak, left: memory.texts.size },
  };
}

class TableBranches implements MemoryBranches {
  readonly texts = new Map<number, { token: number; entry: number }[]>([[0, []]]);
  peak = 0;
  readonly #counted: boolean;
  written = 0;
  #next = 1;

  constructor(counted: boolean) {
    this.#counted = counted;
  }

  get entries(): number {
    if (!this.#counted) return 0;
    return new Set([...this.texts.values()].flatMap((text) => text.map(({ entry }) => entry))).size;
  }

  append(branch: number, token: number): number[] {
    const text = this.#text(branch);
    text.push({ token, entry: this.written++ });
    this.peak = Math.max(this.peak, this.entries);
    return text.map((one) => one.token);
  }

  fork(branch: number, copies: number): Int32Array {
    return Int32Array.from({ length: copies }, () => {
      this.texts.set(this.#next, [...this.#text(branch)]);
      return this.#next++;
    });
  }

  free(branch: number): void {
    this.#text(branch);
    this.texts.delete(branch);
  }

  rewind(branch: number, length: number): void {
    if (length > this.#text(branch).length) throw new Error("A branch cannot be rewound forward.");
    this.#text(branch).length = length;
  }

  lengthOf(branch: number): number {
    return this.#text(branch).length;
  }

  #text(branch: number): { token: number; entry: number }[] {
    const text = this.texts.get(branch);
    if (text === undefined) throw new Error(`There is no branch ${branch}.`);
    return text;
  }
}
