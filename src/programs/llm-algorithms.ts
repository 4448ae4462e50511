/** LLM-based algorithms: a task too big for one call, taken apart into calls on parts whose size is chosen by formula.
 *  Paper    "On the Design and Analysis of LLM-Based Algorithms", arXiv 2407.14788
 *  Takes    one of seven tasks (counting, sorting, retrieval, no-needle, rag, reasoning, recursion) and its input
 *  Does     cuts the input into parts or overlapping windows, asks a question of each, and joins the answers: by program, by a last
 *           call, in rounds, or by recursion; the part size is given, or chosen from measured costs and errors
 *  Gives    the answer, the part size, what it was predicted to cost, and how many answers could not be read
 *  Cost     `planSizes` says before, to the call and the token of its first round; the trace says after
 *  Differs  a closed form for the cheapest part under fitted costs, a planner, and calibration are ours; replies are read as JSON,
 *           never run; votes among several samples are left out
 *  Not      read (any instruction, joins by the model), ask (reads what it finds)
 *  Errors   bad-option for a size that leaves gaps; context-overflow where no size fits the window or the limits; bad-input where
 *           definitions go in a circle. An answer that cannot be read is no error: it is counted, and the task's fallback used */

import { z } from "zod";
import { QuireError } from "../errors.js";
import type { Calibration, SizePlan } from "./decompose/planner.js";
import { planSizes } from "./decompose/planner.js";
import { taskNames, taskOf } from "./decompose/tasks/every-task.js";
import { program } from "./program.js";

export interface AlgorithmInput {
  /** Text, numbers, or a text with what is asked of it: what the task takes. */
  readonly input: unknown;
  /** What was measured of the model: needed where the size is to be chosen. */
  readonly calibration?: Calibration;
}

export interface AlgorithmOutput {
  readonly answer: unknown;
  readonly size: number;
  /** Present where the size was chosen. */
  readonly planned: SizePlan | undefined;
  /** Answers of the model that could not be read. */
  readonly unread: number;
}

export const llmAlgorithms = program({
  name: "llm-algorithms",
  title: "a big task as many small calls, with the size of the parts chosen by formula",
  options: z.object({
    task: z.enum(taskNames).describe("which task"),
    size: z.int().min(1).optional().describe("size of the parts in the task's unit; left out, it is chosen"),
    workers: z.int().min(1).default(1).describe("calls at the same time, for choosing the size"),
  }),
  create:
    ({ task: name, size, workers }) =>
    async ({ input, calibration }: AlgorithmInput, context): Promise<AlgorithmOutput> => {
      const task = taskOf(name);
      if (size !== undefined) return { ...(await task.solve(input, size, context)), size, planned: undefined };
      if (calibration === undefined) {
        throw new QuireError("bad-option", "The size of the parts is neither given nor can it be chosen.", {
          expected: "a size, or the calibration of the model",
          fix: "Give the option size, or calibrate the model first.",
        });
      }
      const { chosen } = planSizes(task, input, context.model, { ...calibration, workers });
      return { ...(await task.solve(input, chosen.size, context)), size: chosen.size, planned: chosen };
    },
});
