import type { Draft, DraftNode, Proposal, ProposalWanted } from "./draft.js";
import { nothingProposed } from "./draft.js";
import { Occurrences } from "./occurrences.js";
import { TextTail } from "./text-tail.js";

/** Proposes what followed the newest tokens where they stood before in prompt and output. Places that agree with more of what came
 *  before go first, among equals the newest. It has no law: its lists cost nothing and leave the output as it is. */

export interface LookupOptions {
  /** Tokens that must agree before anything is proposed, 1 to 8; default 2. */
  readonly atLeast?: number;
}

/** Places looked at for a node, and tokens compared at each. */
const mostPlaces = 64;
const mostCompared = 16;

export class LookupDraft implements Draft {
  readonly #seen = new Occurrences();
  readonly #atLeast: number;

  constructor({ atLeast = 2 }: LookupOptions = {}) {
    this.#atLeast = atLeast;
  }

  push(tokens: ArrayLike<number>): void {
    for (let i = 0; i < tokens.length; i++) this.#seen.push(tokens[i] as number);
  }

  *propose(nodes: readonly DraftNode[], { count }: ProposalWanted): Generator<never, readonly Proposal[]> {
    return nodes.map((node) => this.continuations(node, count));
  }

  continuations(node: DraftNode, count: number): Proposal {
    const tail = new TextTail(this.#seen.text, node);
    const found = new Map<number, { agreeing: number; at: number }>();
    let looked = 0;
    for (const at of this.#places(tail)) {
      // The end of the text itself has nothing behind it.
      const next = this.#seen.text[at + 1];
      if (next === undefined) continue;
      const agreeing = this.#agreeing(tail, at);
      if (agreeing >= this.#atLeast && agreeing > (found.get(next)?.agreeing ?? 0)) found.set(next, { agreeing, at });
      if (++looked >= mostPlaces) break;
    }
    if (found.size === 0) return nothingProposed;
    const best = [...found].sort(([, a], [, b]) => b.agreeing - a.agreeing || b.at - a.at).slice(0, count);
    return { kind: "list", tokens: Int32Array.from(best, ([token]) => token) };
  }

  #places(tail: TextTail): Generator<number> {
    const token = tail.at(0) as number;
    const before = tail.at(1);
    if (this.#atLeast < 2 || before === undefined) return this.#seen.ofToken(token);
    return this.#seen.ofPair(before, token);
  }

  /** Tokens up to a place of the text that are those at the tail's end. */
  #agreeing(tail: TextTail, at: number): number {
    let agreeing = 0;
    while (agreeing < mostCompared && agreeing <= at && this.#seen.text[at - agreeing] === tail.at(agreeing))
      agreeing++;
    return agreeing;
  }
}
