import { full } from "./cache/full.js";
import type { Decoder } from "./decode/decoder.js";
import { createSampler } from "./decode/sample/sampler.js";
import { chooseDecoder, joined, scoreDecoder } from "./decode/score.js";
import type { Engine } from "./engine/engine.js";
import { QuireError } from "./errors.js";
import { leastWindow, mostWindow, type TokenLogProbOptions, type TokenLogProbs } from "./text/text-scoring.js";
import type { Tokenizer } from "./text/tokenizer.js";

/** Probabilities of texts from the engine: of every token of a text given what precedes it, and of a few continuations. They run
 *  as sequences like any other, so they share passes with whatever else is going on. */

/** Log-probability of each token after the prefix and the tokens before it. The prefix has at least one token. */
export async function scoreTokens(
  engine: Engine,
  prefix: Int32Array,
  tokens: Int32Array,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const logProbs = new Float32Array(tokens.length);
  if (tokens.length > 0)
    await run(engine, prefix, scoreDecoder(tokens, engine.model.config.vocabSize, logProbs), tokens.length, signal);
  return logProbs;
}

/** Probability of each continuation, each of at least one token, right after the prompt. */
export async function chooseAmong(
  engine: Engine,
  prompt: Int32Array,
  continuations: readonly Int32Array[],
  signal?: AbortSignal,
): Promise<Float32Array> {
  const sums = new Float64Array(continuations.length);
  const longest = Math.max(1, ...continuations.map(({ length }) => length));
  if (continuations.length > 0) await run(engine, prompt, chooseDecoder(continuations, sums), longest, signal);
  return Float32Array.from(sums, Math.exp);
}

export async function* scoreText(
  engine: Engine,
  text: string,
  { window = Math.min(mostWindow, engine.contextTokens - 1), signal }: TokenLogProbOptions = {},
): AsyncGenerator<TokenLogProbs> {
  const { tokenizer, contextTokens } = engine;
  if (!Number.isInteger(window) || window < leastWindow || window >= contextTokens) {
    throw new QuireError("bad-option", "The window cannot have this length.", {
      got: window,
      expected: `${leastWindow} to ${contextTokens - 1} tokens`,
    });
  }
  const begin = tokenizer.encode("", { bos: true });
  const tokens = tokenizer.encode(text);
  const endBytes = endsOf(tokenizer, tokens, text);
  const half = Math.floor(window / 2);
  for (let start = 0; start === 0 || start + half < tokens.length; start += half) {
    const end = Math.min(start + 2 * half, tokens.length);
    // Without a beginning-of-text token nothing precedes the text's first token.
    const from = start === 0 ? Math.max(0, 1 - begin.length) : start + half;
    if (from >= end) return;
    const prefix = joined(begin, tokens.subarray(start, from));
    const logProbs = await scoreTokens(engine, prefix, tokens.subarray(from, end), signal);
    yield { endBytes: endBytes.subarray(from, end), logProbs };
  }
}

/** Bytes at which the tokens of a text end. */
export function tokenEnds(tokenizer: Tokenizer, text: string): Int32Array {
  return endsOf(tokenizer, tokenizer.encode(text), text);
}

function endsOf(tokenizer: Tokenizer, tokens: Int32Array, text: string): Int32Array {
  const ends = new Int32Array(tokens.length);
  let end = 0;
  for (let i = 0; i < tokens.length; i++) {
    end += tokenizer.bytes(tokens[i]!).length;
    ends[i] = end;
  }
  const length = Buffer.byteLength(text);
  // Some tokenizers put a space in front, which the text does not have.
  const added = end - length;
  if (added === 0) return ends;
  if (added === 1) return ends.map((value) => Math.max(0, value - 1));
  throw new QuireError("unsupported", "This model's tokenizer changes texts, so places of its tokens are not known.", {
    got: `tokens of ${end} bytes for a text of ${length}`,
    expected: "a tokenizer that gives every byte of a text back",
    fix: "Use another model, or a method that needs no probabilities.",
  });
}

async function run(
  engine: Engine,
  prompt: Int32Array,
  decoder: Decoder,
  rows: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (prompt.length + rows > engine.contextTokens) {
    throw new QuireError("context-overflow", "The texts are longer than the model's context.", {
      got: `${prompt.length + rows} tokens`,
      expected: `at most ${engine.contextTokens}`,
      fix: "Shorten them, or score the text alone, which goes on in windows.",
    });
  }
  const sequence = engine.start({
    prompt,
    decoder,
    policy: full(),
    sampler: createSampler({ temperature: 0 }),
    maxTokens: rows,
    signal,
  });
  try {
    for await (const _ of sequence.pieces) {
      // It hands out nothing; this waits for its end.
    }
  } finally {
    await engine.settle(sequence);
  }
}
