/** An estimate of how many tokens a text has for a model whose tokenizer is unknown. It leans to too many: a prompt that
 *  turns out shorter than reckoned costs nothing, one that turns out longer does not fit. Pure, so plans made with it repeat. */

/** Tokens a chat template adds around each message, as an upper estimate. */
export const messageOverheadTokens = 8;

export function estimateTokens(text: string): number {
  let tokens = 0;
  for (const [run] of text.matchAll(/[a-zA-Z]+|\d+|\s+|[^\sa-zA-Z\d]/gu)) {
    const first = run.codePointAt(0) ?? 0;
    if (isLetter(first)) tokens += Math.ceil(run.length / 6);
    else if (first >= 48 && first <= 57) tokens += Math.ceil(run.length / 2);
    else if (/^\s/.test(run)) tokens += run.length === 1 && run !== "\n" ? 0 : Math.ceil(run.length / 8);
    else if (first < 0x80) tokens += 1;
    else if (first < 0x0590) tokens += 0.6;
    else if (first < 0x2e80) tokens += 1;
    else tokens += first > 0xffff ? 3 : 1.3;
  }
  return Math.ceil(tokens);
}

function isLetter(code: number): boolean {
  return (code >= 65 && code <= 90) || (code >= 97 && code <= 122);
}
