#!/usr/bin/env node
import { Command } from "commander";
import { nearest, QuireError } from "../errors.js";
import { suggestion } from "../method.js";
import { commandTable } from "./command-table.js";
import { applyConfigFile } from "./config-file.js";
import { asFailure, reportFailure } from "./failure.js";
import { leave, onClosedPipe, onInterrupt } from "./interrupts.js";
import { packageVersion } from "./package-root.js";
import { runningSession } from "./start.js";

/** The command line. Reads which command is meant, loads that one alone, runs it, and turns its end into an exit code. */

async function main(argv: readonly string[]): Promise<void> {
  const name = argv.find((argument) => !argument.startsWith("-"));
  const program = new Command("quire")
    .description("Answers from your own documents and code, by open language models on your own machine.")
    .usage("<command> [options]")
    .exitOverride()
    // Flags after a command are that command's, also where its parent has some of the same name.
    .enablePositionalOptions()
    .configureOutput({ writeErr: () => {} })
    .helpCommand(false)
    .option("-V, --version", "version, and the native libraries in use")
    .showSuggestionAfterError(true)
    .addHelpText(
      "after",
      '\nExamples:\n  $ quire ask ./docs "Which settings survive a restart?"\n  $ quire read book.txt "Summarise"\n  $ quire chat\n\n`quire <command> --help` explains a command.',
    );
  for (const entry of commandTable) {
    const command = program.command(entry.name).usage(entry.usage).summary(entry.summary);
    if (entry.name === name) {
      (await entry.load()).define(command);
      await applyConfigFile(
        command,
        commandTable.map((one) => one.name),
      );
    }
  }
  if (name !== undefined && !commandTable.some((entry) => entry.name === name)) {
    const known = commandTable.map((entry) => entry.name);
    throw new QuireError("bad-option", `There is no command called "${name}".`, {
      got: name,
      expected: known.join(", "),
      fix: suggestion(nearest(name, known)) ?? "`quire --help` shows the commands.",
    });
  }
  if (name === undefined && argv.some((argument) => argument === "-V" || argument === "--version")) {
    const { versionLine } = await import("./version-line.js");
    process.stdout.write(`${versionLine(packageVersion())}\n`);
    return;
  }
  if (argv.length === 0) program.outputHelp();
  else await program.parseAsync([...argv], { from: "user" });
}

function usageOf(argv: readonly string[]): string {
  const entry = commandTable.find((one) => argv.includes(one.name));
  return entry === undefined ? "quire <command> [options]" : `quire ${entry.name} ${entry.usage}`;
}

const argv = process.argv.slice(2);
onInterrupt(() => runningSession()?.stop());
onClosedPipe(() => runningSession()?.stop());
main(argv).then(
  () => leave(typeof process.exitCode === "number" ? process.exitCode : 0),
  (error: unknown) => {
    const failure = asFailure(error, usageOf(argv));
    leave(failure === undefined ? 0 : reportFailure(failure, argv.includes("--json")));
  },
);
