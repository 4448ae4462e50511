import type { Published } from "./continual-plan.js";
import type { Draw } from "./counter-tree.js";
import type { DiscreteNoise, Ratio } from "./discrete-noise.js";

/** Recompute at intervals: exact counts stay inside, and at every r-th tick one statistic of them is published with noise and then held. */

export interface IntervalState {
  readonly ticks: number;
  readonly counts: number[];
  readonly releasedAt: number;
  readonly values: number[];
  readonly chosen: number[];
}

export class IntervalRelease {
  ticks = 0;
  /** Tick of the release now shown; 0 before the first. */
  releasedAt = 0;
  /** Noisy counts (publish counts) or the one noisy maximum (publish max). */
  values: Float64Array;
  /** Labels chosen, best first (publish top). */
  chosen: number[];
  private readonly counts: Float64Array;

  constructor(
    readonly dims: number,
    private readonly interval: number,
    private readonly publish: Published,
    private readonly k: number,
    private readonly noise: { readonly draw: Draw; readonly choices: DiscreteNoise; readonly rate: Ratio | undefined },
  ) {
    this.counts = new Float64Array(dims);
    this.values = new Float64Array(publish === "counts" ? dims : publish === "max" ? 1 : 0);
    // Before the first release the announced order is all that is known.
    this.chosen = publish === "top" ? Array.from({ length: Math.min(k, dims) }, (_, i) => i) : [];
  }

  add(label: number, amount: number): void {
    this.counts[label]! += amount;
  }

  close(): void {
    this.ticks++;
    if (this.ticks % this.interval !== 0) return;
    this.releasedAt = this.ticks;
    if (this.publish === "counts") this.values = this.counts.map((count) => count + this.noise.draw());
    else if (this.publish === "max") this.values[0] = largest(this.counts) + this.noise.draw();
    else this.chosen = this.choose();
  }

  state(): IntervalState {
    const { ticks, releasedAt, chosen } = this;
    return { ticks, counts: Array.from(this.counts), releasedAt, values: Array.from(this.values), chosen };
  }

  restore(state: IntervalState): void {
    this.ticks = state.ticks;
    this.counts.set(state.counts);
    this.releasedAt = state.releasedAt;
    this.values = Float64Array.from(state.values);
    this.chosen = [...state.chosen];
  }

  /** The best, then the best of the others, ...: each by the exponential mechanism with its part of the budget. */
  private choose(): number[] {
    const { choices, rate } = this.noise;
    const taken = new Set<number>();
    while (rate && taken.size < Math.min(this.k, this.dims)) taken.add(choices.choose(this.counts, rate, taken));
    return [...taken];
  }
}

function largest(values: Float64Array): number {
  let best = 0;
  for (const value of values) if (value > best) best = value;
  return best;
}
