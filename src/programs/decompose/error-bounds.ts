/** How errors of calls add up in what is made of them. An error is how far an output is from the ideal one, in the task's own measure. */

/** A sum of parts: errors add. */
export function sumError(errors: readonly number[]): number {
  return errors.reduce((sum, error) => sum + Math.abs(error), 0);
}

/** A maximum, a merge or a sort of parts: no worse than the worst part. */
export function worstError(errors: readonly number[]): number {
  return Math.max(0, ...errors.map(Math.abs));
}

/** A recursion in which every node adds at most `own` and stretches each of its `fanIn` children's errors by at most `stretch`:
 *  own · Σ (stretch · fanIn)^i for i = 0 … depth. */
export function recursionError(own: number, fanIn: number, stretch: number, depth: number): number {
  const factor = fanIn * stretch;
  return factor === 1 ? own * (depth + 1) : (own * (factor ** (depth + 1) - 1)) / (factor - 1);
}

/** All of so many calls right, where each is with this chance and none depends on another. */
export function allRight(chance: number, calls: number): number {
  return chance ** calls;
}

/** Finding one thing in `windows` windows, `holding` of which hold it: at least this likely, where `missed` is the chance that those
 *  give no or a wrong answer and `invented` that another one invents one. */
export function findingChance(given: { missed: number; invented: number; windows: number; holding: number }): number {
  return (1 - given.missed) * (1 - given.invented) ** (given.windows - given.holding);
}
