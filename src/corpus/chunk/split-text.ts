/** Cuts a text into ranges that fit: as much as fits at the strongest places, and what is too large between two of those at the
 *  next weaker. Neighbours that fit together are joined at the end, so a rest does not stay alone. Lazy: it holds no more than
 *  one range at a time, however long the text is. */

import type { IndexRange } from "./build-chunk.js";
import type { Cuts, TokenFit } from "./token-fit.js";

export interface FittedRange extends IndexRange {
  readonly tokens: number;
}

export interface SplitOptions {
  /** Strongest first; the last must be able to cut anywhere. */
  readonly levels: readonly Cuts[];
  readonly fit: TokenFit;
  /** Share of the limit at which no more is tried. */
  readonly fill: number;
}

export function* splitText(text: string, options: SplitOptions): Generator<FittedRange> {
  let held: FittedRange | undefined;
  for (const range of split({ start: 0, end: text.length }, 0, options)) {
    const joined = held === undefined ? undefined : join(held, range, options.fit);
    if (held !== undefined && joined === undefined) yield held;
    held = joined ?? range;
  }
  if (held !== undefined) yield held;
}

function join(first: FittedRange, second: FittedRange, fit: TokenFit): FittedRange | undefined {
  if (first.tokens + second.tokens > fit.limit) return undefined;
  const tokens = fit.count(first.start, second.end);
  return tokens <= fit.limit ? { start: first.start, end: second.end, tokens } : undefined;
}

function* split(range: IndexRange, level: number, options: SplitOptions): Generator<FittedRange> {
  const { levels, fit, fill } = options;
  const cuts = levels[level]!;
  let { start } = range;
  while (start < range.end) {
    const tokens = fit.tokensIfFits(start, range.end);
    if (tokens !== undefined) {
      yield { start, end: range.end, tokens };
      return;
    }
    const fitted = fit.longest(start, range.end, cuts, fill);
    if (fitted !== undefined) {
      yield { start, ...fitted };
      start = fitted.end;
      continue;
    }
    const end = cuts.first(start, range.end) ?? range.end;
    if (level + 1 < levels.length) yield* split({ start, end }, level + 1, options);
    // One character that alone is more than the limit: it cannot be cut.
    else yield { start, end, tokens: fit.count(start, end) };
    start = end;
  }
}
