import { QuireError } from "../../errors.js";

/** How long one call takes, as a formula of its tokens, fitted to calls that were made; and what the formula says about how to cut
 *  something long. Prefill of L tokens: a0 + a1 L + a2 L²; writing D tokens after them: Σ (b0 + b1 (L + i)). */

export interface CallCosts {
  readonly prefill: readonly [constant: number, linear: number, quadratic: number];
  readonly decode: readonly [constant: number, linear: number];
}

export interface TimedCall {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly seconds: number;
}

export function callSeconds(
  { prefill: [a0, a1, a2], decode: [b0, b1] }: CallCosts,
  promptTokens: number,
  completionTokens: number,
): number {
  const [L, D] = [promptTokens, completionTokens];
  return a0 + a1 * L + a2 * L * L + b0 * D + b1 * (D * L + (D * (D - 1)) / 2);
}

/** Least squares of the relative errors with no coefficient below zero: of all choices of coefficients that may be other than zero, the
 *  best one whose solution has none below. With five of them that is exact and quick. */
export function fitCallCosts(calls: readonly TimedCall[]): CallCosts {
  const usable = calls.filter(({ seconds, promptTokens }) => seconds > 0 && promptTokens > 0);
  if (usable.length < 3) {
    throw new QuireError("bad-input", "Too few timed calls to learn what a call costs.", {
      got: usable.length,
      expected: "at least 3 calls of different lengths",
    });
  }
  const rows = usable.map(({ promptTokens: L, completionTokens: D, seconds }) =>
    [1, L, L * L, D, D * L + (D * (D - 1)) / 2].map((feature) => feature / seconds),
  );
  let best: { coefficients: number[]; residual: number } | undefined;
  for (let subset = 1; subset < 32; subset++) {
    const active = [0, 1, 2, 3, 4].filter((i) => (subset >> i) & 1);
    const solved = leastSquares(rows.map((row) => active.map((i) => row[i]!)));
    if (solved === undefined || solved.some((value) => !(value >= 0))) continue;
    const coefficients = [0, 0, 0, 0, 0];
    for (const [at, i] of active.entries()) coefficients[i] = solved[at]!;
    const residual = rows.reduce(
      (sum, row) => sum + (row.reduce((value, feature, i) => value + feature * coefficients[i]!, 0) - 1) ** 2,
      0,
    );
    // A coefficient more must be worth it: rounding alone is no reason for one.
    if (best === undefined || residual < best.residual * (1 - 1e-9)) best = { coefficients, residual };
  }
  const [a0, a1, a2, b0, b1] = best?.coefficients ?? [0, 0, 0, 0, 0];
  return { prefill: [a0!, a1!, a2!], decode: [b0!, b1!] };
}

/** Median over calls of |predicted − measured| / measured. */
export function medianCostError(costs: CallCosts, calls: readonly TimedCall[]): number {
  const errors = calls.map(
    ({ promptTokens, completionTokens, seconds }) =>
      Math.abs(callSeconds(costs, promptTokens, completionTokens) - seconds) / seconds,
  );
  errors.sort((a, b) => a - b);
  return errors.length === 0 ? Number.NaN : (errors[(errors.length - 1) >> 1]! + errors[errors.length >> 1]!) / 2;
}

/** Part size for which all calls together cost least: n / m calls that each read `frame` tokens beside their part and write an answer
 *  whose cost is `answer`. With the frame cached, only the part is read. Without a quadratic cost larger is always better: infinity. */
export function cheapestPart(
  { prefill: [a0, a1, a2] }: Pick<CallCosts, "prefill">,
  { frame, answer, frameCached = false }: { frame: number; answer: number; frameCached?: boolean },
): number {
  const overhead = a0 + answer + (frameCached ? 0 : a1 * frame + a2 * frame * frame);
  return a2 === 0 ? Number.POSITIVE_INFINITY : Math.sqrt(overhead / a2);
}

/** The same where `workers` calls run at once: no larger than leaves every worker a part, and a number of parts that is a multiple of
 *  the workers, so that none of them idles at the end. */
export function quickestPart(n: number, cheapest: number, workers: number): number {
  if (!Number.isInteger(workers) || workers < 1 || !(n >= 1)) {
    throw new QuireError("bad-option", "Parts cannot be shared out like this.", {
      got: { n, workers },
      expected: "n and workers of at least 1, workers a whole number",
    });
  }
  const size = Math.max(1, Math.min(n, cheapest, Math.ceil(n / workers)));
  const parts = Math.ceil(Math.ceil(n / size) / workers) * workers;
  return Math.max(1, Math.ceil(n / parts));
}

/** Solves min |X b − 1|² by normal equations; undefined where they do not have one solution. */
function leastSquares(rows: readonly (readonly number[])[]): number[] | undefined {
  const size = rows[0]!.length;
  // Columns are scaled to length one, or squares of lengths would drown the rest.
  const scale = Array.from({ length: size }, (_, j) => Math.sqrt(rows.reduce((sum, row) => sum + row[j]! ** 2, 0)));
  if (scale.some((value) => value === 0)) return;
  const system = Array.from({ length: size }, (_, i) => [
    ...Array.from({ length: size }, (_, j) =>
      rows.reduce((sum, row) => sum + (row[i]! / scale[i]!) * (row[j]! / scale[j]!), 0),
    ),
    rows.reduce((sum, row) => sum + row[i]! / scale[i]!, 0),
  ]);
  for (let i = 0; i < size; i++) {
    let pivot = i;
    for (let row = i + 1; row < size; row++) if (Math.abs(system[row]![i]!) > Math.abs(system[pivot]![i]!)) pivot = row;
    [system[i], system[pivot]] = [system[pivot]!, system[i]!];
    const lead = system[i]![i]!;
    if (Math.abs(lead) < 1e-12) return;
    for (let row = 0; row < size; row++) {
      if (row === i) continue;
      const factor = system[row]![i]! / lead;
      for (let j = i; j <= size; j++) system[row]![j]! -= factor * system[i]![j]!;
    }
  }
  return system.map((row, i) => row[size]! / row[i]! / scale[i]!);
}
