import { wrap } from "./layout.js";
import { Progress } from "./progress.js";
import { type Style, styleFor } from "./style.js";
import { WrapStream } from "./wrap-stream.js";

/** What a running command writes to and is stopped by. Answers and results go to stdout; bars, hints and warnings to stderr. */

export interface SessionOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
}

export class Session {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly progress: Progress;
  /** Of stdout, and of stderr. */
  readonly style: Style = styleFor(process.stdout);
  readonly errorStyle: Style = styleFor(process.stderr);
  /** What was warned of; part of the JSON. */
  readonly notices: string[] = [];
  readonly signal: AbortSignal;
  readonly #controller = new AbortController();
  #wrap: WrapStream | undefined;
  #atLineStart = true;

  constructor({ json = false, quiet = false }: SessionOptions = {}) {
    this.json = json;
    this.quiet = quiet;
    this.signal = this.#controller.signal;
    this.progress = new Progress(process.stderr, process.stderr.isTTY === true && !json && !quiet);
  }

  get columns(): number {
    return process.stdout.isTTY ? Math.max(40, process.stdout.columns ?? 80) : 200;
  }

  get interactive(): boolean {
    return process.stdout.isTTY === true && !this.json;
  }

  stop(): void {
    this.#controller.abort();
  }

  line(text = ""): void {
    this.endText();
    this.#write(`${text}\n`);
  }

  /** Streamed text, broken between words on a terminal. */
  text(piece: string): void {
    if (this.json || piece === "") return;
    this.#wrap ??= process.stdout.isTTY ? new WrapStream(Math.min(this.columns, 100)) : undefined;
    this.#write(this.#wrap === undefined ? piece : this.#wrap.push(piece));
  }

  /** Text for a terminal as it is. */
  draw(text: string): void {
    if (!this.json) this.#write(text);
  }

  /** Ends streamed text, with a line break if it has none. */
  endText(): void {
    if (this.#wrap !== undefined) this.#write(this.#wrap.end());
    this.#wrap = undefined;
    if (!this.#atLineStart) this.#write("\n");
  }

  result(value: unknown): void {
    this.#write(`${JSON.stringify(value, undefined, process.stdout.isTTY ? 2 : undefined)}\n`);
  }

  /** A dim line for people who watch; nowhere else. */
  hint(text: string): void {
    if (this.json || this.quiet || !process.stderr.isTTY) return;
    const width = Math.max(40, process.stderr.columns ?? 80);
    const wrapped = text.split("\n").flatMap((line) => (line === "" ? [""] : wrap(line, width)));
    this.#aside(wrapped.map((line) => this.errorStyle.dim(line)).join("\n"));
  }

  /** Something the user must know to judge the result. */
  warn(text: string): void {
    this.notices.push(text);
    if (!this.json && !this.quiet) this.#aside(this.errorStyle.yellow(text));
  }

  #aside(text: string): void {
    this.progress.clear();
    if (process.stdout.isTTY) this.endText();
    process.stderr.write(`${text}\n`);
  }

  #write(text: string): void {
    if (text === "") return;
    this.progress.clear();
    this.#atLineStart = text.endsWith("\n");
    process.stdout.write(text);
  }
}
