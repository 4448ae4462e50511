import { tasks } from "../../src/programs/decompose/tasks/every-task.js";
import { readCode } from "../../src/programs/decompose/tasks/retrieval.js";
import type { LanguageModel } from "../../src/programs/language-model.js";
import type { Program } from "../../src/programs/program.js";
import type { ReplayLog } from "../../src/programs/replay-log.js";
import { runProgram } from "../../src/programs/run.js";

/** What single windows got wrong: those that hold the fact, and those that do not. The calls are in the log, so none is made again. */

export interface WindowErrors {
  readonly size: number;
  /** Share of windows with the fact whole in them that gave another number or none. */
  readonly missed: number;
  /** Share of the others that gave a number. */
  readonly invented: number;
}

export async function windowErrors(
  name: "retrieval" | "no-needle",
  { n, sizes, instances, seed }: { n: number; sizes: readonly number[]; instances: number; seed: number },
  model: LanguageModel,
  log: ReplayLog,
): Promise<WindowErrors[]> {
  const task = tasks[name];
  const found: WindowErrors[] = [];
  for (const size of sizes) {
    let [holding, missed, others, invented] = [0, 0, 0, 0];
    for (let i = 0; i < instances; i++) {
      const { input, truth } = task.draw(n, seed + i);
      const calls = task.firstRound(input, size);
      const program: Program<null, string[]> = {
        kind: "program",
        name,
        label: name,
        run: (_, context) => context.map("window", calls, async (call, inner) => (await inner.ask(call)).text),
      };
      const { output } = await runProgram(program, null, { model, log, seed });
      for (const [at, reply] of output.entries()) {
        const code = readCode(reply);
        const holds =
          truth[0] !== undefined && calls[at]?.messages[0]?.content.includes(`the ${input.of} is ${truth[0]}`);
        if (holds) {
          holding += 1;
          if (code !== truth[0]) missed += 1;
        } else {
          others += 1;
          if (typeof code === "string") invented += 1;
        }
      }
    }
    found.push({ size, missed: missed / Math.max(1, holding), invented: invented / Math.max(1, others) });
  }
  return found;
}
