import type { Choice } from "../decode/decoder.js";
import { detokenizer } from "../text/detokenizer.js";
import { stopStrings } from "../text/stop-strings.js";
import type { Tokenizer } from "../text/tokenizer.js";

/** What comes out of a sequence: tokens become text, whole characters only, up to the first end token, stop string or limit. */

export interface OutputPiece {
  /** Certain text; may be empty while a character or a stop string is undecided. */
  readonly text: string;
  readonly token: number;
  readonly logProb: number;
  readonly top?: Choice["top"];
  /** Which of several answers or workers it belongs to; left out: the first. */
  readonly channel?: number;
}

export type FinishReason = "stop" | "length";

export class Output {
  readonly #detokenizer;
  readonly #stops;
  readonly #endTokens: ReadonlySet<number>;
  readonly #maxTokens: number;
  finish: FinishReason | undefined;
  tokens = 0;

  constructor(tokenizer: Tokenizer, options: { maxTokens: number; stop?: readonly string[]; ignoreEnd?: boolean }) {
    this.#detokenizer = detokenizer(tokenizer);
    this.#stops = stopStrings(options.stop ?? []);
    this.#endTokens = options.ignoreEnd === true ? new Set() : tokenizer.endTokens;
    this.#maxTokens = options.maxTokens;
  }

  remaining(): number {
    return this.finish === undefined ? this.#maxTokens - this.tokens : 0;
  }

  push(choice: Choice): OutputPiece | undefined {
    if (this.#endTokens.has(choice.token)) {
      this.finish = "stop";
      return undefined;
    }
    this.tokens++;
    const text = this.#stops.push(this.#detokenizer.push(choice.token));
    if (this.#stops.found !== undefined) this.finish = "stop";
    else if (this.tokens >= this.#maxTokens) this.finish = "length";
    return { text, ...choice };
  }

  /** The text that was held back, once the sequence is over. */
  flush(): string {
    if (this.#stops.found !== undefined) return "";
    const last = this.#stops.push(this.#detokenizer.flush());
    return last + this.#stops.flush();
  }
}
