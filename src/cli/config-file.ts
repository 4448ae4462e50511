import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import type { Command } from "commander";
import { nearest, QuireError } from "../errors.js";
import { suggestion } from "../method.js";

/** quire.config.{ts,mjs,js,json} of the working folder: defaults for flags, under their names in camelCase, and for one command
 *  under that command's name: `{ model: "qwen3-0.6b", ask: { passages: 5 } }`. Flags and environment variables win. */

const names = ["quire.config.ts", "quire.config.mjs", "quire.config.js", "quire.config.json"];

export async function applyConfigFile(
  command: Command,
  commandNames: readonly string[],
  folder = process.cwd(),
): Promise<void> {
  const file = names.map((name) => path.join(folder, name)).find((candidate) => existsSync(candidate));
  if (file === undefined) return;
  const config = await readConfig(file);
  const own = config[command.name()];
  const flat = Object.entries(config).filter(([key]) => !commandNames.includes(key));
  for (const [key, value] of flat) apply(command, key, value, file, false);
  if (own === undefined) return;
  if (typeof own !== "object" || own === null) throw wrong(file, command.name(), own, "an object of flags");
  for (const [key, value] of Object.entries(own)) apply(command, key, value, file, true);
}

async function readConfig(file: string): Promise<Record<string, unknown>> {
  let value: unknown;
  try {
    value = file.endsWith(".json")
      ? JSON.parse(await readFile(file, "utf8"))
      : ((await import(pathToFileURL(file).href)) as { default?: unknown }).default;
  } catch (cause) {
    const typescript = file.endsWith(".ts");
    throw new QuireError("bad-file", `${file} cannot be read: ${(cause as Error).message}`, {
      got: file,
      expected: typescript
        ? "a Node that reads TypeScript (22.18 or later)"
        : "an object of flags, exported as default",
      fix: typescript ? "Name it quire.config.mjs, or use a newer Node." : "Correct the file, or move it away.",
      cause,
    });
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw wrong(file, "the config", value, "an object of flags");
}

function apply(command: Command, key: string, value: unknown, file: string, mustKnow: boolean): void {
  const option = command.options.find((one) => one.attributeName() === key);
  if (option === undefined) {
    // Settings at the top are for all commands, and not every command has every flag.
    if (!mustKnow) return;
    const known = command.options.map((one) => one.attributeName());
    throw new QuireError("bad-option", `${file}: ${command.name()} has no flag "${key}".`, {
      got: key,
      expected: known.join(", "),
      fix: suggestion(nearest(key, known)),
    });
  }
  if (command.getOptionValueSource(key) === "env" || command.getOptionValueSource(key) === "cli") return;
  const plain = ["string", "number", "boolean"].includes(typeof value) || Array.isArray(value);
  if (!plain) throw wrong(file, key, value, "a string, a number, true or false");
  // Through the flag's own parser, so that a bad value gets the same error as on the command line.
  const parsed =
    typeof value === "boolean" || option.parseArg === undefined
      ? value
      : option.parseArg(String(value), undefined as never);
  command.setOptionValueWithSource(key, parsed, "config");
}

function wrong(file: string, key: string, got: unknown, expected: string): QuireError {
  return new QuireError("bad-option", `${file}: ${key} cannot be used.`, { got, expected });
}
