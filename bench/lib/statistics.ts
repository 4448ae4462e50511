/** Medians with quartiles, and ratios of measurements that were taken side by side. */

export interface Spread {
  readonly value: number;
  /** Quartiles, or the ends of an interval where the bench says so. */
  readonly low: number;
  readonly high: number;
  readonly n: number;
}

/** Linear between neighbours, as most statistics programs do it. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const below = sorted[Math.floor(at)] ?? Number.NaN;
  const above = sorted[Math.ceil(at)] ?? Number.NaN;
  return below + (above - below) * (at - Math.floor(at));
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export function spread(values: readonly number[]): Spread {
  return {
    value: median(values),
    low: quantile(values, 0.25),
    high: quantile(values, 0.75),
    n: values.length,
  };
}

export function single(value: number): Spread {
  return { value, low: value, high: value, n: 1 };
}

/** Median over rounds of ours / theirs. Both of a round ran one after the other, so what else the machine did cancels out. */
export function pairedRatio(ours: readonly number[], theirs: readonly number[]): number {
  if (ours.length !== theirs.length || ours.length === 0)
    throw new Error("Ratios need as many rounds of one as of the other.");
  return median(ours.map((value, round) => value / (theirs[round] ?? Number.NaN)));
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
