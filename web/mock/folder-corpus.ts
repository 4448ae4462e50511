import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { MapNode } from "../src/api/contract.js";

/** A corpus of real files, cut into pieces of forty lines, for the mock server. */

export interface Piece {
  readonly file: string;
  readonly start_line: number;
  readonly end_line: number;
  readonly text: string;
}

export interface FolderCorpus {
  readonly files: ReadonlyMap<string, readonly string[]>;
  readonly pieces: readonly Piece[];
}

const linesAPiece = 40;

export function readFolder(root: string, ends: readonly string[], skip: RegExp = /^$/): FolderCorpus {
  const files = new Map<string, readonly string[]>();
  for (const name of readdirSync(root, { recursive: true, encoding: "utf8" }).sort()) {
    const shown = name.split(path.sep).join("/");
    if (!ends.some((end) => shown.endsWith(end)) || skip.test(shown)) continue;
    files.set(shown, readFileSync(path.join(root, name), "utf8").split("\n"));
  }
  return corpusOf(files);
}

export function corpusOf(files: ReadonlyMap<string, readonly string[]>): FolderCorpus {
  const pieces: Piece[] = [];
  for (const [file, lines] of files) {
    for (let at = 0; at < lines.length; at += linesAPiece) {
      const part = lines.slice(at, at + linesAPiece);
      pieces.push({ file, start_line: at + 1, end_line: at + part.length, text: part.join("\n") });
    }
  }
  return { files, pieces };
}

const words = (text: string): Set<string> => new Set(text.toLowerCase().match(/[a-z][a-z0-9-]{2,}/g) ?? []);

/** Pieces by the share of the question's words that stand in them. */
export function searchPieces({ pieces }: FolderCorpus, query: string, limit: number) {
  const wanted = words(query);
  return pieces
    .map((piece) => {
      const there = words(piece.text);
      const hits = [...wanted].filter((word) => there.has(word)).length;
      return { piece, score: wanted.size === 0 ? 0 : hits / wanted.size };
    })
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score || a.piece.file.localeCompare(b.piece.file))
    .slice(0, limit);
}

/** Folders, files, and their pieces, by amount of text. */
export function mapOf({ pieces }: FolderCorpus, name: string): MapNode {
  interface Building {
    id: string;
    name: string;
    size: number;
    children?: Building[];
    chunk?: { file: string; start_line: number; end_line: number };
  }
  const root: Building = { id: "root", name, size: 0, children: [] };
  for (const { file, start_line, end_line, text } of pieces) {
    root.size += text.length;
    let at = root;
    const parts = file.split("/");
    for (const [index, part] of parts.entries()) {
      const id = parts.slice(0, index + 1).join("/");
      let next = at.children?.find((child) => child.id === id);
      if (next === undefined) {
        next = { id, name: part.replace(/\.(ts|md)$/, "").replaceAll("-", " "), size: 0, children: [] };
        at.children = [...(at.children ?? []), next];
      }
      next.size += text.length;
      at = next;
    }
    const piece: Building = {
      id: `${file}:${start_line}`,
      name: `${start_line}–${end_line}`,
      size: text.length,
      chunk: { file, start_line, end_line },
    };
    at.children = [...(at.children ?? []), piece];
  }
  return root;
}
