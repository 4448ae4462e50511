import { QuireError } from "../../errors.js";

/** Advantages with mean 0 and variance 1 over all tokens of a batch, so that the size of rewards does not matter. */

const epsilon = 1e-8;

/** `tokens[i]`: tokens that carry `values[i]`; default one each. Long answers weigh more. The variance is the unbiased one. */
export function whiten(values: ArrayLike<number>, tokens?: ArrayLike<number>): Float64Array {
  const weight = (i: number): number => tokens?.[i] ?? 1;
  let count = 0;
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    if (!(weight(i) >= 0)) throw new QuireError("bad-input", "Tokens cannot be counted so.", { got: weight(i) });
    count += weight(i);
    sum += weight(i) * (values[i] as number);
  }
  const mean = sum / count;
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += weight(i) * ((values[i] as number) - mean) ** 2;
  const scale = 1 / Math.sqrt((count > 1 ? squares / (count - 1) : 0) + epsilon);
  return Float64Array.from(values, (value) => (value - mean) * scale);
}
