import { type Detokenizer, detokenizer } from "../../text/detokenizer.js";
import type { Tokenizer } from "../../text/tokenizer.js";
import type { Channel } from "../decoder.js";
import { endsStep } from "./step-end.js";

/** One worker: what it has written, what of it is still to be evaluated, and where. */
export class Worker {
  readonly index: number;
  readonly name: string;
  readonly channel: Channel;
  /** Where its unfinished step lies. */
  readonly block: number;
  /** Tokens to be evaluated next. */
  pending: number[];
  /** Of the unfinished step, those evaluated and those pending. */
  unfinished: number[];
  /** Steps finished, and tokens drawn. */
  steps = 0;
  written = 0;
  over = false;
  /** Text of the step so far, without its label. */
  text = "";
  readonly #detokenizer: Detokenizer;

  constructor(tokenizer: Tokenizer, fields: Pick<Worker, "index" | "name" | "channel" | "block" | "pending">) {
    this.index = fields.index;
    this.name = fields.name;
    this.channel = fields.channel;
    this.block = fields.block;
    this.pending = fields.pending;
    this.unfinished = [...fields.pending];
    this.#detokenizer = detokenizer(tokenizer);
  }

  /** Takes a token that was drawn; true when a step ends with it. */
  write(token: number): boolean {
    this.written++;
    const piece = this.#detokenizer.push(token);
    this.text += piece;
    this.pending = [token];
    this.unfinished.push(token);
    return endsStep(this.text, piece);
  }

  /** Begins the next step with the token that ended the last, which was not evaluated yet; gives the tokens of the last. */
  nextStep(label: readonly number[]): number[] {
    const last = this.unfinished.slice(0, -1);
    this.steps++;
    this.text = "";
    this.pending.push(...label);
    this.unfinished = [...this.pending];
    return last;
  }
}
