import { QuireError } from "../../errors.js";

/** How many paths go on, and how many copies of each. */

export interface Step {
  /** Answers wanted, and those that are done. */
  readonly width: number;
  readonly done: number;
  /** Paths that ended in this step, and those that go deeper. */
  readonly ended: number;
  readonly deeper: number;
  readonly branch: number;
}

/** Paths of the next step: the ended ones' branches pass to the survivors, each of whom goes on at least once. */
export function pathsToCome({ width, done, ended, deeper, branch }: Step): number {
  const room = Math.max(width - done, 0);
  return Math.max(Math.min(room, branch * ended + branch * deeper), deeper);
}

/** Equal shares; the last path takes the remainder. */
export function evenShares(total: number, paths: number): number[] {
  mustReach(total, paths);
  const share = Math.floor(total / paths);
  return Array.from({ length: paths }, (_, path) => (path === paths - 1 ? total - share * (paths - 1) : share));
}

/** One each, and of the rest in proportion to weights: rounded down, what is left over to the largest fractions. */
export function weightedShares(total: number, weights: readonly number[]): number[] {
  mustReach(total, weights.length);
  const rest = total - weights.length;
  const sum = weights.reduce((a, b) => a + b, 0);
  const wanted = weights.map((weight) => (rest * weight) / sum);
  // A product such as 0.3 * 10 must not fall below its whole number.
  const shares = wanted.map((share) => Math.floor(share + 1e-9));
  const over = rest - shares.reduce((a, b) => a + b, 0);
  const byFraction = wanted.map((share, path) => ({ path, fraction: share - (shares[path] as number) }));
  byFraction.sort((a, b) => b.fraction - a.fraction || a.path - b.path);
  for (const { path } of byFraction.slice(0, over)) shares[path] = (shares[path] as number) + 1;
  return shares.map((share) => share + 1);
}

/** Weights of paths by their scores: "likely" paths branch more, or "unlikely" ones. */
export function likelihoodWeights(
  scores: readonly number[],
  { favour, spread }: { favour: "likely" | "unlikely"; spread: number },
): number[] {
  const sign = favour === "likely" ? 1 : -1;
  const exponents = scores.map((score) => (sign * score) / spread);
  const greatest = Math.max(...exponents);
  return exponents.map((exponent) => Math.exp(exponent - greatest));
}

function mustReach(total: number, paths: number): void {
  if (paths >= 1 && total >= paths) return;
  throw new QuireError("bad-input", `${total} copies cannot be shared among ${paths} paths.`, {
    got: total,
    expected: "at least one for each path",
  });
}
