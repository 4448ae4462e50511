import { QuireError, throwIfAborted } from "../errors.js";
import { type Example, endSymbol, promptAndAnswer } from "./tasks/task.js";
import type { TrainableModel } from "./trainable.js";
import { TrainingPass } from "./training-pass.js";

/** What a model in training says to examples that ask one question: the likeliest symbol again and again, up to the end symbol. One
 *  pass over the right answers tells which are said as they should be; only the others are spelled out step by step. */

export interface GreedyAnswer {
  readonly right: boolean;
  /** Without the end symbol; what was said so far where no end came. */
  readonly said: readonly string[];
  readonly ended: boolean;
}

export interface GreedyOptions {
  readonly tokenOf: (symbol: string) => number;
  /** Symbols that may be said; any other token ends an answer, and counts as no end. */
  readonly vocabulary: readonly string[];
  /** Answers at once; default 64. */
  readonly sequences?: number;
  /** Wrong answers that are spelled out; of the others only that they are wrong is known. Default: all. */
  readonly mostSpelledOut?: number;
  /** Symbols beyond the right answer's after which an answer is cut; default 8. */
  readonly slack?: number;
  readonly signal?: AbortSignal;
}

/** In the order of the examples; undefined for wrong answers that were not spelled out. */
export interface GreedyAnswers {
  readonly right: readonly boolean[];
  readonly answers: readonly (GreedyAnswer | undefined)[];
}

const lengthStep = 16;

export async function greedyAnswers(
  model: TrainableModel,
  examples: readonly Example[],
  options: GreedyOptions,
): Promise<GreedyAnswers> {
  const { sequences = 64, slack = 8, mostSpelledOut = Number.POSITIVE_INFINITY, signal, tokenOf } = options;
  const asked = examples.map((example, place) => ({ place, ...parted(example, tokenOf) }));
  asked.sort((a, b) => a.prompt.length + a.answer.length - b.prompt.length - b.answer.length);
  const right: boolean[] = new Array(examples.length).fill(false);
  const answers: (GreedyAnswer | undefined)[] = new Array(examples.length).fill(undefined);
  const passes = new Passes(model, sequences);
  try {
    const wrong: Asked[] = [];
    for (let start = 0; start < asked.length; start += sequences) {
      throwIfAborted(signal);
      const group = asked.slice(start, start + sequences);
      const found = await passes.predict(
        group.map(({ prompt, answer }) => [...prompt, ...answer]),
        signal,
      );
      for (const [row, one] of group.entries()) {
        const said = one.answer.map((_, i) => found(row, one.prompt.length + i - 1));
        if (said.every((token, i) => token === one.answer[i])) {
          right[one.place] = true;
          answers[one.place] = { right: true, said: one.symbols.slice(0, -1), ended: true };
        } else wrong.push(one);
      }
    }
    // In the examples' order, so that which are spelled out does not hang on their lengths.
    const spelled = wrong.sort((a, b) => a.place - b.place).slice(0, mostSpelledOut);
    const names = new Map(options.vocabulary.map((symbol) => [tokenOf(symbol), symbol]));
    for (let start = 0; start < spelled.length; start += sequences) {
      const group = spelled.slice(start, start + sequences);
      for (const [row, answer] of (await spellOut(passes, group, { names, slack, signal })).entries())
        answers[(group[row] as Asked).place] = answer;
    }
  } finally {
    passes.close();
  }
  return { right, answers };
}

interface Asked {
  readonly place: number;
  readonly prompt: readonly number[];
  readonly answer: readonly number[];
  readonly symbols: readonly string[];
}

function parted(example: Example, tokenOf: (symbol: string) => number): Omit<Asked, "place"> {
  const parts = promptAndAnswer(example);
  if (parts === undefined || parts.answer.at(-1) !== endSymbol) {
    throw new QuireError("bad-input", "The example does not ask one question with one answer.", {
      got: example.symbols.join(" "),
      expected: "a prompt, and after it an answer up to the end symbol",
    });
  }
  return { prompt: parts.prompt.map(tokenOf), answer: parts.answer.map(tokenOf), symbols: parts.answer };
}

interface Spelling {
  readonly names: ReadonlyMap<number, string>;
  readonly slack: number;
  readonly signal: AbortSignal | undefined;
}

async function spellOut(
  passes: Passes,
  group: readonly Asked[],
  { names, slack, signal }: Spelling,
): Promise<GreedyAnswer[]> {
  const texts = group.map(({ prompt }) => [...prompt]);
  const said: string[][] = group.map(() => []);
  const state: ("going" | "ended" | "cut")[] = group.map(() => "going");
  const room = Math.max(...group.map(({ prompt, answer }) => prompt.length + answer.length + slack));
  while (state.includes("going")) {
    throwIfAborted(signal);
    const found = await passes.predict(texts, signal, room);
    for (const [row, { answer }] of group.entries()) {
      const text = texts[row] as number[];
      if (state[row] !== "going") continue;
      const token = found(row, text.length - 1);
      const symbol = names.get(token);
      if (symbol === endSymbol) state[row] = "ended";
      else if (symbol === undefined || (said[row] as string[]).length >= answer.length + slack - 1) state[row] = "cut";
      else {
        text.push(token);
        (said[row] as string[]).push(symbol);
      }
    }
  }
  return group.map((_, row) => ({ right: false, said: said[row] as string[], ended: state[row] === "ended" }));
}

/** Passes by length, each built once. */
class Passes {
  readonly #passes = new Map<number, TrainingPass>();

  constructor(
    private readonly model: TrainableModel,
    private readonly sequences: number,
  ) {}

  /** The likeliest token after a place of a text. */
  async predict(
    texts: readonly (readonly number[])[],
    signal: AbortSignal | undefined,
    room = Math.max(...texts.map((text) => text.length)),
  ): Promise<(row: number, place: number) => number> {
    const length = Math.ceil(room / lengthStep) * lengthStep;
    const pass = this.#passOf(length);
    const tokens = new Int32Array(this.sequences * length);
    for (const [row, text] of texts.entries()) tokens.set(text, row * length);
    const batch = { tokens, targets: new Int32Array(tokens.length), sequences: this.sequences, length };
    const { rows } = await pass.run(batch, { targetScale: 1, share: 1 }, signal);
    const predicted = rows?.predicted.slice() ?? new Int32Array();
    return (row, place) => predicted[row * length + place] as number;
  }

  #passOf(length: number): TrainingPass {
    const known = this.#passes.get(length);
    if (known !== undefined) return known;
    const made = new TrainingPass(this.model, { sequences: this.sequences, length, evaluates: true });
    this.#passes.set(length, made);
    return made;
  }

  close(): void {
    for (const pass of this.#passes.values()) pass.close();
  }
}
