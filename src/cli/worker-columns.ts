import { padEnd, visibleLength } from "./layout.js";
import { WrapStream } from "./wrap-stream.js";

/** Texts that grow at the same time, side by side on a terminal: rows that nobody will add to any more stand, those below are drawn
 *  again with every piece. */

const gap = " │ ";
/** Narrower columns cannot be read. */
const narrowest = 20;

interface Column {
  readonly wrap: WrapStream;
  /** The last is still open. */
  readonly lines: string[];
}

export class WorkerColumns {
  readonly #width: number;
  readonly #mostRows: number;
  readonly #columns: Column[];
  /** Rows that stand, and those that are drawn below them. */
  #done = 0;
  #drawn = 0;

  /** Whether so many columns fit. */
  static fit(count: number, cells: number): boolean {
    return widthOf(count, cells) >= narrowest;
  }

  constructor(names: readonly string[], terminal: { readonly columns: number; readonly rows: number }) {
    this.#width = widthOf(names.length, terminal.columns);
    this.#mostRows = Math.max(2, terminal.rows - 2);
    this.#columns = names.map((name) => ({
      wrap: new WrapStream(this.#width),
      lines: [name, "─".repeat(this.#width), ""],
    }));
  }

  /** What to write to the terminal for a piece of one text. */
  push(index: number, text: string): string {
    const column = this.#columns[index];
    if (column === undefined || text === "") return "";
    this.#add(column, column.wrap.push(withoutControls(text)));
    return this.#draw(Math.min(...this.#columns.map(({ lines }) => lines.length - 1)));
  }

  end(): string {
    for (const column of this.#columns) this.#add(column, column.wrap.end());
    return this.#draw(Math.max(...this.#columns.map(({ lines }) => lines.length)));
  }

  #add({ lines }: Column, text: string): void {
    const [first = "", ...rest] = text.split("\n");
    lines[lines.length - 1] += first;
    lines.push(...rest);
  }

  #draw(done: number): string {
    const total = Math.max(...this.#columns.map(({ lines }) => lines.length));
    // What does not fit the screen cannot be drawn again: whoever is behind goes on below it.
    const standing = Math.max(done, total - this.#mostRows);
    for (const { lines } of this.#columns) while (lines.length <= standing && done < total) lines.splice(-1, 0, "");
    let out = this.#drawn > 0 ? `\u001b[${this.#drawn}A\u001b[0J` : "";
    for (let row = this.#done; row < total; row++) out += `${this.#row(row)}\n`;
    this.#done = Math.max(this.#done, standing);
    this.#drawn = total - this.#done;
    return out;
  }

  #row(row: number): string {
    return this.#columns
      .map(({ lines }) => padEnd(cut(lines[row] ?? "", this.#width), this.#width))
      .join(gap)
      .trimEnd();
  }
}

function widthOf(count: number, cells: number): number {
  return Math.floor((cells - gap.length * (count - 1)) / count);
}

/** A single word may be longer than a column. */
function cut(line: string, width: number): string {
  let out = line;
  while (visibleLength(out) > width) out = out.slice(0, -1);
  return out;
}

/** A model may write anything, also what moves a terminal's cursor. */
function withoutControls(text: string): string {
  return text.replace(/[\p{Cc}]/gu, (character) => (character === "\n" ? character : character === "\t" ? " " : ""));
}
