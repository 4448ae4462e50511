import { QuireError } from "../../errors.js";
import { addition } from "./addition.js";
import { associativeRecall } from "./associative-recall.js";
import { copy } from "./copy.js";
import { grammar } from "./grammar.js";
import { lego } from "./lego.js";
import { needle } from "./needle.js";
import { pointerChase } from "./pointer-chase.js";
import { reverse } from "./reverse.js";
import { successor } from "./successor.js";
import type { Task } from "./task.js";
import { traversal } from "./traversal.js";

/** The tasks by name, most with their default range. */
export const tasks = {
  copy: () => copy(),
  reverse: () => reverse(),
  addition: () => addition(),
  "addition-reversed": () => addition({ reversed: true }),
  succ: () => successor(),
  /** A fifth of the examples with their depth drawn uniformly. */
  "succ-deep": () => successor({ edgeShare: 0.2 }),
  "succ-reverse": () => successor({ order: "reverse" }),
  "succ-step": () => successor({ form: "step" }),
  "succ-trace": () => successor({ form: "trace" }),
  pre: () => traversal({ traversal: "pre" }),
  in: () => traversal({ traversal: "in" }),
  /** Trees of six nodes at most, which a small model learns in minutes. */
  "in-small": () => traversal({ traversal: "in", nodes: [1, 6], mostHeight: 5, mostNodes: 10 }),
  post: () => traversal({ traversal: "post" }),
  "step-pre": () => traversal({ traversal: "pre", form: "step" }),
  "step-in": () => traversal({ traversal: "in", form: "step" }),
  "step-post": () => traversal({ traversal: "post", form: "step" }),
  "trace-pre": () => traversal({ traversal: "pre", form: "trace" }),
  "trace-in": () => traversal({ traversal: "in", form: "trace" }),
  "associative-recall": () => associativeRecall(),
  needle: () => needle(),
  grammar: () => grammar(),
  "pointer-chase": () => pointerChase(),
  lego: () => lego(),
  "lego-hidden": () => lego({ hidden: true }),
} as const satisfies Record<string, () => Task>;

export type TaskName = keyof typeof tasks;

export const taskNames = Object.keys(tasks) as TaskName[];

export function taskOf(name: string): Task {
  if (Object.hasOwn(tasks, name)) return tasks[name as TaskName]();
  throw new QuireError("not-found", `There is no task "${name}".`, { got: name, expected: taskNames.join(", ") });
}
