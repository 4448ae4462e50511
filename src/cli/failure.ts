import { CommanderError } from "commander";
import { exitCode, isQuireError, QuireError } from "../errors.js";
import { styleFor } from "./style.js";

/** How errors are shown: three lines (what was wrong, what was expected, what to do) on stderr, or `{error}` on stdout. */

/** Commander's own errors as ours; undefined for help, which is none. `usage` is how the command is called. */
export function asFailure(error: unknown, usage: string): unknown {
  if (!(error instanceof CommanderError)) return error;
  const { code, exitCode: exits } = error;
  if (exits === 0 || code === "commander.help" || code === "commander.helpDisplayed") return undefined;
  const [, said = error.message, near] =
    /^(?:error: )?([\s\S]*?)(?:\n\(Did you mean ([\s\S]*)\?\))?$/.exec(error.message) ?? [];
  const [message = said, choices] = said.split(/\. Allowed choices are /);
  const isArgument = code === "commander.missingArgument" || code === "commander.excessArguments";
  const options = isArgument ? usage : "an option that `--help` lists";
  return new QuireError("bad-option", `${capital(message.replace(/\.$/, ""))}.`, {
    got: code.replace(/^commander\./, ""),
    expected: choices?.replace(/\.$/, "") ?? options,
    fix: near === undefined ? "`--help` shows what can be said, with examples." : `Did you mean ${near}?`,
  });
}

export function reportFailure(error: unknown, json: boolean): number {
  const code = exitCode(error);
  if (json) {
    process.stdout.write(`${JSON.stringify({ error: withPartial(error) }, plainNumbers)}\n`);
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

/** Work that was done before the failure comes along. */
function withPartial(error: unknown): Record<string, unknown> {
  const partial = isQuireError(error) ? error.partial : undefined;
  return { ...asData(error), ...(partial === undefined ? {} : { partial }) };
}

function plainNumbers(_key: string, value: unknown): unknown {
  return value instanceof Float32Array ? [...value] : value;
}

function inWords(value: unknown): string {
  if (Array.isArray(value)) return value.map(inWords).join(", ");
  return typeof value === "string" ? value : JSON.stringify(value);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
