/** Tables and records (CSV, TSV, JSON, JSONL): the text is the file's own. Of a table, the line of column names becomes the title
 *  of the section with all rows, so that every chunk of rows is shown with it; of JSON, the outermost keys or items. */

import { textPositions } from "../lines.js";
import type { ParsedText } from "./parsed.js";
import { type Head, sectionsFromHeads, tidyTitle } from "./sections.js";

export function parseTable(text: string, separator: "," | "\t"): ParsedText {
  const { cells, end } = firstRecord(text, separator);
  const names = cells.map((cell) => cell.trim());
  // A first line with numbers or holes in it is a row like the others.
  const named = names.length > 1 && names.every((name) => name !== "" && !/^-?[\d.,]+$/.test(name));
  if (!named || end >= text.length) return { text, sections: [] };
  const head: Head = { title: tidyTitle(names.join(" | ")), level: 1, at: end, kind: "record" };
  return { text, sections: sectionsFromHeads([head], textPositions(text)), meta: { columns: names.length } };
}

function firstRecord(text: string, separator: string): { cells: string[]; end: number } {
  const cells: string[] = [];
  let cell = "";
  let quoted = false;
  let at = 0;
  const most = Math.min(text.length, 100_000);
  for (; at < most; at++) {
    const character = text[at]!;
    if (character === '"') {
      if (quoted && text[at + 1] === '"') cell += text[++at]!;
      else quoted = !quoted;
    } else if (!quoted && character === separator) {
      cells.push(cell);
      cell = "";
    } else if (!quoted && character === "\n") {
      at++;
      break;
    } else cell += character;
  }
  cells.push(cell);
  return { cells, end: at };
}

/** One record a line. Lines that are no JSON stay in the text; how many there are is said in the meta. */
export function parseJsonLines(text: string): ParsedText {
  let records = 0;
  let invalidLines = 0;
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue;
    if (isJson(line)) records++;
    else invalidLines++;
  }
  return { text, sections: [], meta: { records, ...(invalidLines > 0 ? { invalidLines } : {}) } };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Above this many, outermost items say nothing more than their lines do. */
const maxItems = 10_000;

export function parseJson(text: string): ParsedText {
  if (!isJson(text)) return { text, sections: [], meta: { validJson: false } };
  const heads = outermost(text);
  return {
    text,
    sections: heads.length > maxItems ? [] : sectionsFromHeads(heads, textPositions(text)),
    meta: { validJson: true },
  };
}

/** The keys of the outermost object, or the items of the outermost list. The text is known to be valid JSON. */
function outermost(text: string): Head[] {
  const heads: Head[] = [];
  const first = text.search(/\S/);
  const isList = text[first] === "[";
  if (!isList && text[first] !== "{") return heads;
  let depth = 0;
  let expectsHead = true;
  for (let at = first; at < text.length; at++) {
    const character = text[at]!;
    const atHead = depth === 1 && expectsHead && !/[\s,\]}]/.test(character);
    if (atHead) {
      const title = isList ? `[${heads.length}]` : text.slice(at + 1, endOfString(text, at) - 1);
      heads.push({ title: tidyTitle(title) || "(empty key)", level: 1, at, kind: "record" });
      expectsHead = false;
      if (heads.length > maxItems) return heads;
    }
    if (character === '"') at = endOfString(text, at) - 1;
    else if (character === "{" || character === "[") depth++;
    else if (character === "}" || character === "]") depth--;
    else if (character === "," && depth === 1) expectsHead = true;
  }
  return heads;
}

/** Index after the closing quote of the string that opens at `at`. */
function endOfString(text: string, at: number): number {
  for (let i = at + 1; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === '"') return i + 1;
  }
  return text.length;
}
