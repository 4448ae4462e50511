import { QuireError } from "../../errors.js";

/** Learning rates by step (counted from 0), and the clipping of gradients. */

export type Schedule = (step: number) => number;

export interface CosineOptions {
  peak: number;
  /** Steps of linear rise from 0 to the peak. */
  warmup?: number;
  /** Step at which the floor is reached. */
  total: number;
  floor?: number;
}

export function cosineSchedule({ peak, warmup = 0, total, floor = 0 }: CosineOptions): Schedule {
  checkSpan(warmup, total);
  return (step) => {
    if (step < warmup) return (peak * (step + 1)) / warmup;
    const progress = Math.min((step - warmup) / Math.max(total - warmup, 1), 1);
    return floor + (peak - floor) * 0.5 * (1 + Math.cos(Math.PI * progress));
  };
}

export interface PlateauOptions extends CosineOptions {
  /** Steps of linear fall at the end. */
  decay: number;
}

/** Rises, stays, falls. */
export function plateauSchedule({ peak, warmup = 0, total, decay, floor = 0 }: PlateauOptions): Schedule {
  checkSpan(warmup + decay, total);
  return (step) => {
    if (step < warmup) return (peak * (step + 1)) / warmup;
    const left = Math.max(total - step, 0);
    return left >= decay ? peak : floor + (peak - floor) * (left / decay);
  };
}

function checkSpan(used: number, total: number): void {
  if (!(used >= 0) || !(total >= used)) {
    throw new QuireError("bad-option", "The schedule is shorter than its parts.", { got: { used, total } });
  }
}

/** Norm of all gradients together. If it is above `most` they are scaled down to it, in place. A norm that is no finite number is
 *  returned as it is and nothing is changed: skip the step then. */
export function clipGradients(gradients: readonly Float32Array[], most: number): number {
  if (!(most > 0)) throw new QuireError("bad-option", "The norm cannot be used.", { got: most, expected: "above 0" });
  let squares = 0;
  for (const gradient of gradients) squares += sumOfSquares(gradient);
  const norm = Math.sqrt(squares);
  if (!Number.isFinite(norm) || norm <= most) return norm;
  const factor = most / norm;
  for (const gradient of gradients)
    for (let i = 0; i < gradient.length; i++) gradient[i] = (gradient[i] as number) * factor;
  return norm;
}

function sumOfSquares(values: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += (values[i] as number) * (values[i] as number);
  return sum;
}
