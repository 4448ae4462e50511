import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

/** A folder imports only from lines above its own, types included. */
const order = [
  ["errors.ts", "method.ts"],
  ["tensor"],
  ["weights"],
  ["text"],
  ["cache"],
  ["models"],
  ["decode"],
  ["engine"],
  ["inspect"],
  ["train"],
  ["structure"],
  ["corpus"],
  ["programs"],
  ["methods.ts"],
  [
    "quire.ts",
    "chat.ts",
    "corpus-session.ts",
    "read-session.ts",
    "generate-options.ts",
    "generation-inputs.ts",
    "scoring.ts",
    "index.ts",
  ],
  ["adapters"],
  ["queue"],
  ["server"],
  ["cli"],
];

/** Stricter than the order. */
const narrow: Record<string, (target: string) => boolean> = {
  structure: (target) => ["structure", "method.ts", "errors.ts"].includes(target.split("/")[0] as string),
  text: (target) => !target.startsWith("tensor/") || target.startsWith("tensor/ffi/"),
};

const root = path.dirname(fileURLToPath(import.meta.url));

function files(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const full = path.join(folder, name);
    if (statSync(full).isDirectory()) return files(full);
    return /\.ts$/.test(name) ? [full] : [];
  });
}

const rank = (target: string): number => order.findIndex((line) => line.includes(target.split("/")[0] as string));
const relative = (full: string): string => path.relative(root, full).split(path.sep).join("/");

/** Without doc comments, whose examples may print. */
const code = (file: string): string => readFileSync(file, "utf8").replace(/\/\*\*[\s\S]*?\*\//g, "");

/** Tests and their shared cases may look anywhere; the code may not. */
const sources = files(root).filter((file) => !/\.(test|case)\.ts$/.test(file));

describe("folders", () => {
  it("all have a line in the order", () => {
    expect(sources.map(relative).filter((file) => rank(file) < 0)).toEqual([]);
  });

  it("import only from lines above their own", () => {
    const wrong: string[] = [];
    for (const file of sources) {
      const from = relative(file);
      const text = readFileSync(file, "utf8");
      for (const [, target] of text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)) {
        const to = relative(path.resolve(path.dirname(file), target as string)).replace(/\.js$/, ".ts");
        const allowed = narrow[from.split("/")[0] as string]?.(to) ?? true;
        if (rank(to) > rank(from) || !allowed) wrong.push(`${from} imports ${to}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it("nothing below cli prints, and no file is named by what it is not", () => {
    const printing = sources.filter(
      (file) => !relative(file).startsWith("cli/") && /console\.|process\.std(out|err)/.test(code(file)),
    );
    expect(printing.map(relative)).toEqual([]);
    expect(
      sources.map(relative).filter((file) => /(^|\/)(utils?|helpers?|common|types|base|misc)\.ts$/.test(file)),
    ).toEqual([]);
  });
});
