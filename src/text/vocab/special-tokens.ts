/** Finds tokens that are matched as whole texts before words are split: control tokens and those a model's makers added. Longer
 *  tokens are placed first wherever they occur, then shorter ones in what is left, each from left to right. */

interface Node {
  /** Token whose text ends here. */
  token: number | undefined;
  next: Map<number, Node> | undefined;
}

export class SpecialTokens {
  readonly #root: Node = { token: undefined, next: undefined };
  readonly #texts: readonly string[];
  /** Longest first. */
  readonly #tokens: readonly number[];
  /** How many tokens begin with a UTF-16 unit. */
  readonly #beginning = new Map<number, number>();

  constructor(texts: readonly string[], tokens: readonly number[]) {
    this.#texts = texts;
    const lengths = new Map(tokens.map((token) => [token, Buffer.byteLength(texts[token]!)]));
    this.#tokens = [...tokens].sort((a, b) => lengths.get(b)! - lengths.get(a)! || a - b);
    for (const token of this.#tokens) {
      const first = texts[token]!.charCodeAt(0);
      this.#beginning.set(first, (this.#beginning.get(first) ?? 0) + 1);
      this.#insert(texts[token]!, token);
    }
  }

  #insert(text: string, token: number): void {
    let node = this.#root;
    for (let at = 0; at < text.length; at++) {
      node.next ??= new Map();
      const unit = text.charCodeAt(at);
      let child = node.next.get(unit);
      if (child === undefined) {
        child = { token: undefined, next: undefined };
        node.next.set(unit, child);
      }
      node = child;
    }
    node.token = token;
  }

  /** Calls `plain(from, to)` and `special(token)` for the parts of `text`, in order. */
  partition(text: string, plain: (from: number, to: number) => void, special: (token: number) => void): void {
    const present = this.#present(text);
    if (present.size === 0) {
      if (text.length > 0) plain(0, text.length);
      return;
    }
    const placed = this.#place(text, present);
    let plainFrom = 0;
    for (const at of [...placed.keys()].sort((a, b) => a - b)) {
      const token = placed.get(at)!;
      if (at > plainFrom) plain(plainFrom, at);
      special(token);
      plainFrom = at + this.#texts[token]!.length;
    }
    if (plainFrom < text.length) plain(plainFrom, text.length);
  }

  /** Which tokens occur at all: few of thousands. */
  #present(text: string): Set<number> {
    const present = new Set<number>();
    const missing = new Map(this.#beginning);
    for (let at = 0; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      if (!missing.has(unit)) continue;
      let node = this.#root.next?.get(unit);
      for (let look = at + 1; node !== undefined; look++) {
        if (node.token !== undefined && !present.has(node.token)) {
          present.add(node.token);
          const left = missing.get(unit)! - 1;
          if (left > 0) missing.set(unit, left);
          else missing.delete(unit);
        }
        node = look < text.length ? node.next?.get(text.charCodeAt(look)) : undefined;
      }
    }
    return present;
  }

  /** Tokens by where they are put. */
  #place(text: string, present: ReadonlySet<number>): Map<number, number> {
    const tokenAt = new Map<number, number>();
    // For each unit inside a placed token, where that token ends; 0 elsewhere.
    const endOf = new Int32Array(text.length);
    for (const token of this.#tokens) {
      if (!present.has(token)) continue;
      const needle = this.#texts[token]!;
      let at = text.indexOf(needle);
      while (at >= 0) {
        const end = at + needle.length;
        let free = 0;
        for (let i = end - 1; i >= at && free === 0; i--) free = endOf[i]!;
        if (free === 0) {
          endOf.fill(end, at, end);
          tokenAt.set(at, token);
          free = end;
        }
        at = text.indexOf(needle, free);
      }
    }
    return tokenAt;
  }
}
