/** Trees of source code, by the language's tree-sitter grammar. Grammars are loaded once; a tree lives as long as it is looked at. */

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { Language, Parser, type Tree } from "web-tree-sitter";
import type { CodeLanguage } from "./code-languages.js";

/** Above this many characters no tree is made: it takes some fifty times the text's memory. */
export const grammarLimit = 2_000_000;

const loaded = new Map<string, Promise<Language>>();
let started: Promise<void> | undefined;

/** Places in the tree count UTF-16 units, as JavaScript does. Nothing of the tree may be used after `use` has returned. */
export async function withTree<Result>(
  text: string,
  language: CodeLanguage,
  use: (tree: Tree) => Result,
): Promise<Result> {
  const grammar = await loadGrammar(language.grammar);
  const parser = new Parser();
  let tree: Tree | null = null;
  try {
    parser.setLanguage(grammar);
    tree = parser.parse(text);
    if (tree === null) throw new Error("no tree");
    return use(tree);
  } finally {
    tree?.delete();
    parser.delete();
  }
}

async function loadGrammar(name: string): Promise<Language> {
  started ??= Parser.init();
  await started;
  let grammar = loaded.get(name);
  if (grammar === undefined) {
    const path = createRequire(import.meta.url).resolve(`tree-sitter-wasms/out/tree-sitter-${name}.wasm`);
    grammar = readFile(path).then((bytes) => Language.load(bytes));
    loaded.set(name, grammar);
  }
  return grammar;
}
