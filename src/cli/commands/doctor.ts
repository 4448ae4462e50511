import type { Command } from "commander";
import { padEnd, wrap } from "../layout.js";
import { checkMachine } from "../machine-checks.js";
import { examples, outputOptions } from "../options.js";
import { packageVersion } from "../package-root.js";
import type { Session } from "../session.js";
import { start } from "../start.js";

/** `quire doctor`: what this machine has, what is missing, and what to do about it. */

export function define(command: Command): void {
  command.description(
    "Looks at this machine: what is there, what is missing, and what to do. Exit code 1 if something is missing.",
  );
  examples(outputOptions(command), ["quire doctor", "quire doctor --json"]);
  command.action(start(run));
}

async function run(session: Session): Promise<void> {
  const checks = await checkMachine(session.signal);
  const missing = checks.filter(({ state }) => state === "missing");
  process.exitCode = missing.length > 0 ? 1 : 0;
  if (session.json) {
    session.result({ ok: missing.length === 0, version: packageVersion(), checks });
    return;
  }
  const { style } = session;
  const marks = { ok: style.green("✓"), note: style.yellow("!"), missing: style.red("✗") };
  session.line(style.bold(`quire ${packageVersion()}`));
  for (const { name, state, value, fix } of checks) {
    const [first = "", ...rest] = wrap(value, session.columns - 17);
    session.line(`${marks[state]} ${style.dim(padEnd(name, 12))} ${first}`);
    for (const line of rest) session.line(`${" ".repeat(15)}${line}`);
    if (fix !== undefined) session.line(`${" ".repeat(15)}${style.yellow(`→ ${fix}`)}`);
  }
  session.line();
  session.line(
    missing.length === 0 ? "All that is needed is here." : `Missing: ${missing.map(({ name }) => name).join(", ")}.`,
  );
}
