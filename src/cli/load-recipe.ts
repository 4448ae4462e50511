import { readFile } from "node:fs/promises";
import { register } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { QuireError } from "../errors.js";
import { type ParsedRecipe, parseRecipe } from "../train/recipe.js";

/** Reads a recipe: a module (.ts, .mjs, .js) that exports it as default, or a JSON file. */
export async function loadRecipe(file: string): Promise<ParsedRecipe> {
  return parseRecipe(file.endsWith(".json") ? await readJson(file) : await importDefault(file), file);
}

async function readJson(file: string): Promise<unknown> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw missing(file, cause);
  });
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new QuireError("bad-file", `${file} is not JSON: ${(cause as Error).message}.`, { got: file, cause });
  }
}

async function importDefault(file: string): Promise<unknown> {
  await readFile(file).catch((cause: unknown) => {
    throw missing(file, cause);
  });
  const address = pathToFileURL(path.resolve(file)).href;
  try {
    return await defaultOf(address);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_UNKNOWN_FILE_EXTENSION") throw broken(file, error);
  }
  // This Node does not read TypeScript; a recipe without types in it is JavaScript all the same.
  register(`data:text/javascript,${encodeURIComponent(loader)}`);
  return defaultOf(`${address}?javascript`).catch((error: unknown) => {
    throw broken(file, error);
  });
}

async function defaultOf(address: string): Promise<unknown> {
  return ((await import(address)) as { default?: unknown }).default;
}

const loader = `
import { readFile } from "node:fs/promises";
export async function load(url, context, next) {
  const address = new URL(url);
  if (address.protocol !== "file:" || !address.pathname.endsWith(".ts")) return next(url, context);
  return { format: "module", source: await readFile(address), shortCircuit: true };
}`;

function missing(file: string, cause: unknown): QuireError {
  return new QuireError("not-found", `${file} cannot be read.`, {
    got: file,
    expected: "a recipe: a .ts, .mjs or .js module, or JSON",
    cause,
  });
}

function broken(file: string, cause: unknown): QuireError {
  const typed = file.endsWith(".ts") && cause instanceof SyntaxError;
  return new QuireError("bad-file", `${file} cannot be used: ${(cause as Error).message}.`, {
    got: file,
    expected: "a module whose default export is a recipe",
    fix: typed ? "Leave types out of the recipe, or use Node 22.18 or later, which reads them." : undefined,
    cause,
  });
}
