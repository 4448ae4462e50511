/** PDF: the text of each page, as one section a page. Words cut by a hyphen at a line's end are joined again, and lines that
 *  repeat at the top or foot of most pages are removed. Pages that are pictures of text give no text. */

import { getDocumentProxy } from "unpdf";
import { QuireError } from "../../errors.js";
import type { Section, SourceSpan } from "../document.js";
import { textPositions } from "../lines.js";
import type { ParsedText } from "./parsed.js";

export async function parsePdf(bytes: Uint8Array, signal?: AbortSignal): Promise<ParsedText> {
  const pages = withoutRunningLines(await readPages(bytes, signal)).map(joinHyphens);
  const text = pages.map((page) => (page === "" ? "" : `${page}\n\n`)).join("");
  if (text.trim() === "") {
    throw new QuireError("unsupported", `The PDF has ${pages.length} pages but no text in them.`, {
      expected: "a PDF with text; scanned pages need text recognition first",
      fix: "Run it through a text recognition (OCR) tool.",
    });
  }
  const positions = textPositions(text);
  const sections: Section[] = [];
  const sourceMap: SourceSpan[] = [];
  let at = 0;
  for (const [i, page] of pages.entries()) {
    if (page === "") continue;
    const range = { startByte: positions.byteOfIndex(at), endByte: positions.byteOfIndex(at + page.length + 2) };
    sections.push({ ...range, title: `Page ${i + 1}`, level: 1, kind: "page" });
    sourceMap.push({ ...range, page: i + 1 });
    at += page.length + 2;
  }
  return { text, sections, sourceMap, meta: { pages: pages.length } };
}

async function readPages(bytes: Uint8Array, signal: AbortSignal | undefined): Promise<string[][]> {
  const pdf = await getDocumentProxy(new Uint8Array(bytes), { verbosity: 0 }).catch((cause: unknown) => {
    throw openError(cause);
  });
  try {
    const pages: string[][] = [];
    for (let number = 1; number <= pdf.numPages; number++) {
      if (signal?.aborted) throw new QuireError("cancelled", "Stopped on request.", { cause: signal.reason });
      const page = await pdf.getPage(number);
      const { items } = await page.getTextContent();
      pages.push(linesOf(items as readonly TextItem[]));
      page.cleanup();
    }
    return pages;
  } catch (cause) {
    if (cause instanceof QuireError) throw cause;
    throw new QuireError("bad-file", `The PDF is damaged: ${(cause as Error).message}.`, { cause });
  } finally {
    await pdf.destroy().catch(() => undefined);
  }
}

function openError(cause: unknown): QuireError {
  const name = (cause as Error | null)?.name;
  if (name === "PasswordException") {
    return new QuireError("bad-file", "The PDF is encrypted and needs a password.", {
      expected: "a PDF that opens without a password",
      fix: "Save a copy without the password.",
      cause,
    });
  }
  return new QuireError("bad-file", `The PDF cannot be opened: ${String((cause as Error | null)?.message ?? cause)}`, {
    expected: "an undamaged PDF file",
    cause,
  });
}

interface TextItem {
  readonly str?: string;
  readonly hasEOL?: boolean;
  readonly transform?: readonly number[];
  readonly height?: number;
}

/** Lines as the file gives them; "" stands for a gap of more than about one line. */
function linesOf(items: readonly TextItem[]): string[] {
  const lines: string[] = [];
  let line = "";
  let lineY: number | undefined;
  let lastY: number | undefined;
  for (const { str, hasEOL, transform, height } of items) {
    if (str === undefined) continue;
    if (str.trim() !== "") lineY ??= transform?.[5];
    line += str;
    if (hasEOL !== true) continue;
    const size = height !== undefined && height > 0 ? height : 12;
    if (line.trim() !== "") {
      if (lastY !== undefined && lineY !== undefined && lastY - lineY > 1.9 * size) lines.push("");
      lines.push(line.trimEnd());
      lastY = lineY ?? lastY;
    }
    line = "";
    lineY = undefined;
  }
  if (line.trim() !== "") lines.push(line.trimEnd());
  return lines;
}

/** First and last lines that are the same on more than half of the pages, page numbers apart. */
function withoutRunningLines(pages: readonly string[][]): string[][] {
  if (pages.length < 4) return [...pages];
  const form = (line: string): string => line.replace(/\d+/g, "0").trim();
  const counts = new Map<string, number>();
  for (const page of pages) {
    const ends = new Set([page[0], page.at(-1)].filter((line) => line !== undefined).map(form));
    for (const end of ends) counts.set(end, (counts.get(end) ?? 0) + 1);
  }
  const runs = (line: string | undefined): boolean =>
    line !== undefined && (counts.get(form(line)) ?? 0) > pages.length / 2;
  return pages.map((page) => {
    const from = runs(page[0]) ? 1 : 0;
    const to = page.length > from && runs(page.at(-1)) ? page.length - 1 : page.length;
    return page.slice(from, to);
  });
}

function joinHyphens(lines: readonly string[]): string {
  return lines
    .join("\n")
    .replace(/(\p{Ll})-\n(\p{Ll}+)/gu, "$1$2\n")
    .replace(/\n +/g, "\n")
    .trim();
}
