import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../../cli/run-cli.case.js";
import type { ProgramContext } from "../program.js";
import { folderEnvironment } from "./folder-environment.js";

async function world() {
  const root = await temporaryFolder();
  const folder = path.join(root, "docs");
  await mkdir(folder);
  await writeFile(path.join(folder, "a.md"), "# Port\n\nThe server listens on 4711.\n\n## More\n\nNothing.\n");
  await writeFile(path.join(folder, "b.txt"), "one\ntwo\nthree\n");
  await writeFile(path.join(root, "secret.txt"), "secret");
  const out = path.join(root, "out");
  const asked: string[] = [];
  const environment = folderEnvironment({
    folder,
    out,
    mayWrite: async (name) => {
      asked.push(name);
      return name !== "no.txt";
    },
    search: async (query, k) => [{ file: "a.md", startLine: 3, endLine: 3, text: `${query} ${k}` }],
  });
  const call = (name: string, ...args: unknown[]) =>
    environment.actions.find((one) => one.name === name)?.call(args, {} as ProgramContext);
  return { call, out, asked };
}

describe("a folder as a world", () => {
  it("can be listed, read, outlined and searched", async () => {
    const { call } = await world();
    expect(await call("list")).toEqual(["a.md", "b.txt"]);
    expect(await call("list", { match: "*.txt" })).toEqual(["b.txt"]);
    expect(await call("read", "b.txt", { from: 2, lines: 1 })).toBe("two");
    expect(await call("outline", "a.md")).toMatchObject([
      { title: "Port", line: 1 },
      { title: "More", line: 5 },
    ]);
    expect(await call("grep", "listens on \\d+")).toEqual([
      { file: "a.md", line: 3, text: "The server listens on 4711." },
    ]);
    expect(await call("search", "port", { k: 2 })).toEqual([
      { file: "a.md", startLine: 3, endLine: 3, text: "port 2" },
    ]);
  });

  it("ends at its borders, and writes only where it may, and nothing twice", async () => {
    const { call, out, asked } = await world();
    for (const name of ["../secret.txt", "/etc/passwd", "c.md", "", 7])
      await expect(call("read", name)).rejects.toThrow();
    await expect(call("grep", "(")).rejects.toThrow(/pattern cannot be used/);
    for (const name of ["../x.txt", "/tmp/x.txt", "."])
      await expect(call("write", name, "x")).rejects.toThrow(/output folder/);
    await expect(call("write", "no.txt", "x")).rejects.toMatchObject({ code: "cancelled" });
    expect(await call("write", "notes/x.txt", "hello")).toBe(path.join("notes", "x.txt"));
    expect(await readFile(path.join(out, "notes", "x.txt"), "utf8")).toBe("hello");
    await expect(call("write", "notes/x.txt", "again")).rejects.toThrow(/there already/);
    expect(asked).toEqual(["no.txt", "notes/x.txt", "notes/x.txt"]);
  });
});
