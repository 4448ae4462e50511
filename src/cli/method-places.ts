import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import type { MethodKind } from "../method.js";
import type { MethodRow } from "../methods.js";

/** Where the parts of a method lie: module, page and bench, as paths from the package's root; null where there is none. */

export interface MethodPlaces {
  readonly module: string | null;
  readonly page: string | null;
  readonly bench: string | null;
}

const folders: Readonly<Record<MethodKind, string>> = {
  cache: "cache",
  engine: "engine",
  decoder: "decode",
  architecture: "models",
  trainer: "train",
  chunker: "corpus/chunk",
  selector: "corpus/select",
  program: "programs",
  structure: "structure",
};

export function placesOf({ name, kind, result }: MethodRow, root: string): MethodPlaces {
  const source = existsSync(path.join(root, "src")) ? { base: "src", end: ".ts" } : { base: "dist", end: ".js" };
  const page = `docs/methods/${name}.md`;
  return {
    module: findBelow(root, `${source.base}/${folders[kind]}`, name, source.end),
    page: existsSync(path.join(root, page)) ? page : null,
    bench: findBelow(root, "bench", name, ".ts") ?? findBelow(root, "bench", result, ".ts"),
  };
}

/** The method's own file, or its folder. */
function findBelow(root: string, folder: string, name: string, end: string, depth = 3): string | null {
  const full = path.join(root, folder);
  if (!existsSync(full)) return null;
  const entries = readdirSync(full, { withFileTypes: true });
  if (entries.some((entry) => entry.isFile() && entry.name === name + end)) return `${folder}/${name}${end}`;
  const inner = entries.filter((entry) => entry.isDirectory() && entry.name !== "node_modules");
  if (inner.some((entry) => entry.name === name)) return `${folder}/${name}`;
  if (depth === 0) return null;
  for (const entry of inner) {
    const found = findBelow(root, `${folder}/${entry.name}`, name, end, depth - 1);
    if (found !== null) return found;
  }
  return null;
}
