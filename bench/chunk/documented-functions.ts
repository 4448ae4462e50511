import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { AskQuestion } from "../ask/question.js";
import { type Random, random } from "../ask/random.js";
import { glued, type JoinedText } from "./boundaries.js";

/** Real source code, this repository's own: functions that are looked for by the comments they had, and small files glued together. */

const source = fileURLToPath(new URL("../../src", import.meta.url));

interface SourceFile {
  readonly path: string;
  readonly text: string;
}

export async function sourceFiles(): Promise<SourceFile[]> {
  const entries = await readdir(source, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile() && /(?<!\.(?:test|case))\.ts$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  return Promise.all(
    paths.map(async (path) => ({
      path: path.slice(source.length + 1).replaceAll("\\", "/"),
      text: await readFile(path, "utf8"),
    })),
  );
}

export interface CodeSearch {
  readonly files: readonly SourceFile[];
  readonly questions: readonly AskQuestion[];
}

/** The files without the comments of exported functions, which are the questions; each function is the place to find. */
export function documentedFunctions(files: readonly SourceFile[], most: number, seed: number): CodeSearch {
  const found: Omit<AskQuestion, "id">[] = [];
  const stripped = files.map(({ path, text }) => {
    let kept = "";
    let from = 0;
    const pattern = /^\/\*\*((?:(?!\*\/)[\s\S]){40,400}?)\*\/\r?\n(?=export (?:async )?function\*? )/gm;
    for (const match of text.matchAll(pattern)) {
      kept += text.slice(from, match.index);
      from = match.index + match[0].length;
      const end = text.indexOf("\n}", from);
      if (end < 0) continue;
      const startByte = Buffer.byteLength(kept);
      const body = text.slice(from, end + 2);
      const question = match[1]!
        .replace(/^\s*\* ?/gm, " ")
        .replace(/\s+/g, " ")
        .trim();
      const name = /function\*? (\w+)/.exec(body)?.[1] ?? "";
      const place = { file: path, startByte, endByte: startByte + Buffer.byteLength(body), phrase: name };
      found.push({ kind: "single", wording: "direct", question, answers: [name], gold: [place] });
    }
    return { path, text: kept + text.slice(from) };
  });
  const chosen = random(seed).shuffle(found).slice(0, most);
  const held = new Set(chosen.flatMap(({ gold }) => gold.map(({ file }) => file)));
  // As many files again that hold none, to be mistaken for them.
  const others = random(seed + 1)
    .shuffle(stripped.filter(({ path }) => !held.has(path)))
    .slice(0, held.size);
  const kept = new Set([...held, ...others.map(({ path }) => path)]);
  return {
    files: stripped.filter(({ path }) => kept.has(path)),
    questions: chosen.map((question, i) => ({ id: `f${i}`, ...question })),
  };
}

export function gluedSources(files: readonly SourceFile[], count: number, seed: number): JoinedText[] {
  const draw: Random = random(seed);
  const small = draw.shuffle(files.filter(({ text }) => text.length > 600 && text.length < 2000));
  return Array.from({ length: count }, (_, i) => {
    const parts = small.slice(i * 4, i * 4 + 4).map(({ text }) => text);
    return glued(`glued-${i}.ts`, parts, "\n");
  });
}
