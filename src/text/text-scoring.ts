/** Probabilities that a model gives to a text, instead of a text that it writes: for chunkers, selectors and programs that ask how
 *  surprising something is, or which of a few answers is likelier. The local engine and some endpoints can do it. */

export interface TextScoring {
  /** One item a window of the text, in order. A token's place is the byte of the text at which it ends. A token that nothing
   *  precedes has no probability and is left out. Long texts: windows of `window` tokens, half a window further each time, each
   *  read from its own beginning; of all but the first, only the second half is scored. So no token has less than half a window
   *  before it, and what is held does not grow with the text. Default window: the model's context, 4,096 at most. */
  tokenLogProbs(text: string, options?: TokenLogProbOptions): AsyncIterable<TokenLogProbs>;
  /** Sum of the log-probabilities of a text's tokens after a prompt, and how many they are; only the text's tokens are scored, and what
   *  prompts have in common is read once. Where it is missing, `tokenLogProbs` of both together gives the same. */
  logLikelihood?(prompt: string, text: string, signal?: AbortSignal): Promise<{ logProb: number; tokens: number }>;
  /** Probability of each label as what the model says first when asked this, over everything that it could say; one reading of
   *  the prompt. Labels of several tokens: the product over their tokens. */
  choose(prompt: string, labels: readonly string[], signal?: AbortSignal): Promise<Float32Array>;
}

export interface TokenLogProbOptions {
  readonly window?: number;
  readonly signal?: AbortSignal;
}

export interface TokenLogProbs {
  readonly endBytes: Int32Array;
  /** Natural logarithms. */
  readonly logProbs: Float32Array;
}

export const leastWindow = 64;
export const mostWindow = 4096;
