import { CommanderError } from "commander";
import { exitCode, isQuireError, QuireError } from "../errors.js";
import { styleFor } from "./style.js";

/** How errors are shown: three lines (what was wrong, what was expected, what to do) on stderr, or `{error}` on stdout. */

/** Commander's own errors as ours; undefined for help and version, which are none. */
export function asFailure(error: unknown): unknown {
  if (!(error instanceof CommanderError)) return error;
  if (error.exitCode === 0 || error.code === "commander.help" || error.code === "commander.helpDisplayed")
    return undefined;
  const [, message = error.message, near] =
    /^(?:error: )?([\s\S]*?)(?:\n\(Did you mean ([\s\S]*)\?\))?$/.exec(error.message) ?? [];
  return new QuireError("bad-option", `${capital(message.replace(/\.$/, ""))}.`, {
    got: error.code.replace(/^commander\./, ""),
    fix: near === undefined ? "`--help` shows what can be said." : `Did you mean ${near}?`,
  });
}

export function reportFailure(error: unknown, json: boolean, extra: Record<string, unknown> = {}): number {
  const code = exitCode(error);
  if (json) {
    process.stdout.write(`${JSON.stringify({ error: asData(error), ...extra })}\n`);
    return code;
  }
  const style = styleFor(process.stderr);
  if (code === 130) {
    process.stderr.write(`${style.dim("Stopped.")}\n`);
    return code;
  }
  const { message, expected, fix } = asData(error);
  const lines = [`${style.red("error:")} ${message}`];
  if (expected !== undefined) lines.push(`  ${style.dim("expected:")} ${inWords(expected)}`);
  if (fix !== undefined) lines.push(`  ${style.dim("fix:")} ${String(fix)}`);
  process.stderr.write(`${lines.join("\n")}\n`);
  if (process.env["QUIRE_DEBUG"] && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  return code;
}

function asData(error: unknown): Record<string, unknown> {
  if (isQuireError(error)) {
    const { code, message, got, expected, fix } = error;
    return { code, message, got, expected, fix };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { code: "failed", message, fix: "QUIRE_DEBUG=1 shows where it happened." };
}

function inWords(value: unknown): string {
  if (Array.isArray(value)) return value.map(inWords).join(", ");
  return typeof value === "string" ? value : JSON.stringify(value);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
