/** `.gitignore` and `.quireignore` while walking down a tree: the rules of every folder on the way apply, the deepest decisive
 *  one wins, and within one folder `.quireignore` comes after `.gitignore`, so it can take a file back in with "!name". */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import ignore, { type Ignore } from "ignore";

export const ignoreFileNames = [".gitignore", ".quireignore"] as const;

export interface IgnoreRules {
  /** `uri` is relative to the root of the walk, with forward slashes. */
  ignores(uri: string, isFolder: boolean): boolean;
  /** The rules one folder down, where `names` are the folder's entries. */
  enter(folder: string, uri: string, names: ReadonlySet<string>): Promise<IgnoreRules>;
}

interface RuleSet {
  /** "" or "folder/": what stands before a path that these rules see. */
  readonly prefix: string;
  readonly rules: Ignore;
}

export function ignoreRules(sets: readonly RuleSet[] = []): IgnoreRules {
  return {
    ignores(uri, isFolder) {
      let ignored = false;
      for (const { prefix, rules } of sets) {
        const path = uri.slice(prefix.length) + (isFolder ? "/" : "");
        if (!ignore.isPathValid(path)) continue;
        const verdict = rules.test(path);
        if (verdict.ignored) ignored = true;
        else if (verdict.unignored) ignored = false;
      }
      return ignored;
    },
    async enter(folder, uri, names) {
      const texts: string[] = [];
      for (const name of ignoreFileNames) {
        if (!names.has(name)) continue;
        // A rule file that cannot be read, or is a folder, has no rules; the walk reports it among the files.
        const text = await readFile(join(folder, name), "utf8").catch(() => "");
        texts.push(text.replace(/^\uFEFF/, ""));
      }
      if (texts.length === 0) return ignoreRules(sets);
      const rules = ignore({ allowRelativePaths: true });
      for (const text of texts) rules.add(text);
      return ignoreRules([...sets, { prefix: uri === "" ? "" : `${uri}/`, rules }]);
    },
  };
}

export type PathMatcher = (uri: string) => boolean;

/** Globs in the form of ignore files: "*.md" anywhere, "/docs/**" from the root, "!x" takes back. None = undefined. */
export function globMatcher(globs: readonly string[] | undefined): PathMatcher | undefined {
  if (globs === undefined || globs.length === 0) return undefined;
  const rules = ignore({ allowRelativePaths: true }).add([...globs]);
  return (uri) => rules.ignores(uri);
}
