import type { KeyValueStore } from "../cache/store/key-values.js";
import type { MemoryBranches } from "../decode/decoder.js";
import { QuireError } from "../errors.js";

/** Many texts with common beginnings in one memory: every entry belongs to a node of a tree, and a branch is the way from the root to
 *  one node. What branches share is stored once and freed with the last of them. Attention reads the whole store; a mask shows
 *  each row its own branch (branch-mask.ts). */

interface Node {
  parent: Node | undefined;
  /** Position of its first entry. */
  start: number;
  /** Slots of its entries, ascending by position. */
  slots: number[];
  /** Branches that end here, and nodes that go on from here. */
  references: number;
}

/** Part of a branch, for masks. */
export interface BranchPart {
  readonly start: number;
  readonly slots: readonly number[];
}

/** Rows of one request at most: each takes a row of the mask. */
const mostRows = 512;

export class BranchMemory implements MemoryBranches {
  /** Of the tokens held when the first fork was made, so many first ones are still held as they were. */
  intact = Number.POSITIVE_INFINITY;
  readonly #open: () => KeyValueStore;
  /** Undefined until there are branches. */
  #store: KeyValueStore | undefined;
  #nodes = new Set<Node>();
  readonly #ends = new Map<number, Node>();
  #next = 1;

  /** `open`: the memory, which may be another one until there are branches. */
  constructor(open: () => KeyValueStore) {
    this.#open = open;
  }

  /** Branches were made, or given up: from then on rows have to say which they continue. */
  get begun(): boolean {
    return this.#store !== undefined;
  }

  get entries(): number {
    if (!this.begun) return this.#open().entries;
    return [...this.#nodes].reduce((sum, { slots }) => sum + slots.length, 0);
  }

  /** Branches that live, and the references that nodes hold: both 0 when all were freed. */
  get live(): number {
    return this.begun ? this.#ends.size : 1;
  }

  get references(): number {
    return [...this.#nodes].reduce((sum, { references }) => sum + references, 0);
  }

  lengthOf(branch: number): number {
    if (!this.begun && branch === 0) return this.#open().tokens;
    return endOf(this.#mustBe(branch));
  }

  fork(branch: number, copies: number): Int32Array {
    if (!Number.isInteger(copies) || copies < 1) {
      throw new QuireError("bad-input", "A branch cannot be forked into so many.", {
        got: copies,
        expected: "a whole number of at least 1",
      });
    }
    this.#begin();
    const node = this.#mustBe(branch);
    node.references += copies;
    return Int32Array.from({ length: copies }, () => {
      this.#ends.set(this.#next, node);
      return this.#next++;
    });
  }

  free(branch: number): void {
    this.#begin();
    const node = this.#mustBe(branch);
    this.#ends.delete(branch);
    this.#release(node);
  }

  rewind(branch: number, length: number): void {
    this.#begin();
    const end = endOf(this.#mustBe(branch));
    if (!Number.isInteger(length) || length < 0 || length > end) {
      throw new QuireError("bad-input", `Branch ${branch} cannot be rewound to ${length} tokens.`, {
        got: length,
        expected: `0 to ${end}`,
      });
    }
    for (;;) {
      const node = this.#mustBe(branch);
      if (length >= endOf(node)) return;
      if (node.references === 1) this.#shorten(node, Math.max(0, length - node.start));
      else if (length > node.start) this.#cut(node, length - node.start);
      if (length > node.start) {
        // What was shared and cut ends above the node now.
        if (endOf(node) > length) this.#move(branch, node.parent as Node);
        return;
      }
      if (node.parent !== undefined) this.#move(branch, node.parent);
      else {
        if (node.references > 1) this.#move(branch, this.#newNode(undefined));
        return;
      }
    }
  }

  /** Refuses a request that cannot be run, before any of it is. */
  check(tokens: number, of: Int32Array | undefined): void {
    if (of === undefined) {
      if (!this.begun) return;
      throw new QuireError("bad-input", "The memory has branches: rows must say which they continue.");
    }
    if (of.length !== tokens || tokens > mostRows) {
      throw new QuireError("bad-input", `${of.length} branches were named for ${tokens} rows.`, {
        expected: `one for each row, at most ${mostRows} rows`,
      });
    }
    this.#begin();
    for (const branch of of) this.#mustBe(branch);
  }

  /** Positions of rows that continue these branches, in this order. */
  positions(of: Int32Array): Int32Array {
    const ends = new Map<number, number>();
    return of.map((branch) => {
      const position = ends.get(branch) ?? this.lengthOf(branch);
      ends.set(branch, position + 1);
      return position;
    });
  }

  /** Row i was written to `slots[i]` and continues `of[i]`. */
  append(of: Int32Array, slots: Int32Array): void {
    for (const [row, branch] of of.entries()) {
      let node = this.#mustBe(branch);
      if (node.references > 1) {
        const own = this.#newNode(node);
        node.references++;
        this.#move(branch, own);
        node = own;
      }
      node.slots.push(slots[row] as number);
    }
  }

  /** What a branch consists of, newest part first. */
  *path(branch: number): Generator<BranchPart> {
    for (let node: Node | undefined = this.#mustBe(branch); node !== undefined; node = node.parent) yield node;
  }

  #begin(): void {
    if (this.begun) return;
    const store = this.#open();
    this.#store = store;
    const [group, ...others] = store.groups;
    if (group === undefined || others.length > 0 || store.heads.size > 0)
      throw new QuireError("unsupported", "A memory that a cache policy has edited cannot have branches.");
    this.intact = store.tokens;
    const root = this.#newNode(undefined);
    root.slots = Array.from(group.slots.occupied());
    root.references = 1;
    this.#ends.set(0, root);
    store.moved = (order) => this.#renumber(order);
  }

  /** Entries have moved: what was in `order[i]` is in slot i now. */
  #renumber(order: Int32Array): void {
    const to = new Map(Array.from(order, (slot, i) => [slot, i]));
    for (const node of this.#nodes) node.slots = node.slots.map((slot) => to.get(slot) as number);
  }

  #mustBe(branch: number): Node {
    const node = this.#ends.get(branch);
    if (node === undefined) {
      throw new QuireError("bad-input", `There is no branch ${branch}.`, {
        got: branch,
        expected: this.begun ? `one of ${[...this.#ends.keys()].join(", ")}` : "0, as long as nothing was forked",
      });
    }
    return node;
  }

  /** Without references yet. */
  #newNode(parent: Node | undefined): Node {
    const node = { parent, start: parent === undefined ? 0 : endOf(parent), slots: [], references: 0 };
    this.#nodes.add(node);
    return node;
  }

  /** Lets a branch end elsewhere; the node that it leaves goes with its last reference. */
  #move(branch: number, to: Node): void {
    const from = this.#mustBe(branch);
    to.references++;
    this.#ends.set(branch, to);
    this.#release(from);
  }

  #release(node: Node): void {
    for (let at: Node | undefined = node; at !== undefined; at = at.parent) {
      at.references--;
      if (at.references > 0) return;
      this.#shorten(at, 0);
      this.#nodes.delete(at);
    }
  }

  /** Frees all but the first `count` entries of a node. */
  #shorten(node: Node, count: number): void {
    const lost = Int32Array.from(node.slots.splice(count));
    if (lost.length === 0) return;
    this.intact = Math.min(this.intact, Math.max(node.start + count, 0));
    const rows = { positions: new Int32Array(lost.length), shared: [lost], byHead: new Map() };
    this.#store?.keepOf(rows, new Int32Array(0));
  }

  /** Puts the first `count` entries of a node into a node of their own above it. */
  #cut(node: Node, count: number): void {
    const above = this.#newNode(node.parent);
    above.slots = node.slots.splice(0, count);
    above.references = 1;
    node.parent = above;
    node.start += count;
  }
}

function endOf(node: Node): number {
  return node.start + node.slots.length;
}
