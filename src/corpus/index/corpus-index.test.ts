import { mkdir, mkdtemp, readdir, rm, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isQuireError } from "../../errors.js";
import { fixed } from "../chunk/fixed.js";
import { recursive } from "../chunk/recursive.js";
import { makeDocx, makePdf } from "../parse/sample-files.case.js";
import { hybrid } from "../select/hybrid.js";
import { mmr } from "../select/mmr.js";
import { type CorpusIndex, type CorpusIndexOptions, openCorpusIndex } from "./corpus-index.js";
import { hashingEmbedder } from "./hashing-embedder.case.js";
import type { UpdateResult } from "./update.js";

let base: string;
let docs: string;
const opened: CorpusIndex[] = [];
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), "quire-index-"));
  docs = join(base, "docs");
  await mkdir(docs);
});
afterEach(async () => {
  for (const index of opened.splice(0)) await index.close();
  await rm(base, { recursive: true, force: true });
});

const longAgo = new Date("2024-01-02T03:04:05.678Z");

/** Files with a time well in the past, so that times can be trusted. */
async function put(files: Record<string, string | Uint8Array>, time = longAgo): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(docs, name)), { recursive: true });
    await writeFile(join(docs, name), content);
    await utimes(join(docs, name), time, time);
  }
}

let embedded: string[] = [];
let notices: string[] = [];
const hashing = hashingEmbedder();
const embed = async (texts: readonly string[]): Promise<Float32Array[]> => {
  embedded.push(...texts.filter((text) => text !== "How long is a vector?"));
  return hashing(texts);
};

async function open(options: Partial<CorpusIndexOptions> = {}): Promise<CorpusIndex> {
  embedded = [];
  notices = [];
  const index = await openCorpusIndex(docs, {
    chunker: recursive({ tokens: 32 }),
    countTokens: (text) => Math.ceil(Buffer.byteLength(text) / 4),
    embed,
    embeddingModel: "hashing",
    indexFolder: join(base, "index"),
    onNotice: (notice) => notices.push(notice),
    ...options,
  });
  opened.push(index);
  return index;
}

const summary = ({ added, changed, removed, unchanged }: UpdateResult) => ({ added, changed, removed, unchanged });
const failure = async (work: Promise<unknown>) => {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!isQuireError(error)) throw new Error(`no QuireError but ${String(error)}`);
  return error;
};

describe("only what changed is done", () => {
  test("added, changed, removed, unchanged", async () => {
    await put({ "a.md": "# A\n\nAlpha words.", "b/b.txt": "Beta words.", "c.txt": "Gamma." });
    const index = await open();
    expect(summary(await index.update())).toEqual({
      added: ["a.md", "b/b.txt", "c.txt"],
      changed: [],
      removed: [],
      unchanged: 0,
    });
    expect(embedded).toHaveLength(3);

    embedded = [];
    expect(summary(await index.update())).toEqual({ added: [], changed: [], removed: [], unchanged: 3 });
    await put({ "a.md": "# A\n\nAlpha changed.", "d.txt": "Delta." });
    await rm(join(docs, "c.txt"));
    expect(summary(await index.update())).toEqual({
      added: ["d.txt"],
      changed: ["a.md"],
      removed: ["c.txt"],
      unchanged: 1,
    });
    expect(embedded).toEqual(["A\n# A\n\nAlpha changed.", "Delta."]);
    expect(
      (await index.search("alpha gamma beta", { k: 9, mode: "text" })).map(({ chunk }) => chunk.text).sort(),
    ).toEqual(["# A\n\nAlpha changed.", "Beta words."]);
    expect(await index.stats()).toMatchObject({ documents: 3, chunks: 3, chunksWithVectors: 3, complete: true });
  });

  test("files of the same size and time are not opened, unless asked for; same bytes are not embedded again", async () => {
    await put({ "a.txt": "Alpha one." });
    const index = await open();
    await index.update();
    await put({ "a.txt": "Alpha two." });
    expect((await index.update()).unchanged).toBe(1);
    expect((await index.update({ verify: true })).changed).toEqual(["a.txt"]);
    embedded = [];
    await put({ "a.txt": "Alpha two." }, new Date("2024-05-05"));
    expect((await index.update()).unchanged).toBe(1);
    expect(embedded).toEqual([]);
    // The new time was noted: a change that hides behind it is not seen.
    await put({ "a.txt": "Alpha six." }, new Date("2024-05-05"));
    expect((await index.update()).unchanged).toBe(1);
  });

  test("a file written just now is compared by its bytes the next time", async () => {
    await put({ "a.txt": "Alpha one." }, new Date());
    const index = await open();
    await index.update();
    const time = new Date();
    await put({ "a.txt": "Alpha two." }, time);
    expect((await index.update()).changed).toEqual(["a.txt"]);
  });

  test("another process's object finds what was indexed, continues it, and sees later changes", async () => {
    await put({ "a.txt": "Alpha." });
    await (await open()).update();
    const other = await open();
    expect(await other.search("alpha", { k: 3 })).toHaveLength(1);
    await put({ "b.txt": "Alpha too." });
    await (await open()).update();
    expect(await other.search("alpha", { k: 3 })).toHaveLength(2);
    await (await open()).update({ rebuild: true });
    expect(await other.search("alpha", { k: 3 })).toHaveLength(2);
  });
});

describe("what is made anew, and said so", () => {
  test("another chunker, another embedding model, vectors for an index without", async () => {
    await put({ "a.txt": "Alpha words. ".repeat(30) });
    const wordsOnly = await open({ embed: undefined });
    expect((await wordsOnly.update()).rebuilt).toBeUndefined();
    expect(notices).toEqual([]);
    expect(await wordsOnly.search("alpha", { k: 3 })).toHaveLength(3);
    expect((await failure(wordsOnly.search("alpha", { k: 3, mode: "vector" }))).code).toBe("unsupported");

    const upgraded = await open();
    expect((await failure(upgraded.search("alpha", { k: 3, mode: "vector" }))).code).toBe("unsupported");
    expect(await upgraded.search("alpha", { k: 3 })).toHaveLength(3);
    expect((await upgraded.update()).rebuilt).toContain("no vectors");
    expect(await upgraded.search("alpha", { k: 3, mode: "vector" })).toHaveLength(3);

    expect((await (await open({ chunker: fixed({ tokens: 50 }) })).update()).rebuilt).toContain("fixed:tokens=50");
    expect(notices).toHaveLength(1);
    const model = await open({ chunker: fixed({ tokens: 50 }), embed: hashingEmbedder(16), embeddingModel: "small" });
    expect((await model.update()).rebuilt).toContain("small");
    expect((await model.stats()).dimensions).toBe(16);
  });

  test("without an embedder an index with vectors grows by words, and vectors follow when there is one again", async () => {
    await put({ "a.txt": "Alpha words." });
    await (await open()).update();
    await put({ "b.txt": "Beta words." });
    const plain = await open({ embed: undefined });
    expect((await plain.update()).added).toEqual(["b.txt"]);
    expect(await plain.search("words", { k: 5 })).toHaveLength(2);
    expect(await plain.stats()).toMatchObject({ chunks: 2, chunksWithVectors: 1 });
    const again = await open();
    expect(summary(await again.update())).toEqual({ added: [], changed: ["b.txt"], removed: [], unchanged: 1 });
    expect(embedded).toEqual(["Beta words."]);
    expect(await again.stats()).toMatchObject({ chunks: 2, chunksWithVectors: 2 });
  });

  test("damaged settings, tables and data", async () => {
    await put({ "a.txt": "Alpha words." });
    const index = join(base, "index");
    const damage: Record<string, () => Promise<void>> = {
      settings: () => writeFile(join(index, "settings.json"), "{"),
      otherSettings: () => writeFile(join(index, "settings.json"), '{"format": "x"}'),
      versions: () => rm(join(index, "chunks.lance", "_versions"), { recursive: true }),
      files: () => rm(join(index, "files.lance"), { recursive: true }),
      data: async () => {
        const data = join(index, "chunks.lance", "data");
        for (const name of await readdir(data)) await truncate(join(data, name), 10);
      },
    };
    await writeFile(join(base, "note"), "x");
    for (const [name, harm] of Object.entries(damage)) {
      await (await open()).update();
      await harm();
      const next = await open();
      const { rebuilt, added } = await next.update();
      expect([name, rebuilt, added]).toEqual([name, expect.stringContaining("damaged"), ["a.txt"]]);
      expect(await next.search("alpha", { k: 3 })).toHaveLength(1);
    }
  });

  test("an index folder with other things in it loses nothing of them", async () => {
    await put({ "a.txt": "Alpha." });
    await mkdir(join(base, "index"));
    await writeFile(join(base, "index", "mine.txt"), "keep");
    await (await open()).update({ rebuild: true });
    expect(await readdir(join(base, "index"))).toContain("mine.txt");
  });
});

describe("search", () => {
  const files = {
    "vacuum.md": "# Vacuum\n\nThe vacuum command reclaims storage.\n\n## Options\n\nIt's run by the autovacuum daemon.",
    "restart.md": "# Restart\n\nThese settings survive a restart of the server.",
    "code.ts": "export function maxFileBytes(options: Options): number {\n  return options.limit ?? 64;\n}\n",
    "zh.txt": "这是一个关于数据库的句子。另一句话。",
  };

  test("by words, by meaning, by both; names in parts; quotes; other scripts", async () => {
    await put(files);
    const index = await open();
    await index.update();
    for (const mode of ["text", "vector", "hybrid"] as const) {
      const found = await index.search("which settings survive a restart", { k: 2, mode });
      expect(found[0]!.chunk).toMatchObject({
        uri: "restart.md",
        header: "Restart",
        startLine: 1,
        endLine: 3,
        startByte: 0,
      });
      expect(found[0]!.vector).toHaveLength(64);
    }
    const first = async (query: string) => (await index.search(query, { k: 1, mode: "text" }))[0]?.chunk.uri;
    expect(await first("file bytes")).toBe("code.ts");
    expect(await first("maxFileBytes")).toBe("code.ts");
    expect(await first("数据库")).toBe("zh.txt");
    expect(await first('"survive a restart"')).toBe("restart.md");
    expect(await first('"restart a survive"')).toBeUndefined();
  });

  test("any query at all is answered", async () => {
    await put(files);
    const index = await open();
    await index.update();
    const marks =
      '" ¦a:b¦¦   ¦*¦(foo¦AND OR NOT¦isn\'t¦\'; drop table chunks; --¦\0¦😀¦\\¦~^¦-x¦+¦\ud800¦""¦"a b¦100%¦{}¦[a-z]+¦%¦_'.split(
        "¦",
      );
    const odd = [...marks, '"', '"vacuum command" "reclaims', "word ".repeat(20_000), "the\nserver"];
    for (const query of odd) {
      for (const mode of ["text", "vector", "hybrid"] as const) {
        expect(Array.isArray(await index.search(query, { k: 3, mode }))).toBe(true);
      }
    }
    expect((await failure(index.search("x", { k: 0 }))).code).toBe("bad-option");
  });

  test("neighbours, documents, odd names, selectors on a real index", async () => {
    const name = 'it\'s a "name" – ü/😀.md';
    await put({
      ...files,
      [name]: Array.from({ length: 12 }, (_, i) => `Paragraph ${i} of the long story, told slowly.`).join("\n\n"),
    });
    const index = await open({ chunker: recursive({ tokens: 14 }) });
    await index.update();
    const [hit] = await index.search("paragraph 5 story", { k: 1, mode: "vector" });
    expect(hit!.chunk).toMatchObject({ uri: name, order: 5 });
    expect((await index.neighbours(hit!.chunk, 2)).map(({ order }) => order)).toEqual([3, 4, 6, 7]);
    expect(await index.neighbours(hit!.chunk, 0)).toEqual([]);
    const document = await index.document(name);
    expect(document.id).toBe(hit!.chunk.documentId);
    const { startByte, endByte, text } = hit!.chunk;
    expect(Buffer.from(document.text).subarray(startByte, endByte).toString()).toBe(text);
    expect((await failure(index.document("../note"))).code).toBe("not-found");
    expect((await failure(index.document("none.md"))).code).toBe("not-found");
    const countTokens = (text: string) => Math.ceil(text.length / 4);
    for (const part of [hybrid(), mmr()]) {
      const evidence = await part.select("vacuum storage", index, { tokens: 60 }, { countTokens });
      expect(evidence[0]!.chunk.uri).toBe("vacuum.md");
    }
  });

  test("above a number of vectors search is approximate, and still finds", async () => {
    const words = (i: number) => `entry${i} colour${i % 17} shape${i % 23} size${i % 29}`;
    await put({ "list.jsonl": Array.from({ length: 600 }, (_, i) => `{"text": "${words(i)}"}\n`).join("") });
    const exact = await open({ chunker: recursive({ tokens: 16 }), indexFolder: join(base, "exact") });
    await exact.update();
    const near = await open({ chunker: recursive({ tokens: 16 }), indexFolder: join(base, "near"), annAbove: 300 });
    await near.update();
    expect((await near.stats()).chunks).toBeGreaterThan(300);
    let same = 0;
    for (let i = 0; i < 40; i++) {
      const query = words(i * 13);
      const [a] = await exact.search(query, { k: 1, mode: "vector" });
      const [b] = await near.search(query, { k: 1, mode: "vector" });
      if (a!.chunk.id === b!.chunk.id) same++;
    }
    expect(same).toBeGreaterThanOrEqual(38);
    await put({ "more.txt": "A quite different zebra." });
    await near.update();
    expect((await near.search("a quite different zebra", { k: 1, mode: "vector" }))[0]!.chunk.uri).toBe("more.txt");
  });
});

describe("bad input", () => {
  test("files that cannot be used are reported with the reason, and read once", async () => {
    await put({
      "good.md": "Good.",
      "good.docx": makeDocx(["Good document."]),
      "good.pdf": makePdf({ pages: [["Good page."]] }),
      "broken.pdf": "%PDF-1.4 rubbish",
      "locked.pdf": makePdf({ pages: [["x"]], encrypted: true }),
      "broken.docx": "PK\x03\x04rubbish",
      "bytes.txt": Buffer.from([1, 0, 2, 0, 0, 3]),
      "blank.txt": " \n\n",
      "empty.txt": "",
      "latin.txt": Buffer.from("caf\xe9 cr\xe8me", "latin1"),
      "broken.ipynb": "{",
    });
    await writeFile(join(docs, "huge.txt"), "");
    await truncate(join(docs, "huge.txt"), 1024 ** 3);
    await symlink(docs, join(docs, "loop"));
    const index = await open();
    const expected = {
      "blank.txt": "empty",
      "broken.docx": "bad-file",
      "broken.ipynb": "bad-file",
      "broken.pdf": "bad-file",
      "bytes.txt": "binary",
      "empty.txt": "empty",
      "huge.txt": "too-large",
      "locked.pdf": "bad-file",
      loop: "link",
    };
    for (let run = 0; run < 2; run++) {
      const { skipped, added } = await index.update();
      expect(Object.fromEntries(skipped.map(({ uri, reason }) => [uri, reason]))).toEqual(expected);
      expect(added).toEqual(run === 0 ? ["good.docx", "good.md", "good.pdf", "latin.txt"] : []);
    }
    expect((await index.search("café", { k: 1, mode: "text" }))[0]!.chunk.uri).toBe("latin.txt");
    expect((await index.search("page", { k: 1, mode: "text" }))[0]!.chunk.header).toBe("Page 1");

    await put({
      "good.md": Buffer.from([0, 1, 2, 3, 4, 5]),
      "broken.ipynb": '{"cells": [{"cell_type": "markdown", "source": "Mended."}]}',
    });
    const repaired = await index.update();
    expect(summary(repaired)).toMatchObject({ changed: ["broken.ipynb"], removed: ["good.md"] });
    expect(await index.search("good.md", { k: 9, mode: "text" })).not.toContainEqual(
      expect.objectContaining({ chunk: expect.objectContaining({ uri: "good.md" }) }),
    );
  });

  test("missing and empty folders, no index yet, one file, an index inside the folder", async () => {
    expect(
      (await failure(openCorpusIndex(join(base, "none"), { chunker: recursive(), countTokens: () => 1 }))).code,
    ).toBe("not-found");
    const index = await open();
    expect((await failure(index.search("x", { k: 1 }))).code).toBe("not-found");
    expect((await failure(index.update())).code).toBe("bad-input");
    await put({ "only.txt": "Only words." });
    await index.update();
    await rm(join(docs, "only.txt"));
    const emptied = await failure(index.update());
    expect(emptied).toMatchObject({ code: "bad-input", partial: { removed: ["only.txt"] } });
    expect(await index.search("only", { k: 1 })).toEqual([]);

    await put({ "only.txt": "Only words." });
    const inside = await open({ indexFolder: join(docs, ".index") });
    expect((await inside.update()).added).toEqual(["only.txt"]);
    expect((await inside.update()).skipped).toEqual([expect.objectContaining({ uri: ".index", reason: "own-index" })]);
  });

  test("an embedder that gives nonsense is named as the culprit, and the index stays usable", async () => {
    await put({ "a.txt": "Alpha." });
    const one = Float32Array.of(1, 0);
    const wrongs = [
      async () => [],
      async () => [one, one],
      async () => [new Float32Array(0)],
      async () => [Float32Array.of(Number.NaN)],
    ];
    for (const wrong of wrongs) {
      const index = await open({ embed: wrong, indexFolder: join(base, "wrong") });
      expect((await failure(index.update())).code).toBe("bad-shape");
    }
    const switching = await open();
    await switching.update();
    const short = await open({ embed: hashingEmbedder(8) });
    await put({ "b.txt": "Beta." });
    expect((await failure(short.update())).code).toBe("bad-shape");
    expect((await (await open()).update()).added).toEqual(["b.txt"]);
  });
});
