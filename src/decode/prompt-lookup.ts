import { z } from "zod";
import { decoder } from "./decoder.js";

/** Prompt lookup: drafts what followed the newest tokens when they occurred before, and lets one pass check the whole draft.
 *  Method   Saxena 2023, "Prompt Lookup Decoding"; no paper.
 *  Takes    logits f32 [1 + draft, V]
 *  Gives    the accepted part of the draft and one token more; the output law is the model's own, because every token is drawn
 *           by the sampler from the model's distribution and the draft only decides what was evaluated ahead
 *  Cost     1 + draft rows a pass. A pass of several rows costs more than one of one row where the processor, not memory, is the
 *           limit, so drafts follow their luck: the length doubles after a full hit, falls to one after a miss
 *  Not      rsd (trees drawn from a draft model) */
export const promptLookup = decoder({
  name: "prompt-lookup",
  title: "Drafts copied from earlier text, checked in one pass",
  options: z.object({
    draft: z.number().int().min(1).max(64).default(8).describe("most tokens drafted at once"),
    ngram: z.number().int().min(1).max(8).default(3).describe("tokens that must match before a draft is made"),
  }),
  exact: true,
  rewinds: true,
  *decode({ prompt, memory, sampler, emit, remaining, stats }, { draft: most, ngram }) {
    const index = new NgramIndex(ngram, prompt);
    stats["drafted"] = 0;
    stats["accepted"] = 0;
    let rows = prompt.subarray(memory.length);
    let length = Math.min(2, most);
    let proposal: Int32Array = new Int32Array(0);
    for (;;) {
      const result = yield { tokens: rows, want: proposal.length > 0 ? "all" : "last" };
      // Rows before the draft: the whole prompt at first, then the newest token.
      const first = rows.length - proposal.length - 1;
      const base = memory.length - proposal.length;
      let accepted = 0;
      for (;;) {
        const choice = sampler.next(result.logits(first + accepted), base + accepted);
        index.push(choice.token);
        const agrees = accepted < proposal.length && choice.token === proposal[accepted];
        if (agrees) accepted++;
        if (emit(choice)) {
          memory.rewind(base + accepted);
          return;
        }
        if (!agrees) break;
      }
      memory.rewind(base + accepted);
      stats["drafted"] += proposal.length;
      stats["accepted"] += accepted;
      if (proposal.length > 0)
        length = accepted === proposal.length ? Math.min(2 * length, most) : Math.max(1, accepted);
      proposal = index.continuation(Math.min(length, remaining() - 1));
      rows = Int32Array.of(index.last, ...proposal);
    }
  },
});

/** Where each n-gram of the text so far ended last, so that a lookup costs the same at any length. */
export class NgramIndex {
  readonly #tokens: number[];
  readonly #size: number;
  readonly #ends = new Map<string, number>();

  constructor(size: number, tokens: Int32Array) {
    this.#size = size;
    this.#tokens = [];
    for (const token of tokens) this.push(token);
  }

  get last(): number {
    return this.#tokens.at(-1) ?? 0;
  }

  push(token: number): void {
    // The n-gram that ends just before the new token is entered now, so that the newest one never finds itself.
    if (this.#tokens.length >= this.#size) this.#ends.set(this.#key(), this.#tokens.length);
    this.#tokens.push(token);
  }

  /** What followed the newest n-gram when it last occurred. */
  continuation(length: number): Int32Array {
    const end = length <= 0 ? undefined : this.#ends.get(this.#key());
    return end === undefined ? new Int32Array(0) : Int32Array.from(this.#tokens.slice(end, end + length));
  }

  #key(): string {
    return this.#tokens.slice(-this.#size).join(" ");
  }
}
