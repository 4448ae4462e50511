import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Candidates } from "../sample/candidates.js";
import {
  independentRejection,
  recursiveRejection,
  selectionScale,
  sequentialSelection,
  type VerificationRule,
} from "./rules.js";

/** Level 1 of exactness: all draws and all outcomes of all tests of one node, enumerated. */

const schemes: Record<string, { rule: VerificationRule; replace: boolean }> = {
  rsd: { rule: recursiveRejection, replace: false },
  specinfer: { rule: independentRejection, replace: true },
  spectr: { rule: sequentialSelection, replace: true },
};

function lawOf(weights: readonly number[]): Candidates {
  const kept = weights.map((weight, token) => ({ weight, token })).filter(({ weight }) => weight > 0);
  return {
    tokens: Int32Array.from(kept, ({ token }) => token),
    // Plain numbers: the identities are to hold beyond f32.
    weights: kept.map(({ weight }) => weight) as unknown as Float32Array,
    total: kept.reduce((sum, { weight }) => sum + weight, 0),
  };
}

interface Draw {
  token: number;
  rest: number;
}

function drawings(q: readonly number[], count: number, replace: boolean): { draws: Draw[]; probability: number }[] {
  const from = (draws: Draw[], probability: number): { draws: Draw[]; probability: number }[] => {
    const left = q.map((weight, token) => (!replace && draws.some((draw) => draw.token === token) ? 0 : weight));
    const rest = left.reduce((sum, weight) => sum + weight, 0);
    if (draws.length === count || rest < 1e-15) return [{ draws, probability }];
    return left.flatMap((weight, token) =>
      weight === 0 ? [] : from([...draws, { token, rest }], (probability * weight) / rest),
    );
  };
  return from([], 1);
}

/** The law of what comes out, and the probability that a draw is accepted. */
function enumerated(t: readonly number[], q: readonly number[], count: number, scheme: string) {
  const { rule, replace } = schemes[scheme] as { rule: VerificationRule; replace: boolean };
  const law = t.map(() => 0);
  let accepted = 0;
  for (const { draws, probability } of drawings(q, count, replace)) {
    // Every way through the tests: those before `stop` fail, `stop` passes.
    for (let stop = 0; stop <= draws.length; stop++) {
      let weight = probability;
      const { accepted: draw, residual } = rule(lawOf(t), lawOf(q), draws, (chance, index) => {
        weight *= index === stop ? chance : 1 - chance;
        return index === stop;
      });
      if (weight < 1e-18) continue;
      if (residual === undefined) {
        accepted += weight;
        law[(draws[draw] as Draw).token]! += weight;
      } else for (let token = 0; token < t.length; token++) law[token]! += weight * residual.probability(token);
    }
  }
  return { law, accepted };
}

const worked: [scheme: string, t: number[], q: number[], count: number, accepted: number][] = [
  ["rsd", [0.5, 0.3, 0.2], [0.2, 0.5, 0.3], 1, 0.7],
  ["specinfer", [0.5, 0.3, 0.2], [0.2, 0.5, 0.3], 1, 0.7],
  ["spectr", [0.5, 0.3, 0.2], [0.2, 0.5, 0.3], 1, 0.7],
  ["specinfer", [0.5, 0.3, 0.2], [0.2, 0.5, 0.3], 2, 0.76],
  ["specinfer", [0.5, 0.3, 0.2], [0.2, 0.5, 0.3], 3, 0.808],
  ["spectr", [0.5, 0.3, 0.2], [0.2, 0.5, 0.3], 2, 0.791355],
  ["spectr", [0.5, 0.3, 0.2], [0.2, 0.5, 0.3], 3, 0.858519],
  ["rsd", [0.5, 0.3, 0.2], [0.2, 0.5, 0.3], 2, 283 / 350],
  ["rsd", [0.5, 0.3, 0.2], [0.2, 0.5, 0.3], 3, 1],
  ["specinfer", [0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4], 2, 0.72],
  ["spectr", [0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4], 2, 0.75],
  ["rsd", [0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4], 2, 0.764286],
];

describe("rules of acceptance, enumerated", () => {
  it.each(worked)("%s: t %j, q %j, %i draws are accepted with probability %d", (scheme, t, q, count, expected) => {
    const { law, accepted } = enumerated(t, q, count, scheme);
    // Figures with six digits are rounded ones.
    expect(Math.abs(accepted - expected)).toBeLessThan(String(expected).length > 8 ? 1e-12 : 6e-7);
    for (const [token, probability] of law.entries())
      expect(Math.abs(probability - (t[token] as number))).toBeLessThan(1e-12);
  });

  it("spectr's scale is that of the worked example", () => {
    const t = lawOf([0.5, 0.3, 0.2]);
    const q = lawOf([0.2, 0.5, 0.3]);
    expect(selectionScale(t, q, 1)).toBe(1);
    expect(selectionScale(t, q, 2)).toBeCloseTo(1.456776, 6);
    expect(selectionScale(t, q, 3)).toBeCloseTo(1.792593, 6);
  });

  const weights = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 5, maxLength: 5 });
  it.each(Object.keys(schemes))("%s gives the target's law for any pair of laws", (scheme) => {
    fc.assert(
      fc.property(weights, weights, fc.integer({ min: 1, max: 4 }), (a, b, count) => {
        fc.pre(a.some((weight) => weight > 0) && b.some((weight) => weight > 0));
        const normalised = (w: number[]) => w.map((weight) => weight / w.reduce((sum, x) => sum + x, 0));
        const [t, q] = [normalised(a), normalised(b)];
        const { law } = enumerated(t, q, count, scheme);
        for (const [token, p] of law.entries()) expect(Math.abs(p - (t[token] as number))).toBeLessThan(1e-12);
      }),
      { numRuns: 150, seed: 5 },
    );
  });

  it("rsd accepts for certain with as many draws as the draft has tokens, where it has all of the target's", () => {
    fc.assert(
      fc.property(weights, (a) => {
        const t = a.map((weight) => (weight + 1) / (a.reduce((sum, x) => sum + x, 0) + 5));
        expect(enumerated(t, [0.1, 0.15, 0.2, 0.25, 0.3], 5, "rsd").accepted).toBeCloseTo(1, 12);
      }),
      { numRuns: 30, seed: 6 },
    );
  });

  it.each(Object.keys(schemes))("%s: equal laws accept the first draw, a wrong one never", (scheme) => {
    const t = [0.4, 0.35, 0.25];
    const one = enumerated(t, t, 3, scheme);
    expect(one.accepted).toBeCloseTo(1, 12);
    const never = enumerated([0.6, 0.4, 0], [0, 0, 1], 2, scheme);
    expect(never.accepted).toBe(0);
    expect(never.law).toEqual([0.6, 0.4, 0]);
  });

  it("sorting draws by probability breaks the law", () => {
    const t = [0.5, 0.3, 0.2];
    const q = [0.2, 0.5, 0.3];
    const sorted: VerificationRule = (target, draft, draws, accept) => {
      const order = [...draws].sort((a, b) => q[b.token]! - q[a.token]!);
      let rest = draft.total;
      const again = order.map(({ token }) => {
        const draw = { token, rest };
        rest -= q[token]!;
        return draw;
      });
      const verdict = recursiveRejection(target, draft, again, accept);
      return verdict.residual === undefined ? { accepted: draws.indexOf(order[verdict.accepted]!) } : verdict;
    };
    schemes["sorted"] = { rule: sorted, replace: false };
    const { law } = enumerated(t, q, 2, "sorted");
    delete schemes["sorted"];
    expect(Math.max(...law.map((p, token) => Math.abs(p - (t[token] as number))))).toBeGreaterThan(0.01);
  });
});
