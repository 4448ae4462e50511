/** Reciprocal rank fusion: Σ 1 / (60 + rank) over several rankings of the same things. Scores of different searches cannot be
 *  added, ranks can; 60 keeps the first places from deciding alone. */

const rankOffset = 60;

export interface Fused<Item> {
  readonly item: Item;
  readonly score: number;
  /** Rank in each list, from 1; undefined where it is not in that list. */
  readonly ranks: readonly (number | undefined)[];
}

/** Best first; equal scores stay in the order in which the things first appear. */
export function fuseRankings<Item>(rankings: readonly (readonly Item[])[], key: (item: Item) => string): Fused<Item>[] {
  const fused = new Map<string, { item: Item; score: number; ranks: (number | undefined)[] }>();
  for (const [list, ranking] of rankings.entries()) {
    for (const [i, item] of ranking.entries()) {
      const id = key(item);
      const entry = fused.get(id) ?? { item, score: 0, ranks: rankings.map(() => undefined) };
      fused.set(id, entry);
      if (entry.ranks[list] !== undefined) continue;
      entry.ranks[list] = i + 1;
      entry.score += 1 / (rankOffset + i + 1);
    }
  }
  return [...fused.values()].sort((a, b) => b.score - a.score);
}
