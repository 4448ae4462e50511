/** Markdown: the text is the file's own; headings become sections, front matter becomes meta. Code blocks and tables are left to
 *  the block structure, so a "#" in code is no heading. */

import type { Nodes, Root } from "mdast";
import remarkParse from "remark-parse";
import { unified } from "unified";
import { textPositions } from "../lines.js";
import type { ParsedText } from "./parsed.js";
import { type Head, sectionsFromHeads, tidyTitle } from "./sections.js";

/** Above this many characters headings are found line by line: a full parse takes seconds per megabyte. */
const fullParseLimit = 500_000;
/** So are those of texts with absurdly deep lists or quotes, for which a full parse takes minutes. */
const absurdNesting = /^[ \t]*(?:(?:[-*+>]|\d{1,9}[.)])[ \t]*){16}/m;

/** Only blocks are parsed: what stands within lines matters in titles alone, and takes quadratic time on hostile text. */
const withinLines = {
  disable: {
    null: "attention autolink characterEscape characterReference codeText hardBreakEscape htmlText labelEnd labelStartImage labelStartLink".split(
      " ",
    ),
  },
};
const blockParser = unified().data("micromarkExtensions", [withinLines]).use(remarkParse).freeze();
const titleParser = unified().use(remarkParse).freeze();

export function parseMarkdown(text: string): ParsedText {
  const front = frontMatter(text);
  const byLine = text.length > fullParseLimit || absurdNesting.test(text);
  const heads = byLine ? headsByLine(text, front.end) : headsByParsing(text, front.end);
  const title = front.meta["title"] === undefined ? heads.find((head) => head.level === 1)?.title : undefined;
  return {
    text,
    sections: sectionsFromHeads(heads, textPositions(text)),
    meta: title === undefined ? front.meta : { ...front.meta, title },
  };
}

function headsByParsing(text: string, from: number): Head[] {
  // Front matter would read as a rule and a heading, so it is blanked; offsets stay.
  const root = blockParser.parse(text.slice(0, from).replace(/[^\n]/g, " ") + text.slice(from)) as Root;
  const heads: Head[] = [];
  const open: Nodes[] = [root];
  while (open.length > 0) {
    const node = open.pop()!;
    if (node.type === "heading") {
      const title = titleOf(plainText(node));
      const at = node.position?.start.offset;
      if (at !== undefined && title !== "") heads.push({ title, level: node.depth, at, kind: "heading" });
    } else if ("children" in node) {
      for (let i = node.children.length - 1; i >= 0; i--) open.push(node.children[i]!);
    }
  }
  return heads;
}

/** "Install `now`, [see](x)" reads "Install now, see". */
function titleOf(source: string): string {
  const line = tidyTitle(source);
  return /[*_`[<&\\!]/.test(line) ? tidyTitle(plainText(titleParser.parse(line) as Root)) : line;
}

function plainText(node: Nodes): string {
  if ("value" in node) return node.type === "html" ? "" : node.value;
  if (node.type === "image") return node.alt ?? "";
  return "children" in node ? node.children.map(plainText).join("") : "";
}

function headsByLine(text: string, from: number): Head[] {
  const heads: Head[] = [];
  let fence: string | undefined;
  for (let at = from; at < text.length; ) {
    const newline = text.indexOf("\n", at);
    const end = newline < 0 ? text.length : newline + 1;
    const line = text.slice(at, Math.min(end, at + 400));
    const mark = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1];
    if (fence !== undefined) {
      if (mark?.startsWith(fence)) fence = undefined;
    } else if (mark !== undefined) fence = mark;
    else {
      const heading = /^ {0,3}(#{1,6})[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*\r?\n?$/.exec(line);
      const title = titleOf(heading?.[2] ?? "");
      if (title !== "") heads.push({ title, level: heading![1]!.length, at, kind: "heading" });
    }
    at = end;
  }
  return heads;
}

/** The lines between two "---" at the very start; values of plain "key: value" lines only. */
function frontMatter(text: string): { end: number; meta: Record<string, string | number | boolean> } {
  const block = /^---[ \t]*\r?\n([\s\S]{0,20000}?)\r?\n(?:---|\.\.\.)[ \t]*(?:\r?\n|$)/.exec(text);
  const meta: Record<string, string | number | boolean> = {};
  if (block === null) return { end: 0, meta };
  for (const line of block[1]!.split(/\r?\n/)) {
    const pair = /^([A-Za-z][\w-]*):[ \t]+(.+?)[ \t]*$/.exec(line);
    if (pair !== null) meta[pair[1]!] = scalar(pair[2]!);
  }
  return { end: block[0].length, meta };
}

function scalar(value: string): string | number | boolean {
  const quoted = /^(["'])(.*)\1$/.exec(value);
  if (quoted !== null) return quoted[2]!;
  if (value === "true" || value === "false") return value === "true";
  return /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value;
}
