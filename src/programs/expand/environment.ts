import { QuireError } from "../../errors.js";
import type { ProgramContext } from "../program.js";
import { languageNames } from "./sandbox.js";

/** The world that a plan acts in: what can be done there, in words and in fact. */
export interface Environment {
  readonly actions: readonly EnvironmentAction[];
  /** Worked expansions, shown to the model before it writes its own. */
  readonly examples?: readonly {
    readonly statement: string;
    readonly variables: Readonly<Record<string, unknown>>;
    readonly thought: string;
    readonly code: string;
  }[];
  /** What is to be seen at the beginning. */
  readonly observation?: string;
  /** The task is done, whatever is left of the plan. */
  isDone?(): boolean;
}

export interface EnvironmentAction {
  readonly name: string;
  /** As it is written: `search(query, {k: 5})`. */
  readonly usage: string;
  readonly about: string;
  /** Results are JSON values. */
  call(args: readonly unknown[], context: ProgramContext): Promise<unknown>;
}

/** Ends the run with an answer. */
export const answerAction = "answer";

export function checkEnvironment({ actions }: Environment): void {
  const names = new Set<string>();
  if (actions.length === 0)
    throw new QuireError("bad-option", "The environment has no actions.", { expected: "at least one" });
  for (const { name } of actions) {
    if (!/^[A-Za-z_$][\w$]*$/.test(name) || name.startsWith("_"))
      throw new QuireError("bad-option", `An action cannot be called "${name}".`, {
        got: name,
        expected: "a name in JavaScript",
      });
    if (names.has(name)) throw new QuireError("bad-option", `There are two actions called ${name}.`, { got: name });
    if (languageNames.includes(name) || name === answerAction)
      throw new QuireError("bad-option", `"${name}" is taken already.`, { got: name, expected: "another name" });
    names.add(name);
  }
}
