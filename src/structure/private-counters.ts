import { QuireError } from "../errors.js";
import { type Plan, type PlanInput, planRelease } from "./continual-plan.js";
import { type CounterState, decodeState, encodeState } from "./counter-state.js";
import { CounterTree, type Draw } from "./counter-tree.js";
import {
  type ByteSource,
  DiscreteNoise,
  gaussianVariance,
  laplaceScale,
  type Ratio,
  roundedDown,
} from "./discrete-noise.js";
import { IntervalRelease } from "./interval-release.js";
import { checkBudget, type PrivacyLedger } from "./privacy-budget.js";
import { RootCounter, rootCoefficients, roundedFactor, sumOfSquares } from "./root-counter.js";

/** Counters of one window that are shown at every tick. Events go in as they happen, `tick` ends a tick, and what may be shown is read from the last
 *  finished tick; reading again gives the same again. */

export interface CounterSetting extends Omit<PlanInput, "labels"> {
  /** Show counts that never fall or go below 0: true of the counts, and only post-processing. */
  readonly monotone: boolean;
}

export interface CountersInput {
  /** The announced names. Nothing else can be counted, so that a name appearing tells nothing. */
  readonly labels: readonly string[];
  /** Name of this window in the ledger and the state. */
  readonly window?: string;
  /** Booked once for this window; a window that goes on is not booked again. */
  readonly ledger?: PrivacyLedger;
  /** When the window starts, as the ledger's user counts time. */
  readonly at?: number;
  /** Text of `state()` to go on from. */
  readonly resume?: string;
  /** Stores the state; called before anything drawn from it is shown, so that a crash cannot make the noise be drawn twice. */
  persist?(state: string): void;
  /** Random bytes. Default the system's secure source; others are for tests. */
  readonly bytes?: ByteSource;
}

export interface UsageEvent {
  readonly label?: string;
  readonly labels?: readonly string[];
  /** Whole number per label, default 1. */
  readonly amount?: number;
  readonly user?: string;
}

export interface ShownCount {
  readonly label: string;
  readonly value: number;
  /** 95% of values are nearer to the count than this (to the count at `asOf`). */
  readonly error95: number;
  readonly asOf: number;
}

type Running =
  | { readonly kind: "tree"; readonly part: CounterTree }
  | { readonly kind: "sqrt"; readonly part: RootCounter }
  | { readonly kind: "recompute"; readonly part: IntervalRelease }
  | { readonly kind: "nothing" };

/** Sums stay exact in floating point below this, in every mechanism. */
const mostCounted = 2 ** 36;

export class PrivateCounters {
  readonly plan: Plan;
  readonly window: string;
  ticks = 0;
  private readonly index: ReadonlyMap<string, number>;
  private readonly running: Running;
  private readonly deviation: number;
  private shown: Float64Array;
  private shownAt = -1;
  private saved = false;
  private total = 0;
  private readonly perUser = new Map<string, number>();
  private readonly clipped = { events: 0, amounts: 0, labels: 0 };

  constructor(
    readonly setting: CounterSetting,
    private readonly input: CountersInput,
  ) {
    checkBudget(setting);
    this.index = indexLabels(input.labels);
    this.plan = planRelease({ ...setting, labels: input.labels.length });
    this.window = input.window ?? "window";
    this.shown = new Float64Array(input.labels.length);
    const { running, deviation } = start(this.plan, setting, input);
    this.running = running;
    this.deviation = deviation;
    if (input.resume !== undefined) this.restore(decodeState(input.resume));
    const { epsilon, delta } = setting;
    // Only a window that goes on from its state may be in the ledger already: its noise is not drawn twice.
    if (input.resume === undefined || !input.ledger?.has(this.window)) {
      input.ledger?.spend({ name: this.window, epsilon, delta, at: input.at ?? 0 });
    }
    this.save();
  }

  /** Counts an event into the tick that is open. What goes beyond the caps is cut off and noted privately. */
  observe(event: UsageEvent): void {
    this.refuseAfterEnd();
    const { labelsPerEvent, maxPerEvent, unit, maxPerUser = 0 } = this.setting;
    const given = event.labels ?? (event.label === undefined ? [] : [event.label]);
    const amount = event.amount ?? 1;
    if (!Number.isSafeInteger(amount) || amount < 0) {
      throw new QuireError("bad-input", "Only whole amounts from 0 can be counted.", {
        got: amount,
        fix: "Scale amounts to whole units first.",
      });
    }
    const places = [...new Set(given)].map((label) => this.placeOf(label));
    if (unit === "user") {
      if (event.user === undefined) {
        throw new QuireError("bad-input", "Privacy of users needs the user of every event.", {
          got: event,
          expected: "user",
        });
      }
      const used = this.perUser.get(event.user) ?? 0;
      if (used >= maxPerUser) {
        this.clipped.events++;
        return;
      }
      this.perUser.set(event.user, used + 1);
    }
    if (places.length > labelsPerEvent) this.clipped.labels += places.length - labelsPerEvent;
    if (amount > maxPerEvent) this.clipped.amounts++;
    const counted = Math.min(amount, maxPerEvent);
    this.total += counted * Math.min(places.length, labelsPerEvent);
    if (this.total > mostCounted) {
      throw new QuireError("budget-exceeded", "The counts are too large to stay exact.", {
        got: this.total,
        expected: `at most ${mostCounted}`,
      });
    }
    if (this.running.kind === "nothing") return;
    for (const place of places.slice(0, labelsPerEvent)) this.running.part.add(place, counted);
  }

  /** Ends the open tick: what came in it is part of what is shown from now on. */
  tick(): void {
    this.refuseAfterEnd();
    if (this.running.kind !== "nothing") this.running.part.close();
    this.ticks++;
    this.saved = false;
  }

  /** Ends ticks until `ticks` have ended, for a caller with a clock. */
  advanceTo(ticks: number): void {
    if (!Number.isSafeInteger(ticks) || ticks < this.ticks) {
      throw new QuireError("bad-input", "The clock went backwards.", {
        got: ticks,
        expected: `a whole number, at least ${this.ticks}`,
      });
    }
    while (this.ticks < ticks) this.tick();
  }

  /** Running counts of all labels, in the announced order. */
  counts(): ShownCount[] {
    const values = this.values();
    const error95 = this.error95();
    const asOf = this.asOf();
    return this.input.labels.map((label, j) => ({ label, value: values[j]!, error95, asOf }));
  }

  /** The same as bare numbers. */
  values(): Float64Array {
    const { running, ticks } = this;
    if (running.kind === "recompute" && this.setting.publish !== "counts") this.refuseOther("counts");
    if (this.shownAt === ticks) return this.shown.slice();
    const raw =
      running.kind === "nothing"
        ? new Float64Array(this.shown.length)
        : running.kind === "recompute"
          ? running.part.values
          : running.part.read();
    const rounded = raw.map(Math.round);
    this.shown = this.setting.monotone ? rounded.map((value, j) => Math.max(0, value, this.shown[j]!)) : rounded;
    this.save();
    this.shownAt = ticks;
    return this.shown.slice();
  }

  /** The largest count, and its label where counts are shown. */
  max(): { label?: string; value: number; error95: number; asOf: number } {
    const { running, setting } = this;
    if (running.kind === "recompute" && setting.publish !== "counts") {
      if (setting.publish !== "max") this.refuseOther("max");
      this.save();
      const value = Math.round(running.part.values[0]!);
      return { value: setting.monotone ? Math.max(0, value) : value, error95: this.error95(), asOf: this.asOf() };
    }
    const [best] = this.top(1);
    return { label: best!.label, value: best!.value!, error95: this.error95(), asOf: this.asOf() };
  }

  /** The labels with the largest counts, largest first; without values where names alone are chosen. */
  top(k = this.setting.k): { label: string; value?: number; error95?: number; asOf: number }[] {
    const { labels } = this.input;
    const asOf = this.asOf();
    if (this.running.kind === "recompute" && this.setting.publish !== "counts") {
      if (this.setting.publish !== "top") this.refuseOther("top");
      this.save();
      return this.running.part.chosen.slice(0, k).map((j) => ({ label: labels[j]!, asOf }));
    }
    const values = this.values();
    const error95 = this.error95();
    const order = Array.from(labels, (_, j) => j).sort((a, b) => values[b]! - values[a]! || a - b);
    return order.slice(0, k).map((j) => ({ label: labels[j]!, value: values[j]!, error95, asOf }));
  }

  /** Half-width of the 95% interval of any one value now. */
  error95(): number {
    const { running, deviation, plan } = this;
    if (running.kind === "nothing") return this.ticks * this.setting.eventsPerTick * this.setting.maxPerEvent;
    const { variance, terms } =
      running.kind === "recompute"
        ? { variance: running.part.releasedAt > 0 ? 1 : 0, terms: 1 }
        : running.part.spread();
    // Sums of few Laplace draws have heavier tails than a normal: the correction by their kurtosis.
    const quantile = 1.96 + (plan.noise.kind === "laplace" ? 0.206 / Math.max(1, terms) : 0);
    return quantile * deviation * Math.sqrt(variance);
  }

  /** For the operator alone: what the caps cut off, exactly. Not private. */
  diagnostics(): { events: number; amounts: number; labels: number } {
    return { ...this.clipped };
  }

  /** Everything needed to go on, as text. Secret. */
  state(): string {
    const { running } = this;
    return encodeState({
      format: "quire-private-counters",
      version: 1,
      setting: { ...this.setting },
      labels: [...this.input.labels],
      window: this.window,
      ticks: this.ticks,
      mechanism: stateOf(running),
      shown: Array.from(this.shown),
      total: this.total,
      perUser: [...this.perUser],
      clipped: { ...this.clipped },
    });
  }

  private restore(state: CounterState): void {
    const differs = (what: string, got: unknown, expected: unknown): never => {
      throw new QuireError("bad-input", `The state belongs to other counters: ${what} differs.`, { got, expected });
    };
    const own: Record<string, unknown> = JSON.parse(JSON.stringify(this.setting));
    for (const key of new Set([...Object.keys(own), ...Object.keys(state.setting)])) {
      if (own[key] !== state.setting[key]) differs(key, own[key], state.setting[key]);
    }
    if (state.labels.join("\n") !== this.input.labels.join("\n"))
      differs("labels", this.input.labels.length, state.labels.length);
    if (state.window !== this.window) differs("window", this.window, state.window);
    const { running } = this;
    if (running.kind === "tree" && state.mechanism.kind === "tree") running.part.restore(state.mechanism.state);
    else if (running.kind === "sqrt" && state.mechanism.kind === "sqrt") running.part.restore(state.mechanism.state);
    else if (running.kind === "recompute" && state.mechanism.kind === "recompute")
      running.part.restore(state.mechanism.state);
    else if (running.kind !== state.mechanism.kind) differs("mechanism", running.kind, state.mechanism.kind);
    this.ticks = state.ticks;
    this.shown = Float64Array.from(state.shown);
    this.total = state.total;
    for (const [user, used] of state.perUser) this.perUser.set(user, used);
    Object.assign(this.clipped, state.clipped);
  }

  private save(): void {
    if (!this.saved) this.input.persist?.(this.state());
    this.saved = true;
  }

  private asOf(): number {
    return this.running.kind === "recompute" ? this.running.part.releasedAt : this.ticks;
  }

  private placeOf(label: string): number {
    const place = this.index.get(label);
    if (place === undefined) {
      throw new QuireError("bad-input", `"${label}" is not among the announced labels.`, {
        got: label,
        fix: "Announce it, or count it under a label for all others.",
      });
    }
    return place;
  }

  private refuseAfterEnd(): void {
    if (this.ticks < this.setting.horizon) return;
    throw new QuireError("budget-exceeded", "The window has ended: its budget covers no further tick.", {
      got: this.ticks,
      expected: `at most ${this.setting.horizon} ticks`,
      fix: "Start the next window, which spends a budget of its own.",
    });
  }

  private refuseOther(wanted: string): never {
    throw new QuireError("unsupported", `These counters publish ${this.setting.publish}, not ${wanted}.`, {
      got: wanted,
      expected: this.setting.publish,
      fix: `Choose publish=${wanted}, or mechanism=tree, which shows all of them.`,
    });
  }
}

function indexLabels(labels: readonly string[]): ReadonlyMap<string, number> {
  const index = new Map(labels.map((label, place) => [label, place]));
  if (labels.length === 0 || index.size < labels.length || labels.some((label) => label.includes("\n"))) {
    throw new QuireError("bad-input", "The labels cannot be used.", {
      got: labels.length,
      expected: "at least one, each once, in one line",
    });
  }
  return index;
}

function start(plan: Plan, setting: CounterSetting, input: CountersInput): { running: Running; deviation: number } {
  const dims = input.labels.length;
  const noise = new DiscreteNoise(input.bytes);
  const { kind, size } = plan.noise;
  if (plan.mechanism === "nothing") return { running: { kind: "nothing" }, deviation: 0 };
  if (plan.mechanism === "sqrt") {
    const grid = gridFor(size);
    const ratio = gaussianVariance(rootVariance(plan, setting, grid));
    const part = new RootCounter(dims, setting.horizon, grid, () => noise.gaussian(ratio));
    return { running: { kind: "sqrt", part }, deviation: Math.sqrt(ratio.numerator / ratio.denominator) / grid };
  }
  const drawn = size > 0 ? drawer(noise, kind, size) : { draw: () => 0, deviation: 0 };
  if (plan.mechanism === "tree") {
    return {
      running: { kind: "tree", part: new CounterTree(dims, setting.horizon, drawn.draw, setting.reuseChildren) },
      deviation: drawn.deviation,
    };
  }
  const rate: Ratio | undefined = plan.rate > 0 ? roundedDown(plan.rate) : undefined;
  const part = new IntervalRelease(dims, plan.interval, setting.publish, setting.k, {
    draw: drawn.draw,
    choices: noise,
    rate,
  });
  return { running: { kind: "recompute", part }, deviation: drawn.deviation };
}

function drawer(noise: DiscreteNoise, kind: "laplace" | "gaussian", size: number): { draw: Draw; deviation: number } {
  if (kind === "laplace") {
    const ratio = laplaceScale(size);
    return { draw: () => noise.laplace(ratio), deviation: (Math.SQRT2 * ratio.numerator) / ratio.denominator };
  }
  const ratio = gaussianVariance(size);
  return { draw: () => noise.gaussian(ratio), deviation: Math.sqrt(ratio.numerator / ratio.denominator) };
}

/** Whole steps of the rounded square root: fine, but few enough that noise times steps stays a whole number. */
function gridFor(variance: number): number {
  let grid = 2 ** 16;
  while (grid > 1 && variance * grid * grid > 2 ** 50) grid /= 2;
  return grid;
}

function rootVariance({ noise }: Plan, { horizon }: CounterSetting, grid: number): number {
  return (noise.size * sumOfSquares(roundedFactor(horizon, grid))) / sumOfSquares(rootCoefficients(horizon));
}

function stateOf(running: Running): CounterState["mechanism"] {
  if (running.kind === "tree") return { kind: "tree", state: running.part.state() };
  if (running.kind === "sqrt") return { kind: "sqrt", state: running.part.state() };
  if (running.kind === "recompute") return { kind: "recompute", state: running.part.state() };
  return { kind: "nothing" };
}
