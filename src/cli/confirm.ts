import { createInterface } from "node:readline/promises";
import type { Session } from "./session.js";

/** Whether somebody sits at the terminal who can be asked. */
export function canAsk(session: Session): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true && !session.json;
}

/** A question with yes or no; Enter means what is written large. */
export async function confirm(session: Session, question: string, usual: "yes" | "no"): Promise<boolean> {
  session.progress.clear();
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const said = await terminal.question(`${question} ${usual === "yes" ? "[Y/n]" : "[y/N]"} `, {
      signal: session.signal,
    });
    return said.trim() === "" ? usual === "yes" : /^y(es)?$/i.test(said.trim());
  } finally {
    terminal.close();
  }
}
