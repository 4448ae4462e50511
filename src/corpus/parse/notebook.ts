/** Jupyter notebooks: the sources of the cells and what code cells printed. Headings of Markdown cells and the cells themselves
 *  become sections. */

import { QuireError } from "../../errors.js";
import { textPositions } from "../lines.js";
import { decodeText } from "./decode-text.js";
import { parseMarkdown } from "./markdown.js";
import type { ParsedText } from "./parsed.js";
import { type Head, sectionsFromHeads } from "./sections.js";

/** Of one cell's output, in characters: results matter, logs do not. */
const maxOutput = 2000;
/** Cells stand below the six levels of headings. */
const cellLevel = 7;

export function parseNotebook(bytes: Uint8Array): ParsedText {
  const notebook = readJson(decodeText(bytes).text);
  const cells = field(notebook, "cells");
  if (!Array.isArray(cells)) {
    throw new QuireError("bad-file", "The notebook has no list of cells.", {
      expected: "a Jupyter notebook, format 4",
    });
  }
  let text = "";
  const heads: Head[] = [];
  for (const [i, cell] of cells.entries()) {
    const type = String(field(cell, "cell_type"));
    const source = joined(field(cell, "source")).trimEnd();
    if (source === "") continue;
    const at = text.length;
    heads.push({ title: `Cell ${i + 1} (${type})`, level: cellLevel, at, kind: "cell" });
    if (type === "markdown") {
      const inCell = textPositions(source);
      for (const { title, level, startByte } of parseMarkdown(source).sections) {
        heads.push({ title, level, at: at + inCell.indexOfByte(startByte), kind: "heading" });
      }
    }
    text += `${source}\n\n`;
    const output = type === "code" ? outputOf(field(cell, "outputs")) : "";
    if (output !== "") text += `Output:\n${output}\n\n`;
  }
  const language = field(field(field(notebook, "metadata"), "kernelspec"), "language");
  // A heading at a cell's very start comes before the cell, so that the cell lies within it.
  heads.sort((a, b) => a.at - b.at || a.level - b.level);
  return {
    text,
    sections: sectionsFromHeads(heads, textPositions(text)),
    meta: { cells: cells.length, ...(typeof language === "string" ? { language } : {}) },
  };
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new QuireError("bad-file", `The notebook is no valid JSON: ${(cause as Error).message}.`, {
      expected: "a Jupyter notebook",
      cause,
    });
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

/** Notebooks store text as one string or as a list of lines. */
function joined(value: unknown): string {
  if (typeof value === "string") return value;
  return Array.isArray(value) ? value.filter((line) => typeof line === "string").join("") : "";
}

function outputOf(outputs: unknown): string {
  if (!Array.isArray(outputs)) return "";
  const texts = outputs.map(
    (output) => joined(field(output, "text")) || joined(field(field(output, "data"), "text/plain")),
  );
  const text = texts
    .filter((part) => part.trim() !== "")
    .join("\n")
    .trimEnd();
  return text.length <= maxOutput ? text : `${text.slice(0, maxOutput)}…`;
}
