import type { Candidates } from "../sample/candidates.js";

/** Laws over tokens as samplers give them: tokens ascend, weights need no sum. A law over the whole vocabulary is found by index, any
 *  other by bisection. */

/** Where a law has a token, -1 where it has not. */
export function indexIn({ tokens }: Candidates, token: number): number {
  const last = tokens.length - 1;
  if (last < 0) return -1;
  // As long as its greatest token: nothing is left out.
  if (tokens[last] === last) return token <= last ? token : -1;
  let low = 0;
  let high = last;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const found = tokens[middle]!;
    if (found === token) return middle;
    if (found < token) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

export function probabilityOf(law: Candidates, token: number): number {
  const index = indexIn(law, token);
  return index < 0 ? 0 : law.weights[index]! / law.total;
}

/** Index at which the running sum of the weights passes `u` times their sum, -1 where they are all 0. */
export function indexDrawn(weights: ArrayLike<number>, u: number, total: number): number {
  const target = u * total;
  let sum = 0;
  let last = -1;
  for (let index = 0; index < weights.length; index++) {
    const weight = weights[index]!;
    if (weight <= 0) continue;
    sum += weight;
    last = index;
    if (sum > target) return index;
  }
  // Only rounding of the sum can bring us here.
  return last;
}

/** Calls `visit` for every token that both laws have, with its index in each. */
export function inBoth(a: Candidates, b: Candidates, visit: (inA: number, inB: number) => void): void {
  if (a.tokens.length > b.tokens.length) {
    inBoth(b, a, (inB, inA) => visit(inA, inB));
    return;
  }
  const { tokens } = a;
  for (let inA = 0; inA < tokens.length; inA++) {
    const inB = indexIn(b, tokens[inA]!);
    if (inB >= 0) visit(inA, inB);
  }
}
