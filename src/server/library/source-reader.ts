import { readFile } from "node:fs/promises";
import path from "node:path";
import type { Document } from "../../corpus/document.js";

/** Lines of a source, by the numbers that citations name: of the original where the parser tells its lines, else of the text that the
 *  parser made. The last few sources stay, since people scroll. */

export interface SourceLines {
  readonly start_line: number;
  readonly lines: readonly string[];
  readonly total_lines: number;
}

interface Wanted {
  readonly uri: string;
  /** Changes when the file does. */
  readonly stamp: string;
  readonly start: number;
  readonly end: number;
}

const kept = 8;
const mostLines = 5000;

export class SourceReader {
  readonly #folder: string;
  readonly #texts = new Map<string, Promise<string[]>>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  async lines({ uri, stamp, start, end }: Wanted, parse: () => Promise<Document>): Promise<SourceLines> {
    const key = `${uri} ${stamp}`;
    let text = this.#texts.get(key);
    if (text === undefined) {
      text = this.#read(uri, parse);
      text.catch(() => this.#texts.delete(key));
      this.#texts.set(key, text);
      const [oldest] = this.#texts.keys();
      if (this.#texts.size > kept && oldest !== undefined) this.#texts.delete(oldest);
    }
    const all = await text;
    const last = Math.min(end, start + mostLines - 1);
    return { start_line: start, lines: all.slice(start - 1, last), total_lines: all.length };
  }

  async #read(uri: string, parse: () => Promise<Document>): Promise<string[]> {
    const document = await parse();
    const hasOwnLines = document.sourceMap.some(({ startLine }) => startLine !== undefined);
    const text = hasOwnLines ? await readFile(path.join(this.#folder, uri), "utf8") : document.text;
    return text.split(/\r\n|\n|\r/);
  }
}
