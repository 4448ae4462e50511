import { QuireError } from "../../errors.js";
import type { RandomStream } from "../../tensor/random.js";

/** SpaCO's choice: which chunks of a sequence are learnt from, and by which factors what survives is enlarged so that the gradient is
 *  right on average. A path of the gradient begins at a chunk's loss and goes back chunk by chunk; it survives where all its chunks
 *  were chosen. */

export const samplings = ["bernoulli", "fixed", "paper", "answer-half"] as const;
export type Sampling = (typeof samplings)[number];

export interface ChunkChoice {
  /** Ascending. */
  readonly chosen: readonly number[];
  readonly lossFactor: number;
  /** Each step back into an earlier chunk multiplies by it. */
  readonly hopFactor: number;
}

export interface SamplingOptions {
  readonly sampling: Sampling;
  /** Chunks learnt from, on average or exactly. */
  readonly budget: number;
  /** Limit of the hop factor: bounds the noise, at the price of a small bias. */
  readonly hopCap: number;
  /** Chunks that hold rows with targets; where none of them is chosen nothing would be learnt. */
  readonly answers: ReadonlySet<number>;
}

/** All chunks, nothing enlarged: the exact gradient. */
export function everyChunk(count: number): ChunkChoice {
  return { chosen: [...Array(count).keys()], lossFactor: 1, hopFactor: 1 };
}

/** Draws until a chunk with targets is among them. Choices without one have no gradient, so that what is left counts as much less as
 *  they are likely. */
export function chooseChunks(count: number, options: SamplingOptions, random: RandomStream): ChunkChoice {
  if (options.budget >= count) return everyChunk(count);
  const { lossFactor, hopFactor } = samplingFactors(count, options);
  for (;;) {
    const chosen = drawChunks(count, options, random);
    if (!chosen.some((chunk) => options.answers.has(chunk))) continue;
    return { chosen, hopFactor, lossFactor: lossFactor * (1 - chanceOfNothing(count, options)) };
  }
}

function drawChunks(count: number, options: SamplingOptions, random: RandomStream): number[] {
  const all = [...everyChunk(count).chosen];
  if (options.sampling === "bernoulli") return all.filter(() => random.uniform() < options.budget / count);
  if (options.sampling === "answer-half") return answerHalf(all, options, random);
  return draw(all, options.budget, random);
}

/** How likely a choice holds no chunk with targets, where factors are to be right on average. */
export function chanceOfNothing(count: number, { sampling, budget, answers }: SamplingOptions): number {
  if (sampling === "bernoulli") return (1 - budget / count) ** answers.size;
  if (sampling !== "fixed") return 0;
  let chance = 1;
  for (let drawn = 0; drawn < budget; drawn++) chance *= Math.max(0, count - answers.size - drawn) / (count - drawn);
  return chance;
}

/** `bernoulli`: every chunk by itself with probability t/k: exact on average for paths of any length. `fixed`: t of k without
 *  replacement: exact for paths within one and two chunks, a little low beyond. `paper`: the paper's algorithm, which leaves the loss
 *  as it is and so scales the whole gradient by t/k. `answer-half`: as the authors' code for instructions, no factors. */
export function samplingFactors(
  count: number,
  { sampling, budget, hopCap }: Pick<SamplingOptions, "sampling" | "budget" | "hopCap">,
): { lossFactor: number; hopFactor: number } {
  const ratio = count / budget;
  switch (sampling) {
    case "bernoulli":
      return { lossFactor: ratio, hopFactor: Math.min(hopCap, ratio) };
    case "fixed":
      // With one chunk no path between chunks survives.
      return { lossFactor: ratio, hopFactor: budget === 1 ? 0 : Math.min(hopCap, (count - 1) / (budget - 1)) };
    case "paper":
      return { lossFactor: 1, hopFactor: Math.min(hopCap, ratio) };
    case "answer-half":
      return { lossFactor: 1, hopFactor: 1 };
    default:
      throw new QuireError("bad-option", `There is no sampling "${sampling satisfies never}".`, {
        got: sampling,
        expected: samplings.join(", "),
      });
  }
}

/** Half of the budget for chunks with targets, half for the others; what one side cannot use goes to the other. */
function answerHalf(
  all: readonly number[],
  { budget, answers }: Pick<SamplingOptions, "budget" | "answers">,
  random: RandomStream,
): number[] {
  const [withTargets, others] = [all.filter((chunk) => answers.has(chunk)), all.filter((chunk) => !answers.has(chunk))];
  const half = Math.ceil(budget / 2);
  const ofAnswers = Math.min(withTargets.length, Math.max(half, budget - others.length));
  const chosen = [...draw(withTargets, ofAnswers, random), ...draw(others, budget - ofAnswers, random)];
  return chosen.sort((a, b) => a - b);
}

function draw(from: readonly number[], count: number, random: RandomStream): number[] {
  const left = [...from];
  const drawn: number[] = [];
  while (drawn.length < count && left.length > 0) drawn.push(...left.splice(random.below(left.length), 1));
  return drawn.sort((a, b) => a - b);
}
