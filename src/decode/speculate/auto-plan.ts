import { CallCosts } from "./call-costs.js";
import { depthOf, type TreeShape } from "./grow.js";
import type { RoundOutcome, ShapePlan } from "./plan.js";

/** Chooses each round's shape by what it should bring: tokens expected by what was accepted so far, over the time that such calls
 *  take here. Where nothing gains, nothing is drafted, and what is tried nevertheless may not cost more than a small share of the
 *  whole. Time decides only how much is drafted, so the law of the output stays exact, and where tokens do not depend on drafts at
 *  all (temperature 0, drafts that are lists) the output is that of plain decoding. */

export interface AutoOptions {
  /** Most nodes a level, and most levels. */
  readonly width: number;
  readonly depth: number;
  /** The draft costs next to nothing, so that it can be watched while it is not used. */
  readonly isFree: boolean;
}

/** Depths to choose from: few, so that graphs are used again. */
const depths = [1, 2, 3, 5, 7, 11, 15, 23, 31];
const mostNodes = 63;
/** A shape must promise this much to be chosen over none. */
const margin = 1.03;
/** What trials may have lost at any time: a share of the time so far, and so many plain calls. */
const lossShare = 0.02;
const lossCalls = 1;

export function autoPlan({ width, depth, isFree }: AutoOptions): ShapePlan {
  const costs = new CallCosts();
  const hits = new HitRates();
  const arms = shapes(width, depth);
  let balance = 0;
  let total = 0;
  /** A level of the draft. */
  let levelMs: number | undefined;

  const draftCost = (levels: number) => levels * (levelMs ?? (isFree ? 0 : 0.25 * costs.predict(1)));
  const msOf = ({ width: w, depth: d }: Arm) => costs.predict(1 + w * d) + draftCost(d);

  return {
    watchesUnused: isFree,
    next() {
      const one = costs.predict(1);
      const allowed = lossShare * total + lossCalls * one;
      let best: Arm | undefined;
      let bestRate = margin / one;
      for (const arm of arms) {
        const rate = hits.expected(arm) / msOf(arm);
        if (rate > bestRate) [best, bestRate] = [arm, rate];
      }
      if (best === undefined && !isFree) {
        // What a model would have said is known only by asking it: the smallest shape is tried now and then.
        const trial = arms[0]!;
        const mayCost = msOf(trial) - one;
        return levelMs === undefined || balance - mayCost > -allowed ? shapeOf(trial) : undefined;
      }
      return best === undefined || balance < -allowed ? undefined : shapeOf(best);
    },
    learn(round) {
      if (round.isPrompt === true) {
        costs.prompt(round.rows, round.targetMs);
        return;
      }
      costs.observe(round.rows, round.targetMs);
      hits.learn(round);
      const levels = round.shape === undefined ? 0 : depthOf(round.shape);
      // The first round of a model also reads the prompt; that is the price of having named one, and not counted as a loss.
      const isFirst = levels > 0 && levelMs === undefined;
      if (levels > 0) {
        const ms = round.draftMs / levels;
        levelMs =
          levelMs === undefined
            ? Math.min(ms, costs.predict(1))
            : levelMs + 0.3 * (Math.min(ms, 3 * levelMs) - levelMs);
      }
      // What the machine did meanwhile is not the draft's fault.
      const expected = costs.predict(round.rows) + draftCost(levels);
      const spent = Math.min(round.targetMs + (isFirst ? 0 : round.draftMs), 2 * expected);
      balance += round.emitted * costs.predict(1) - spent;
      total += spent;
    },
  };
}

interface Arm {
  readonly width: number;
  readonly depth: number;
}

function shapes(width: number, depth: number): Arm[] {
  const arms: Arm[] = [];
  const levels = [...depths.filter((d) => d < depth), depth];
  for (const d of levels) for (let w = 1; w <= width; w++) if (w * d <= mostNodes) arms.push({ width: w, depth: d });
  return arms;
}

function shapeOf({ width, depth }: Arm): TreeShape {
  return width === 1
    ? { kind: "constant", branches: new Array<number>(depth).fill(1) }
    : { kind: "beam", width, depth };
}

/** How likely the next draft is right. Runs of right ones come in bursts (a quotation, a repeated name), so the rate is kept by how many
 *  were right in a row. */
class HitRates {
  readonly #first: Rate[];
  /** Of second, third, ... choices, once those before were wrong. */
  readonly #others = [new Rate(0.12, 4), new Rate(0.08, 4), new Rate(0.05, 4)];
  #streak = 0;

  constructor() {
    this.#first = [0.35, 0.5, 0.6, 0.7, 0.8, 0.9].map((rate) => new Rate(rate, 2));
  }

  expected({ width, depth }: Arm): number {
    let reached = 1;
    let tokens = 1;
    for (let level = 0; level < depth; level++) {
      // Further down a beam spreads over several parents.
      const siblings = level === 0 ? width : Math.ceil(width / 2);
      let missed = 1 - this.#rateOf(this.#streak + level).value;
      for (let other = 1; other < siblings; other++) missed *= 1 - this.#otherOf(other).value;
      reached *= 1 - missed;
      tokens += reached;
    }
    return tokens;
  }

  learn({ tests }: RoundOutcome): void {
    if (tests.length === 0) this.#streak = 0;
    for (const { accepted, draw, draws } of tests) {
      const isFirst = accepted && draw === 0;
      this.#rateOf(this.#streak).book(isFirst);
      for (let other = 1; other < draws; other++) {
        if (isFirst || (accepted && draw < other)) break;
        this.#otherOf(other).book(accepted && draw === other);
      }
      this.#streak = accepted ? this.#streak + 1 : 0;
    }
  }

  #rateOf(streak: number): Rate {
    const bucket = streak <= 2 ? streak : streak <= 4 ? 3 : streak <= 8 ? 4 : 5;
    return this.#first[bucket]!;
  }

  #otherOf(draw: number): Rate {
    return this.#others[Math.min(draw, this.#others.length) - 1]!;
  }
}

/** A frequency that begins with a guess and forgets slowly. */
class Rate {
  #hits: number;
  #tries: number;

  constructor(guess: number, trust: number) {
    this.#hits = guess * trust;
    this.#tries = trust;
  }

  get value(): number {
    return this.#hits / this.#tries;
  }

  book(isHit: boolean): void {
    this.#hits = 0.98 * this.#hits + (isHit ? 1 : 0);
    this.#tries = 0.98 * this.#tries + 1;
  }
}
