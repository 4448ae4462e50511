import { QuireError } from "../../errors.js";

/** Which beginnings of token sequences are kept, as a radix tree: an edge carries a run of tokens and a value that stands for their
 *  keys and values. Pure bookkeeping: what a value is, how it is cut in two and how it is freed, the owner says. Only leaves that
 *  nobody has locked are evicted, least recently used first, so that what is left is always whole beginnings. */

export interface PrefixTreeOptions<Value> {
  /** Runs begin and end at multiples of this; default 1. */
  readonly page?: number;
  /** Cuts the value of a run after `at` of its `length` tokens. */
  split(value: Value, at: number, length: number): readonly [Value, Value];
  free(value: Value): void;
}

export interface PrefixNode<Value> {
  readonly parent: PrefixNode<Value> | undefined;
  readonly tokens: Int32Array;
  readonly value: Value;
}

export interface PrefixMatch<Value> {
  /** Tokens that are held. */
  readonly length: number;
  /** The runs that hold them, from the first token on; of the last one perhaps only a part is meant. */
  readonly runs: readonly { readonly node: PrefixNode<Value>; readonly count: number }[];
}

class Node<Value> implements PrefixNode<Value> {
  parent: Node<Value> | undefined;
  tokens: Int32Array;
  value: Value;
  readonly children = new Map<string, Node<Value>>();
  locks = 0;
  lastUsed = 0;

  constructor(parent: Node<Value> | undefined, tokens: Int32Array, value: Value) {
    this.parent = parent;
    this.tokens = tokens;
    this.value = value;
  }
}

export class PrefixTree<Value> {
  readonly page: number;
  /** Tokens held, and those among them that are locked. */
  tokens = 0;
  locked = 0;
  readonly #options: PrefixTreeOptions<Value>;
  /** By scope: sequences of different scopes never share. */
  readonly #roots = new Map<string, Node<Value | undefined>>();
  #clock = 0;

  constructor(options: PrefixTreeOptions<Value>) {
    const { page = 1 } = options;
    if (!Number.isInteger(page) || page < 1) {
      throw new QuireError("bad-option", "A page cannot have this size.", {
        got: page,
        expected: "a whole number of tokens",
      });
    }
    this.page = page;
    this.#options = options;
  }

  /** The longest beginning that is held. `touch: false` only looks, and leaves the order of eviction alone. */
  match(
    tokens: Int32Array,
    { scope = "", touch = true }: { scope?: string; touch?: boolean } = {},
  ): PrefixMatch<Value> {
    const runs: { node: Node<Value>; count: number }[] = [];
    let node = this.#roots.get(scope) as Node<Value> | undefined;
    const now = touch ? ++this.#clock : undefined;
    let length = 0;
    while (node !== undefined) {
      if (now !== undefined) node.lastUsed = now;
      const child = node.children.get(this.#key(tokens, length));
      if (child === undefined) break;
      const count = this.#common(child.tokens, tokens, length);
      if (now !== undefined) child.lastUsed = now;
      runs.push({ node: child, count });
      length += count;
      if (count < child.tokens.length) break;
      node = child;
    }
    return { length, runs };
  }

  /** Adds what is missing of these tokens, whole pages only, and returns how many tokens that were. `make` gives the value of
   *  the missing ones; where it gives none, the tree stays as it was. Whoever evicts inside `make` cannot harm the beginning. */
  insert(tokens: Int32Array, make: (from: number, to: number) => Value | undefined, scope = ""): number {
    const to = tokens.length - (tokens.length % this.page);
    const { length, runs } = this.match(tokens.subarray(0, to), { scope });
    if (length === to) return 0;
    const last = runs.at(-1);
    let parent = (last?.node as Node<Value> | undefined) ?? this.#root(scope);
    // Cut before locking: the tail of a run that goes another way need not stay.
    if (last !== undefined && last.count < parent.tokens.length) parent = this.#cut(parent, last.count);
    this.lock(parent);
    try {
      const value = make(length, to);
      if (value === undefined) return 0;
      const node = new Node(parent, tokens.slice(length, to), value);
      node.lastUsed = this.#clock;
      parent.children.set(this.#key(tokens, length), node);
      this.tokens += to - length;
      return to - length;
    } finally {
      this.unlock(parent);
    }
  }

  /** Keeps a run and all before it until it is unlocked as often. */
  lock(node: PrefixNode<Value>): void {
    for (let at = node as Node<Value> | undefined; at !== undefined; at = at.parent) {
      if (at.locks++ === 0) this.locked += at.tokens.length;
    }
  }

  unlock(node: PrefixNode<Value>): void {
    for (let at = node as Node<Value> | undefined; at !== undefined; at = at.parent) {
      if (at.locks === 0) throw new QuireError("bad-input", "A shared prefix was unlocked more often than locked.");
      if (--at.locks === 0) this.locked -= at.tokens.length;
    }
  }

  /** Frees leaves, least recently used first, until at least so many tokens are gone; returns how many went. */
  evict(tokens: number): number {
    let gone = 0;
    while (gone < tokens) {
      let oldest: Node<Value> | undefined;
      for (const leaf of this.#leaves()) {
        if (leaf.locks === 0 && (oldest === undefined || leaf.lastUsed < oldest.lastUsed)) oldest = leaf;
      }
      if (oldest === undefined) break;
      gone += oldest.tokens.length;
      this.#remove(oldest);
    }
    return gone;
  }

  /** All runs, parents first. */
  nodes(): PrefixNode<Value>[] {
    return [...this.#walk()].filter((node) => node.parent !== undefined);
  }

  #root(scope: string): Node<Value> {
    let root = this.#roots.get(scope);
    if (root === undefined) {
      root = new Node<Value | undefined>(undefined, new Int32Array(0), undefined);
      this.#roots.set(scope, root);
    }
    return root as Node<Value>;
  }

  /** Children are found by their first page. */
  #key(tokens: Int32Array, at: number): string {
    return this.page === 1 ? String(tokens[at]) : tokens.subarray(at, at + this.page).join(" ");
  }

  /** Equal tokens, whole pages. */
  #common(run: Int32Array, tokens: Int32Array, start: number): number {
    const most = Math.min(run.length, tokens.length - start);
    let count = 0;
    while (count < most && run[count] === tokens[start + count]) count++;
    return count - (count % this.page);
  }

  /** Puts the first `at` tokens of a run into a run of their own above it. The node stays the lower part: locks on it reach both. */
  #cut(node: Node<Value>, at: number): Node<Value> {
    const [upper, lower] = this.#options.split(node.value, at, node.tokens.length);
    const above = new Node(node.parent, node.tokens.slice(0, at), upper);
    above.lastUsed = node.lastUsed;
    above.locks = node.locks;
    node.parent?.children.set(this.#key(node.tokens, 0), above);
    node.parent = above;
    node.tokens = node.tokens.slice(at);
    node.value = lower;
    above.children.set(this.#key(node.tokens, 0), node);
    return above;
  }

  #remove(node: Node<Value>): void {
    const { parent } = node;
    parent?.children.delete(this.#key(node.tokens, 0));
    this.tokens -= node.tokens.length;
    this.#options.free(node.value);
    if (parent === undefined || parent.parent !== undefined || parent.children.size > 0 || parent.locks > 0) return;
    for (const [scope, root] of this.#roots) if (root === parent) this.#roots.delete(scope);
  }

  *#leaves(): Generator<Node<Value>> {
    for (const node of this.#walk()) if (node.parent !== undefined && node.children.size === 0) yield node;
  }

  *#walk(): Generator<Node<Value>> {
    const open = [...this.#roots.values()] as Node<Value>[];
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      yield node;
      open.push(...node.children.values());
    }
  }
}
