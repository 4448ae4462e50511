import type { TokenMask } from "../tokenizer.js";
import type { GrammarMask } from "./grammar-mask.js";

/** The answer must be whole when its tokens run out: near the end only the shortest way to an end stays allowed. */
export function closingInTime(mask: GrammarMask, maxTokens: number, used = 0): TokenMask {
  let tokens = used;
  return {
    apply: (logits) => {
      if (maxTokens - tokens <= mask.bytesToEnd + 1) mask.closing = true;
      mask.apply(logits);
    },
    accept: (token) => {
      tokens++;
      mask.accept(token);
    },
    clone: () => closingInTime(mask.clone(), maxTokens, tokens),
    close: () => mask.close(),
  };
}
