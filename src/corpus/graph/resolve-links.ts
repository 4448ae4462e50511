/** Which file of the corpus a written link means. */

import { posix } from "node:path";
import type { SourceLink } from "./source-links.js";

export class LinkResolver {
  readonly #numbers: ReadonlyMap<string, number>;
  /** Files by the last part of their path without its ending, for imports that name modules. */
  readonly #byStem = new Map<string, number[]>();

  constructor(readonly uris: readonly string[]) {
    this.#numbers = new Map(uris.map((uri, number) => [uri, number]));
    for (const [number, uri] of uris.entries()) {
      const stem = stemOf(uri);
      const known = this.#byStem.get(stem);
      if (known === undefined) this.#byStem.set(stem, [number]);
      else known.push(number);
    }
  }

  /** The file's number; undefined where it is none of the corpus. */
  resolve(from: string, { target, kind }: Pick<SourceLink, "target" | "kind">): number | undefined {
    if (target === "") return this.#numbers.get(from);
    return kind === "path" ? this.#path(from, target) : this.#module(from, target);
  }

  #path(from: string, target: string): number | undefined {
    const below = target.startsWith("/") ? [target.slice(1)] : [posix.join(posix.dirname(from), target), target];
    for (const path of below) {
      const plain = posix.normalize(path).replace(/\/$/, "");
      for (const candidate of spellings(plain)) {
        const found = this.#numbers.get(candidate);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }

  /** `a.b.c` is a file whose path ends in a/b/c, or in a/b where c is something inside it. The nearest wins. */
  #module(from: string, target: string): number | undefined {
    const up = /^\.+/.exec(target)?.[0].length ?? 0;
    const parts = target.split(/[.:/\\]+/).filter((part) => part !== "");
    for (let length = parts.length; length >= Math.max(1, parts.length - 1); length--) {
      const wanted = parts.slice(0, length);
      const last = wanted[wanted.length - 1]!;
      // One plain word names a file beside the importing one, or nothing: elsewhere it is a library.
      const candidates = (this.#byStem.get(last.toLowerCase()) ?? []).filter((number) => {
        const path = segments(this.uris[number]!);
        if (wanted.length === 1 && up === 0) return posix.dirname(this.uris[number]!) === posix.dirname(from);
        return wanted.every((part, i) => part.toLowerCase() === path[path.length - wanted.length + i]);
      });
      if (candidates.length === 0) continue;
      return candidates.reduce((best, number) =>
        sharedStart(this.uris[number]!, from) > sharedStart(this.uris[best]!, from) ? number : best,
      );
    }
    return undefined;
  }
}

/** A folder stands for its index page, a path without ending for the file with one. */
function spellings(path: string): string[] {
  const withoutJs = path.replace(/\.([cm]?)js(x?)$/, ".$1ts$2");
  const endings = [".ts", ".tsx", ".js", ".jsx", ".mjs", ".md", ".html", ".rb", ".py"];
  const indexes = [
    "index.ts",
    "index.tsx",
    "index.js",
    "index.html",
    "index.md",
    "README.md",
    "readme.md",
    "__init__.py",
  ];
  return [
    path,
    withoutJs,
    ...endings.map((ending) => path + ending),
    ...indexes.map((index) => (path === "." || path === "" ? index : `${path}/${index}`)),
  ];
}

function segments(uri: string): string[] {
  const path = uri.toLowerCase().split("/");
  const last = path.length - 1;
  const isIndex = /^(?:index\.\w+|mod\.rs|__init__\.pyi?)$/.test(path[last]!);
  path[last] = path[last]!.replace(/\.[^.]+$/, "");
  return isIndex && last > 0 ? path.slice(0, last) : path;
}

function stemOf(uri: string): string {
  return segments(uri).at(-1)!;
}

function sharedStart(a: string, b: string): number {
  const [x, y] = [a.split("/"), b.split("/")];
  let shared = 0;
  while (shared < x.length && shared < y.length && x[shared] === y[shared]) shared++;
  return shared;
}
