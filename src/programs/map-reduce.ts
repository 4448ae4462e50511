import { QuireError } from "../errors.js";
import type { ProgramContext } from "./program.js";

/** Many items, one result: every item is worked on by itself, then neighbours are joined in groups, level by level, until one is
 *  left. The order is kept throughout, so the first result always comes from what stood first. */

export interface MapReduce<Item, Result> {
  readonly items: readonly Item[];
  /** Most results joined by one call of `reduce`; at least 2. */
  readonly group: number;
  map(item: Item, context: ProgramContext, index: number): Promise<readonly Result[]>;
  /** Joins two or more neighbours. `last` when nothing comes after it. */
  reduce(results: readonly Result[], context: ProgramContext, last: boolean): Promise<Result>;
  /** Called after every item and every join; `total` is what is known to be needed by then. */
  onProgress?(progress: { readonly done: number; readonly total: number }): void;
}

/** Undefined when there was nothing to join. */
export async function mapReduce<Item, Result>(
  context: ProgramContext,
  work: MapReduce<Item, Result>,
): Promise<Result | undefined> {
  const { items, group } = work;
  let done = 0;
  let total = items.length + joinsNeeded(items.length, group);
  const step = () => work.onProgress?.({ done: ++done, total });
  const mapped = await context.map("part", items, async (item, inner, index) => {
    const results = await work.map(item, inner, index);
    step();
    return results;
  });
  let results = mapped.flat();
  total = items.length + joinsNeeded(results.length, group);
  for (let level = 1; results.length > 1; level++) {
    const groups = neighbours(results, group);
    const last = groups.length === 1;
    results = await context.map(`level-${level}`, groups, async (members, inner) => {
      const [only] = members;
      if (only !== undefined && members.length === 1) return only;
      const result = await work.reduce(members, inner, last);
      step();
      return result;
    });
  }
  return results[0];
}

/** Neighbours in as few groups as fit, all of nearly the same size. */
export function neighbours<Item>(items: readonly Item[], most: number): Item[][] {
  const groups = Math.ceil(items.length / checked(most));
  return Array.from({ length: groups }, (_, i) =>
    items.slice(Math.round((i * items.length) / groups), Math.round(((i + 1) * items.length) / groups)),
  );
}

/** Calls of `reduce` per level, first level first. */
export function joinsPerLevel(count: number, group: number): number[] {
  const levels: number[] = [];
  for (let left = count; left > 1; ) {
    const groups = neighbours(Array.from({ length: left }), group);
    levels.push(groups.filter((members) => members.length > 1).length);
    left = groups.length;
  }
  return levels;
}

function joinsNeeded(count: number, group: number): number {
  return joinsPerLevel(count, group).reduce((sum, joins) => sum + joins, 0);
}

function checked(group: number): number {
  if (Number.isInteger(group) && group >= 2) return group;
  throw new QuireError("bad-option", `Groups of ${group} would never become one.`, {
    got: group,
    expected: "a whole number of at least 2",
  });
}
