import { readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { QuireError, throwIfAborted } from "../../errors.js";
import type { Tokenizer } from "../../text/tokenizer.js";

/** Text files, or folders of them, as one line of tokens; where the tokenizer has an end of text, it stands between two files. */

const endings: ReadonlySet<string> = new Set([".txt", ".md", ".text", ".rst", ".csv", ".json", ".jsonl", ""]);
const mostTokens = 2 ** 29;

export async function readTokens(
  places: readonly string[],
  tokenizer: Tokenizer,
  signal?: AbortSignal,
): Promise<Int32Array> {
  const parts: Int32Array[] = [];
  const [end] = tokenizer.endTokens;
  let total = 0;
  for (const place of places) {
    for (const file of await filesAt(place)) {
      throwIfAborted(signal);
      const tokens = tokenizer.encode(await textOf(file));
      parts.push(tokens);
      if (end !== undefined) parts.push(Int32Array.of(end));
      total += tokens.length + 1;
      if (total > mostTokens) {
        throw new QuireError("bad-input", "The texts are too long to be held in memory.", {
          got: `more than ${mostTokens} tokens`,
          fix: "Train on fewer files at once.",
        });
      }
    }
  }
  const joined = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

async function filesAt(place: string): Promise<string[]> {
  const found = await stat(place).catch((cause: unknown) => {
    throw new QuireError("not-found", `${place} cannot be read.`, {
      got: place,
      expected: "a text file or a folder of text files",
      cause,
    });
  });
  if (!found.isDirectory()) return [place];
  const names = await readdir(place, { recursive: true, withFileTypes: true });
  const files = names
    .filter((entry) => entry.isFile() && endings.has(path.extname(entry.name)) && !entry.name.startsWith("."))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort();
  if (files.length === 0) {
    throw new QuireError("bad-input", `${place} holds no text files.`, {
      got: place,
      expected: [...endings].filter((ending) => ending !== "").join(", "),
    });
  }
  return files;
}

async function textOf(file: string): Promise<string> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new QuireError("not-found", `${file} cannot be read.`, { got: file, cause });
  });
  if (bytes.includes(0)) {
    throw new QuireError("bad-input", `${file} is no text: it holds zero bytes.`, {
      got: file,
      fix: "Leave it out.",
    });
  }
  return bytes.toString("utf8");
}
