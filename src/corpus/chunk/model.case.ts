/** A model for tests of chunkers: its probabilities follow from the text alone, its answers are scripted. */

import type { TokenLogProbs } from "../../text/text-scoring.js";
import type { ChunkModel } from "./chunker.js";

export interface PretendModel extends ChunkModel {
  readonly calls: { scored: number; chosen: string[]; answered: string[] };
}

/** Ends of words, signs and blanks in bytes: one tokenisation of a text. */
export function pretendTokenEnds(text: string): Int32Array {
  const ends: number[] = [];
  let byte = 0;
  for (const [piece] of text.matchAll(/[\p{L}\p{N}_]{1,4}|[^\p{L}\p{N}_]/gu)) {
    byte += Buffer.byteLength(piece);
    ends.push(byte);
  }
  return Int32Array.from(ends);
}

export function pretendModel(
  script: {
    /** −ln p of a token. */
    surprise?(token: string, index: number): number;
    /** Probabilities of the labels. */
    choose?(prompt: string, call: number): readonly number[];
    answer?(prompt: string, call: number): string;
    readonly contextTokens?: number;
    readonly parameters?: number;
  } = {},
): PretendModel {
  const calls: PretendModel["calls"] = { scored: 0, chosen: [], answered: [] };
  const {
    surprise = (token) => (token.codePointAt(0)! * 7) % 13,
    choose = (prompt) => [0.3, (prompt.length % 10) / 10],
  } = script;
  return {
    id: "pretend",
    contextTokens: script.contextTokens ?? 4096,
    parameters: script.parameters,
    calls,
    scoring: {
      async *tokenLogProbs(text): AsyncGenerator<TokenLogProbs> {
        calls.scored++;
        const bytes = Buffer.from(text);
        const ends = pretendTokenEnds(text);
        const all = Float32Array.from(ends, (end, i) => -surprise(bytes.subarray(ends[i - 1] ?? 0, end).toString(), i));
        // The first token has nothing before it.
        for (let from = 1; from < ends.length; from += 100) {
          yield { endBytes: ends.subarray(from, from + 100), logProbs: all.subarray(from, from + 100) };
        }
      },
      async choose(prompt) {
        calls.chosen.push(prompt);
        return Float32Array.from(choose(prompt, calls.chosen.length - 1));
      },
    },
    ...(script.answer === undefined
      ? {}
      : {
          answer: async (prompt: string) => {
            calls.answered.push(prompt);
            return script.answer!(prompt, calls.answered.length - 1);
          },
        }),
  };
}
