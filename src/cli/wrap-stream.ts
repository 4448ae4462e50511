import { visibleLength } from "./layout.js";

/** Breaks streamed text between words at a terminal's width. A word is held until it is whole; everything else passes at once. */
export class WrapStream {
  private column = 0;
  private space = "";
  private word = "";

  constructor(private readonly width: number) {}

  push(text: string): string {
    let out = "";
    for (const character of text) {
      if (character === "\n") {
        out += `${this.flush()}\n`;
        this.column = 0;
        this.space = "";
      } else if (character === " " || character === "\t") {
        out += this.flush();
        this.space += character === "\t" ? "    " : " ";
      } else this.word += character;
    }
    return out;
  }

  /** What is still held. */
  end(): string {
    return this.flush();
  }

  private flush(): string {
    if (this.word === "") return "";
    const length = visibleLength(this.word);
    const breaks = this.column > 0 && this.column + this.space.length + length > this.width;
    const out = (breaks ? "\n" : this.space) + this.word;
    this.column = (breaks ? 0 : this.column + this.space.length) + length;
    this.space = "";
    this.word = "";
    return out;
  }
}
