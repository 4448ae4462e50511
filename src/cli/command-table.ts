import type { Command } from "commander";

/** All commands. Only the one that is called is loaded, so help comes at once. */

export interface CommandEntry {
  readonly name: string;
  readonly usage: string;
  readonly summary: string;
  load(): Promise<{ define(command: Command): void }>;
}

export const commandTable: readonly CommandEntry[] = [
  {
    name: "ask",
    usage: '<folder> "<question>"',
    summary: "answer a question from a folder, with citations",
    load: () => import("./commands/ask.js"),
  },
];
