import type { PassCosts } from "../../src/engine/schedule/pass-costs.js";
import type { Planner } from "../../src/engine/schedule/planner.js";
import {
  gaps,
  type VirtualRequest,
  type VirtualRun,
  virtualRun,
} from "../../src/engine/schedule/virtual-engine.case.js";
import { arrivalTimes } from "./arrivals.js";
import { percentile } from "./latency.js";
import type { MixedWorkload } from "./workload.js";

/** The largest rate of requests that a schedule serves within limits, by bisection in virtual time: the planner is the real one, and a
 *  pass takes as long as the measured costs say. */

export interface CapacityOptions {
  readonly load: Pick<MixedWorkload, "chatPrompt" | "chatOutput" | "documentPrompt" | "documentOutput">;
  /** One request in so many is a document. */
  readonly chatsPerDocument: number;
  readonly requests: number;
  readonly maxSequences: number;
  readonly seed: number;
  /** 99 of 100 times between tokens of chats are below it. */
  readonly tbtMs: number;
  readonly waitMs: number;
}

export interface VirtualFigures {
  readonly p99Tbt: number;
  readonly medianWait: number;
  readonly totalPerSecond: number;
}

export function atRate(
  planner: Planner,
  costs: PassCosts,
  perSecond: number,
  options: CapacityOptions,
): VirtualFigures {
  const { load, chatsPerDocument, requests, maxSequences, seed } = options;
  const times = arrivalTimes({ count: requests, perSecond, seed });
  const isDocument = (i: number) => i % (chatsPerDocument + 1) === chatsPerDocument;
  const list = times.map((arrivesMs, i): VirtualRequest => {
    const user = `${i}`;
    return isDocument(i)
      ? { arrivesMs, user, promptRows: load.documentPrompt, outputTokens: load.documentOutput }
      : { arrivesMs, user, promptRows: load.chatPrompt, outputTokens: load.chatOutput };
  });
  const run: VirtualRun = virtualRun(planner, list, { maxSequences, cost: (pass) => costs.predict(pass) });
  const chats = run.tokensMs.filter((_, i) => !isDocument(i));
  const waits = list.map(({ arrivesMs = 0 }, i) => {
    const first = run.passes.find(({ shares }) => shares.some(({ id }) => id === i));
    return (first?.atMs ?? Number.POSITIVE_INFINITY) - arrivesMs;
  });
  const end = Math.max(...run.tokensMs.flat());
  const rows = list.reduce((sum, { promptRows, outputTokens }) => sum + promptRows + outputTokens, 0);
  return {
    p99Tbt: percentile(gaps(chats), 0.99),
    medianWait: percentile(waits, 0.5),
    totalPerSecond: (1000 * rows) / (end - (times[0] ?? 0)),
  };
}

/** Requests a second; 0 where even a trickle is not served within the limits. */
export function capacity(plan: () => Planner, costs: PassCosts, options: CapacityOptions): number {
  const within = (rate: number) => {
    const { p99Tbt, medianWait } = atRate(plan(), costs, rate, options);
    return p99Tbt <= options.tbtMs && medianWait <= options.waitMs;
  };
  let low = 0;
  let high = 0.01;
  while (within(high) && high < 1000) {
    low = high;
    high *= 2;
  }
  for (let step = 0; step < 7; step++) {
    const middle = (low + high) / 2;
    if (within(middle)) low = middle;
    else high = middle;
  }
  return low;
}
