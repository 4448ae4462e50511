import type { Engine } from "../../src/engine/engine.js";
import { isQuireError } from "../../src/errors.js";
import { policyWith } from "./contenders.js";
import { runForced } from "./forced-run.js";
import type { ResultsSoFar } from "./results-so-far.js";
import { entriesOf, keyOf, type Measured } from "./run-cases.js";

/** Tokens a second, time to read the prompt and bytes held, one policy after the other, each alone. */

export interface SpeedRun {
  readonly engine: Engine;
  readonly results: ResultsSoFar<Measured>;
  readonly policies: readonly string[];
  readonly lengths: readonly number[];
  readonly budget: number;
  readonly steps: number;
  progress(text: string): void;
}

export const speedId = (length: number) => `speed ${length}`;

export async function runSpeed(text: Int32Array, run: SpeedRun): Promise<void> {
  const { engine, results, policies, lengths, budget, steps, progress } = run;
  for (const length of lengths) {
    if (text.length < length + steps)
      throw new RangeError(`The text has ${text.length} tokens, ${length + steps} are needed.`);
    const prompt = text.subarray(0, length);
    const forced = text.subarray(length, length + steps);
    for (const policy of policies) {
      const key = keyOf(speedId(length), policy, budget);
      if (results.get(key) !== undefined) continue;
      try {
        const part = await policyWith(policy, entriesOf({ length }, budget), length);
        // Graphs for these shapes are built and forgotten once before anything is timed.
        await runForced(engine, part, {
          prompt: prompt.subarray(0, Math.min(length, 64)),
          forced: forced.subarray(0, 2),
        });
        await results.add({ [key]: await runForced(engine, part, { prompt, forced }) });
      } catch (error) {
        if (!isQuireError(error) || error.code === "cancelled") throw error;
        await results.add({ [key]: { failed: error.message } });
      }
      progress(`speed at ${length} tokens: ${policy}`);
    }
  }
}
