/** Runs a network byte by byte. A state is a set of places, each a node and the nodes to return to; states are made when first
 *  reached and remembered, so that in a running text nearly every step is one look into an array. */

import { QuireError } from "../../errors.js";
import type { Network } from "./network.js";

const mostPlaces = 4096;
const deepest = 4096;
const mostStates = 20_000;

/** Nodes to return to, innermost first. Equal stacks are the same object. */
class Stack {
  static count = 0;
  readonly id = Stack.count++;
  readonly above = new Map<number, Stack>();

  constructor(
    readonly node: number,
    readonly below: Stack | undefined,
    readonly depth: number,
    readonly distance: number,
  ) {}
}

interface Place {
  readonly node: number;
  readonly stack: Stack;
}

/** null: no such text. undefined: not asked yet. */
type Next = State | null | undefined;

export class State {
  readonly next: Next[] = new Array<Next>(256);
  /** What may follow, kept here by `grammar-mask.ts`. */
  mask: Uint32Array | undefined;

  constructor(
    readonly places: readonly Place[],
    /** The text may end here. */
    readonly accepts: boolean,
    /** Fewest bytes to an end. */
    readonly distance: number,
  ) {}
}

export class Automaton {
  readonly #network: Network;
  readonly #states = new Map<string, State>();
  #bottom = new Stack(-1, undefined, 0, 0);
  #start: State | undefined;

  constructor(network: Network) {
    this.#network = network;
  }

  get start(): State {
    this.#start ??= this.#close([{ node: this.#network.start, stack: this.#bottom }])!;
    return this.#start;
  }

  step(state: State, byte: number): State | null {
    const known = state.next[byte];
    if (known !== undefined) return known;
    const reached: Place[] = [];
    for (const { node, stack } of state.places) {
      const { bytes } = this.#network.nodes[node]!;
      for (let at = 0; at < bytes.length; at += 3) {
        if (bytes[at]! <= byte && byte <= bytes[at + 1]!) reached.push({ node: bytes[at + 2]!, stack });
      }
    }
    const next = reached.length === 0 ? null : this.#close(reached);
    state.next[byte] = next;
    return next;
  }

  /** Forgets all states but those still held elsewhere. */
  forget(): void {
    this.#states.clear();
    this.#bottom = new Stack(-1, undefined, 0, 0);
    this.#start = undefined;
  }

  /** Everything reachable without a byte. */
  #close(reached: readonly Place[]): State | null {
    const { nodes } = this.#network;
    const waiting = [...reached];
    const seen = new Set<number>();
    const places: Place[] = [];
    let accepts = false;
    let distance = Number.POSITIVE_INFINITY;
    for (let place = waiting.pop(); place !== undefined; place = waiting.pop()) {
      const { node, stack } = place;
      const key = stack.id * nodes.length + node;
      if (seen.has(key)) continue;
      seen.add(key);
      if (seen.size > mostPlaces) {
        throw new QuireError("unsupported", "The grammar can be read in too many ways at once.", {
          got: `more than ${mostPlaces} places`,
          expected: "alternatives that differ early",
        });
      }
      const { bytes, free, calls, ends } = nodes[node]!;
      if (ends) {
        if (stack.below === undefined) accepts = true;
        else waiting.push({ node: stack.node, stack: stack.below });
      }
      for (const next of free) waiting.push({ node: next, stack });
      for (let at = 0; at < calls.length; at += 2) {
        const inner = this.#push(stack, calls[at + 1]!);
        if (inner !== undefined) waiting.push({ node: calls[at]!, stack: inner });
      }
      if (bytes.length > 0) places.push(place);
      distance = Math.min(distance, nodes[node]!.distance + stack.distance);
    }
    if (distance === Number.POSITIVE_INFINITY) return null;
    return this.#intern(places, accepts, distance);
  }

  #push(stack: Stack, node: number): Stack | undefined {
    const { bytes, free, calls, ends, distance } = this.#network.nodes[node]!;
    // Returning to the very end of a rule is returning from it: lists that are written as recursion need no stack.
    if (ends && bytes.length + free.length + calls.length === 0) return stack;
    const known = stack.above.get(node);
    if (known !== undefined) return known;
    if (stack.depth >= deepest || distance === Number.POSITIVE_INFINITY) return undefined;
    const pushed = new Stack(node, stack, stack.depth + 1, stack.distance + distance);
    stack.above.set(node, pushed);
    return pushed;
  }

  #intern(places: Place[], accepts: boolean, distance: number): State {
    const key = places
      .map(({ node, stack }) => `${node}.${stack.id}`)
      .sort()
      .concat(accepts ? "end" : "")
      .join(" ");
    const known = this.#states.get(key);
    if (known !== undefined) return known;
    if (this.#states.size >= mostStates) this.forget();
    const state = new State(places, accepts, distance);
    this.#states.set(key, state);
    return state;
  }
}
