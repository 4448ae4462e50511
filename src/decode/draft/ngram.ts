import type { Draft, DraftNode, Proposal, ProposalWanted } from "./draft.js";
import { proposalOf } from "./proposal-of.js";
import { TextTail } from "./text-tail.js";

/** A small language model that is counted, not trained: how often a token followed the last two, the last one, or came at all, in
 *  prompt, output and whatever text it was given before. Orders are blended as Witten and Bell do: the more different tokens followed
 *  a context, the more weight goes to the shorter one. It has a real law, over the tokens that it has met. */

export interface NgramOptions {
  /** Tokens it has read before, besides the prompt. */
  readonly corpus?: ArrayLike<number>;
  readonly vocabSize: number;
}

interface Followers {
  total: number;
  readonly counts: Map<number, number>;
}

/** Contexts of so many tokens at most. */
const longest = 3;

export class NgramDraft implements Draft {
  readonly #text: number[] = [];
  readonly #followers = new Map<string, Followers>();
  readonly #vocabSize: number;

  constructor({ corpus = [], vocabSize }: NgramOptions) {
    this.#vocabSize = vocabSize;
    for (let i = 0; i < corpus.length; i++) this.#count(corpus[i] as number);
  }

  push(tokens: ArrayLike<number>): void {
    for (let i = 0; i < tokens.length; i++) this.#count(tokens[i] as number);
  }

  *propose(nodes: readonly DraftNode[], wanted: ProposalWanted): Generator<never, readonly Proposal[]> {
    return nodes.map((node) => proposalOf(node, this.logits(node), wanted));
  }

  /** Logarithms of its probabilities, -Infinity for tokens that it never met. */
  logits(node: DraftNode): Float32Array {
    const tail = new TextTail(this.#text, node);
    const probabilities = new Map<number, number>();
    let left = 1;
    for (let order = Math.min(longest, tail.length); order >= 0; order--) {
      const followers = this.#followers.get(keyOf((back) => tail.at(back), order));
      if (followers === undefined) continue;
      const share = order === 0 ? left : (left * followers.total) / (followers.total + followers.counts.size);
      for (const [token, count] of followers.counts)
        probabilities.set(token, (probabilities.get(token) ?? 0) + (share * count) / followers.total);
      left -= share;
    }
    const logits = new Float32Array(this.#vocabSize).fill(Number.NEGATIVE_INFINITY);
    for (const [token, probability] of probabilities) logits[token] = Math.log(probability);
    return logits;
  }

  #count(token: number): void {
    for (let order = 0; order <= Math.min(longest, this.#text.length); order++) {
      const key = keyOf((back) => this.#text[this.#text.length - 1 - back], order);
      let followers = this.#followers.get(key);
      if (followers === undefined) {
        followers = { total: 0, counts: new Map() };
        this.#followers.set(key, followers);
      }
      followers.total++;
      followers.counts.set(token, (followers.counts.get(token) ?? 0) + 1);
    }
    this.#text.push(token);
  }
}

function keyOf(at: (back: number) => number | undefined, order: number): string {
  let key = "";
  for (let back = 0; back < order; back++) key += `${at(back)} `;
  return key;
}
