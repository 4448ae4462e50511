import type { Command } from "commander";
import { defineBench } from "../bench-command.js";

/** `quire bench`: speed, side by side. */
export function define(command: Command): void {
  defineBench(command, "Measures speed and memory beside the alternatives, in one run.", [
    "quire bench",
    "quire bench decode --quick",
    "quire bench decode --quick --json",
    "quire bench cache --text book.txt",
  ]);
}
