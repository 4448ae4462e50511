import type { Command } from "commander";
import { Session } from "./session.js";

/** Turns a command's work into what commander calls: with a session of its own, which Ctrl-C stops. */

let running: Session | undefined;

export function runningSession(): Session | undefined {
  return running;
}

export function start<Args extends unknown[]>(
  work: (session: Session, ...args: Args) => Promise<void>,
): (...args: Args) => Promise<void> {
  return async (...args) => {
    const command = args.at(-1) as Command;
    const { json, quiet } = command.opts() as { json?: boolean; quiet?: boolean };
    running = new Session({ json, quiet });
    try {
      await work(running, ...args);
    } finally {
      running.progress.clear();
      if (!running.json) running.endText();
    }
  };
}
