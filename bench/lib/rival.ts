import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { QuireError } from "../../src/errors.js";

/** The programs Quire is measured against have their own package.json in bench/, so that users of Quire never install them. */

const require = createRequire(import.meta.url);
const install = "Run: npm install --prefix bench --omit=optional --ignore-scripts";

export async function importRival<Module>(name: string): Promise<Module> {
  rivalVersion(name);
  return (await import(name)) as Module;
}

/** Its address, for a process that is not part of this program. */
export function importPath(name: string): string {
  rivalVersion(name);
  return import.meta.resolve(name);
}

/** Its version, or how to install it. */
export function rivalVersion(name: string): string {
  const roots = require.resolve.paths(name) ?? [];
  for (const root of roots) {
    try {
      return (JSON.parse(readFileSync(path.join(root, name, "package.json"), "utf8")) as { version: string }).version;
    } catch {
      // Not in this folder.
    }
  }
  throw new QuireError("not-found", `${name}, which this bench measures against, is not installed.`, { fix: install });
}
