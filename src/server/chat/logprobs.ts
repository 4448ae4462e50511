import type { Tokenizer } from "../../text/tokenizer.js";
import type { EnginePiece } from "../engine/client.js";

/** Log probabilities in OpenAI's shape. A token may hold part of a character, so its bytes come along. */

export interface TokenLogprob {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: readonly number[];
  readonly top_logprobs: readonly Omit<TokenLogprob, "top_logprobs">[];
}

/** OpenAI writes this for probabilities of nought, and JSON has no infinity. */
const least = -9999;

export function tokenLogprob({ token, logProb, top = [] }: EnginePiece, tokenizer: Tokenizer): TokenLogprob {
  // The model's own opinion, as the alternatives', and not that of the sampler, which is sure of itself when it is greedy.
  const own = top.find((choice) => choice.token === token)?.logProb ?? logProb;
  return {
    ...shown(token, own, tokenizer),
    top_logprobs: top.map((choice) => shown(choice.token, choice.logProb, tokenizer)),
  };
}

function shown(token: number, logProb: number, tokenizer: Tokenizer) {
  return {
    token: tokenizer.decode([token], { special: true }),
    logprob: Number.isFinite(logProb) ? logProb : least,
    bytes: [...tokenizer.bytes(token)],
  };
}
