import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { methods, partOf, type SelectableKind, selectable } from "./methods.js";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");

/** Folder of each kind's methods. */
const folders: Record<string, string[]> = {
  cache: ["src/cache"],
  engine: ["src/engine/schedule", "src/engine/memory"],
  decoder: ["src/decode"],
  architecture: ["src/models"],
  trainer: ["src/train"],
  chunker: ["src/corpus/chunk"],
  selector: ["src/corpus/select"],
  program: ["src/programs"],
  structure: ["src/structure"],
};

describe("catalogue", () => {
  it("lists the 46 methods once each", () => {
    expect(methods).toHaveLength(46);
    expect(new Set(methods.map(({ name }) => name)).size).toBe(46);
    const counts = Object.fromEntries(
      Object.keys(folders).map((kind) => [kind, methods.filter((row) => row.kind === kind).length]),
    );
    expect(counts).toEqual({
      cache: 7,
      engine: 7,
      decoder: 6,
      architecture: 12,
      trainer: 2,
      chunker: 2,
      selector: 2,
      program: 4,
      structure: 4,
    });
    for (const { arxiv } of methods) expect(arxiv).toMatch(/^\d{4}\.\d{4,5}$/);
  });

  it.each(methods.filter(({ state }) => state === "works"))(
    "$name works: module, test, page and result",
    ({ name, kind, result }) => {
      const module = (folders[kind] as string[])
        .map((folder) => path.join(root, folder, `${name}.ts`))
        .find((file) => existsSync(file));
      expect(module, "module").toBeDefined();
      const text = readFileSync(module as string, "utf8");
      const camel = name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
      expect(text).toMatch(new RegExp(`export const ${camel}\\b`));
      for (const label of ["Paper", "Takes", "Cost", "Not"]) expect(text).toContain(` *  ${label} `);
      expect(existsSync((module as string).replace(/\.ts$/, ".test.ts")), "test").toBe(true);
      expect(existsSync(path.join(root, "docs/methods", `${name}.md`)), "page").toBe(true);
      expect(existsSync(path.join(root, "docs/results", `${result}.md`)), "result").toBe(true);
    },
  );

  it("names of pages are names of methods", () => {
    const pages = readdirSync(path.join(root, "docs/methods")).map((file) => file.replace(/\.md$/, ""));
    expect(pages.filter((page) => !methods.some(({ name }) => name === page))).toEqual([]);
  });
});

describe("partOf", () => {
  it.each(["engine", "cache", "decoder", "chunker", "selector"] as SelectableKind[])(
    "makes every %s by name",
    async (kind) => {
      for (const name of selectable(kind)) {
        const part = await partOf(kind, name);
        expect(part).toMatchObject({ kind, name, label: name });
        expect(await partOf(kind, part as never)).toBe(part);
      }
    },
  );

  it("reads options, and says what is wrong with them", async () => {
    expect(await partOf("engine", "sarathi:tbt-target=50")).toMatchObject({ needsCosts: true });
    expect(await partOf("cache", "window:budget=64,sinks=2")).toMatchObject({ label: "window:budget=64,sinks=2" });
    await expect(partOf("cache", "window:budget=1.5")).rejects.toMatchObject({ code: "bad-option", got: 1.5 });
    await expect(partOf("cache", "window:budgte=5")).rejects.toMatchObject({
      code: "bad-option",
      fix: "Did you mean budget?",
    });
    await expect(partOf("cache", "window:budget")).rejects.toMatchObject({ code: "bad-option" });
    await expect(partOf("cache", "Window!")).rejects.toMatchObject({ code: "bad-option" });
  });

  it("teaches where a name of another kind goes", async () => {
    await expect(partOf("cache", "mor")).rejects.toThrow(
      "mor is an architecture (choose it with --model), not a cache.",
    );
    await expect(partOf("decoder", "window")).rejects.toThrow(/--cache/);
    await expect(partOf("cache", "windw")).rejects.toMatchObject({ fix: "Did you mean window?" });
    const planned = methods.find(({ kind, name }) => kind === "cache" && !selectable("cache").includes(name));
    if (planned !== undefined)
      await expect(partOf("cache", planned.name)).rejects.toMatchObject({ code: "unsupported" });
  });

  it("are what the README's table says", () => {
    const readme = readFileSync(path.join(root, "README.md"), "utf8");
    const flags = { cache: "cache", engine: "schedule", decoder: "decoder", chunker: "chunker", selector: "selector" };
    for (const [kind, flag] of Object.entries(flags)) {
      const row = readme.split("\n").find((line) => line.startsWith("| ") && line.includes(`| \`--${flag}\` |`));
      const listed = [...(row?.split("|")[3]?.matchAll(/`([^`]+)`/g) ?? [])].map(([, name]) => name);
      expect(listed, kind).toEqual(selectable(kind as SelectableKind));
    }
  });
});
