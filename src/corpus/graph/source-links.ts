/** Links that the authors made: of Markdown and HTML, imports of code, and names of other files in running text. Found by pattern,
 *  line by line, and kept only where they lead to a file of the corpus. */

export interface SourceLink {
  /** 1-based line of the file it stands in. */
  readonly line: number;
  /** As written, without anchor and query. "" = the same file. */
  readonly target: string;
  readonly anchor: string;
  /** Imports name modules, not paths. */
  readonly kind: "path" | "module";
}

/** Longer lines are data or minified code. */
const longestLine = 20_000;

const htmlFile = /\.(?:html?|xhtml)$/i;
const markdownFile = /\.(?:md|mdx|markdown|rst|txt|adoc|org)$/i;

export function readsAsHtml(uri: string): boolean {
  return htmlFile.test(uri);
}

export function linksOf(uri: string, text: string, firstLine = 1): SourceLink[] {
  const patterns = htmlFile.test(uri) ? htmlPatterns : markdownFile.test(uri) ? markupPatterns : codePatterns(uri);
  const links: SourceLink[] = [];
  for (const [i, line] of text.split("\n").entries()) {
    if (line.length > longestLine) continue;
    for (const { pattern, kind } of patterns) {
      for (const match of line.matchAll(pattern)) {
        const link = parsedTarget(match[1] ?? "", kind);
        if (link !== undefined) links.push({ line: firstLine + i, ...link });
      }
    }
  }
  return links;
}

/** Places in a file that links can name, and their lines. */
export function anchorsOf(uri: string, text: string, firstLine = 1): { anchor: string; line: number }[] {
  const found: { anchor: string; line: number }[] = [];
  const html = htmlFile.test(uri);
  if (!html && !markdownFile.test(uri)) return found;
  for (const [i, line] of text.split("\n").entries()) {
    if (line.length > longestLine) continue;
    for (const [, anchor] of line.matchAll(/\s(?:id|name)="([^"\s]{1,200})"/g)) {
      found.push({ anchor: anchor!, line: firstLine + i });
    }
    const heading = html ? undefined : /^#{1,6}\s+(.{1,200})/.exec(line)?.[1];
    if (heading !== undefined) found.push({ anchor: slugOf(heading), line: firstLine + i });
  }
  return found;
}

interface Pattern {
  readonly pattern: RegExp;
  readonly kind: SourceLink["kind"];
}

const htmlPatterns: readonly Pattern[] = [{ pattern: /\shref\s*=\s*["']([^"']{1,500})["']/gi, kind: "path" }];

/** A name with an ending that files have, in running text. */
const mention: Pattern = {
  pattern:
    /(?<![\w/.("'<-])((?:[\w-]+\/){0,8}[\w-]{1,80}\.(?:md|html?|txt|rst|pdf|docx|csv|json|toml|ya?ml|ipynb|[cm]?[jt]sx?|py|rs|go|java|rb|c|h|cpp|hpp|cs|php|sh))(?![\w#-])/g,
  kind: "path",
};

const markupPatterns: readonly Pattern[] = [
  { pattern: /\]\(\s*<?([^()\s<>]{1,500})/g, kind: "path" },
  { pattern: /^\s{0,3}\[[^\]]{1,200}\]:\s+(\S{1,500})/g, kind: "path" },
  { pattern: /\[\[([^\]|#]{1,200})/g, kind: "module" },
  { pattern: /\shref\s*=\s*["']([^"']{1,500})["']/gi, kind: "path" },
  mention,
];

function codePatterns(uri: string): readonly Pattern[] {
  const ending = /\.(\w+)$/.exec(uri)?.[1]?.toLowerCase() ?? "";
  if (/^[cm]?[jt]sx?$|^vue$|^svelte$/.test(ending)) {
    return [
      { pattern: /(?:\bfrom|\bimport|\brequire\s*\(|\bimport\s*\()\s*["']([^"']{1,300})["']/g, kind: "path" },
      mention,
    ];
  }
  if (/^pyi?$/.test(ending)) {
    return [
      { pattern: /^\s*from\s+([.\w]{1,200})\s+import\b/g, kind: "module" },
      { pattern: /^\s*import\s+([.\w]{1,200})/g, kind: "module" },
      mention,
    ];
  }
  if (/^(?:c|h|cc|cpp|cxx|hpp|hh|m|mm)$/.test(ending))
    return [{ pattern: /^\s*#\s*include\s*"([^"]{1,300})"/g, kind: "path" }];
  if (/^(?:java|kt|scala|cs|go|swift|php)$/.test(ending)) {
    return [
      { pattern: /^\s*(?:import|using|use)\s+(?:static\s+)?([\w.\\]{1,300})/g, kind: "module" },
      { pattern: /^\s*(?:import\s+)?(?:\w+\s+)?"([\w./-]{1,300})"\s*$/g, kind: "module" },
    ];
  }
  if (ending === "rs") {
    return [
      { pattern: /^\s*(?:pub(?:\([^)]{1,40}\))?\s+)?use\s+(?:crate|self|super)::([\w:]{1,300})/g, kind: "module" },
      { pattern: /^\s*(?:pub(?:\([^)]{1,40}\))?\s+)?mod\s+(\w{1,100})\s*;/g, kind: "module" },
    ];
  }
  if (ending === "rb") return [{ pattern: /\brequire(?:_relative)?\s*\(?\s*["']([^"']{1,300})["']/g, kind: "path" }];
  return [mention];
}

function parsedTarget(written: string, kind: SourceLink["kind"]): Omit<SourceLink, "line"> | undefined {
  if (kind === "path" && /^[a-z][a-z\d+.-]*:|^\/\//i.test(written)) return undefined;
  const [before, anchor = ""] = written.replace(/&amp;/g, "&").split("#", 2) as [string, string?];
  const target = decoded(before.split("?")[0]!);
  return target === "" && anchor === "" ? undefined : { target, anchor: decoded(anchor), kind };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** As most Markdown tools name a heading. */
export function slugOf(heading: string): string {
  return heading
    .replace(/\s+#+\s*$/, "")
    .replace(/`|\*|\]\([^)]*\)|\[/g, "")
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .replace(/\s/g, "-");
}
