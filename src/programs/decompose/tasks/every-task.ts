import { copying } from "./copying.js";
import { counting } from "./counting.js";
import { definitions, definitionsByRecursion } from "./definitions.js";
import { retrieval, retrievalOfNothing } from "./retrieval.js";
import { sorting } from "./sorting.js";
import type { Task } from "./task.js";

/** The tasks by name. */
export const tasks = {
  counting,
  sorting,
  retrieval,
  "no-needle": retrievalOfNothing,
  rag: copying,
  reasoning: definitions,
  recursion: definitionsByRecursion,
} as const;

export type TaskName = keyof typeof tasks;

export const taskNames = Object.keys(tasks) as [TaskName, ...TaskName[]];

/** What a task is given and gives back, whichever it is; each says what it is in its own file. */
export type AnyTask = Task<unknown, unknown>;

export function taskOf(name: TaskName): AnyTask {
  return tasks[name] as unknown as AnyTask;
}
