/** From the bytes of a file to a document: the format is chosen by extension, and by looking at the bytes where those say
 *  something else. A file that cannot be parsed throws a QuireError of its own; whoever reads many files reports it and goes on. */

import { createHash } from "node:crypto";
import { isQuireError, QuireError } from "../../errors.js";
import type { Document } from "../document.js";
import { isCode } from "./code-languages.js";
import { decodeText } from "./decode-text.js";
import type { ParsedText } from "./parsed.js";

export interface ParseRequest {
  readonly uri: string;
  readonly bytes: Uint8Array;
  readonly signal?: AbortSignal;
}

export type Format =
  | "markdown"
  | "text"
  | "html"
  | "pdf"
  | "docx"
  | "code"
  | "notebook"
  | "csv"
  | "tsv"
  | "json"
  | "jsonl";

const mimes: Readonly<Record<Format, string>> = {
  markdown: "text/markdown",
  text: "text/plain",
  html: "text/html",
  pdf: "application/pdf",
  docx: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
  code: "text/x-source",
  notebook: "application/x-ipynb+json",
  csv: "text/csv",
  tsv: "text/tab-separated-values",
  json: "application/json",
  jsonl: "application/jsonl",
};

const formatOfExtension: Readonly<Record<string, Format>> = {
  md: "markdown",
  mdx: "markdown",
  markdown: "markdown",
  html: "html",
  htm: "html",
  xhtml: "html",
  pdf: "pdf",
  docx: "docx",
  ipynb: "notebook",
  csv: "csv",
  tsv: "tsv",
  json: "json",
  jsonl: "jsonl",
  ndjson: "jsonl",
};

/** Raised when a parser gives other text than before, so that indexes made with an older one are made anew. */
export const parserVersion = 1;

export async function parseDocument(request: ParseRequest): Promise<Document> {
  const { uri, bytes } = request;
  const extension = extensionOf(uri);
  const format = chooseFormat(extension, bytes);
  let parsed: ParsedText;
  try {
    parsed = await parseAs(format, extension, request);
  } catch (cause) {
    if (isQuireError(cause)) throw cause;
    throw new QuireError("bad-file", `${uri} cannot be read as ${format}: ${(cause as Error).message}.`, { cause });
  }
  return {
    id: createHash("sha256").update(bytes).digest("hex"),
    uri,
    mime: mimes[format],
    text: parsed.text,
    sections: parsed.sections,
    sourceMap: parsed.sourceMap ?? [],
    meta: { format, ...parsed.meta },
  };
}

export function extensionOf(uri: string): string {
  return /\.([^./\\]+)$/.exec(uri)?.[1]?.toLowerCase() ?? "";
}

export function chooseFormat(extension: string, bytes: Uint8Array): Format {
  const start = Buffer.from(bytes.subarray(0, 1024)).toString("latin1");
  if (start.includes("%PDF-")) {
    if (start.trimStart().startsWith("%PDF-") || extension === "pdf") return "pdf";
  }
  const known = formatOfExtension[extension];
  // A PDF or DOCX by name that is neither is given to its parser, whose error says what is wrong.
  if (known !== undefined) return known;
  if (isCode(extension)) return "code";
  if (
    /^\s*(?:<\?xml[^>]*>\s*)?(?:<!--[\s\S]*?-->\s*)?<(?:!doctype\s+html|html)[\s>]/i.test(
      start.replace(/^\xef\xbb\xbf/, ""),
    )
  )
    return "html";
  if (start.startsWith("PK\x03\x04") && Buffer.from(bytes).includes("word/document.xml")) return "docx";
  return "text";
}

/** Parsers are loaded when their first file comes: most corpora need two or three of them. */
async function parseAs(format: Format, extension: string, { bytes, signal }: ParseRequest): Promise<ParsedText> {
  switch (format) {
    case "pdf":
      return wellFormed(await (await import("./pdf.js")).parsePdf(bytes, signal));
    case "docx":
      return wellFormed(await (await import("./docx.js")).parseDocx(bytes));
    case "html":
      return wellFormed((await import("./html.js")).parseHtmlBytes(bytes));
    case "notebook":
      return wellFormed((await import("./notebook.js")).parseNotebook(bytes));
  }
  const { text, meta } = decodeText(bytes);
  const parsed = await parseText(format, text, extension);
  return { ...parsed, meta: { ...meta, ...parsed.meta } };
}

async function parseText(format: Format, text: string, extension: string): Promise<ParsedText> {
  switch (format) {
    case "markdown":
      return (await import("./markdown.js")).parseMarkdown(text);
    case "code":
      return (await import("./code.js")).parseCode(text, extension);
    case "csv":
      return (await import("./records.js")).parseTable(text, ",");
    case "tsv":
      return (await import("./records.js")).parseTable(text, "\t");
    case "json":
      return (await import("./records.js")).parseJson(text);
    case "jsonl":
      return (await import("./records.js")).parseJsonLines(text);
    default:
      return (await import("./plain-text.js")).parsePlainText(text, extension);
  }
}

/** Half characters, which formats with escapes can hold, have no UTF-8 form: they become U+FFFD, of equal length in both counts. */
function wellFormed(parsed: ParsedText): ParsedText {
  const text = parsed.text.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd");
  return { ...parsed, text };
}
