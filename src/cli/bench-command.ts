import { type Command, Option } from "commander";
import { examples, number, outputOptions } from "./options.js";
import { runBench } from "./run-bench.js";
import type { Session } from "./session.js";
import { start } from "./start.js";

/** What `quire bench` and `quire eval` share: both hand a name and the same flags to bench/run.ts. */

interface Flags {
  readonly quick?: boolean;
  readonly json?: boolean;
  readonly model?: string;
  readonly threads?: number;
  readonly policies?: string;
  readonly budgets?: string;
  readonly text?: string;
}

export function defineBench(command: Command, description: string, shown: readonly string[]): void {
  command
    .description(description)
    .argument("[name]", "which one; without a name, the names are listed")
    .addOption(new Option("--quick", "in less than a minute"))
    .addOption(new Option("-m, --model <name>", "model to measure with").env("QUIRE_MODEL"))
    .addOption(number("--threads <n>", "compute threads", "QUIRE_THREADS", { least: 1, whole: true }))
    .addOption(new Option("--policies <list>", "cache: which policies, with options"))
    .addOption(new Option("--budgets <list>", "cache: shares of the prompt that are kept"))
    .addOption(new Option("--text <file>", "cache: the text to read"));
  examples(outputOptions(command), [...shown]);
  command.action(start(run));
}

async function run(session: Session, name: string | undefined, flags: Flags): Promise<void> {
  // The benches' own help lists their names.
  if (name === undefined) return runBench(["--help"], session.signal);
  const args = [name];
  if (flags.quick) args.push("--quick");
  if (flags.json) args.push("--json");
  if (flags.model !== undefined) args.push("--model", flags.model);
  if (flags.threads !== undefined) args.push("--threads", String(flags.threads));
  for (const name of ["policies", "budgets", "text"] as const) {
    const value = flags[name];
    if (value !== undefined) args.push(`--${name}`, value);
  }
  await runBench(args, session.signal);
}
