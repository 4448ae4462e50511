import type { Candidates } from "../sample/candidates.js";
import { inBoth, indexIn, probabilityOf } from "./law.js";
import { Residual } from "./residual.js";

/** How drafted tokens of one node are accepted so that the token that comes out has the target's law exactly. All rules test in the
 *  order of drawing; any other order breaks the law. */

/** A token drawn at a node, in the order of drawing. */
export interface DrawnToken {
  readonly token: number;
  /** Weight of all tokens that were not drawn yet, by which the draw was made. With replacement: the whole law's. */
  readonly rest: number;
}

/** Which draw was accepted; -1 and what to draw from where none was. */
export interface Verdict {
  readonly accepted: number;
  readonly residual?: Residual;
}

/** `accept` is asked once for each tested draw, in order, with the probability of accepting it. */
export type VerificationRule = (
  target: Candidates,
  draft: Candidates,
  draws: readonly DrawnToken[],
  accept: (probability: number, draw: number) => boolean,
) => Verdict;

/** For draws without replacement (RSD): each is tested against what is left of the draft's law, and a rejection hands on what is left
 *  of the target's. One draw is chain speculation. */
export const recursiveRejection: VerificationRule = (target, draft, draws, accept) => {
  const residual = new Residual(target);
  const rejected: number[] = [];
  for (const [draw, { token, rest }] of draws.entries()) {
    const proposed = draft.weights[indexIn(draft, token)]! / rest;
    if (accept(Math.min(1, residual.probability(token) / proposed), draw)) return { accepted: draw };
    residual.subtract(draft, 1 / rest, rejected);
    rejected.push(token);
  }
  return { accepted: -1, residual };
};

/** For draws with replacement (SpecInfer). */
export const independentRejection: VerificationRule = (target, draft, draws, accept) => {
  const residual = new Residual(target);
  for (const [draw, { token }] of draws.entries()) {
    const proposed = probabilityOf(draft, token);
    if (accept(Math.min(1, residual.probability(token) / proposed), draw)) return { accepted: draw };
    residual.subtract(draft, 1 / draft.total);
  }
  return { accepted: -1, residual };
};

/** For draws with replacement (SpecTr, k-sequential): all are tested by the same measure, which is chosen so that what the draws give
 *  together and what is drawn when they fail add up to the target's law. */
export const sequentialSelection: VerificationRule = (target, draft, draws, accept) => {
  const scale = selectionScale(target, draft, draws.length);
  for (const [draw, { token }] of draws.entries()) {
    const ratio = probabilityOf(target, token) / (scale * probabilityOf(draft, token));
    if (accept(Math.min(1, ratio), draw)) return { accepted: draw };
  }
  const residual = new Residual(target);
  residual.subtract(draft, scale / draft.total);
  return { accepted: -1, residual };
};

/** SpecTr's ρ in [1, K]: 1 - (1 - β)^K = ρβ with β = Σ min(q, t/ρ), the probability that one draw is accepted. */
export function selectionScale(target: Candidates, draft: Candidates, draws: number): number {
  if (draws <= 1) return 1;
  const most = Math.min(target.tokens.length, draft.tokens.length);
  const targets = new Float64Array(most);
  const drafts = new Float64Array(most);
  let count = 0;
  inBoth(target, draft, (inTarget, inDraft) => {
    targets[count] = target.weights[inTarget]! / target.total;
    drafts[count++] = draft.weights[inDraft]! / draft.total;
  });
  const excess = (scale: number): number => {
    let accepted = 0;
    for (let i = 0; i < count; i++) accepted += Math.min(drafts[i]!, targets[i]! / scale);
    return 1 - (1 - accepted) ** draws - scale * accepted;
  };
  return root(excess, 1, draws);
}

/** Where a function that falls from above 0 to below crosses it: false position by the Illinois rule. */
function root(value: (x: number) => number, from: number, to: number): number {
  let [low, high] = [from, to];
  let [above, below] = [value(low), value(high)];
  if (above <= 0) return low;
  if (below >= 0) return high;
  let side = 0;
  for (let step = 0; step < 100 && high - low > 1e-15 * high; step++) {
    const x = (above * high - below * low) / (above - below);
    if (x <= low || x >= high) break;
    const found = value(x);
    if (Math.abs(found) < 1e-15) return x;
    if (found > 0) {
      [low, above] = [x, found];
      if (side > 0) below /= 2;
      side = 1;
    } else {
      [high, below] = [x, found];
      if (side < 0) above /= 2;
      side = -1;
    }
  }
  return above < -below ? low : high;
}
