import { execFileSync, spawnSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type WalkEntry, type WalkOptions, walk } from "./walk.js";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "quire-walk-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function put(files: Record<string, string>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), text);
  }
}

async function list(
  options?: WalkOptions,
  folder = root,
): Promise<{ files: string[]; skipped: Record<string, string> }> {
  const entries: WalkEntry[] = [];
  for await (const entry of walk(folder, options)) entries.push(entry);
  return {
    files: entries.filter(({ kind }) => kind === "file").map(({ uri }) => uri),
    skipped: Object.fromEntries(
      entries.flatMap((entry) => (entry.kind === "skipped" ? [[entry.uri, entry.reason]] : [])),
    ),
  };
}

test("lists files in a fixed order and says why others are left out", async () => {
  await put({
    "b.md": "b",
    "a/z.txt": "z",
    "a/B.txt": "b",
    "a.txt": "a",
    "é.txt": "e",
    "node_modules/x/i.js": "x",
    ".git/config": "x",
    "pic.PNG": "x",
  });
  const found = await list();
  expect(found.files).toEqual(["a/B.txt", "a/z.txt", "a.txt", "b.md", "é.txt"]);
  expect(found.skipped).toEqual({ ".git": "version-control", node_modules: "dependencies", "pic.PNG": "binary" });
  expect(await list()).toEqual(found);
});

test("ignore files, nested, with exceptions; .quireignore has the last word in its folder", async () => {
  await put({
    ".gitignore": "*.log\nbuild/\n/only-root.txt\n!keep.log\n",
    ".quireignore": "secret*\n!special.log\n",
    "a.log": "",
    "keep.log": "",
    "special.log": "",
    "build/x.txt": "",
    "only-root.txt": "",
    "secret.md": "",
    "sub/only-root.txt": "",
    "sub/.gitignore": "!a.log\nlocal.txt\n",
    "sub/a.log": "",
    "sub/b.log": "",
    "sub/local.txt": "",
    "local.txt": "",
  });
  const { files, skipped } = await list();
  expect(files.filter((uri) => !uri.includes("ignore"))).toEqual([
    "keep.log",
    "local.txt",
    "special.log",
    "sub/a.log",
    "sub/only-root.txt",
  ]);
  expect(skipped).toEqual(
    Object.fromEntries(
      ["a.log", "build", "only-root.txt", "secret.md", "sub/b.log", "sub/local.txt"].map((uri) => [uri, "ignored"]),
    ),
  );
});

test.skipIf(spawnSync("git", ["--version"]).status !== 0)("the same as git, where there is git", async () => {
  await put({
    ".gitignore": "*.tmp\n/docs/*\n!/docs/keep/\nfoo/**/bar\n\\#odd\n# comment\nsp ace.txt\n",
    "x.tmp": "",
    "docs/a.md": "",
    "docs/keep/b.md": "",
    "foo/1/2/bar": "",
    "foo/baz": "",
    "#odd": "",
    "sp ace.txt": "",
    "deep/.gitignore": "*\n!*.md\n!.gitignore\n",
    "deep/a.md": "",
    "deep/b.txt": "",
  });
  execFileSync("git", ["init", "-q"], { cwd: root });
  const listed = execFileSync("git", ["ls-files", "-z", "--others", "--exclude-standard"], {
    cwd: root,
    encoding: "utf8",
  });
  expect((await list()).files.sort()).toEqual(listed.split("\0").filter(Boolean).sort());
});

test("patterns, size limit, folders left out", async () => {
  await put({ "a.md": "a", "src/b.ts": "b", "src/gen/c.ts": "c", "big.txt": "", "own/i.txt": "i" });
  await truncate(join(root, "big.txt"), 1024 ** 3);
  const { files, skipped } = await list({
    include: ["*.ts", "*.txt"],
    exclude: ["gen/"],
    leaveOut: [join(root, "own")],
  });
  expect(files).toEqual(["src/b.ts"]);
  expect(skipped).toEqual({ "a.md": "excluded", "src/gen": "excluded", "big.txt": "too-large", own: "own-index" });
});

test("links: loops end, what lies inside is met once, what lies outside is followed only on request", async () => {
  const outside = await mkdtemp(join(tmpdir(), "quire-outside-"));
  await writeFile(join(outside, "o.txt"), "o");
  await symlink(outside, join(outside, "again"));
  await put({ "a/x.txt": "x" });
  await symlink(root, join(root, "a", "loop"));
  await symlink(join(root, "a"), join(root, "twin"));
  await symlink("self", join(root, "self"));
  await symlink("nowhere", join(root, "dangling"));
  await symlink(outside, join(root, "out"));
  const plain = await list();
  expect(plain.files).toEqual(["a/x.txt"]);
  expect(Object.values(plain.skipped)).toEqual(["link", "link", "link", "link", "link"]);
  const followed = await list({ followLinks: true });
  expect(followed.files).toEqual(["a/x.txt", "out/o.txt"]);
  expect(followed.skipped["out/again"]).toBe("link");
  await symlink(root, `${outside}/entry`);
  expect((await list({}, `${outside}/entry`)).files).toEqual(["a/x.txt"]);
  await rm(outside, { recursive: true });
});

test("what cannot be read is reported, the rest goes on", async () => {
  await put({ "open.txt": "x", "closed/y.txt": "y" });
  await chmod(join(root, "closed"), 0);
  await chmod(root, 0o755);
  await asOrdinaryUser(async () => {
    const { files, skipped } = await list();
    expect(files).toEqual(["open.txt"]);
    expect(skipped).toEqual({ closed: "unreadable" });
    await expect(list({}, join(root, "closed"))).rejects.toMatchObject({ code: "bad-input" });
  });
  await chmod(join(root, "closed"), 0o755);
});

test("one file is a corpus of one; missing, empty and odd paths are typed errors", async () => {
  await put({ "one.md": "x" });
  expect((await list({}, join(root, "one.md"))).files).toEqual(["one.md"]);
  await expect(list({}, join(root, "none"))).rejects.toMatchObject({ code: "not-found" });
  await expect(list({}, join(root, "one.md", "below"))).rejects.toMatchObject({ code: "not-found" });
  await expect(list({}, "/dev/null")).rejects.toMatchObject({ code: "bad-input" });
  await mkdir(join(root, "empty"));
  await expect(list({}, join(root, "empty"))).rejects.toMatchObject({ code: "bad-input" });
  expect((await list({ failIfEmpty: false }, join(root, "empty"))).files).toEqual([]);
  await expect(list({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "cancelled" });
});

/** The superuser may read everything, so for a test about permissions that right is laid down for a while. */
async function asOrdinaryUser(work: () => Promise<void>): Promise<void> {
  const isSuperuser = process.geteuid?.() === 0;
  if (isSuperuser) process.seteuid?.(65534);
  try {
    await work();
  } finally {
    if (isSuperuser) process.seteuid?.(0);
  }
}
