import type { DecodeContext, Decoder, RowsRequest, RowsResult } from "./decoder.js";
import { notANumber } from "./sample/greedy.js";

/** Decoders that hand out no tokens: they feed given ones and keep what the model thought of them. Of the logits only the wanted
 *  numbers are kept, so a long text costs four bytes a token, never a vocabulary. */

/** Most bytes of logits that one request asks for, and most rows of any request. Requests are cut here, always at the same rows, and
 *  not by the scheduler: how many rows are computed together decides the last digits of what comes out. */
const logitBytes = 32 * 2 ** 20;
const rowsAtOnce = 128;

/** How likely each of `tokens` is after the prompt and those before it, natural logarithm, into `logProbs`. */
export function scoreDecoder(tokens: Int32Array, vocabSize: number, logProbs: Float32Array): Decoder {
  return silent("score", false, function* ({ prompt, memory }) {
    // The last token is fed nowhere: nothing follows it. The row at `first` speaks of tokens[0].
    const fed = joined(prompt, tokens.subarray(0, -1));
    const first = prompt.length - 1;
    const slice = Math.max(8, Math.min(rowsAtOnce, Math.floor(logitBytes / (4 * vocabSize))));
    for (let at = memory.length; at < fed.length; at += slice) {
      const rows = fed.subarray(at, at + slice);
      const result = yield { tokens: rows, want: at + rows.length > first ? "all" : "none" };
      for (let row = Math.max(0, first - at); row < rows.length; row++) {
        const index = at + row - first;
        logProbs[index] = logProbOf(result.logits(row), tokens[index]!);
      }
    }
  });
}

/** How likely each continuation is after the prompt, which is read once: the sums of its tokens' log-probabilities. */
export function chooseDecoder(continuations: readonly Int32Array[], sums: Float64Array): Decoder {
  return silent("choose", true, function* ({ prompt, memory }) {
    const rows = prompt.subarray(memory.length);
    const first = (yield { tokens: rows, want: "last" }).logits(rows.length - 1);
    for (const [index, tokens] of continuations.entries()) sums[index] = logProbOf(first, tokens[0]!);
    for (const [index, tokens] of continuations.entries()) {
      if (tokens.length === 1) continue;
      const fed = tokens.subarray(0, -1);
      const result = yield { tokens: fed, want: "all" };
      for (let row = 0; row < fed.length; row++) sums[index]! += logProbOf(result.logits(row), tokens[row + 1]!);
      memory.rewind(prompt.length);
    }
  });
}

function silent(
  name: string,
  rewinds: boolean,
  decode: (context: DecodeContext) => Generator<RowsRequest, void, RowsResult>,
): Decoder {
  return { kind: "decoder", name, label: name, exact: true, rewinds, decode };
}

function logProbOf(logits: Float32Array, token: number): number {
  let greatest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) if (logits[i]! > greatest) greatest = logits[i]!;
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i]! - greatest);
  if (Number.isNaN(sum)) throw notANumber(token);
  return logits[token]! - greatest - Math.log(sum);
}

export function joined(first: Int32Array, second: Int32Array): Int32Array {
  const both = new Int32Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
