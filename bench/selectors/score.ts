import type { Evidence } from "../../src/corpus/select/selector.js";
import type { GoldPlace } from "../ask/question.js";

/** How good a selection is where the places that matter are known to the byte. */

export interface SelectionScore {
  /** Share of the gold bytes that the evidence covers. */
  readonly recall: number;
  /** Share of the evidence's bytes that are gold. */
  readonly precision: number;
  /** 1 where every place is covered by at least half: a reader that makes no mistakes could answer. */
  readonly complete: number;
  readonly ndcg: number;
}

export function scoreSelection(evidence: readonly Evidence[], gold: readonly GoldPlace[]): SelectionScore {
  const shared = (place: GoldPlace, { chunk }: Evidence) =>
    chunk.uri !== place.file
      ? 0
      : Math.max(0, Math.min(chunk.endByte, place.endByte ?? 0) - Math.max(chunk.startByte, place.startByte ?? 0));
  const length = (place: GoldPlace) => (place.endByte ?? 0) - (place.startByte ?? 0);
  const covered = gold.map((place) =>
    Math.min(
      length(place),
      evidence.reduce((sum, one) => sum + shared(place, one), 0),
    ),
  );
  const all = gold.reduce((sum, place) => sum + length(place), 0);
  const shown = evidence.reduce((sum, { chunk }) => sum + chunk.endByte - chunk.startByte, 0);
  const found = covered.reduce((sum, bytes) => sum + bytes, 0);
  // Each place counts once, at the first passage that holds most of it, by the selector's own score.
  const ranked = [...evidence].sort((a, b) => b.score - a.score);
  const open = new Set(gold);
  let gain = 0;
  for (const [rank, one] of ranked.entries()) {
    for (const place of open) {
      if (shared(place, one) < length(place) / 2) continue;
      open.delete(place);
      gain += 1 / Math.log2(rank + 2);
    }
  }
  const ideal = gold.reduce((sum, _, i) => sum + 1 / Math.log2(i + 2), 0);
  return {
    recall: found / all,
    precision: shown === 0 ? 0 : found / shown,
    complete: covered.every((bytes, i) => bytes >= length(gold[i] as GoldPlace) / 2) ? 1 : 0,
    // Two places in one passage reach more than places in passages of their own would.
    ndcg: Math.min(1, gain / ideal),
  };
}

/** Share of pairs (one of the first, one of the second) in which the first is larger; half for equal ones. */
export function areaUnderCurve(wanted: readonly number[], others: readonly number[]): number {
  let wins = 0;
  for (const a of wanted) for (const b of others) wins += a > b ? 1 : a === b ? 0.5 : 0;
  return wins / (wanted.length * others.length);
}

export interface Detection {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

export function detection(flagged: readonly boolean[], poisoned: readonly boolean[]): Detection {
  const both = flagged.filter((flag, i) => flag && poisoned[i]).length;
  const precision = both === 0 ? 0 : both / flagged.filter(Boolean).length;
  const recall = both === 0 ? 0 : both / poisoned.filter(Boolean).length;
  return { precision, recall, f1: both === 0 ? 0 : (2 * precision * recall) / (precision + recall) };
}
