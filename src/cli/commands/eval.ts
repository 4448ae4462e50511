import type { Command } from "commander";
import { defineBench } from "../bench-command.js";
import { defineRecursion } from "./eval-recursion.js";

/** `quire eval`: quality, on questions with known answers. */
export function define(command: Command): void {
  defineBench(command, "Measures quality on questions with known answers.", [
    "quire eval ask --quick",
    "quire eval ask --json",
    "quire eval recursion --quick",
    "quire eval chunkers --quick",
    "quire eval selectors --quick",
    "quire eval cache --policies h2o,cake --budgets 0.2,0.1",
  ]);
  // Its own flags are read by it alone.
  command.enablePositionalOptions();
  defineRecursion(command);
}
