/** HTML: the readable text of the main content. Scripts, styles and navigation are dropped, headings become sections, table cells
 *  stand apart by " | ", and every block knows its lines in the file. */

import { type DefaultTreeAdapterMap, parse } from "parse5";
import type { SourceSpan } from "../document.js";
import { textPositions } from "../lines.js";
import { decodeText } from "./decode-text.js";
import type { ParsedText } from "./parsed.js";
import { type Head, sectionsFromHeads, tidyTitle } from "./sections.js";

type Node = DefaultTreeAdapterMap["node"];
type Element = DefaultTreeAdapterMap["element"];

const dropped = new Set(
  "script style noscript template svg math nav iframe object embed canvas form button select dialog head".split(" "),
);
const blocks = new Set(
  (
    "p div section article main header footer aside address blockquote pre ul ol li dl dt dd table thead tbody tfoot tr caption " +
    "figure figcaption details summary hr h1 h2 h3 h4 h5 h6 body html fieldset"
  ).split(" "),
);
/** Between these a blank line, between other blocks one line end. */
const spaced = new Set("p pre blockquote ul ol dl table figure section article h1 h2 h3 h4 h5 h6 hr".split(" "));

export function parseHtmlBytes(bytes: Uint8Array): ParsedText {
  const declared = /charset=["']?\s*([\w-]+)/i.exec(Buffer.from(bytes.subarray(0, 2048)).toString("latin1"))?.[1];
  const { text, meta } = decodeText(bytes, declared);
  const parsed = parseHtml(text);
  return { ...parsed, meta: { ...meta, ...parsed.meta } };
}

/** `withLines: false` where the HTML is only a step on the way from another format. */
export function parseHtml(html: string, { withLines = true } = {}): ParsedText {
  const root = parse(html, { sourceCodeLocationInfo: withLines });
  const found = survey(root);
  const content = found.main ?? found.body ?? root;
  let written = write(content, found.main === undefined);
  // A page whose <main> is an empty shell filled by scripts elsewhere, or wrongly marked.
  if (written.text === "" && found.main !== undefined) written = write(found.body ?? root, true);
  const positions = textPositions(written.text);
  const sourceMap = written.spans.map(
    ({ from, to, line }): SourceSpan => ({
      startByte: positions.byteOfIndex(from),
      endByte: positions.byteOfIndex(to),
      startLine: line,
      endLine: line,
    }),
  );
  const title = found.title === undefined ? "" : tidyTitle(textOf(found.title));
  return {
    text: written.text,
    sections: sectionsFromHeads(written.heads, positions),
    sourceMap,
    meta: title === "" ? {} : { title },
  };
}

function survey(root: Node): { main?: Element; body?: Element; title?: Element } {
  let main: Element | undefined;
  let body: Element | undefined;
  let title: Element | undefined;
  const articles: Element[] = [];
  for (const node of documentOrder(root)) {
    if (!("tagName" in node)) continue;
    if (node.tagName === "body") body ??= node;
    else if (node.tagName === "title") title ??= node;
    else if (node.tagName === "main" || attribute(node, "role") === "main") main ??= node;
    else if (node.tagName === "article") articles.push(node);
  }
  return { main: main ?? (articles.length === 1 ? articles[0] : undefined), body, title };
}

function* documentOrder(root: Node): Generator<Node> {
  const open: Node[] = [root];
  while (open.length > 0) {
    const node = open.pop()!;
    yield node;
    if ("childNodes" in node) for (let i = node.childNodes.length - 1; i >= 0; i--) open.push(node.childNodes[i]!);
  }
}

function textOf(element: Element): string {
  let text = "";
  for (const node of documentOrder(element)) if ("value" in node) text += node.value;
  return text;
}

function attribute(element: Element, name: string): string | undefined {
  return element.attrs.find((attr) => attr.name === name)?.value;
}

interface LineSpan {
  readonly from: number;
  to: number;
  readonly line: number;
}

interface Written {
  readonly text: string;
  readonly heads: readonly Head[];
  readonly spans: readonly LineSpan[];
}

/** Walks with an explicit stack, because pages nest deeper than the call stack reaches. */
function write(content: Node, wholePage: boolean): Written {
  const out = textWriter();
  const heads: Head[] = [];
  const open: ({ node: Node } | { leave: Element })[] = [{ node: content }];
  let preformatted = 0;
  while (open.length > 0) {
    const step = open.pop()!;
    if ("leave" in step) {
      const { tagName } = step.leave;
      if (tagName === "pre") preformatted--;
      const level = headingLevel(tagName);
      const title = level === undefined ? undefined : out.endTitle();
      if (title !== undefined) heads.push({ ...title, level: level!, kind: "heading" });
      if (blocks.has(tagName)) out.breakLine(spaced.has(tagName) ? 2 : 1);
      continue;
    }
    const { node } = step;
    if (node.nodeName === "#text" && "value" in node) {
      out.add(node.value, preformatted > 0, node.sourceCodeLocation?.startLine);
      continue;
    }
    if ("tagName" in node) {
      if (isLeftOut(node, wholePage)) continue;
      const { tagName } = node;
      if (blocks.has(tagName)) out.breakLine(spaced.has(tagName) ? 2 : 1);
      if (tagName === "br") out.breakLine(1);
      if (tagName === "li") out.bullet();
      if (tagName === "td" || tagName === "th") out.cell();
      if (tagName === "pre") preformatted++;
      if (headingLevel(tagName) !== undefined) out.beginTitle();
      open.push({ leave: node });
    }
    if ("childNodes" in node) {
      for (let i = node.childNodes.length - 1; i >= 0; i--) open.push({ node: node.childNodes[i]! });
    }
  }
  return { text: out.finish(), heads, spans: out.spans };
}

function headingLevel(tagName: string): number | undefined {
  return /^h[1-6]$/.test(tagName) ? Number(tagName[1]) : undefined;
}

function isLeftOut(element: Element, wholePage: boolean): boolean {
  if (dropped.has(element.tagName)) return true;
  if (attribute(element, "hidden") !== undefined || attribute(element, "aria-hidden") === "true") return true;
  // The mark behind a heading that links to the heading itself.
  if (element.tagName === "a" && /(?:^|\s)(?:headerlink|anchorjs-link)(?:\s|$)/.test(attribute(element, "class") ?? ""))
    return true;
  const role = attribute(element, "role");
  if (role === "navigation" || role === "search" || role === "banner" || role === "contentinfo") return true;
  return wholePage && element.tagName === "footer" && element.parentNode?.nodeName === "body";
}

/** Collects text: runs of blanks become one, and what separates is written when text follows, so nothing ends in a separator. */
function textWriter() {
  const parts: string[] = [];
  const spans: LineSpan[] = [];
  let length = 0;
  let due: { breaks: number; space: boolean; cell: boolean; bullet: boolean } = nothingDue();
  let title: { at: number | undefined; text: string } | undefined;

  const push = (text: string): void => {
    parts.push(text);
    length += text.length;
  };
  const separate = (): void => {
    const between = due.breaks > 0 ? "\n".repeat(due.breaks) : due.cell ? " | " : due.space ? " " : "";
    if (length > 0) push(between);
    if (due.bullet) push("- ");
    due = nothingDue();
  };

  const addPiece = (piece: string, line: number | undefined): void => {
    if (piece === "") return;
    const spaceWithinTitle = due.space;
    separate();
    const from = length;
    push(piece);
    if (title !== undefined) {
      title.at ??= from;
      title.text += (spaceWithinTitle ? " " : "") + piece;
    }
    const last = spans.at(-1);
    if (last !== undefined && last.line === line) last.to = length;
    else if (line !== undefined) spans.push({ from, to: length, line });
  };

  return {
    spans,
    add(value: string, preformatted: boolean, startLine: number | undefined): void {
      // Line by line, so that every line of the file is known by its own span.
      for (const [i, line] of value.split("\n").entries()) {
        if (i > 0) {
          if (preformatted) addPiece("\n", startLine === undefined ? undefined : startLine + i - 1);
          else due.space = true;
        }
        const words = preformatted ? line : line.replace(/[ \t\r\f]+/g, " ").trim();
        if (!preformatted && /^[ \t\r\f]/.test(line)) due.space = true;
        addPiece(words, startLine === undefined ? undefined : startLine + i);
        if (!preformatted && /[ \t\r\f]$/.test(line)) due.space = true;
      }
    },
    breakLine(count: number): void {
      due.breaks = Math.max(due.breaks, count);
    },
    bullet(): void {
      due.bullet = true;
    },
    cell(): void {
      due.cell = true;
    },
    beginTitle(): void {
      title = { at: undefined, text: "" };
    },
    endTitle(): { title: string; at: number } | undefined {
      const ended = title;
      title = undefined;
      // The pilcrow is the link to itself that documentation tools put behind a heading.
      const text = tidyTitle(ended?.text ?? "").replace(/\s*[¶§#]$/, "");
      return ended?.at === undefined || text === "" ? undefined : { title: text, at: ended.at };
    },
    finish(): string {
      const text = parts.join("");
      return text === "" || text.endsWith("\n") ? text : `${text}\n`;
    },
  };
}

function nothingDue() {
  return { breaks: 0, space: false, cell: false, bullet: false };
}
