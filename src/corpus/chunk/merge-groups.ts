/** Dynamic merging: groups of sentences that follow each other are joined while they fit together, so that sizes come near to what
 *  is wanted without a cut inside a group. */

import type { IndexRange } from "./build-chunk.js";
import type { Sentence } from "./sentence-spans.js";

export interface MergeOptions {
  /** Tokens that joined groups may have; 0 joins none. */
  readonly target: number;
  /** A group above this is cut at ends of its own sentences, into pieces of at most `piece` tokens where sentences allow it. */
  readonly most: number;
  readonly piece: number;
}

export async function* mergeGroups(
  groups: AsyncIterable<readonly Sentence[]>,
  { target, most, piece }: MergeOptions,
): AsyncGenerator<IndexRange> {
  let held: Sentence | undefined;
  for await (const group of groups) {
    for (const part of withinMost(group, most, piece)) {
      if (held !== undefined && held.tokens + part.tokens <= target) held = joined(held, part);
      else {
        if (held !== undefined) yield held;
        held = part;
      }
    }
  }
  if (held !== undefined) yield held;
}

function withinMost(group: readonly Sentence[], most: number, piece: number): Sentence[] {
  const whole = group.reduce(joined);
  if (whole.tokens <= most) return [whole];
  const parts: Sentence[] = [];
  for (const sentence of group) {
    const last = parts.at(-1);
    if (last !== undefined && last.tokens + sentence.tokens <= piece) parts[parts.length - 1] = joined(last, sentence);
    else parts.push(sentence);
  }
  return parts;
}

function joined(first: Sentence, second: Sentence): Sentence {
  return { start: first.start, end: second.end, tokens: first.tokens + second.tokens };
}
