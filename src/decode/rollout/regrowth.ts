import type { Path } from "./paths.js";

/** Where to begin again when all paths have ended and answers are still missing: on a part of an answer that is done. */

export interface Regrowth {
  /** Undefined: on the prompt. */
  readonly from: Path | undefined;
  /** Tokens of it that stay, and segments (the root aside). */
  readonly kept: number;
  readonly segments: number;
  readonly copies: number;
}

export interface RegrowthRule {
  /** Which answers others may begin on, and in which order they are tried. */
  readonly fallback: "soft" | "all" | "longest";
  /** Where they are cut: at a border of segments drawn by chance, before the segment with the least likely token, before a segment
   *  drawn by how unlikely it is, or at the root. */
  readonly cut: "border" | "token" | "segment" | "root";
  /** Tokens of a segment. */
  readonly segment: number;
  /** Segments of an answer at most. */
  readonly depth: number;
  readonly branch: number;
}

const soundEnds = new Set(["answer", "end", "stop"]);

/** Begins until no answer is missing, or one on the prompt where nothing can be begun on. `chance` gives uniform numbers. */
export function regrowths(done: readonly Path[], room: number, rule: RegrowthRule, chance: () => number): Regrowth[] {
  const candidates = ordered(
    done.filter(({ reason }) => rule.fallback !== "soft" || soundEnds.has(reason ?? "")),
    rule,
    chance,
  );
  const begun: Regrowth[] = [];
  let left = room;
  for (const from of candidates) {
    if (left <= 0) break;
    const segments = Math.min(segmentsKept(from, rule, chance), rule.depth - 1);
    const copies = Math.min(rule.branch, left);
    left -= copies;
    begun.push({ from: segments === 0 ? undefined : from, kept: segments * rule.segment, segments, copies });
  }
  if (begun.length === 0 && room > 0)
    begun.push({ from: undefined, kept: 0, segments: 0, copies: Math.min(rule.branch, room) });
  return begun;
}

function ordered(paths: readonly Path[], { fallback }: RegrowthRule, chance: () => number): Path[] {
  const shuffled = [...paths];
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = Math.floor(chance() * (i + 1));
    [shuffled[i], shuffled[j]] = [shuffled[j] as Path, shuffled[i] as Path];
  }
  return fallback === "longest" ? shuffled.sort((a, b) => b.choices.length - a.choices.length) : shuffled;
}

/** Whole segments that stay, always fewer than the path has. */
function segmentsKept({ choices }: Path, { cut, segment }: RegrowthRule, chance: () => number): number {
  const segments = Math.ceil(choices.length / segment);
  if (cut === "root") return 0;
  if (cut === "border") return segments - (1 + Math.floor(chance() * segments));
  if (cut === "token") {
    let least = 0;
    for (const [i, { logProb }] of choices.entries()) if (logProb < (choices[least]?.logProb ?? 0)) least = i;
    return Math.floor(least / segment);
  }
  const means = Array.from({ length: segments }, (_, s) => {
    const part = choices.slice(s * segment, (s + 1) * segment);
    return part.reduce((sum, { logProb }) => sum + logProb, 0) / part.length;
  });
  const weights = means.map((mean) => Math.exp(Math.min(...means) - mean));
  let target = chance() * weights.reduce((a, b) => a + b, 0);
  for (const [s, weight] of weights.entries()) {
    target -= weight;
    if (target < 0) return s;
  }
  return segments - 1;
}
