import { QuireError } from "../errors.js";
import { nodeWeight, treeLevels } from "./counter-tree.js";
import { type PrivacyBudget, rhoOf } from "./privacy-budget.js";
import { rootCoefficients, sumOfSquares } from "./root-counter.js";

/** Which mechanism publishes, with how much noise, and what error to expect: all by formula, before any data. */

export const mechanisms = ["tree", "sqrt", "recompute", "nothing"] as const;
export type Mechanism = (typeof mechanisms)[number];
export type Published = "counts" | "max" | "top";

export interface PlanInput extends PrivacyBudget {
  readonly horizon: number;
  readonly labels: number;
  readonly publish: Published;
  readonly k: number;
  readonly mechanism: Mechanism | "auto";
  readonly interval?: number;
  readonly reuseChildren: boolean;
  readonly unit: "event" | "user";
  readonly labelsPerEvent: number;
  readonly maxPerEvent: number;
  readonly maxPerUser?: number;
  readonly eventsPerTick: number;
  readonly neighbours: "remove" | "swap";
}

/** How far one event (or one user) can move a row of counts: in sum, in length, and in any single count. */
export interface Sensitivity {
  readonly sum: number;
  readonly length: number;
  readonly single: number;
}

export interface Plan {
  readonly mechanism: Mechanism;
  readonly sensitivity: Sensitivity;
  /** Worst error over all ticks and labels that holds with probability 2/3, if at most `eventsPerTick` events come a tick. */
  readonly bound: number;
  /** The same for every mechanism that was possible. */
  readonly bounds: Readonly<Partial<Record<Mechanism, number>>>;
  /** Scale of Laplace noise (delta 0) or variance of Gaussian noise per draw; 0 where names are chosen instead. */
  readonly noise: { readonly kind: "laplace" | "gaussian"; readonly size: number };
  /** Recompute: ticks between releases, number of releases, and the exponential mechanism's rate per unit of count. */
  readonly interval: number;
  readonly releases: number;
  readonly rate: number;
}

export function sensitivityOf(input: PlanInput): Sensitivity {
  const times = input.unit === "user" ? userCap(input) : 1;
  const labels = Math.min(input.labelsPerEvent, input.labels);
  const swap = input.neighbours === "swap";
  // Swapping one-hot rows moves two counts, not one twice as far.
  const lengthFactor = swap ? (labels === 1 ? Math.SQRT2 : 2) : 1;
  return {
    sum: (swap ? 2 : 1) * times * labels * input.maxPerEvent,
    length: lengthFactor * times * Math.sqrt(labels) * input.maxPerEvent,
    single: times * input.maxPerEvent,
  };
}

function userCap({ maxPerUser }: PlanInput): number {
  if (maxPerUser === undefined) {
    throw new QuireError("bad-option", "Privacy of users needs a cap on what one user may add.", {
      got: undefined,
      expected: "maxPerUser: events per user and window",
      fix: "Set maxPerUser, or unit=event.",
    });
  }
  return maxPerUser;
}

/** The square root keeps labels · horizon numbers and works O(t) a tick: chosen by itself only where that is little. */
const rootMostNumbers = 2 ** 20;
const rootMostTicks = 2 ** 14;

export function planRelease(input: PlanInput): Plan {
  const sensitivity = sensitivityOf(input);
  const possible = new Map<Mechanism, Omit<Plan, "bounds">>();
  const consider = (plan: Omit<Plan, "bounds">) => possible.set(plan.mechanism, plan);
  consider(treePlan(input, sensitivity));
  if (input.delta > 0) consider(rootPlan(input, sensitivity));
  consider(recomputePlan(input, sensitivity));
  const blank = {
    sensitivity,
    noise: { kind: "laplace", size: 0 } as const,
    interval: input.horizon,
    releases: 0,
    rate: 0,
  };
  consider({ mechanism: "nothing", bound: input.horizon * input.eventsPerTick * input.maxPerEvent, ...blank });
  if (input.mechanism === "sqrt" && input.delta === 0) {
    throw new QuireError("bad-option", "The sqrt mechanism needs Gaussian noise, so a delta above 0.", {
      got: input.delta,
      fix: "Set delta, or mechanism=tree.",
    });
  }
  const bounds = Object.fromEntries([...possible].map(([name, { bound }]) => [name, bound]));
  const small = input.labels * input.horizon <= rootMostNumbers && input.horizon <= rootMostTicks;
  const candidates = [...possible.values()].filter(({ mechanism }) =>
    input.mechanism === "auto" ? mechanism !== "sqrt" || small : mechanism === input.mechanism,
  );
  const best = candidates.reduce((a, b) => (b.bound < a.bound ? b : a));
  return { ...best, bounds };
}

/** ln of (two sides · outputs / probability of failure 1/3). */
function tail(outputs: number): number {
  return Math.log(6 * outputs);
}

function treePlan(input: PlanInput, sensitivity: Sensitivity): Omit<Plan, "bounds"> {
  const { horizon, labels, epsilon, delta } = input;
  const levels = treeLevels(horizon);
  let terms = levels;
  if (input.reuseChildren) {
    terms = 0;
    for (let level = 0; level < levels; level++) terms += nodeWeight(level);
  }
  const x = tail(labels * horizon);
  const blank = { mechanism: "tree", sensitivity, interval: 1, releases: horizon, rate: 0 } as const;
  if (delta > 0) {
    const variance = (sensitivity.length ** 2 * levels) / (2 * rhoOf({ epsilon, delta }));
    return { ...blank, bound: Math.sqrt(2 * variance * terms * x), noise: { kind: "gaussian", size: variance } };
  }
  const scale = (sensitivity.sum * levels) / epsilon;
  // A sum of Laplace variables is sub-gamma: tail sqrt(4 b² n x) + b x.
  return { ...blank, bound: scale * (Math.sqrt(4 * terms * x) + x), noise: { kind: "laplace", size: scale } };
}

function rootPlan(input: PlanInput, sensitivity: Sensitivity): Omit<Plan, "bounds"> {
  const { horizon, labels } = input;
  const sum = sumOfSquares(rootCoefficients(horizon));
  const variance = (sensitivity.length ** 2 * sum) / (2 * rhoOf(input));
  const bound = Math.sqrt(2 * variance * sum * tail(labels * horizon));
  const blank = { sensitivity, interval: 1, releases: horizon, rate: 0 };
  return { mechanism: "sqrt", bound, noise: { kind: "gaussian", size: variance }, ...blank };
}

function recomputePlan(input: PlanInput, sensitivity: Sensitivity): Omit<Plan, "bounds"> {
  const { horizon, labels, epsilon, delta, publish } = input;
  const pure = delta === 0;
  const rho = pure ? 0 : rhoOf({ epsilon, delta });
  const grows = input.eventsPerTick * input.maxPerEvent;
  const selected = Math.min(input.k, labels);
  const choices = publish === "top" ? selected : 1;
  const moved = publish === "counts" ? (pure ? sensitivity.sum : sensitivity.length) : sensitivity.single;
  // What is lost while a value is held grows with r, the noise falls with it: both meet at the balance.
  const weight = (moved / grows) * (publish === "top" ? Math.max(1, Math.log(labels)) : 1);
  const balance = pure
    ? Math.sqrt((horizon * weight * choices) / epsilon)
    : ((horizon * weight ** 2 * choices) / ((publish === "top" ? 8 : 2) * rho)) ** (1 / 3);
  const interval = Math.min(horizon, Math.max(1, input.interval ?? Math.ceil(balance)));
  const releases = Math.ceil(horizon / interval);
  const held = interval * grows;
  const blank = { mechanism: "recompute", sensitivity, interval, releases } as const;
  if (publish === "top") {
    const perChoice = pure ? epsilon / (releases * choices) : Math.sqrt((8 * rho) / (releases * choices));
    const rate = perChoice / (sensitivity.single * (input.neighbours === "swap" ? 2 : 1));
    const bound = held + Math.log(3 * labels * releases * choices) / rate;
    return { ...blank, bound, rate, noise: { kind: pure ? "laplace" : "gaussian", size: 0 } };
  }
  const x = tail(releases * (publish === "counts" ? labels : 1));
  if (pure) {
    const scale = (moved * releases) / epsilon;
    return { ...blank, bound: held + scale * x, rate: 0, noise: { kind: "laplace", size: scale } };
  }
  const variance = (moved ** 2 * releases) / (2 * rho);
  return { ...blank, bound: held + Math.sqrt(2 * variance * x), rate: 0, noise: { kind: "gaussian", size: variance } };
}
