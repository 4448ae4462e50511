/** When requests come, and how long they are: drawn before the run from a seed, whatever the answers do (open loop). */

/** Uniform in [0, 1), the same for the same seed. */
export function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export interface ArrivalOptions {
  readonly count: number;
  /** Mean number a second; Infinity: all at once. */
  readonly perSecond: number;
  readonly seed: number;
  /** Shape of the gamma distribution of gaps: 1 is Poisson, below 1 comes in bursts, above 1 is more even. */
  readonly burstiness?: number;
}

/** Milliseconds from the start, ascending. */
export function arrivalTimes({ count, perSecond, seed, burstiness = 1 }: ArrivalOptions): number[] {
  const next = uniform(seed);
  const times: number[] = [];
  let now = 0;
  for (let i = 0; i < count; i++) {
    if (Number.isFinite(perSecond)) now += (1000 * gamma(burstiness, next)) / (burstiness * perSecond);
    times.push(now);
  }
  return times;
}

/** Of the gamma distribution with scale 1 (Marsaglia and Tsang; below shape 1 by their boost). */
function gamma(shape: number, next: () => number): number {
  if (shape === 1) return -Math.log(1 - next());
  if (shape < 1) return gamma(shape + 1, next) * (1 - next()) ** (1 / shape);
  const d = shape - 1 / 3;
  for (;;) {
    const normal = Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
    const v = (1 + normal / Math.sqrt(9 * d)) ** 3;
    if (v > 0 && Math.log(1 - next()) < (normal * normal) / 2 + d - d * v + d * Math.log(v)) return d * v;
  }
}
