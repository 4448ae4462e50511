import type { Command } from "commander";
import { defineBench } from "../bench-command.js";

/** `quire eval`: quality, on questions with known answers. */
export function define(command: Command): void {
  defineBench(command, "Measures quality on questions with known answers.", [
    "quire eval ask --quick",
    "quire eval ask --json",
    "quire eval chunkers --quick",
    "quire eval selectors --quick",
    "quire eval cache --policies h2o,cake --budgets 0.2,0.1",
  ]);
}
