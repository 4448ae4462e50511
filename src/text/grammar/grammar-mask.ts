/** The tokens that a grammar allows next. What each state allows is found by one walk over the tree of all tokens and remembered,
 *  for all sequences that use the grammar with the same tokenizer. */

import { QuireError } from "../../errors.js";
import type { Tokenizer, TokenMask } from "../tokenizer.js";
import { Automaton, type State } from "./automaton.js";
import type { Grammar } from "./expression.js";
import { buildNetwork } from "./network.js";
import { type TokenTrie, tokenTrie } from "./token-trie.js";

export interface GrammarMask extends TokenMask {
  clone(): GrammarMask;
  /** The text so far fits the grammar as a whole: an end token may come. */
  readonly canEnd: boolean;
  /** No text may follow, only an end token. */
  readonly isFinished: boolean;
  /** Fewest bytes, and so most tokens, that a quick end takes. */
  readonly bytesToEnd: number;
  /** true: from now on only tokens on a shortest way to an end. Text is whole after `bytesToEnd` tokens at the latest. */
  closing: boolean;
}

/** Makes masks for the sequences of one model. */
export interface GrammarMasks {
  create(): GrammarMask;
}

const mostMaskBytes = 64 * 2 ** 20;

export function grammarMasks(grammar: Grammar, tokenizer: Tokenizer): GrammarMasks {
  const automaton = new Automaton(buildNetwork(grammar));
  return new Masks(automaton, tokenizer);
}

class Masks implements GrammarMasks {
  readonly automaton: Automaton;
  readonly tokenizer: Tokenizer;
  readonly #trie: TokenTrie;
  readonly #path: State[] = [];
  readonly #ends: readonly number[];
  #maskBytes = 0;

  constructor(automaton: Automaton, tokenizer: Tokenizer) {
    this.automaton = automaton;
    this.tokenizer = tokenizer;
    this.#trie = tokenTrie(tokenizer);
    this.#ends = [...tokenizer.endTokens];
  }

  create(): GrammarMask {
    return new Mask(this, this.automaton.start, false, false);
  }

  allowed(state: State): Uint32Array {
    if (state.mask !== undefined) return state.mask;
    const mask = this.#walk(state, Number.POSITIVE_INFINITY);
    this.#maskBytes += mask.byteLength;
    if (this.#maskBytes > mostMaskBytes) {
      this.#maskBytes = 0;
      this.automaton.forget();
    }
    state.mask = mask;
    return mask;
  }

  allowedToClose(state: State): Uint32Array {
    return this.#walk(state, state.distance);
  }

  allowedAtEnd(): Uint32Array {
    const mask = new Uint32Array((this.tokenizer.vocabSize + 31) >>> 5);
    for (const token of this.#ends) mask[token >>> 5]! |= 1 << (token & 31);
    return mask;
  }

  /** Tokens after which the end is nearer than `limit` bytes; end tokens where the text may end. */
  #walk(state: State, limit: number): Uint32Array {
    const { bytes, depths, ends, ownFrom, ownTo, tokens } = this.#trie;
    const { automaton } = this;
    const path = this.#path;
    const mask = state.accepts ? this.allowedAtEnd() : new Uint32Array((this.tokenizer.vocabSize + 31) >>> 5);
    path[0] = state;
    for (let node = 0; node < bytes.length; ) {
      const from = path[depths[node]!]!;
      const known = from.next[bytes[node]!];
      const to = known === undefined ? automaton.step(from, bytes[node]!) : known;
      if (to === null) {
        node = ends[node]!;
        continue;
      }
      path[depths[node]! + 1] = to;
      if (to.distance < limit) {
        for (let i = ownFrom[node]!; i < ownTo[node]!; i++) mask[tokens[i]! >>> 5]! |= 1 << (tokens[i]! & 31);
      }
      node++;
    }
    return mask;
  }
}

class Mask implements GrammarMask {
  closing = false;
  readonly #masks: Masks;
  #state: State;
  #ended: boolean;

  constructor(masks: Masks, state: State, ended: boolean, closing: boolean) {
    this.#masks = masks;
    this.#state = state;
    this.#ended = ended;
    this.closing = closing;
  }

  get canEnd(): boolean {
    return this.#state.accepts;
  }

  get isFinished(): boolean {
    return this.#ended || (this.#state.accepts && this.#state.places.length === 0);
  }

  get bytesToEnd(): number {
    return this.#state.distance;
  }

  apply(logits: Float32Array): void {
    const { vocabSize } = this.#masks.tokenizer;
    if (logits.length < vocabSize) {
      throw new QuireError("bad-shape", "There are fewer logits than tokens.", {
        got: logits.length,
        expected: vocabSize,
      });
    }
    const mask = this.#allowed();
    let any = false;
    for (let word = 0; word < mask.length; word++) {
      const bits = mask[word]!;
      if (bits === 0xffff_ffff) {
        any = true;
        continue;
      }
      const from = word * 32;
      const to = Math.min(from + 32, logits.length);
      if (bits === 0) {
        logits.fill(Number.NEGATIVE_INFINITY, from, to);
        continue;
      }
      any = true;
      for (let token = from; token < to; token++) {
        if ((bits & (1 << (token & 31))) === 0) logits[token] = Number.NEGATIVE_INFINITY;
      }
    }
    // Models often have more logits than tokens, to make their number even.
    logits.fill(Number.NEGATIVE_INFINITY, vocabSize);
    if (!any) {
      throw new QuireError("unsupported", "No token of this model continues the text as the grammar demands.", {
        expected: "a tokenizer with a token for every byte, or a grammar of characters that it has",
      });
    }
  }

  accept(token: number): void {
    const { tokenizer, automaton } = this.#masks;
    if (tokenizer.endTokens.has(token)) {
      if (!this.#ended && !this.#state.accepts) throw this.#refusal(token);
      this.#ended = true;
      return;
    }
    const bytes = tokenizer.bytes(token);
    if (this.#ended || bytes.length === 0) throw this.#refusal(token);
    let state = this.#state;
    for (const byte of bytes) {
      const next = automaton.step(state, byte);
      if (next === null) throw this.#refusal(token);
      state = next;
    }
    this.#state = state;
  }

  clone(): GrammarMask {
    return new Mask(this.#masks, this.#state, this.#ended, this.closing);
  }

  close(): void {}

  #allowed(): Uint32Array {
    if (this.#ended) return this.#masks.allowedAtEnd();
    if (!this.closing) return this.#masks.allowed(this.#state);
    return this.#state.accepts ? this.#masks.allowedAtEnd() : this.#masks.allowedToClose(this.#state);
  }

  #refusal(token: number): QuireError {
    return new QuireError("bad-input", "The grammar does not allow this token here.", {
      got: token,
      expected: "a token that the mask leaves",
    });
  }
}
