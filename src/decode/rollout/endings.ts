import type { Tokenizer } from "../../text/tokenizer.js";
import type { Path } from "./paths.js";
import { repeats } from "./repeats.js";

/** What the newest text of a path says about its end. */

/** Tokens that certainly hold as many characters as repetition is looked for in. */
const lookTokens = 512;

const patterns = new Map<string, RegExp>();

/** A pattern as written in an option; undefined where it cannot be read. */
export function patternOf(source: string): RegExp | undefined {
  const known = patterns.get(source);
  if (known !== undefined) return known;
  try {
    const pattern = new RegExp(source);
    if (patterns.size >= 64) patterns.clear();
    patterns.set(source, pattern);
    return pattern;
  } catch {
    return undefined;
  }
}

/** Whether the last two segments hold an answer: one may lie across their border. */
export function hasAnswer(
  { ids, choices }: Path,
  tokenizer: Tokenizer,
  { answer, segment }: { answer?: string; segment: number },
): boolean {
  if (answer === undefined) return false;
  const start = Math.max(0, (ids.length - 3) * segment);
  return patternOf(answer)?.test(textOf(choices.slice(start), tokenizer)) ?? false;
}

export function repeatsItself({ choices }: Path, tokenizer: Tokenizer, { segment }: { segment: number }): boolean {
  const text = textOf(choices.slice(-Math.max(segment, lookTokens)), tokenizer);
  return repeats(text, segment < lookTokens ? textOf(choices.slice(-segment), tokenizer).length : text.length);
}

function textOf(choices: Path["choices"], tokenizer: Tokenizer): string {
  return tokenizer.decode(choices.map(({ token }) => token));
}
